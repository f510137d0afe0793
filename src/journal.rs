//! The way of an event: one bounded channel in, one log line, one count, and a memory of the latest.
//!
//! Whoever decides something holds an [`Emitter`]; the [`Journal`] is the only consumer. Emitting never waits: when the
//! channel is full the event is dropped and counted, because a slow log must not hold up a decision.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::mpsc;

use crate::core::event::Event;

/// How many events may wait for the journal. A look that changes a thousand endpoints at once fits.
const CAPACITY: usize = 4096;

/// Hands events to the journal. Cheap to clone; held by every component that decides something.
#[derive(Clone, Debug)]
pub struct Emitter {
    events: mpsc::Sender<Event>,
    dropped: Arc<AtomicU64>,
}

impl Emitter {
    /// Hands over one event, or counts it as dropped when the journal is too far behind.
    pub fn emit(&self, event: Event) {
        if self.events.try_send(event).is_err() {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How many events were dropped so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// Makes the channel of a process: the side that decides, and the side that the journal reads.
#[must_use]
pub fn channel() -> (Emitter, mpsc::Receiver<Event>) {
    let (events, receiver) = mpsc::channel(CAPACITY);
    (
        Emitter {
            events,
            dropped: Arc::default(),
        },
        receiver,
    )
}
