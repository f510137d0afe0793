//! The flags of `hiveway run` that say which requests are written down, and by which ids they are known.

use std::str::FromStr;

use clap::builder::BoolishValueParser;
use clap::{Args, ValueEnum};

use crate::observe::access_log::{Config, Format, Selection};

#[derive(Args, Debug)]
pub(super) struct AccessLogArgs {
    /// Which requests are written to standard output, a line each: off; errors (5xx, and what broke off); sampled:N (these,
    /// and one in N of the others); all. The query of a URL is never written
    #[arg(
        long,
        env = "HIVEWAY_ACCESS_LOG",
        value_name = "WHICH",
        default_value = "off"
    )]
    access_log: Which,

    /// How the lines of the access log look
    #[arg(
        long,
        env = "HIVEWAY_ACCESS_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "json"
    )]
    access_log_format: AccessLogFormatArg,

    /// Give each request that has none an X-Request-Id and a W3C traceparent; the task gets both, the client the first, and
    /// the access log has them
    #[arg(
        long,
        env = "HIVEWAY_TRACE_HEADERS",
        value_parser = BoolishValueParser::new()
    )]
    pub(super) trace_headers: bool,
}

impl AccessLogArgs {
    /// What is written down; none: nothing.
    pub(super) fn config(&self) -> Option<Config> {
        Some(Config {
            selection: self.access_log.0?,
            format: match self.access_log_format {
                AccessLogFormatArg::Json => Format::Json,
                AccessLogFormatArg::Combined => Format::Combined,
            },
        })
    }
}

/// Which requests are written down; none for `off`.
#[derive(Clone, Copy, Debug)]
struct Which(Option<Selection>);

impl FromStr for Which {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(Some(match text {
            "off" => return Ok(Self(None)),
            "errors" => Selection::Errors,
            "all" => Selection::All,
            _ => {
                let one_in = text.strip_prefix("sampled:").and_then(|it| it.parse().ok());
                let one_in = one_in.filter(|one_in| *one_in > 0);
                let one_in =
                    one_in.ok_or("give off, errors, all, or sampled:N such as sampled:100")?;
                Selection::Sampled(one_in)
            }
        })))
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum AccessLogFormatArg {
    /// One JSON object a line, with durations, service, task and reason
    Json,
    /// As Apache and nginx write it
    Combined,
}

#[cfg(test)]
mod tests {
    use crate::cli::{Command, parse};
    use crate::observe::access_log::{Config, Format, Selection};

    #[test]
    fn the_access_log_is_off_unless_it_is_asked_for() {
        let read = |flags: &[&str]| {
            let words = ["hiveway", "run"].iter().chain(flags).map(Into::into);
            match parse(words) {
                Ok(Command::Run(config)) => Ok(config.access_log),
                Ok(_) => panic!("another command"),
                Err(refused) => Err(refused.text),
            }
        };
        let json = |selection| {
            Ok(Some(Config {
                selection,
                format: Format::Json,
            }))
        };
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&["--access-log", "off"]), Ok(None));
        assert_eq!(read(&["--access-log", "errors"]), json(Selection::Errors));
        assert_eq!(
            read(&["--access-log", "sampled:100"]),
            json(Selection::Sampled(100))
        );
        let combined = Config {
            selection: Selection::All,
            format: Format::Combined,
        };
        let flags = ["--access-log=all", "--access-log-format=combined"];
        assert_eq!(read(&flags), Ok(Some(combined)));
        for wrong in ["sampled", "sampled:0", "sampled:x", "on"] {
            let refused = read(&["--access-log", wrong]).expect_err(wrong);
            assert!(
                refused.contains("give off, errors, all, or sampled:N"),
                "{refused}"
            );
        }
    }
}
