//! The times of a request, for the access log and spans.

use std::time::Duration;

use tokio::time::Instant;

/// What is known of a request only while it happens.
#[derive(Default)]
pub(super) struct Noted {
    /// When the connection to the task that is tried now was asked for.
    connecting: Option<Instant>,
    /// How long it took; nearly nothing for a pooled one.
    pub(super) connect: Option<Duration>,
    /// From the request's header to the answer's.
    pub(super) first_byte: Option<Duration>,
}

impl Noted {
    pub(super) fn connecting(&mut self) {
        self.connecting = Some(Instant::now());
    }

    pub(super) fn connected(&mut self) {
        self.connect = self.connecting.map(|since| since.elapsed());
    }

    pub(super) fn answered(&mut self, started: Instant) {
        self.first_byte.get_or_insert_with(|| started.elapsed());
    }
}
