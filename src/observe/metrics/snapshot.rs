//! What the current snapshot says about itself.

use std::collections::BTreeMap;

use prometheus::proto::{MetricFamily, MetricType};

use super::family::{family, gauge};
use super::room::Share;
use crate::core::model::snapshot::{EndpointState, Snapshot};

/// The gauges of a snapshot. Services of the same name are added up, since two metrics with the same labels would make
/// Prometheus refuse everything; so are those that have no series of their own.
pub(super) fn families(snapshot: &Snapshot, share: &Share) -> [MetricFamily; 4] {
    let mut endpoints = BTreeMap::<&str, BTreeMap<EndpointState, u32>>::new();
    for cluster in snapshot.clusters.values() {
        let states = endpoints.entry(share.name(&cluster.service)).or_default();
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
            alone((snapshot.routes.len() + snapshot.tcp_routes.len()) as f64),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::route::RoutingPolicy;
    use crate::core::model::snapshot::{Cluster, Endpoint, Generation};
    use crate::core::model::{ServiceId, TaskId};
    use crate::observe::metrics::tests::{metrics, samples};

    fn snapshot(services: &[(&str, &str, EndpointState)]) -> Snapshot {
        let mut snapshot = Snapshot {
            generation: Generation {
                epoch: 1_700_000_000_500,
                sequence: 7,
            },
            ..Snapshot::default()
        };
        for (id, name, state) in services {
            let endpoint = Endpoint {
                container: "c".into(),
                node: "n".into(),
                address: [10, 0, 1, 4].into(),
                state: *state,
            };
            let cluster = Cluster {
                service: (*name).into(),
                policy: RoutingPolicy::default(),
                probes_disbelieved: false,
                endpoints: BTreeMap::from([(TaskId::from("t"), endpoint)]),
            };
            snapshot
                .clusters
                .insert(ServiceId::from(*id), cluster.into());
        }
        snapshot
    }

    #[test]
    fn endpoints_are_those_of_the_snapshot_that_is_shown() {
        let metrics = metrics();
        let both = snapshot(&[
            ("1", "a", EndpointState::Ready),
            ("2", "b", EndpointState::Failing),
        ]);
        let of_b = |text: &str| samples(text, r#"hiveway_endpoints{service="b""#);
        assert_eq!(
            of_b(&metrics.render(Some(&both))),
            [
                r#"hiveway_endpoints{service="b",state="starting"} 0"#,
                r#"hiveway_endpoints{service="b",state="unproven"} 0"#,
                r#"hiveway_endpoints{service="b",state="ready"} 0"#,
                r#"hiveway_endpoints{service="b",state="failing"} 1"#,
                r#"hiveway_endpoints{service="b",state="draining"} 0"#,
                r#"hiveway_endpoints{service="b",state="ended"} 0"#,
                r#"hiveway_endpoints{service="b",state="lost"} 0"#,
            ]
        );
        let text = metrics.render(Some(&snapshot(&[("1", "a", EndpointState::Ready)])));
        assert_eq!(of_b(&text), [""; 0]);
        assert_eq!(
            samples(&text, "hiveway_snapshot_generation"),
            ["hiveway_snapshot_generation 7"]
        );
        assert_eq!(
            samples(&text, "hiveway_snapshot_epoch"),
            ["hiveway_snapshot_epoch_timestamp_seconds 1700000000.5"]
        );
        assert_eq!(
            samples(&metrics.render(None), "hiveway_snapshot_generation"),
            [""; 0]
        );
    }

    #[test]
    fn two_services_of_one_name_are_one_set_of_series() {
        let twice = snapshot(&[
            ("1", "a", EndpointState::Ready),
            ("2", "a", EndpointState::Ready),
        ]);
        assert_eq!(
            samples(
                &metrics().render(Some(&twice)),
                r#"hiveway_endpoints{service="a",state="ready"}"#
            ),
            [r#"hiveway_endpoints{service="a",state="ready"} 2"#]
        );
    }
}
