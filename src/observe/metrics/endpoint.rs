//! What the requests to one endpoint add up to.
//!
//! # Design notes
//!
//! An endpoint has six series: four outcomes, the time that requests waited for it, and those in
//! flight. The mean wait between two readings shows which container is slow. A histogram would show
//! its tail as well, at 13 more series for each of perhaps 10 000 tasks; the service's histogram
//! has the tail, and one container that is slow stands out by its mean. For those who read only
//! once there is a moving mean, which is not a series.
//!
//! The wait ends with the head of the answer. What comes after it depends on the client as much as
//! on the task, and lasts for hours on a WebSocket.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use prometheus::proto::{MetricFamily, MetricType};

use super::family::{counter, counter_of, family, gauge};
use super::room::Share;
use crate::core::model::TaskId;
use crate::core::model::snapshot::Snapshot;
use crate::core::routing::rates::EndpointCounts;

/// The part of the latest wait in the moving mean, as a power of two: 1/16, so that some forty
/// requests decide it.
const RECENT_SHIFT: u32 = 4;

/// The figures of one endpoint's requests. Written by the gateway for each request by relaxed
/// additions.
#[derive(Debug, Default)]
pub struct EndpointMetrics {
    answered: AtomicU64,
    failed: AtomicU64,
    broken: AtomicU64,
    aborted: AtomicU64,
    /// Waits of requests that were not answered to their end.
    aborted_waits: AtomicU64,
    /// Of all waits, added up.
    microseconds: AtomicU64,
    /// Moving mean of waits in sixteenths of a microsecond; 0 before the first.
    recent: AtomicU64,
    in_flight: AtomicU32,
}

impl EndpointMetrics {
    /// A request was answered to its end.
    pub fn answered(&self, status: u16) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        if status >= 500 {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A request was not answered in time.
    pub fn timed_out(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// The endpoint took no connection, or broke it before the answer was whole.
    pub fn broke(&self) {
        self.broken.fetch_add(1, Ordering::Relaxed);
    }

    /// A request ended before its answer was whole, and not by the endpoint's fault. `waited` if it
    /// had waited for it.
    pub fn aborted(&self, waited: bool) {
        self.aborted.fetch_add(1, Ordering::Relaxed);
        if waited {
            self.aborted_waits.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A request waited this long for its answer to begin, or until it was given up. Counted with
    /// what it came to.
    pub fn waited(&self, time: Duration) {
        let microseconds = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
        // Of two requests that end in the same nanoseconds, one may be left out of the mean, which
        // is no loss.
        let before = self.recent.load(Ordering::Relaxed);
        let scaled = match before {
            0 => microseconds.saturating_mul(1 << RECENT_SHIFT),
            before => (before - (before >> RECENT_SHIFT)).saturating_add(microseconds),
        };
        self.recent.store(scaled.max(1), Ordering::Relaxed);
    }

    /// How many requests it works on.
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a request in, unless it has `most` already. Who is counted in leaves again.
    pub fn enter(&self, most: Option<u32>) -> bool {
        let Some(most) = most else {
            self.in_flight.fetch_add(1, Ordering::Relaxed);
            return true;
        };
        let more = |count: u32| (count < most).then_some(count + 1);
        let entered = self
            .in_flight
            // Ordered against the queue, which is looked at after leaving and joined before
            // entering.
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, more);
        entered.is_ok()
    }

    /// Counts a request out.
    pub fn leave(&self) {
        self.in_flight.fetch_sub(1, Ordering::SeqCst);
    }

    /// What all requests so far add up to.
    #[must_use]
    pub fn counts(&self) -> EndpointCounts {
        let read = |value: &AtomicU64| value.load(Ordering::Relaxed);
        let recent = read(&self.recent);
        // Those of a part are read before the whole, which is counted first: no part is ever more.
        let failed = read(&self.failed);
        let (answered, broken) = (read(&self.answered), read(&self.broken));
        let aborted = read(&self.aborted);
        EndpointCounts {
            total: answered + broken + aborted,
            failed,
            broken,
            aborted,
            in_flight: self.in_flight(),
            waits: answered + read(&self.aborted_waits),
            waited_seconds: seconds(read(&self.microseconds)),
            recent_wait_seconds: (recent > 0)
                .then(|| seconds(recent) / f64::from(1 << RECENT_SHIFT)),
        }
    }
}

/// The families of the endpoints that a snapshot names and that this gateway has had in its table.
/// A task that is gone takes its series with it, and the tasks of a service without series of its
/// own have none either.
pub(super) fn families(
    snapshot: &Snapshot,
    endpoints: &BTreeMap<TaskId, Arc<EndpointMetrics>>,
    share: &Share,
) -> [MetricFamily; 3] {
    let mut known = Vec::new();
    let clusters = snapshot.clusters.values();
    for cluster in clusters.filter(|it| share.name(&it.service) == &*it.service) {
        for (task, endpoint) in &cluster.endpoints {
            if let Some(metrics) = endpoints.get(task) {
                let labels = [
                    ("service", &*cluster.service),
                    ("task", task.as_str()),
                    ("container", endpoint.container.short()),
                ];
                known.push((labels, metrics.counts()));
            }
        }
    }

    let requests = known.iter().flat_map(|(labels, counts)| {
        let outcomes = [
            ("answered", counts.answered()),
            ("failed", counts.failed),
            ("broken", counts.broken),
            ("aborted", counts.aborted),
        ];
        outcomes.map(|(outcome, count)| {
            let [service, task, container] = *labels;
            counter(&[service, task, container, ("outcome", outcome)], count)
        })
    });
    let waits = known
        .iter()
        .map(|(labels, counts)| counter_of(labels, counts.waited_seconds));
    let in_flight = known
        .iter()
        .map(|(labels, counts)| gauge(labels, f64::from(counts.in_flight)));
    [
        family(
            "hiveway_endpoint_requests_total",
            "Requests sent to a task: answered, failed (5xx, or not in time), broken by it, or aborted without its fault.",
            MetricType::COUNTER,
            requests,
        ),
        family(
            "hiveway_endpoint_wait_seconds_total",
            "Time that requests waited for the head of a task's answer; per request answered, failed or aborted it is the mean.",
            MetricType::COUNTER,
            waits,
        ),
        family(
            "hiveway_endpoint_requests_in_flight",
            "Requests and passed-on connections that a task works on now.",
            MetricType::GAUGE,
            in_flight,
        ),
    ]
}

fn seconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1e6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_add_up_and_broken_requests_do_not_wait() {
        let endpoint = EndpointMetrics::default();
        for status in [200, 404, 503] {
            endpoint.answered(status);
            endpoint.waited(Duration::from_millis(10));
        }
        endpoint.timed_out();
        endpoint.waited(Duration::from_secs(1));
        endpoint.broke();
        endpoint.aborted(false);
        endpoint.aborted(true);
        endpoint.waited(Duration::from_secs(2));
        endpoint.enter(None);
        let counts = endpoint.counts();
        let parts = (
            counts.answered(),
            counts.failed,
            counts.broken,
            counts.aborted,
        );
        assert_eq!((counts.total, parts), (7, (2, 2, 1, 2)));
        assert_eq!((counts.waits, counts.in_flight), (5, 1));
        assert_eq!(counts.waited_seconds, 3.03);
    }

    #[test]
    fn the_moving_mean_follows_what_is_new_and_keeps_what_is_small() {
        let endpoint = EndpointMetrics::default();
        assert_eq!(endpoint.counts().recent_wait_seconds, None);
        let mean = |endpoint: &EndpointMetrics| endpoint.counts().recent_wait_seconds;
        endpoint.waited(Duration::from_micros(7));
        assert_eq!(mean(&endpoint), Some(7e-6));
        for _ in 0..100 {
            endpoint.waited(Duration::from_micros(7));
        }
        let small = mean(&endpoint).expect("a mean");
        assert!((6e-6..=7e-6).contains(&small), "{small}");
        for _ in 0..100 {
            endpoint.waited(Duration::from_millis(50));
        }
        let great = mean(&endpoint).expect("a mean");
        assert!((0.049..=0.05).contains(&great), "{great}");
        endpoint.waited(Duration::MAX);
        assert!(mean(&endpoint).is_some_and(|it| it > 1.0));
    }

    #[test]
    fn no_more_enter_than_may_and_who_leaves_makes_room() {
        let endpoint = EndpointMetrics::default();
        assert!(endpoint.enter(Some(2)) && endpoint.enter(Some(2)));
        assert!(!endpoint.enter(Some(2)));
        // One without a limit is let in all the same.
        assert!(endpoint.enter(None));
        endpoint.leave();
        endpoint.leave();
        assert!(endpoint.enter(Some(2)));
        assert_eq!(endpoint.in_flight(), 2);
    }
}
