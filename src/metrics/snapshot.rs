//! What the current snapshot says about itself.

use std::collections::BTreeMap;

use prometheus::proto::{MetricFamily, MetricType};

use super::family::{family, gauge};
use crate::core::snapshot::{EndpointState, Snapshot};

/// The gauges of a snapshot. Services of the same name are added up, since two metrics with the same labels would make
/// Prometheus refuse everything.
pub(super) fn families(snapshot: &Snapshot) -> [MetricFamily; 4] {
    let mut endpoints = BTreeMap::<&str, BTreeMap<EndpointState, u32>>::new();
    for cluster in snapshot.clusters.values() {
        let states = endpoints.entry(&cluster.service).or_default();
        for state in EndpointState::ALL {
            states.entry(state).or_default();
        }
        for endpoint in cluster.endpoints.values() {
            *states.entry(endpoint.state).or_default() += 1;
        }
    }
    let endpoints = endpoints.iter().flat_map(|(service, states)| {
        states.iter().map(move |(state, count)| {
            let labels = [("service", *service), ("state", state.as_str())];
            gauge(&labels, f64::from(*count))
        })
    });
    let alone = |value: f64| std::iter::once(gauge(&[], value));
    [
        family(
            "hiveway_endpoints",
            "Endpoints of a service, by state.",
            MetricType::GAUGE,
            endpoints,
        ),
        family(
            "hiveway_routes",
            "Routes in the snapshot.",
            MetricType::GAUGE,
            alone(snapshot.routes.len() as f64),
        ),
        family(
            "hiveway_snapshot_generation",
            "Number of the snapshot that requests are steered by, counted by the reconciler that made it.",
            MetricType::GAUGE,
            alone(snapshot.generation.sequence as f64),
        ),
        family(
            "hiveway_snapshot_epoch_timestamp_seconds",
            "When the reconciler that made the snapshot started, in seconds since the Unix epoch.",
            MetricType::GAUGE,
            alone(snapshot.generation.epoch as f64 / 1e3),
        ),
    ]
}
