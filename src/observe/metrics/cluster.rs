//! What the requests of one service add up to.
//!
//! # Design notes
//!
//! The registry's own histogram keeps two shards that it swaps at each scrape, so that count and
//! sum agree to the last request, and pays for it with four atomic operations, one of them a loop
//! over a float. Here a request is three additions to integers: its status and method, its bucket
//! and its time. The count is the sum of the buckets, so that the two agree; the time may be that
//! of a request more or less, which no query can show.
//!
//! A request that the gateway answers itself is one of the service that it is about, as any other.
//! The budget for retries leaves out those that no endpoint was given: a client that is refused a
//! thousand times buys no retry.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::proto::{MetricFamily, MetricType};

use super::TcpFigures;
use super::family::{counter, family, gauge, histogram};
use super::outcome::{MethodLabel, Outcomes};
use super::replies::Replies;
use crate::core::routing::rates::{Bucket, RequestCounts};

/// Upper bounds of the histogram's buckets, in microseconds: 1 ms to 60 s.
const BOUNDS: [u64; 12] = [
    1_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    10_000_000, 60_000_000,
];

/// The figures of one service's requests. Written by the gateway for each request, read when Prometheus asks.
#[derive(Debug, Default)]
pub struct ClusterMetrics {
    outcomes: Outcomes,
    buckets: [AtomicU64; BOUNDS.len()],
    slower: AtomicU64,
    microseconds: AtomicU64,
    /// Requests that no endpoint was given.
    unsent: AtomicU64,
    replies: Replies,
    retries: AtomicU64,
    retries_refused: AtomicU64,
    held: AtomicU64,
    holds: AtomicU64,
    ejected: AtomicU64,
    ejections: AtomicU64,
    /// Its connections that are passed on as they are.
    pub tcp: TcpFigures,
}

impl ClusterMetrics {
    /// Counts a request that was answered with this status after this time. A status outside 100-599 is an error of
    /// the service and counts as 5xx. No look-up, no allocation, no lock.
    pub fn observe(&self, method: MethodLabel, status: u16, duration: Duration) {
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|bound| microseconds <= *bound);
        self.outcomes.count(method, status);
        bucket
            .map_or(&self.slower, |bucket| &self.buckets[bucket])
            .fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
    }

    /// Counts a request, which is observed as well, that no endpoint was given.
    pub fn unsent(&self) {
        self.unsent.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer of the gateway's own to a request for this service.
    pub fn replied(&self, reason: &'static str) {
        self.replies.count(reason);
    }

    /// Counts one more endpoint that was tried for a request.
    pub fn retried(&self) {
        self.retries.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one that was not tried, because the service's budget for retries was spent.
    pub fn refused_to_retry(&self) {
        self.retries_refused.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a request that begins to wait for an endpoint. Who begins has to end: [`released`](Self::released).
    pub fn held(&self) {
        self.held.fetch_add(1, Ordering::Relaxed);
        self.holds.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts one that waits no longer, whatever became of it.
    pub fn released(&self) {
        self.held.fetch_sub(1, Ordering::Relaxed);
    }

    /// How many requests wait now.
    #[cfg(test)]
    pub(super) fn held_now(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Every counter that is one number. What is not here, nor added by [`add_counters`](Self::add_counters), is lost where
    /// services are added up.
    fn counters(&self) -> impl Iterator<Item = &AtomicU64> {
        let alone = [
            &self.slower,
            &self.microseconds,
            &self.unsent,
            &self.retries,
            &self.retries_refused,
            &self.holds,
            &self.ejections,
        ];
        self.buckets.iter().chain(alone).chain(self.tcp.counters())
    }

    /// The values of this moment.
    fn gauges(&self) -> [&AtomicU64; 3] {
        [&self.held, &self.ejected, self.tcp.gauge()]
    }

    /// Whether nothing was counted yet. Each request is in a bucket as well.
    pub(super) fn is_idle(&self) -> bool {
        let mut all = self.counters().chain(self.gauges());
        all.all(|it| it.load(Ordering::Relaxed) == 0)
    }

    /// Adds what another service has counted.
    pub(super) fn add_counters(&self, other: &Self) {
        self.tcp.begin_with(&other.tcp);
        self.outcomes.add(&other.outcomes);
        self.replies.add(&other.replies);
        for (sum, part) in self.counters().zip(other.counters()) {
            sum.fetch_add(part.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// Adds what is at another service now.
    pub(super) fn add_gauges(&self, other: &Self) {
        for (sum, part) in self.gauges().into_iter().zip(other.gauges()) {
            sum.fetch_add(part.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// How many requests endpoints were given so far.
    pub fn sent(&self) -> u64 {
        let buckets = self.buckets.iter().chain([&self.slower]);
        let all: u64 = buckets.map(|it| it.load(Ordering::Relaxed)).sum();
        all.saturating_sub(self.unsent.load(Ordering::Relaxed))
    }

    /// What all requests so far add up to. A connection that is passed on is a request as well,
    /// without a time.
    #[must_use]
    pub fn counts(&self) -> RequestCounts {
        let read = |value: &AtomicU64| value.load(Ordering::Relaxed);
        let mut count = 0;
        let bounds = BOUNDS.iter().map(|bound| Some(seconds(*bound)));
        let buckets = self.buckets.iter().chain([&self.slower]);
        let within = bounds.chain([None]).zip(buckets).map(|(seconds, within)| {
            count += read(within);
            Bucket { seconds, count }
        });
        let within: Vec<Bucket> = within.collect();
        let (connections, unserved) = self.tcp.counts();
        RequestCounts {
            total: count + connections,
            failed: self.outcomes.failed() + unserved,
            retries: read(&self.retries),
            within,
        }
    }

    /// How many endpoints are ejected now.
    #[must_use]
    pub fn ejected_now(&self) -> u64 {
        self.ejected.load(Ordering::Relaxed)
    }

    /// Tells how many endpoints are ejected now, and how many of these were not before.
    pub fn ejected(&self, count: u64, newly: u64) {
        self.ejected.store(count, Ordering::Relaxed);
        self.ejections.fetch_add(newly, Ordering::Relaxed);
    }
}

/// The families of all services' requests.
pub(super) fn families(clusters: &BTreeMap<Arc<str>, Arc<ClusterMetrics>>) -> [MetricFamily; 9] {
    let read = |value: &AtomicU64| value.load(Ordering::Relaxed);
    let requests = clusters.iter().flat_map(|(service, cluster)| {
        let outcomes = cluster.outcomes.read().into_iter();
        outcomes.map(move |outcome| {
            let labels = [
                ("service", &**service),
                ("class", outcome.class),
                ("code", &outcome.code),
                ("method", outcome.method),
            ];
            counter(&labels, outcome.count)
        })
    });
    let replies = clusters.iter().flat_map(|(service, cluster)| {
        let replies = cluster.replies.read().into_iter();
        replies
            .map(move |(reason, count)| counter(&[("service", service), ("reason", reason)], count))
    });
    let durations = clusters.iter().map(|(service, cluster)| {
        let buckets = BOUNDS.iter().zip(&cluster.buckets);
        histogram(
            &[("service", service)],
            buckets.map(|(bound, within)| (seconds(*bound), read(within))),
            read(&cluster.slower),
            seconds(read(&cluster.microseconds)),
        )
    });
    let counters = |value: fn(&ClusterMetrics) -> &AtomicU64| {
        clusters.iter().map(move |(service, cluster)| {
            counter(
                &[("service", service)],
                value(cluster).load(Ordering::Relaxed),
            )
        })
    };
    let gauges = |value: fn(&ClusterMetrics) -> &AtomicU64| {
        clusters.iter().map(move |(service, cluster)| {
            let value = value(cluster).load(Ordering::Relaxed);
            gauge(&[("service", service)], value as f64)
        })
    };
    [
        family(
            "hiveway_ejected_endpoints",
            "Endpoints in rotation that this gateway sends nothing for a while, because requests to them fail.",
            MetricType::GAUGE,
            gauges(|it| &it.ejected),
        ),
        family(
            "hiveway_ejections_total",
            "Times that this gateway ejected an endpoint, alone or with its node.",
            MetricType::COUNTER,
            counters(|it| &it.ejections),
        ),
        family(
            "hiveway_requests_total",
            "Requests for a service, by status and method, whether an endpoint or the gateway answered.",
            MetricType::COUNTER,
            requests,
        ),
        family(
            "hiveway_local_replies_total",
            "Requests for a service that the gateway answered itself, by reason.",
            MetricType::COUNTER,
            replies,
        ),
        family(
            "hiveway_request_duration_seconds",
            "Time from a request's header to the end of its answer.",
            MetricType::HISTOGRAM,
            durations,
        ),
        family(
            "hiveway_retries_total",
            "Further endpoints tried for a request.",
            MetricType::COUNTER,
            counters(|it| &it.retries),
        ),
        family(
            "hiveway_retries_refused_total",
            "Further endpoints that were not tried, because a service gets a fifth more requests by retries at most.",
            MetricType::COUNTER,
            counters(|it| &it.retries_refused),
        ),
        family(
            "hiveway_queued_requests",
            "Requests that wait now for an endpoint to come into rotation or to have room.",
            MetricType::GAUGE,
            gauges(|it| &it.held),
        ),
        family(
            "hiveway_requests_queued_total",
            "Requests that had to wait for an endpoint, whatever became of them.",
            MetricType::COUNTER,
            counters(|it| &it.holds),
        ),
    ]
}

fn seconds(microseconds: u64) -> f64 {
    microseconds as f64 / 1e6
}

#[cfg(test)]
mod tests;
