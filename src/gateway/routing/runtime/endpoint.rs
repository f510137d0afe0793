//! What of an endpoint outlives the snapshots that name it: its figures, and what ejection and
//! balancing go by.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::core::routing::balance::Ewma;
use crate::core::routing::ejection::Seen;
use crate::observe::metrics::EndpointMetrics;

/// What requests to one endpoint came to. Written per request by relaxed additions, read by the gateway's loop.
#[derive(Debug)]
pub(crate) struct EndpointRuntime {
    /// What operators are shown as well.
    pub(crate) metrics: Arc<EndpointMetrics>,
    streak: AtomicU64,
    trouble: Arc<Notify>,
    /// How long it takes to answer, where the policy asks for that.
    average: AtomicU64,
    /// The fixed moment that the average counts from, the same for all endpoints.
    epoch: Instant,
    /// When this gateway first saw it in rotation; none for those of the first snapshot, which were there before.
    since: Option<Instant>,
}

impl EndpointRuntime {
    pub(super) fn new(
        metrics: Arc<EndpointMetrics>,
        trouble: Arc<Notify>,
        epoch: Instant,
        since: Option<Instant>,
    ) -> Self {
        Self {
            metrics,
            streak: AtomicU64::new(0),
            trouble,
            average: AtomicU64::new(Ewma::default().to_bits()),
            epoch,
            since,
        }
    }

    /// A request was answered to its end.
    pub(crate) fn answered(&self, status: u16) {
        self.metrics.answered(status);
        // A load and no store in all but the answers after a failure: the line stays shared between processors.
        if self.streak.load(Ordering::Relaxed) != 0 {
            self.streak.store(0, Ordering::Relaxed);
        }
    }

    /// No connection could be made, or it was reset or closed before the answer was whole. Wakes who judges.
    pub(crate) fn broke(&self) {
        self.metrics.broke();
        self.streak.fetch_add(1, Ordering::Relaxed);
        self.trouble.notify_one();
    }

    pub(super) fn seen(&self) -> Seen {
        let counts = self.metrics.counts();
        Seen {
            answered: counts.total - counts.broken - counts.aborted,
            failed: counts.failed,
            broken: counts.broken,
            streak: self.streak.load(Ordering::Relaxed),
        }
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
        (average.cost(self.epoch.elapsed()), self.metrics.in_flight())
    }

    /// When it first was in rotation here; none when that was before this gateway.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.since
    }
}
