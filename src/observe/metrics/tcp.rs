//! What the connections of one service add up to that are passed on as they are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use prometheus::proto::{MetricFamily, MetricType};

use super::ClusterMetrics;
use super::family::{counter, family, gauge};

/// How connections end, the last for all that has no name of its own.
const ENDS: [&str; 13] = [
    "closed",
    "idle",
    "reset",
    "unreachable",
    "no-endpoint",
    "overloaded",
    "queue-full",
    "guard-unreadable",
    "not-allowed",
    "rate-limit",
    "max-task-connections",
    "max-task-connections-per-client",
    "other",
];

/// The ends for which a request would have been answered with a 5xx.
const UNSERVED: [&str; 7] = [
    "unreachable",
    "no-endpoint",
    "overloaded",
    "queue-full",
    "guard-unreadable",
    "max-task-connections",
    "max-task-connections-per-client",
];

/// The figures of one service's connections. Written by the gateway as bytes come, read when Prometheus asks.
#[derive(Debug, Default)]
pub struct TcpFigures {
    /// Whether there is anything to count: a service without a TCP route has no figures.
    begun: AtomicBool,
    open: AtomicU64,
    ends: [AtomicU64; ENDS.len()],
    received: AtomicU64,
    sent: AtomicU64,
}

/// One open connection; none any more when it is dropped.
#[derive(Debug)]
pub struct OpenConnection<'a>(&'a TcpFigures);

impl TcpFigures {
    /// The service has a TCP route.
    pub fn begin(&self) {
        self.begun.store(true, Ordering::Relaxed);
    }

    /// Whether there is anything to count is as another service has it, or as it was.
    pub(super) fn begin_with(&self, other: &Self) {
        let begun = other.begun.load(Ordering::Relaxed);
        self.begun.fetch_or(begun, Ordering::Relaxed);
    }

    /// Everything that only grows.
    pub(super) fn counters(&self) -> impl Iterator<Item = &AtomicU64> {
        self.ends.iter().chain([&self.received, &self.sent])
    }

    /// How many are open.
    pub(super) fn gauge(&self) -> &AtomicU64 {
        &self.open
    }

    /// Counts a connection that is passed on to an endpoint from now on.
    #[must_use]
    pub fn open(&self) -> OpenConnection<'_> {
        self.open.fetch_add(1, Ordering::Relaxed);
        OpenConnection(self)
    }

    /// Counts a connection that has ended in this way.
    pub fn ended(&self, end: &str) {
        let named = ENDS.iter().position(|it| *it == end);
        self.ends[named.unwrap_or(ENDS.len() - 1)].fetch_add(1, Ordering::Relaxed);
    }

    /// How many connections have ended, and how many of them were not served.
    pub(super) fn counts(&self) -> (u64, u64) {
        let ends = ENDS.iter().zip(&self.ends);
        ends.fold((0, 0), |(all, unserved), (end, count)| {
            let count = count.load(Ordering::Relaxed);
            let more = if UNSERVED.contains(end) { count } else { 0 };
            (all + count, unserved + more)
        })
    }

    /// Counts bytes that a client has sent.
    pub fn received(&self, bytes: u64) {
        self.received.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that a task has sent.
    pub fn sent(&self, bytes: u64) {
        self.sent.fetch_add(bytes, Ordering::Relaxed);
    }
}

impl Drop for OpenConnection<'_> {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The families of all services that have a TCP route.
pub(super) fn families(clusters: &BTreeMap<Arc<str>, Arc<ClusterMetrics>>) -> [MetricFamily; 3] {
    let read = |value: &AtomicU64| value.load(Ordering::Relaxed);
    let figures = || {
        let all = clusters.iter().map(|(service, it)| (&**service, &it.tcp));
        all.filter(|(_, figures)| figures.begun.load(Ordering::Relaxed))
    };
    let open = figures().map(|(service, it)| gauge(&[("service", service)], read(&it.open) as f64));
    let ended = figures().flat_map(|(service, it)| {
        let ends = ENDS.iter().zip(&it.ends);
        ends.map(move |(end, count)| counter(&[("service", service), ("end", end)], read(count)))
    });
    let bytes = figures().flat_map(|(service, it)| {
        [("in", &it.received), ("out", &it.sent)].map(|(direction, count)| {
            let labels = [("service", service), ("direction", direction)];
            counter(&labels, read(count))
        })
    });
    [
        family(
            "hiveway_tcp_connections",
            "Open connections that are passed on to a service's endpoints as they are.",
            MetricType::GAUGE,
            open,
        ),
        family(
            "hiveway_tcp_connections_total",
            "Connections for a service's TCP routes that have ended, by how.",
            MetricType::COUNTER,
            ended,
        ),
        family(
            "hiveway_tcp_bytes_total",
            "Bytes that were passed on to a service's endpoints (in) and from them (out).",
            MetricType::COUNTER,
            bytes,
        ),
    ]
}

#[cfg(test)]
mod tests {
    use crate::observe::metrics::tests::{metrics, samples};

    #[test]
    fn connections_are_counted_for_services_that_have_a_tcp_route() {
        let metrics = metrics();
        let _other = metrics.cluster("web");
        let cluster = metrics.cluster("db");
        cluster.tcp.begin();
        let open = cluster.tcp.open();
        drop(cluster.tcp.open());
        cluster.tcp.ended("unreachable");
        cluster.tcp.ended("of its own accord");
        cluster.tcp.received(3);
        cluster.tcp.sent(5);
        let text = metrics.render(None);
        let ends = samples(&text, "hiveway_tcp_connections_total");
        let counted: Vec<_> = ends.iter().filter(|it| !it.ends_with(" 0")).collect();
        assert_eq!(
            counted,
            [
                r#"hiveway_tcp_connections_total{service="db",end="unreachable"} 1"#,
                r#"hiveway_tcp_connections_total{service="db",end="other"} 1"#,
            ]
        );
        assert_eq!(
            samples(&text, "hiveway_tcp_bytes_total"),
            [
                r#"hiveway_tcp_bytes_total{service="db",direction="in"} 3"#,
                r#"hiveway_tcp_bytes_total{service="db",direction="out"} 5"#,
            ]
        );
        assert!(text.contains("hiveway_tcp_connections{service=\"db\"} 1\n"));
        drop(open);
        let text = metrics.render(None);
        assert!(text.contains("hiveway_tcp_connections{service=\"db\"} 0\n"));
    }
}
