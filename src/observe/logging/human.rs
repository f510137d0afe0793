//! The log line that people read.

use std::fmt;

use tracing::field::{Field, Visit};
use tracing::{Level, Subscriber};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// Writes `TIME LEVEL sentence key=value …`. Nothing in this process opens spans, so none are shown.
pub(super) struct Human<T> {
    pub(super) clock: T,
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
mod tests {
    use crate::observe::logging::LogFormat;
    use crate::observe::logging::tests::{captured, logged};

    #[test]
    fn outside_text_cannot_break_a_line_or_send_terminal_codes() {
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
}
