//! Spans: what OpenTelemetry is told, over OTLP, of requests whose trace is sampled.
//!
//! # Design notes
//!
//! No request waits for its span. It is made where the request ended and handed over by a bounded queue; one task sends what
//! is there in batches. Where the collector is away or too slow, spans are dropped and counted.
//!
//! OTLP is spoken over HTTP in its JSON encoding, by the HTTP client and the JSON that are here already. The collectors'
//! receivers take both of its encodings, and the crates that speak the other one (`opentelemetry-otlp` with protobuf over hyper)
//! would add eight more, with a pipeline of their own beside this one. What is written here is one message of four structures.
//! It is not compressed: a collector is near, and the processor's time is that of requests.
//!
//! There is one span a request, not one for each task that was tried: those would each need a `traceparent` of their own, and
//! a clock at either end. The span tells how many there were.

mod collector;
mod endpoint;
mod exporter;
mod message;
mod resource;
mod share;

use std::borrow::Cow;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prometheus::IntCounter;
use tokio::sync::mpsc;

use super::event_log::Emitter;
use super::metrics::Metrics;
use crate::core::model::NodeId;

use self::collector::Collector;
pub use self::endpoint::Endpoint;
pub use self::exporter::Exporter;
use self::resource::Resource;
pub use self::share::Share;

/// What the command line says of spans.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Where spans are sent.
    pub endpoint: Endpoint,
    /// The file with the authorities that vouch for the collector; none: those that browsers trust.
    pub root: Option<PathBuf>,
    /// Of which traces that begin here.
    pub share: Share,
    /// What the collector knows the gateways as.
    pub service: Arc<str>,
    /// How much is kept, and for how long.
    pub bounds: Bounds,
}

/// How much is kept of what the collector has not taken yet, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// Spans that may wait.
    pub waiting: usize,
    /// The most that are sent at once.
    pub batch: usize,
    /// How long the first of them waits for others.
    pub every: Duration,
    /// How long the same ones are tried again.
    pub patience: Duration,
}

impl Default for Bounds {
    /// Some megabytes, and five seconds.
    fn default() -> Self {
        Self {
            waiting: 4_096,
            batch: 512,
            every: Duration::from_secs(5),
            patience: Duration::from_secs(60),
        }
    }
}

/// Why spans cannot be told.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file of authorities cannot be used.
    #[error(
        "cannot use the collector's authorities in {path}: {reason}; --otlp-root names a file with their certificates as PEM"
    )]
    Authorities {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// By which ids a span is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpanIds {
    /// The trace's.
    pub trace: u128,
    /// Its own.
    pub own: u64,
    /// That of the span that it is part of; none where the trace begins with it.
    pub parent: Option<u64>,
    /// W3C's flags.
    pub flags: u8,
}

/// A request that has ended.
#[derive(Clone, Debug)]
pub struct Span {
    /// By which ids it is known.
    pub ids: SpanIds,
    /// W3C's `tracestate`, where it came with one.
    pub trace_state: Option<String>,
    /// What it is shown as.
    pub name: String,
    /// When it ended.
    pub end: SystemTime,
    /// How long it took.
    pub duration: Duration,
    /// Whether it failed.
    pub failed: bool,
    /// What is known of it, by the names of OpenTelemetry's semantic conventions.
    pub attributes: Vec<(&'static str, Value)>,
}

/// What an attribute says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(Cow<'static, str>),
    /// A number.
    Number(i64),
}

/// The longest text in bytes. Clients write paths, and what waits has to be bounded.
const LONGEST: usize = 1_024;

impl Value {
    /// A text, of which the beginning is kept where it is long.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Text(text[..text.floor_char_boundary(LONGEST)].to_owned().into())
    }
}

/// Where requests are told of. Cheap to clone: all clones are the same queue.
#[derive(Clone, Debug)]
pub struct Spans {
    /// Of which traces that begin here.
    pub share: Share,
    queue: mpsc::Sender<Span>,
    dropped: IntCounter,
}

impl Spans {
    /// Hands a span over, or drops it where too many wait.
    pub fn tell(&self, span: Span) {
        if self.queue.try_send(span).is_err() {
            self.dropped.inc();
        }
    }
}

/// Where spans are told, and who sends them to the collector. Nobody is asked yet.
///
/// # Errors
///
/// [`Error::Authorities`] when the file of authorities cannot be used.
pub fn open(
    config: Config,
    node: Option<&NodeId>,
    emitter: Emitter,
    metrics: &Metrics,
) -> Result<(Spans, Exporter), Error> {
    let Config {
        endpoint,
        root,
        share,
        service,
        bounds,
    } = config;
    let collector = Collector::open(endpoint, root.as_deref())?;
    let (queue, told) = mpsc::channel(bounds.waiting);
    let metrics = metrics.spans().clone();
    let spans = Spans {
        share,
        queue,
        dropped: metrics.overflowed.clone(),
    };
    let resource = Resource::here(&service, node);
    let exporter = Exporter::new(told, collector, resource, bounds, metrics, emitter);
    Ok((spans, exporter))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_texts_are_cut_between_characters() {
        let text = |text: &str| match Value::text(text) {
            Value::Text(text) => text.len(),
            Value::Number(_) => 0,
        };
        assert_eq!(text("/a"), 2);
        assert_eq!(text(&"a".repeat(LONGEST + 1)), LONGEST);
        assert_eq!(text(&format!("a{}", "ä".repeat(LONGEST))), LONGEST - 1);
    }
}
