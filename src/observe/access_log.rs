//! The access log: a line for each request, on standard output, where nothing else is written while Hiveway runs.
//!
//! # Design notes
//!
//! No request waits for its line. It is made where the request ended and handed over by a bounded queue; one task writes
//! what is there in one go. Where whoever reads standard output is too slow, lines are dropped and counted: a log that can
//! hold up requests is worse than one with gaps that are known.

mod line;
mod writer;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use prometheus::IntCounter;
use tokio::sync::mpsc;

pub use self::writer::Writer;

/// Which requests are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// Those that were answered with a 5xx, or did not come to their end.
    Errors,
    /// These, and of the others one in so many.
    Sampled(u64),
    /// All of them.
    All,
}

/// How a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One JSON object.
    #[default]
    Json,
    /// Apache's and nginx' `combined`.
    Combined,
}

/// What the command line says of the access log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Which requests are written down.
    pub selection: Selection,
    /// How a line looks.
    pub format: Format,
}

/// A request that has ended. What is not known is left out.
#[derive(Clone, Debug)]
pub struct Record<'a> {
    /// When it ended.
    pub time: SystemTime,
    /// The client's address, as trusted proxies tell it.
    pub client: Option<IpAddr>,
    /// The user whose password was right.
    pub user: Option<&'a str>,
    /// The host as it was sent.
    pub host: &'a str,
    /// The method.
    pub method: &'a str,
    /// The path without the query.
    pub path: &'a str,
    /// `HTTP/1.1` and the like.
    pub protocol: &'a str,
    /// The status; 499 where the client left before its answer.
    pub status: u16,
    /// The size of the request's body, as far as it was read.
    pub bytes_in: u64,
    /// The size of the answer's body, as far as it was sent.
    pub bytes_out: u64,
    /// From the request's header to the answer's end.
    pub duration: Duration,
    /// To connect to the task that answered.
    pub connect: Option<Duration>,
    /// From the request's header to the answer's.
    pub first_byte: Option<Duration>,
    /// The service.
    pub service: Option<&'a str>,
    /// Swarm's id of the task.
    pub task: Option<&'a str>,
    /// How many tasks were tried before it.
    pub retries: u8,
    /// Why the gateway answered itself.
    pub reason: Option<&'a str>,
    /// The `Referer`.
    pub referer: Option<&'a str>,
    /// The `User-Agent`.
    pub user_agent: Option<&'a str>,
    /// The `X-Request-Id`.
    pub request_id: Option<&'a str>,
    /// The id of W3C's `traceparent`.
    pub trace_id: Option<&'a str>,
}

/// Lines that may wait to be written: about a megabyte.
const WAITING: usize = 4_096;

/// Where requests are told of. Cheap to clone: all clones are the same log.
#[derive(Clone, Debug)]
pub struct AccessLog(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: Config,
    lines: mpsc::Sender<String>,
    dropped: IntCounter,
    seen: AtomicU64,
}

/// A log, and who writes it. What cannot be written is counted.
#[must_use]
pub fn channel(config: Config, dropped: IntCounter) -> (AccessLog, Writer) {
    let (lines, written) = mpsc::channel(WAITING);
    let log = AccessLog(Arc::new(Inner {
        config,
        lines,
        dropped: dropped.clone(),
        seen: AtomicU64::new(0),
    }));
    (log, Writer::new(written, dropped))
}

impl AccessLog {
    /// Whether a request is to be written down, which this counts.
    #[must_use]
    pub fn wants(&self, failed: bool) -> bool {
        match self.0.config.selection {
            Selection::All => true,
            Selection::Errors => failed,
            Selection::Sampled(one_in) => {
                let seen = self.0.seen.fetch_add(1, Ordering::Relaxed);
                failed || seen.is_multiple_of(one_in.max(1))
            }
        }
    }

    /// Writes a request down, or drops it where too many wait.
    pub fn write(&self, record: &Record<'_>) {
        let line = match self.0.config.format {
            Format::Json => line::json(record),
            Format::Combined => line::combined(record),
        };
        if self.0.lines.try_send(line).is_err() {
            self.0.dropped.inc();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(selection: Selection) -> (AccessLog, Writer, IntCounter) {
        let dropped = IntCounter::new("dropped", "dropped").expect("a counter");
        let config = Config {
            selection,
            format: Format::Json,
        };
        let (log, writer) = channel(config, dropped.clone());
        (log, writer, dropped)
    }

    #[test]
    fn the_selection_decides_and_errors_are_always_in_it() {
        for (selection, well, failed) in [
            (Selection::All, 100, 100),
            (Selection::Errors, 0, 100),
            (Selection::Sampled(10), 10, 100),
            (Selection::Sampled(1), 100, 100),
        ] {
            let (log, _writer, _) = log(selection);
            let wanted = |failed: bool| (0..100).filter(|_| log.wants(failed)).count();
            assert_eq!(
                (wanted(false), wanted(true)),
                (well, failed),
                "{selection:?}"
            );
        }
    }

    #[test]
    fn what_nobody_writes_is_dropped_and_counted() {
        let (log, _writer, dropped) = log(Selection::All);
        for _ in 0..WAITING + 3 {
            log.write(&line::tests::record());
        }
        assert_eq!(dropped.get(), 3);
    }
}
