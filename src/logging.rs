//! Where log lines go, which ones, and how they look.
//!
//! # Design notes
//!
//! Logs go to standard error; standard output belongs to the answers of commands.
//!
//! Pingora is silent unless `HIVEWAY_LOG` names it: it logs an error for each request that fails, so a client that
//! hangs up, or one that means harm, could write as much into the log as it likes. What those lines would say is
//! counted by our own metrics instead, and what matters to an operator is an event. The other libraries speak from
//! `warn` on.

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::str::FromStr;
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt as _;

/// The environment variable that holds a filter in the syntax of [`EnvFilter`]: `debug`, `info,pingora=warn`, …
const VARIABLE: &str = "HIVEWAY_LOG";

/// What is logged unless the variable says otherwise. Its directives are added to these, the later one wins.
const DEFAULT_FILTER: &str = "info,pingora=off,bollard=warn,h2=warn,hyper=warn,rustls=warn";

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

/// Starts the log of this process, once.
///
/// # Errors
///
/// When `HIVEWAY_LOG` holds no filter, or the process has a log already.
pub fn init(format: LogFormat) -> Result<(), Error> {
    let filter = filter(&std::env::var(VARIABLE).unwrap_or_default())?;
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let colours = io::stderr().is_terminal() && !no_colour;
    subscriber(format, filter, Clock, colours, io::stderr).try_init()?;
    Ok(())
}

fn filter(wanted: &str) -> Result<EnvFilter, Error> {
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
        .with_ansi(colours);
    match format {
        LogFormat::Human => Box::new(builder.event_format(Human { clock }).finish()),
        LogFormat::Json => Box::new(
            builder
                .json()
                .with_timer(clock)
                .flatten_event(true)
                .with_current_span(false)
                .with_span_list(false)
                .finish(),
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

/// One line for people: `TIME LEVEL sentence key=value …`. Nothing here opens spans, so none are shown.
struct Human<T> {
    clock: T,
}

impl<S, N, T> FormatEvent<S, N> for Human<T>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    T: FormatTime,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &tracing::Event<'_>,
    ) -> fmt::Result {
        let mut line = Line::default();
        event.record(&mut line);
        let (dim, level, plain) = match writer.has_ansi_escapes() {
            true => ("\x1b[2m", colour(*event.metadata().level()), "\x1b[0m"),
            false => ("", "", ""),
        };

        writer.write_str(dim)?;
        self.clock.format_time(&mut writer)?;
        write!(
            writer,
            "{plain} {level}{:<5}{plain} ",
            event.metadata().level().as_str()
        )?;
        let target = line.target.as_deref().unwrap_or(event.metadata().target());
        if !target.starts_with("hiveway") {
            write!(writer, "{dim}{target}:{plain} ")?;
        }
        write_on_one_line(&mut writer, &line.message)?;
        for (key, value) in &line.fields {
            if is_plain(value) {
                write!(writer, " {dim}{key}={plain}{}", shortened(value))?;
            } else if value.is_empty() || !line.message.contains(value.as_str()) {
                write!(writer, " {dim}{key}={plain}{value:?}")?;
            }
        }
        writeln!(writer)
    }
}

fn colour(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\x1b[31m",
        Level::WARN => "\x1b[33m",
        Level::INFO => "\x1b[32m",
        _ => "\x1b[34m",
    }
}

/// Whether a value can stand without quotes. One that cannot is text, and is left out where the sentence holds it.
fn is_plain(value: &str) -> bool {
    !value.is_empty()
        && !value.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"' || c == '\\')
}

/// Cuts a container's id down to the twelve digits that Docker's own tools show and take.
fn shortened(value: &str) -> &str {
    match value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        true => &value[..12],
        false => value,
    }
}

/// What others wrote can reach the log: it must neither break the line nor steer the terminal.
fn write_on_one_line(writer: &mut Writer<'_>, text: &str) -> fmt::Result {
    for c in text.chars() {
        match c.is_control() {
            true => write!(writer, "{}", c.escape_default())?,
            false => writer.write_char(c)?,
        }
    }
    Ok(())
}

#[derive(Default)]
struct Line {
    message: String,
    fields: Vec<(&'static str, String)>,
    /// Set for what comes from libraries that use `log`, whose lines all carry one static target here.
    target: Option<String>,
}

impl Line {
    fn add(&mut self, field: &Field, value: String) {
        match field.name() {
            "message" => self.message = value,
            "log.target" => self.target = Some(value),
            name if name.starts_with("log.") => {}
            name => self.fields.push((name, value)),
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.add(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.add(field, value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.add(field, format!("{value:?}"));
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

    fn captured(format: LogFormat, wanted: &str, colours: bool, talk: impl FnOnce()) -> String {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let filter = filter(wanted).unwrap();
        let subscriber = subscriber(format, filter, Fixed, colours, move || writer.clone());
        tracing::subscriber::with_default(subscriber, talk);
        let bytes = buffer.0.lock().unwrap().clone();
        String::from_utf8(bytes).unwrap()
    }

    /// What is logged by default meanwhile, with `TIME` for the time.
    pub(crate) fn logged(format: LogFormat, talk: impl FnOnce()) -> String {
        captured(format, "", false, talk)
    }

    #[test]
    fn a_line_cannot_be_broken_nor_the_terminal_steered_from_outside() {
        let line = logged(LogFormat::Human, || {
            tracing::info!(value = "a\n\x1b[31mb", "first\nsecond \x1b[2J");
        });
        assert_eq!(
            line,
            "TIME INFO  first\\nsecond \\u{1b}[2J value=\"a\\n\\u{1b}[31mb\"\n"
        );
    }

    #[test]
    fn values_are_quoted_where_they_must_and_numbers_are_not() {
        let line = logged(LogFormat::Human, || {
            tracing::warn!(count = 3, empty = "", path = %"/a=b", text = "two words", "counted");
        });
        assert_eq!(
            line,
            "TIME WARN  counted count=3 empty=\"\" path=/a=b text=\"two words\"\n"
        );
    }

    #[test]
    fn colours_come_only_when_asked_for() {
        let line = captured(LogFormat::Human, "", true, || {
            tracing::error!(key = 1, "broken");
        });
        assert_eq!(
            line,
            "\x1b[2mTIME\x1b[0m \x1b[31mERROR\x1b[0m broken \x1b[2mkey=\x1b[0m1\n"
        );
    }

    #[test]
    fn pingora_speaks_only_when_named_and_others_from_warn_on() {
        let talk = || {
            tracing::error!(target: "pingora_proxy", "a client hung up");
            tracing::info!(target: "hyper::client", "a connection was reused");
            tracing::warn!(target: "bollard::uri", "an odd address");
            tracing::debug!(target: "hiveway::controller", "a look");
        };
        assert_eq!(
            captured(LogFormat::Human, "", false, talk),
            "TIME WARN  bollard::uri: an odd address\n"
        );
        assert_eq!(
            captured(LogFormat::Human, "debug,pingora=error", false, talk),
            "TIME ERROR pingora_proxy: a client hung up\n\
             TIME WARN  bollard::uri: an odd address\n\
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
        assert_eq!(
            "xml".parse::<LogFormat>().expect_err("unknown").to_string(),
            "unknown log format \"xml\": choose human or json"
        );
        for format in [LogFormat::Human, LogFormat::Json] {
            assert_eq!(format.to_string().parse::<LogFormat>().unwrap(), format);
        }
    }
}
