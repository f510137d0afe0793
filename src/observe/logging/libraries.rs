//! The log lines of other crates: counted, and written only where the filter names the crate.
//!
//! # Design notes
//!
//! Anybody who can connect makes a library complain: an IP address as the name in TLS, a PING of
//! HTTP/2 that nobody asked for, a connection that breaks off in the middle of a request. Such a
//! line helps no operator, and a million of them hide those that do. So the lines of other crates
//! are counted by crate and level. A crate that `HIVEWAY_LOG` names is written as the filter says.
//!
//! One error is needed nevertheless, and nothing else reports it: Pingora cannot accept a
//! connection, because the process is out of file descriptors. It is written once a [`PAUSE`].
//!
//! A line is counted when its crate asks whether it would be written, so it is never put together.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::{IntCounter, IntCounterVec, Opts};
use tokio::time::Instant;
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::subscriber::Interest;
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The crates that log and are part of this binary; `pingora` stands for all whose names begin so.
/// A bound on the series, too: whatever else logs is counted as the last one.
const CRATES: [&str; 9] = [
    "axum", "bollard", "h2", "hickory", "hyper", "pingora", "rustls", "tokio", "other",
];

/// What is counted; what libraries write below that is off.
const LEVELS: [(Level, &str); 2] = [(Level::ERROR, "error"), (Level::WARN, "warn")];

/// Where Pingora reports that it cannot accept a connection.
const ACCEPTS: &str = "pingora_core::services::listening";

/// The minimum time between two such lines. Pingora tries again every second, which would be a line
/// a second for as long as somebody holds all descriptors.
const PAUSE: Duration = Duration::from_secs(60);

/// The number of log lines of other crates that were not written. Cheap to clone: all clones count
/// the same lines.
#[derive(Clone, Debug)]
pub struct LibraryLines {
    family: IntCounterVec,
    counters: Arc<[[IntCounter; LEVELS.len()]; CRATES.len()]>,
}

impl Default for LibraryLines {
    fn default() -> Self {
        let options = Opts::new(
            "hiveway_library_log_lines_total",
            "Log lines of other crates that were not written, by crate and level; HIVEWAY_LOG=CRATE=warn writes them.",
        );
        let family = IntCounterVec::new(options, &["crate", "level"])
            .expect("the name is a valid metric name");
        let counters =
            CRATES.map(|name| LEVELS.map(|(_, level)| family.with_label_values(&[name, level])));

        Self {
            family,
            counters: Arc::new(counters),
        }
    }
}

impl LibraryLines {
    /// The family of counters, for the registry.
    pub(crate) fn family(&self) -> IntCounterVec {
        self.family.clone()
    }

    fn count(&self, target: &str, level: Level) {
        let named = CRATES.iter().position(|it| target.starts_with(it));
        let known = LEVELS.iter().position(|(it, _)| *it == level);
        if let Some(level) = known {
            self.counters[named.unwrap_or(CRATES.len() - 1)][level].inc();
        }
    }
}

/// Keeps the lines of other crates out of the log.
pub(super) struct Libraries {
    lines: LibraryLines,
    /// The beginnings of targets that the filter names, and so decides about.
    named: Vec<String>,
    started: Instant,
    /// When the next error of accepting may be written, in milliseconds since the start.
    accept_errors_from: AtomicU64,
}

impl Libraries {
    /// For a filter as the user has written it.
    pub(super) fn new(wanted: &str, lines: LibraryLines) -> Self {
        let target = |word: &str| {
            let end = word.find(['=', '[']);
            let target = end.map_or("", |end| &word[..end]).trim();
            (!target.is_empty()).then(|| target.to_owned())
        };

        Self {
            lines,
            named: wanted.split(',').filter_map(target).collect(),
            started: Instant::now(),
            accept_errors_from: AtomicU64::new(0),
        }
    }

    /// Whether the filter has no say in it.
    fn silences(&self, target: &str) -> bool {
        let own = target.starts_with("hiveway");
        !own && !self.named.iter().any(|it| target.starts_with(it.as_str()))
    }

    /// Whether an error of accepting may be written now.
    fn may_report_accepting(&self) -> bool {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let now = millis(self.started.elapsed());
        let from = self.accept_errors_from.load(Ordering::Relaxed);
        let next = now.saturating_add(millis(PAUSE));
        let order = Ordering::Relaxed;
        now >= from
            && self
                .accept_errors_from
                .compare_exchange(from, next, order, order)
                .is_ok()
    }
}

/// Whether a line may be about accepting. Pingora writes it by the crate `log`.
fn is_accepting(level: Level, target: &str) -> bool {
    level == Level::ERROR && target == ACCEPTS
}

impl<S: Subscriber> Layer<S> for Libraries {
    fn register_callsite(&self, metadata: &'static Metadata<'static>) -> Interest {
        if !self.silences(metadata.target()) {
            return Interest::always();
        }
        let counted = metadata.is_event() && *metadata.level() <= Level::WARN;
        match counted {
            // Whether it is enabled is asked each time, which is when it is counted.
            true => Interest::sometimes(),
            false => Interest::never(),
        }
    }

    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        let (target, level) = (metadata.target(), *metadata.level());
        if !self.silences(target) || is_accepting(level, target) {
            return true;
        }
        if metadata.is_event() {
            self.lines.count(target, level);
        }
        false
    }

    fn event_enabled(&self, event: &Event<'_>, _: Context<'_, S>) -> bool {
        let level = *event.metadata().level();
        if level != Level::ERROR {
            return true;
        }
        let mut target = Target::default();
        event.record(&mut target);
        let target = target.0.as_deref().unwrap_or(event.metadata().target());
        if !self.silences(target) || !is_accepting(level, target) {
            return true;
        }

        let written = self.may_report_accepting();
        if !written {
            self.lines.count(target, level);
        }
        written
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }
}

/// The target of a line that came by the crate `log`, which stands in a field.
#[derive(Default)]
struct Target(Option<String>);

impl Visit for Target {
    fn record_debug(&mut self, _: &Field, _: &dyn fmt::Debug) {}

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "log.target" {
            self.0 = Some(value.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::logging::LogFormat;
    use crate::observe::logging::tests::captured_by;

    /// What is written with this filter, and the counts that are not zero.
    fn heard(
        wanted: &str,
        talk: impl FnOnce(),
    ) -> (String, Vec<(&'static str, &'static str, u64)>) {
        let lines = LibraryLines::default();
        let libraries = Libraries::new(wanted, lines.clone());
        let written = captured_by(LogFormat::Human, wanted, libraries, false, talk);
        let counted = CRATES.iter().zip(lines.counters.iter());
        let counted = counted.flat_map(|(name, levels)| {
            let levels = LEVELS.iter().zip(levels);
            levels.map(|((_, level), count)| (*name, *level, count.get()))
        });
        (
            written,
            counted.filter(|(_, _, count)| *count > 0).collect(),
        )
    }

    #[test]
    fn lines_of_other_crates_are_counted_by_crate_and_level() {
        let talk = || {
            for _ in 0..3 {
                tracing::error!(target: "pingora_proxy", "a client hung up");
            }
            tracing::warn!(target: "h2::proto::ping_pong", "an odd PING");
            tracing::warn!(target: "hickory_proto::op", "an odd question");
            tracing::warn!(target: "some_crate", "anything");
            tracing::info!(target: "hyper::client", "a connection was reused");
            tracing::debug!(target: "hyper::client", "details");
            tracing::info!(target: "hiveway::controller", "a look");
        };
        let counted = vec![
            ("h2", "warn", 1),
            ("hickory", "warn", 1),
            ("pingora", "error", 3),
            ("other", "warn", 1),
        ];
        let written = "TIME INFO  a look\n".to_owned();
        assert_eq!(heard("", talk), (written.clone(), counted.clone()));
        // A level alone is about Hiveway's own lines.
        assert_eq!(heard("trace", talk), (written, counted));
        // They are counted even where nothing is written.
        assert_eq!(heard("off", talk).0, "");
        assert_eq!(heard("off", talk).1.len(), 4);
    }

    #[test]
    fn a_crate_that_is_named_is_written_and_not_counted() {
        let talk = || {
            tracing::error!(target: "pingora_proxy", "a client hung up");
            tracing::info!(target: "hyper::client", "a connection was reused");
            tracing::info!(target: "hyper::server", "another");
            tracing::warn!(target: "rustls::msgs", "an odd name");
        };
        let (written, counted) = heard("pingora=error,hyper::client=info", talk);
        assert_eq!(
            written,
            "TIME ERROR pingora_proxy: a client hung up\n\
             TIME INFO  hyper::client: a connection was reused\n"
        );
        assert_eq!(counted, [("rustls", "warn", 1)]);
    }

    #[tokio::test(start_paused = true)]
    async fn failures_to_accept_are_written_once_a_minute() {
        let libraries = Libraries::new("", LibraryLines::default());
        let mut written = Vec::new();
        for second in 0..130 {
            if libraries.may_report_accepting() {
                written.push(second);
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(written, [0, 60, 120]);
        let (written, counted) = heard("", || {
            for _ in 0..5 {
                tracing::error!(target: "pingora_core::services::listening", "Accept() failed");
            }
        });
        assert_eq!(
            written,
            "TIME ERROR pingora_core::services::listening: Accept() failed\n"
        );
        assert_eq!(counted, [("pingora", "error", 4)]);
    }
}
