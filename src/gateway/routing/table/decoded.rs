//! Tables made of what was sent or stored, whatever has become of it: damaged snapshots are errors, or snapshots that steer.

use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use serde_json::{Value, json};

use super::*;
use crate::core::labels::{self, LabelOptions};
use crate::core::model::route::HostPattern;
use crate::core::model::snapshot::{Delta, Endpoint, EndpointState, GatewayTask, Generation};
use crate::core::model::{ContainerId, Mode, Service, ServiceId};
use crate::core::protocol::ToNode;
use crate::observe::event_log;
use crate::observe::metrics::Metrics;

/// A service with much of what labels can say, and one with little of it that shares a route with it.
fn snapshot() -> Snapshot {
    let mut snapshot = Snapshot {
        generation: Generation {
            epoch: 7,
            sequence: 3,
        },
        gateways: [GatewayTask {
            node: "n1".into(),
            address: [10, 0, 0, 9].into(),
            controller: true,
        }]
        .into(),
        ..Snapshot::default()
    };
    add(
        &mut snapshot,
        "web",
        &[
            (
                "port_80",
                "http://web.example.com/shop; *.example.com; grpc://rpc.example.com; tcp://db.example.com",
            ),
            ("weight", "30"),
            ("balance", "hash:header:x-user"),
            ("retries", "3"),
            ("max_in_flight", "8"),
            ("hold_seconds", "2"),
            ("slow_start_seconds", "5"),
            ("hsts_seconds", "60"),
            ("strip_prefix", "true"),
            ("allow_cidrs", "10.0.0.0/8; ::1/128"),
            ("rate_limit", "10"),
            ("compress", "gzip; br"),
            ("max_body_bytes", "1000"),
            ("headers.request.x-added", "yes"),
        ],
    );
    add(
        &mut snapshot,
        "api",
        &[("port_8080", "http://web.example.com/shop; api.local")],
    );
    snapshot
}

fn add(snapshot: &mut Snapshot, name: &str, labels: &[(&str, &str)]) {
    let label = |(key, value): &(&str, &str)| (format!("hiveway.routing.{key}"), (*value).into());
    let service = Service {
        id: name.into(),
        name: name.into(),
        mode: Mode::Replicated { replicas: 3 },
        labels: labels.iter().map(label).collect(),
        container_labels: Default::default(),
        updating: false,
    };
    let (spec, diagnostics) = labels::parse(&service, &LabelOptions::default());
    assert_eq!(diagnostics, []);
    let id = ServiceId::from(name);
    for route in spec.routes {
        let claim = Claim {
            service: id.clone(),
            port: route.port,
            scheme: route.scheme,
        };
        let add =
            |claims: &mut Arc<[Claim]>| *claims = claims.iter().cloned().chain([claim]).collect();
        match route.scheme {
            Scheme::Tcp => add(snapshot.tcp_routes.entry(route.host).or_default()),
            _ => add(snapshot
                .routes
                .entry(RouteKey {
                    host: route.host,
                    path: route.path,
                })
                .or_default()),
        }
    }
    let states = [
        EndpointState::Ready,
        EndpointState::Failing,
        EndpointState::Draining,
    ];
    let endpoints = states.into_iter().zip(1..).map(|(state, number)| {
        let endpoint = Endpoint {
            container: ContainerId::from(format!("c-{name}-{number}").as_str()),
            node: NodeId::from("n1"),
            address: [10, 0, 0, number].into(),
            state,
        };
        (TaskId::from(format!("{name}-{number}").as_str()), endpoint)
    });
    let cluster = Cluster {
        service: name.into(),
        policy: spec.policy,
        probes_disbelieved: false,
        endpoints: endpoints.collect(),
    };
    snapshot.clusters.insert(id, Arc::new(cluster));
}

/// Makes a table of it, and sends some requests through. Says whether any found a service.
fn steers(snapshot: &Snapshot) -> bool {
    let (emitter, _events) = event_log::channel();
    let metrics = Metrics::new(emitter.drop_counter());
    let runtimes = Runtimes::new(metrics.clone(), Arc::default());
    let mut builder = TableBuilder::new(runtimes, Chains::new(1, &metrics), Some("n1".into()));
    let ejected = BTreeSet::from(["web-1".into()]);
    let table = builder.build(snapshot, &ejected);
    let hosts = [
        "web.example.com",
        "any.example.com",
        "rpc.example.com",
        "api.local",
        "",
    ];
    let keys = [None, Some(7)];
    let found = hosts.iter().filter_map(|host| table.find(host, "/shop/1"));
    let shares = found.flat_map(|route| [route.shares(false), route.shares(true)]);
    let chosen = shares.flat_map(|shares| keys.map(|key| shares.choose(key)));
    chosen.flatten().count() > 0
}

/// The parts of a value in which there are others.
fn walk<'a>(value: &'a mut Value, way: &[Index]) -> &'a mut Value {
    let parts = match value {
        Value::Array(items) => items.len(),
        Value::Object(fields) => fields.len(),
        _ => 0,
    };
    let Some((first, rest)) = way.split_first().filter(|_| parts > 0) else {
        return value;
    };
    let at = first.index(parts);
    match value {
        Value::Array(items) => walk(&mut items[at], rest),
        Value::Object(fields) => {
            let field = fields.values_mut().nth(at);
            walk(field.expect("an index of one of them"), rest)
        }
        end => end,
    }
}

#[derive(Clone, Debug)]
enum Damage {
    /// Something stands in a place where something else should.
    Replaced(Vec<Index>, Value),
    /// A part of a list or an object is gone.
    Gone(Vec<Index>, Index),
    /// Something stands there twice.
    Twice(Vec<Index>, Index),
}

fn damage() -> impl Strategy<Value = Damage> {
    let way = || vec(any::<Index>(), 0..7);
    let value = select(vec![
        Value::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(256),
        json!(65536),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!("x"),
        json!("\r\n\u{0}é"),
        json!("tcp"),
        json!("::1"),
        json!([]),
        json!({}),
        json!({ "secs": u64::MAX, "nanos": u32::MAX }),
    ]);
    prop_oneof![
        3 => (way(), value).prop_map(|(way, value)| Damage::Replaced(way, value)),
        1 => (way(), any::<Index>()).prop_map(|(way, part)| Damage::Gone(way, part)),
        1 => (way(), any::<Index>()).prop_map(|(way, part)| Damage::Twice(way, part)),
    ]
}

fn harm(whole: &mut Value, damage: Damage) {
    match damage {
        Damage::Replaced(way, value) => *walk(whole, &way) = value,
        Damage::Gone(way, part) => match walk(whole, &way) {
            Value::Array(items) if !items.is_empty() => {
                items.remove(part.index(items.len()));
            }
            Value::Object(fields) if !fields.is_empty() => {
                let key = fields.keys().nth(part.index(fields.len())).cloned();
                fields.remove(&key.expect("an index of one of them"));
            }
            _ => {}
        },
        Damage::Twice(way, part) => {
            if let Value::Array(items) = walk(whole, &way)
                && !items.is_empty()
            {
                items.push(items[part.index(items.len())].clone());
            }
        }
    }
}

#[test]
fn a_whole_snapshot_steers() {
    let snapshot = snapshot();
    assert_eq!(snapshot.tcp_routes.len(), 1);
    assert_eq!(snapshot.routes.len(), 4);
    assert!(steers(&snapshot));
}

proptest! {
    #[test]
    fn damaged_snapshot_fails_or_routes_and_accepts_deltas(
        damages in vec(damage(), 1..4),
    ) {
        let whole = snapshot();
        let mut value = serde_json::to_value(&whole).expect("a snapshot is JSON");
        for damage in damages {
            harm(&mut value, damage);
        }
        let decoded = serde_json::from_value::<Snapshot>(value);
        if let Ok(damaged) = decoded {
            let json = serde_json::to_string(&damaged).expect("a snapshot is JSON");
            prop_assert_eq!(&serde_json::from_str::<Snapshot>(&json).expect("and back"), &damaged);
            let delta = Delta::between(&whole, &damaged);
            let json = serde_json::to_string(&delta).expect("a delta is JSON");
            let delta: Delta = serde_json::from_str(&json).expect("and back");
            steers(&damaged);
            prop_assert_eq!(delta.apply(&whole), Some(damaged));
        }
    }

    #[test]
    fn damaged_or_truncated_message_fails_or_decodes(
        bytes in vec((any::<Index>(), any::<u8>()), 0..4),
        end in any::<Index>(),
        cut: bool,
    ) {
        let message = ToNode::Snapshot { snapshot: Arc::new(snapshot()) };
        let mut json = serde_json::to_vec(&message).expect("a message is JSON");
        for (place, byte) in bytes {
            let place = place.index(json.len());
            json[place] = byte;
        }
        if cut {
            json.truncate(end.index(json.len()));
        }
        let intact = json == serde_json::to_vec(&message).expect("a message is JSON");
        match serde_json::from_slice(&json) {
            Ok(ToNode::Snapshot { snapshot }) => {
                prop_assert!(!cut);
                steers(&snapshot);
            }
            Ok(other) => prop_assert!(false, "{other:?}"),
            Err(error) => prop_assert!(!intact, "{error}"),
        }
    }

    #[test]
    fn a_delta_is_applied_to_the_snapshot_that_it_starts_from_alone(epoch in 6u64..9, sequence in 2u64..5) {
        let (whole, have) = (snapshot(), Generation { epoch, sequence });
        let mut newer = whole.clone();
        newer.generation = newer.generation.next();
        newer.routes.retain(|key, _| key.host != HostPattern::Exact("api.local".into()));
        let delta = Delta::between(&whole, &newer);
        let applied = delta.apply(&Snapshot { generation: have, ..whole.clone() });
        prop_assert_eq!(applied, (have == whole.generation).then_some(newer));
    }
}
