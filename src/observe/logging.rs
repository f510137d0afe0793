//! Where log lines go, which ones, and how they look.
//!
//! # Design notes
//!
//! Logs go to standard error; standard output belongs to the answers of commands.
//!
//! The lines of other crates are counted and not written, unless `HIVEWAY_LOG` names the crate: a client that hangs up, or
//! one that means harm, could write as much into the log as it likes (`logging::libraries`). What matters of it to an operator is
//! counted by our own metrics, or is an event.
//!
//! A line that cannot be written is counted and ends nothing: the reader of the log may exit, and a disk may be full.

mod human;
mod libraries;
mod output;

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::str::FromStr;
use std::time::SystemTime;

use prometheus::IntCounter;
use tracing::Subscriber;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use human::Human;
use libraries::Libraries;

pub use libraries::LibraryLines;
use output::Output;

/// The environment variable that holds a filter in the syntax of [`EnvFilter`]: `debug`, `info,pingora=warn`, …
const VARIABLE: &str = "HIVEWAY_LOG";

/// What is logged unless the variable says otherwise. Its directives are added to this one, the later one wins.
const DEFAULT_FILTER: &str = "info";

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// For people: time, level, sentence, fields.
    #[default]
    Human,
    /// For programs: one JSON object a line.
    Json,
}

impl FromStr for LogFormat {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err(Error::ParseFormat(text.to_owned())),
        }
    }
}

impl fmt::Display for LogFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Human => "human",
            Self::Json => "json",
        })
    }
}

/// Why there can be no log.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The format's name is unknown.
    #[error("unknown log format {0:?}: choose human or json")]
    ParseFormat(String),
    /// The filter in the environment cannot be read.
    #[error(
        "{VARIABLE}={filter:?} is no log filter ({reason}): write a level, as in debug, or info,pingora=warn"
    )]
    ParseFilter {
        /// What was found.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Something else receives the log of this process already.
    #[error("the log of this process goes elsewhere already: {0}")]
    Install(#[from] tracing_subscriber::util::TryInitError),
}

/// Starts the log of this process, once. `dropped` counts the lines that cannot be written. Returns the counts of what other
/// crates would have written.
///
/// # Errors
///
/// When `HIVEWAY_LOG` holds no filter, or the process has a log already.
pub fn init(format: LogFormat, dropped: IntCounter) -> Result<LibraryLines, Error> {
    let wanted = std::env::var(VARIABLE).unwrap_or_default();
    let filter = filter(&wanted)?;
    let lines = LibraryLines::default();
    let libraries = Libraries::new(&wanted, lines.clone());
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colours = io::stderr().is_terminal() && !no_colour;
    let output = Output::new(io::stderr, format, dropped);
    subscriber(format, filter, libraries, Clock, colours, output).try_init()?;
    Ok(lines)
}

/// A word alone has to be a level: the library takes a level that is mistyped for a target, and tells nothing.
fn filter(wanted: &str) -> Result<EnvFilter, Error> {
    let mut words = wanted.split(',').map(str::trim);
    let slip = words.find(|word| {
        let alone = !word.is_empty() && !word.contains(['=', '[', ']', '{', '}']);
        alone && word.parse::<LevelFilter>().is_err()
    });
    if let Some(slip) = slip {
        return Err(Error::ParseFilter {
            filter: wanted.to_owned(),
            reason: format!("{slip} is no level"),
        });
    }
    EnvFilter::builder()
        .parse(format!("{DEFAULT_FILTER},{wanted}"))
        .map_err(|error| Error::ParseFilter {
            filter: wanted.to_owned(),
            reason: error.to_string(),
        })
}

fn subscriber<T, W>(
    format: LogFormat,
    filter: EnvFilter,
    libraries: Libraries,
    clock: T,
    colours: bool,
    writer: W,
) -> Box<dyn Subscriber + Send + Sync>
where
    T: FormatTime + Send + Sync + 'static,
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(colours)
        // They would go to standard error, by a macro that panics where that cannot be written.
        .log_internal_errors(false);
    match format {
        LogFormat::Human => Box::new(
            builder
                .event_format(Human { clock })
                .finish()
                .with(libraries),
        ),
        LogFormat::Json => Box::new(
            builder
                .json()
                .with_timer(clock)
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false)
                .finish()
                .with(libraries),
        ),
    }
}

/// RFC 3339, UTC, milliseconds.
struct Clock;

impl FormatTime for Clock {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        write!(
            writer,
            "{}",
            humantime::format_rfc3339_millis(SystemTime::now())
        )
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    struct Fixed;

    impl FormatTime for Fixed {
        fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
            writer.write_str("TIME")
        }
    }

    pub(crate) fn captured(
        format: LogFormat,
        wanted: &str,
        colours: bool,
        talk: impl FnOnce(),
    ) -> String {
        let libraries = Libraries::new(wanted, LibraryLines::default());
        captured_by(format, wanted, libraries, colours, talk)
    }

    pub(super) fn captured_by(
        format: LogFormat,
        wanted: &str,
        libraries: Libraries,
        colours: bool,
        talk: impl FnOnce(),
    ) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let filter = filter(wanted).unwrap();
        let subscriber = subscriber(format, filter, libraries, Fixed, colours, move || {
            writer.clone()
        });
        tracing::subscriber::with_default(subscriber, talk);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    /// What is logged by default meanwhile, with `TIME` for the time.
    pub(crate) fn logged(format: LogFormat, talk: impl FnOnce()) -> String {
        captured(format, "", false, talk)
    }

    #[test]
    fn a_level_alone_is_about_hiveways_own_lines() {
        let talk = || {
            tracing::warn!(target: "bollard::uri", "an odd address");
            tracing::debug!(target: "hiveway::controller", "a look");
        };
        assert_eq!(captured(LogFormat::Human, "", false, talk), "");
        assert_eq!(
            captured(LogFormat::Human, "debug,bollard=warn", false, talk),
            "TIME WARN  bollard::uri: an odd address\n\
             TIME DEBUG a look\n"
        );
    }

    #[test]
    fn a_wrong_filter_or_format_is_named_with_the_remedy() {
        let error = filter("hiveway=loud").expect_err("no such level");
        assert!(
            error
                .to_string()
                .starts_with("HIVEWAY_LOG=\"hiveway=loud\" is no log filter ("),
            "{error}"
        );
        let error = filter("debgu,pingora=warn").expect_err("no level");
        assert_eq!(
            error.to_string(),
            "HIVEWAY_LOG=\"debgu,pingora=warn\" is no log filter (debgu is no level): write a level, as in debug, or info,pingora=warn"
        );
        assert_eq!(
            "xml".parse::<LogFormat>().expect_err("unknown").to_string(),
            "unknown log format \"xml\": choose human or json"
        );
        for format in [LogFormat::Human, LogFormat::Json] {
            assert_eq!(format.to_string().parse::<LogFormat>().unwrap(), format);
        }
    }
}
