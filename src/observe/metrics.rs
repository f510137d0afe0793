//! What this process counts, and the text in which Prometheus reads it.
//!
//! # Design notes
//!
//! Three kinds of figures, by who keeps them. What a request adds to is plain atomics behind a handle that is resolved
//! when a snapshot is applied, never per request ([`ClusterMetrics`]). What happens rarely is a metric of the registry.
//! What is a property of the snapshot is read from it when Prometheus asks, so that a vanished service takes its series
//! with it.

mod acme;
mod cluster;
mod control;
mod counted;
mod diagnostics;
mod endpoint;
mod exposition;
mod family;
mod outcome;
mod register;
mod replies;
mod room;
mod services;
mod snapshot;
mod spans;
mod task_connections;
mod tcp;
mod tls;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry,
};

use crate::core::event::Event;
use crate::core::model::TaskId;
use crate::core::model::route::Diagnostic;
use crate::core::routing::misses::MissCounts;

use diagnostics::DiagnosticMetrics;
use register::{counter, counters, gauges, histogram, histograms, register};
use room::Room;

pub use acme::AcmeMetrics;
pub use cluster::ClusterMetrics;
pub use control::ControlMetrics;
pub use counted::Counted;
pub use endpoint::EndpointMetrics;
pub use outcome::MethodLabel;
pub use room::SERVICES;
pub use spans::SpanMetrics;
pub use task_connections::TaskConnectionFigures;
pub use tcp::{OpenConnection, TcpFigures};
pub use tls::{CertificateFigure, TlsMetrics};

/// The media type of [`Metrics::render`].
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// In seconds. A swarm of a thousand services is reconciled in milliseconds, a small one in far less.
const RECONCILE_BUCKETS: [f64; 10] = [
    0.0001, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5,
];

/// In seconds. A look at a swarm of ten thousand tasks takes a tenth of one or two, at a small one some milliseconds.
const SYNC_BUCKETS: [f64; 10] = [0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// In seconds. A hash takes from 10 ms to some 300, and a wait ends after 10 s.
const WAIT_BUCKETS: [f64; 9] = [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0];

/// All metrics of one process. Cheap to clone: all clones are the same metrics.
#[derive(Clone)]
pub struct Metrics(Arc<Inner>);

struct Inner {
    registry: Registry,
    clusters: Mutex<BTreeMap<Arc<str>, Arc<ClusterMetrics>>>,
    room: Mutex<Room>,
    endpoints: Mutex<BTreeMap<TaskId, Arc<EndpointMetrics>>>,
    unrouted: IntCounterVec,
    /// For which hosts the gateway answered 404 or 503 itself, which is rare.
    misses: Mutex<MissCounts>,
    connections: IntGaugeVec,
    refused_connections: IntCounterVec,
    reconcile_duration: Histogram,
    /// By scope: `full` or `partial`.
    sync_duration: HistogramVec,
    password_waits: Histogram,
    dropped: IntCounter,
    probes: IntCounterVec,
    hints: IntCounterVec,
    dns_queries: IntCounterVec,
    events: IntCounterVec,
    access_log_dropped: IntCounter,
    log_dropped: IntCounter,
    diagnostics: DiagnosticMetrics,
    control: ControlMetrics,
    tls: TlsMetrics,
    acme: AcmeMetrics,
    spans: SpanMetrics,
    task_connections: Arc<TaskConnectionFigures>,
}

impl Metrics {
    /// The metrics of a process; `dropped` counts the events that its event log lost.
    #[must_use]
    pub fn new(dropped: IntCounter) -> Self {
        let registry = Registry::new();
        register(&registry, ProcessCollector::for_self());
        register(&registry, dropped.clone());
        let build = gauges(
            &registry,
            "hiveway_build_info",
            "Always 1; the version is in the label.",
            &["version"],
        );
        build.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let reconcile_duration = histogram(
            &registry,
            "hiveway_reconcile_duration_seconds",
            "Time to reconcile what is desired with what is observed.",
            &RECONCILE_BUCKETS,
        );
        let sync_duration = histograms(
            &registry,
            "hiveway_swarm_sync_duration_seconds",
            "Time of a successful sync with the swarm through the engine: full, or only the services of a large swarm that change.",
            &["scope"],
            &SYNC_BUCKETS,
        );
        let password_waits = histogram(
            &registry,
            "hiveway_password_wait_seconds",
            "Time that passwords which are not remembered waited to be checked (routing.basic_auth).",
            &WAIT_BUCKETS,
        );
        Self(Arc::new(Inner {
            clusters: Mutex::default(),
            room: Mutex::new(Room::new(SERVICES)),
            misses: Mutex::default(),
            endpoints: Mutex::default(),
            unrouted: counters(
                &registry,
                "hiveway_unrouted_requests_total",
                "Requests that are about no service, which the gateway answered itself, by reason.",
                &["reason"],
            ),
            connections: gauges(
                &registry,
                "hiveway_connections",
                "Open connections from clients, by listener.",
                &["listener"],
            ),
            refused_connections: counters(
                &registry,
                "hiveway_refused_connections_total",
                "Connections from clients that were closed because they asked for too much, by reason.",
                &["reason"],
            ),
            probes: counters(
                &registry,
                "hiveway_probes_total",
                "Probes of endpoints, over the network and by commands, by result.",
                &["result"],
            ),
            hints: counters(
                &registry,
                "hiveway_container_events_total",
                "What happened to containers of tasks on this node, by action.",
                &["action"],
            ),
            dns_queries: counters(
                &registry,
                "hiveway_dns_queries_total",
                "Packets that the name server received, by what became of them.",
                &["result"],
            ),
            events: counters(
                &registry,
                "hiveway_events_total",
                "Events, by kind and severity.",
                &["kind", "severity"],
            ),
            access_log_dropped: counter(
                &registry,
                "hiveway_access_log_dropped_total",
                "Lines of the access log that were not written, because their reader was too slow or gone, or there was no room.",
            ),
            log_dropped: counter(
                &registry,
                "hiveway_log_dropped_total",
                "Lines of the log that could not be written to standard error.",
            ),
            diagnostics: DiagnosticMetrics::new(&registry),
            control: ControlMetrics::new(&registry),
            tls: TlsMetrics::new(&registry),
            acme: AcmeMetrics::new(&registry),
            spans: SpanMetrics::new(&registry),
            task_connections: Arc::default(),
            reconcile_duration,
            sync_duration,
            dropped,
            password_waits,
            registry,
        }))
    }

    /// Exposes counters that another part of the process keeps. To be called once for each family.
    pub fn expose(&self, counters: IntCounterVec) {
        register(&self.0.registry, counters);
    }

    /// Counts requests about no service that the gateway answers itself for this reason. To be
    /// resolved once and kept.
    #[must_use]
    pub fn unrouted(&self, reason: &'static str) -> IntCounter {
        self.0.unrouted.with_label_values(&[reason])
    }

    /// Counts a listener's open connections. To be resolved once and kept.
    #[must_use]
    pub fn connections(&self, listener: &'static str) -> IntGauge {
        self.0.connections.with_label_values(&[listener])
    }

    /// Counts connections that were closed for this reason. To be resolved once and kept.
    #[must_use]
    pub fn refused_connections(&self, reason: &'static str) -> IntCounter {
        self.0.refused_connections.with_label_values(&[reason])
    }

    /// Counts probes that ended like this. To be resolved once and kept.
    #[must_use]
    pub fn probes(&self, result: &'static str) -> IntCounter {
        self.0.probes.with_label_values(&[result])
    }

    /// Counts what happened to containers. To be resolved once and kept.
    #[must_use]
    pub fn hints(&self, action: &'static str) -> IntCounter {
        self.0.hints.with_label_values(&[action])
    }

    /// Counts lines of the access log that are not written.
    #[must_use]
    pub fn access_log_dropped(&self) -> IntCounter {
        self.0.access_log_dropped.clone()
    }

    /// Counts lines of the log that are not written.
    #[must_use]
    pub fn log_dropped(&self) -> IntCounter {
        self.0.log_dropped.clone()
    }

    /// What the control channel counts.
    #[must_use]
    pub fn control(&self) -> &ControlMetrics {
        &self.0.control
    }

    /// What is counted of TLS.
    #[must_use]
    pub fn tls(&self) -> &TlsMetrics {
        &self.0.tls
    }

    /// What is counted of orders from an ACME server.
    #[must_use]
    pub fn acme(&self) -> &AcmeMetrics {
        &self.0.acme
    }

    /// What is counted of spans.
    #[must_use]
    pub fn spans(&self) -> &SpanMetrics {
        &self.0.spans
    }

    /// How long passwords wait to be checked. To be resolved once and kept.
    #[must_use]
    pub fn password_waits(&self) -> Histogram {
        self.0.password_waits.clone()
    }

    /// What is counted of the connections to tasks that requests use.
    #[must_use]
    pub fn task_connections(&self) -> Arc<TaskConnectionFigures> {
        self.0.task_connections.clone()
    }

    /// Counts packets of which the name server made this. To be resolved once and kept.
    #[must_use]
    pub fn dns_queries(&self, result: &'static str) -> IntCounter {
        self.0.dns_queries.with_label_values(&[result])
    }

    /// Counts one reconciliation.
    pub fn reconciled(&self, took: Duration) {
        self.0.reconcile_duration.observe(took.as_secs_f64());
    }

    /// Counts a sync with the whole swarm.
    pub fn synced(&self, took: Duration) {
        self.observe_sync("full", took);
    }

    /// Counts a sync with the services of a large swarm that change.
    pub fn partially_synced(&self, took: Duration) {
        self.observe_sync("partial", took);
    }

    fn observe_sync(&self, scope: &str, took: Duration) {
        let durations = self.0.sync_duration.with_label_values(&[scope]);
        durations.observe(took.as_secs_f64());
    }

    /// How many events were dropped so far.
    pub(crate) fn dropped(&self) -> u64 {
        self.0.dropped.get()
    }

    /// Tells which complaints about labels stand now. Only who reads labels does.
    pub fn diagnosed(&self, diagnostics: &BTreeSet<Diagnostic>) {
        self.0.diagnostics.tell(diagnostics);
    }

    /// Counts one event.
    pub(crate) fn count(&self, event: &Event) {
        self.0
            .events
            .with_label_values(&[event.kind(), event.severity().as_str()])
            .inc();
    }
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
