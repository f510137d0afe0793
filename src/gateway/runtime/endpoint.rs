//! What of an endpoint outlives the snapshots that name it: what its requests came to, and how many it works on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::core::balance::Ewma;
use crate::core::ejection::Seen;

/// What requests to one endpoint came to. Written per request by relaxed additions, read by the gateway's loop.
#[derive(Debug)]
pub(crate) struct EndpointRuntime {
    answered: AtomicU64,
    failed: AtomicU64,
    broken: AtomicU64,
    streak: AtomicU64,
    trouble: Arc<Notify>,
    /// Requests that it works on, where the service's policy asks for the number.
    in_flight: AtomicU32,
    /// How long it takes to answer, where the policy asks for that.
    average: AtomicU64,
    /// The fixed moment that the average counts from, the same for all endpoints.
    epoch: Instant,
    /// When this gateway first saw it in rotation; none for those of the first snapshot, which were there before.
    since: Option<Instant>,
}

impl EndpointRuntime {
    pub(super) fn new(trouble: Arc<Notify>, epoch: Instant, since: Option<Instant>) -> Self {
        Self {
            answered: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            broken: AtomicU64::new(0),
            streak: AtomicU64::new(0),
            trouble,
            in_flight: AtomicU32::new(0),
            average: AtomicU64::new(Ewma::default().to_bits()),
            epoch,
            since,
        }
    }

    /// A request was answered to its end.
    pub(crate) fn answered(&self, status: u16) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        // A load and no store in all but the answers after a failure: the line stays shared between processors.
        if self.streak.load(Ordering::Relaxed) != 0 {
            self.streak.store(0, Ordering::Relaxed);
        }
        if status >= 500 {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A request was not answered in time. It says nothing about the connection, so it ends no streak.
    pub(crate) fn timed_out(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// No connection could be made, or it was reset or closed before the answer was whole. Wakes who judges.
    pub(crate) fn broke(&self) {
        self.broken.fetch_add(1, Ordering::Relaxed);
        self.streak.fetch_add(1, Ordering::Relaxed);
        self.trouble.notify_one();
    }

    pub(super) fn seen(&self) -> Seen {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Seen {
            answered: read(&self.answered),
            failed: read(&self.failed),
            broken: read(&self.broken),
            streak: read(&self.streak),
        }
    }

    /// How many requests it works on.
    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a request in, unless it has `most` already. Who is counted in leaves again.
    pub(crate) fn enter(&self, most: Option<u32>) -> bool {
        let Some(most) = most else {
            self.in_flight.fetch_add(1, Ordering::Relaxed);
            return true;
        };
        let more = |count: u32| (count < most).then_some(count + 1);
        let entered = self
            .in_flight
            // Ordered against the queue, which is looked at after leaving and joined before entering.
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        entered.is_ok()
    }

    /// Counts a request out.
    pub(crate) fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
    }

    /// It took so long to answer.
    pub(crate) fn took(&self, time: Duration) {
        let now = self.epoch.elapsed();
        let observed = |bits| Some(Ewma::from_bits(bits).observed(time, now).to_bits());
        // It never fails, since there is always a next average.
        let _ = self
            .average
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, observed);
    }

    /// How long it takes to answer, in microseconds, and how many requests it works on.
    pub(crate) fn load(&self) -> (Option<f32>, u32) {
        let average = Ewma::from_bits(self.average.load(Ordering::Relaxed));
        (average.cost(self.epoch.elapsed()), self.in_flight())
    }

    /// When it first was in rotation here; none when that was before this gateway.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.since
    }
}
