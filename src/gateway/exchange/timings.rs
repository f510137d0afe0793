//! The times of a request, for the access log and spans.

use std::time::Duration;

use tokio::time::Instant;

/// What is known of a request only while it happens.
#[derive(Default)]
pub(crate) struct RequestTimings {
    /// When the connection to the task that is tried now was asked for.
    connecting: Option<Instant>,
    /// How long it took; nearly nothing for a pooled one.
    pub(crate) connect: Option<Duration>,
    /// From the request's header to the answer's.
    pub(crate) first_byte: Option<Duration>,
}

impl RequestTimings {
    pub(crate) fn connecting(&mut self) {
        self.connecting = Some(Instant::now());
    }

    pub(crate) fn connected(&mut self) {
        self.connect = self.connecting.map(|since| since.elapsed());
    }

    pub(crate) fn answered(&mut self, started: Instant) {
        self.first_byte.get_or_insert_with(|| started.elapsed());
    }
}
