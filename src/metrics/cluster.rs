//! What the requests of one service add up to.
//!
//! # Design notes
//!
//! The registry's own histogram keeps two shards that it swaps at each scrape, so that count and sum agree to the last
//! request, and pays for it with four atomic operations, one of them a loop over a float. Here a request is three
//! additions to integers: its class, its bucket and its time. The count is the sum of the buckets, so that the two
//! agree; the time may be that of a request more or less, which no query can tell.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus::proto::{MetricFamily, MetricType};

use super::TcpFigures;
use super::family::{counter, family, gauge, histogram};
use crate::core::rates::{Bucket, RequestCounts};

/// Upper bounds of the histogram's buckets, in microseconds: 1 ms to 60 s.
const BOUNDS: [u64; 12] = [
    1_000, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    10_000_000, 60_000_000,
];

const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// The figures of one service's requests. Written by the gateway for each request, read when Prometheus asks.
#[derive(Debug, Default)]
pub struct ClusterMetrics {
    classes: [AtomicU64; CLASSES.len()],
    buckets: [AtomicU64; BOUNDS.len()],
    slower: AtomicU64,
    microseconds: AtomicU64,
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
    pub fn observe(&self, status: u16, duration: Duration) {
        let class = match status {
            100..600 => usize::from(status / 100) - 1,
            _ => CLASSES.len() - 1,
        };
        let microseconds = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let bucket = BOUNDS.iter().position(|bound| microseconds <= *bound);
        self.classes[class].fetch_add(1, Ordering::Relaxed);
        bucket
            .map_or(&self.slower, |bucket| &self.buckets[bucket])
            .fetch_add(1, Ordering::Relaxed);
        self.microseconds.fetch_add(microseconds, Ordering::Relaxed);
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

    /// How many requests there were so far.
    pub fn requests(&self) -> u64 {
        let classes = self.classes.iter();
        classes.map(|it| it.load(Ordering::Relaxed)).sum()
    }

    /// Everything that only grows. What is not here is lost where services are added up.
    fn counters(&self) -> impl Iterator<Item = &AtomicU64> {
        let alone = [
            &self.slower,
            &self.microseconds,
            &self.retries,
            &self.retries_refused,
            &self.holds,
            &self.ejections,
        ];
        let lists = self.classes.iter().chain(&self.buckets);
        lists.chain(alone).chain(self.tcp.counters())
    }

    /// Everything that tells of this moment.
    fn gauges(&self) -> [&AtomicU64; 3] {
        [&self.held, &self.ejected, self.tcp.gauge()]
    }

    /// Whether nothing was counted yet.
    pub(super) fn is_idle(&self) -> bool {
        let mut all = self.counters().chain(self.gauges());
        all.all(|it| it.load(Ordering::Relaxed) == 0)
    }

    /// Adds what another service has counted.
    pub(super) fn add_counters(&self, other: &Self) {
        self.tcp.begin_with(&other.tcp);
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

    /// What all requests so far add up to.
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
        RequestCounts {
            total: count,
            failed: read(&self.classes[CLASSES.len() - 1]),
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

/// The families of all services' requests. Every class is there from the start, so that rates see the first error.
pub(super) fn families(clusters: &BTreeMap<Arc<str>, Arc<ClusterMetrics>>) -> [MetricFamily; 8] {
    let read = |value: &AtomicU64| value.load(Ordering::Relaxed);
    let requests = clusters.iter().flat_map(|(service, cluster)| {
        CLASSES
            .iter()
            .zip(&cluster.classes)
            .map(move |(class, value)| {
                counter(&[("service", service), ("class", class)], read(value))
            })
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
            "Requests answered by a service's endpoints, by class of status.",
            MetricType::COUNTER,
            requests,
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
            "hiveway_held_requests",
            "Requests that wait now for an endpoint to come into rotation or to have room.",
            MetricType::GAUGE,
            gauges(|it| &it.held),
        ),
        family(
            "hiveway_holds_total",
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
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::metrics::tests::{metrics, samples};

    #[test]
    fn every_status_has_a_class_and_every_duration_a_bucket() {
        let cluster = ClusterMetrics::default();
        let cases = [
            (101, Duration::from_micros(1_000)),
            (200, Duration::from_micros(1_001)),
            (204, Duration::ZERO),
            (404, Duration::from_secs(60)),
            (599, Duration::from_secs(61)),
            (0, Duration::from_millis(3)),
            (600, Duration::from_millis(3)),
            (65_535, Duration::from_millis(3)),
        ];
        for (status, duration) in cases {
            cluster.observe(status, duration);
        }
        let read = |values: &[AtomicU64]| -> Vec<u64> {
            values.iter().map(|it| it.load(Ordering::Relaxed)).collect()
        };
        assert_eq!(read(&cluster.classes), [1, 2, 0, 1, 4]);
        assert_eq!(read(&cluster.buckets), [2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(read(&[cluster.slower]), [1]);
        assert_eq!(
            read(&[cluster.microseconds]),
            [121_000_000 + 1_000 + 1_001 + 9_000]
        );
    }

    #[test]
    fn requests_are_counted_by_class_and_their_durations_add_up() {
        let metrics = metrics();
        let cluster = metrics.cluster("restserver");
        cluster.observe(200, Duration::from_millis(3));
        metrics
            .cluster("restserver")
            .observe(503, Duration::from_millis(700));
        cluster.retried();
        let text = metrics.render(None);
        assert_eq!(
            samples(&text, "hiveway_requests_total"),
            [
                r#"hiveway_requests_total{service="restserver",class="1xx"} 0"#,
                r#"hiveway_requests_total{service="restserver",class="2xx"} 1"#,
                r#"hiveway_requests_total{service="restserver",class="3xx"} 0"#,
                r#"hiveway_requests_total{service="restserver",class="4xx"} 0"#,
                r#"hiveway_requests_total{service="restserver",class="5xx"} 1"#,
            ]
        );
        assert_eq!(
            samples(&text, "hiveway_request_duration_seconds"),
            [
                r#"hiveway_request_duration_seconds_bucket{service="restserver",le="0.001"} 0"#,
                r#"hiveway_request_duration_seconds_bucket{service="restserver",le="0.005"} 1"#,
                r#"hiveway_request_duration_seconds_bucket{service="restserver",le="0.01"} 1"#,
                r#"hiveway_request_duration_seconds_bucket{service="restserver",le="0.025"} 1"#,
                r#"hiveway_request_duration_seconds_bucket{service="restserver",le="0.05"} 1"#,
                r#"hiveway_request_duration_seconds_bucket{service="restserver",le="0.1"} 1"#,
                r#"hiveway_request_duration_seconds_bucket{service="restserver",le="0.25"} 1"#,
                r#"hiveway_request_duration_seconds_bucket{service="restserver",le="0.5"} 1"#,
                r#"hiveway_request_duration_seconds_bucket{service="restserver",le="1"} 2"#,
                r#"hiveway_request_duration_seconds_bucket{service="restserver",le="2.5"} 2"#,
                r#"hiveway_request_duration_seconds_bucket{service="restserver",le="10"} 2"#,
                r#"hiveway_request_duration_seconds_bucket{service="restserver",le="60"} 2"#,
                r#"hiveway_request_duration_seconds_bucket{service="restserver",le="+Inf"} 2"#,
                r#"hiveway_request_duration_seconds_sum{service="restserver"} 0.703"#,
                r#"hiveway_request_duration_seconds_count{service="restserver"} 2"#,
            ]
        );
        assert_eq!(
            samples(&text, "hiveway_retries_total"),
            [r#"hiveway_retries_total{service="restserver"} 1"#]
        );
    }

    #[test]
    fn the_ejected_are_a_gauge_and_ejections_add_up() {
        let metrics = metrics();
        let cluster = metrics.cluster("restserver");
        cluster.ejected(2, 2);
        cluster.ejected(2, 1);
        cluster.ejected(1, 0);
        let text = metrics.render(None);
        assert_eq!(
            samples(&text, "hiveway_eject"),
            [
                r#"hiveway_ejected_endpoints{service="restserver"} 1"#,
                r#"hiveway_ejections_total{service="restserver"} 3"#,
            ]
        );
    }

    #[test]
    fn the_held_are_a_gauge_and_holds_and_refused_retries_add_up() {
        let metrics = metrics();
        let cluster = metrics.cluster("restserver");
        cluster.held();
        cluster.held();
        cluster.released();
        cluster.refused_to_retry();
        let text = metrics.render(None);
        for (name, value) in [
            ("hiveway_held_requests", 1),
            ("hiveway_holds_total", 2),
            ("hiveway_retries_refused_total", 1),
        ] {
            let sample = format!(r#"{name}{{service="restserver"}} {value}"#);
            assert_eq!(samples(&text, name), [sample]);
        }
        cluster.observe(200, Duration::ZERO);
        cluster.observe(503, Duration::ZERO);
        assert_eq!(cluster.requests(), 2);
    }

    #[test]
    fn services_that_are_gone_are_forgotten_and_begin_anew() {
        let metrics = metrics();
        metrics.cluster("stays").retried();
        metrics.cluster("goes").retried();
        metrics.retain(&BTreeSet::from(["stays".into()]));
        let text = metrics.render(None);
        assert_eq!(
            samples(&text, "hiveway_retries_total"),
            [r#"hiveway_retries_total{service="stays"} 1"#]
        );
        assert!(!text.contains("goes"));
        let _back = metrics.cluster("goes");
        assert!(
            samples(&metrics.render(None), "hiveway_retries_total")
                .contains(&r#"hiveway_retries_total{service="goes"} 0"#.to_owned())
        );
    }
}
