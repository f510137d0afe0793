use std::sync::Arc;

use super::*;
use crate::core::model::route::{HostPattern, PathPrefix, RoutingPolicy, Scheme};
use crate::core::model::snapshot::{Claim, Endpoint, GatewayTask, RouteKey};
use crate::core::routing::rates::EndpointCounts;

fn snapshot(services: &[(&str, &str, &[EndpointState])]) -> Snapshot {
    let mut snapshot = Snapshot {
        generation: Generation {
            epoch: 5,
            sequence: 7,
        },
        ..Snapshot::default()
    };
    for (id, name, states) in services {
        let endpoints = (1..).zip(*states).map(|(number, state): (u8, _)| {
            let endpoint = Endpoint {
                container: "c".into(),
                node: "n".into(),
                address: [10, 0, 0, number].into(),
                state: *state,
            };
            (TaskId::from(format!("{id}{number}").as_str()), endpoint)
        });
        let cluster = Cluster {
            service: (*name).into(),
            policy: RoutingPolicy::default(),
            probes_disbelieved: false,
            endpoints: endpoints.collect(),
        };
        let service = ServiceId::from(*id);
        snapshot.clusters.insert(service.clone(), cluster.into());
        let route = RouteKey {
            host: HostPattern::Exact(format!("{id}.test").into()),
            path: PathPrefix::root(),
        };
        let claim = |port| Claim {
            service: service.clone(),
            port,
            scheme: Scheme::Any,
        };
        snapshot.routes.insert(route, [claim(80), claim(81)].into());
    }
    snapshot
}

#[test]
fn services_are_counted_and_empty_ones_are_named() {
    use EndpointState::{Failing, Ready, Starting};
    let snapshot = snapshot(&[
        ("1", "web", &[Ready, Ready, Failing]),
        ("2", "api", &[Starting]),
        ("3", "web", &[Ready]),
    ]);
    let counts = |total| RequestCounts {
        total,
        ..RequestCounts::default()
    };
    let services = services(&snapshot, |name| match name {
        "web" => (counts(9), 1),
        _ => Default::default(),
    });
    let service = |name: &str, routes: &[&str], ready, total, states: &[_], requests, ejected| {
        ServiceStatus {
            service: name.into(),
            routes: routes.iter().map(|it| (*it).to_owned()).collect(),
            ready,
            total,
            states: states.iter().copied().collect(),
            ejected,
            probes_disbelieved: false,
            probe: None,
            requests,
            endpoints: None,
        }
    };
    assert_eq!(
        services,
        [
            service("api", &["2.test/"], 0, 1, &[(Starting, 1)], counts(0), 0),
            service(
                "web",
                &["1.test/", "3.test/"],
                3,
                4,
                &[(Ready, 3), (Failing, 1)],
                counts(9),
                1
            ),
        ]
    );
    let condition = availability(&services);
    assert_eq!(
        (condition.status, &*condition.reason, &*condition.message),
        (
            Truth::False,
            "ServicesWithoutEndpoints",
            "no endpoint in rotation: api"
        )
    );
    assert_eq!(availability(&services[1..]).reason, "AllServe");
    assert_eq!(availability(&[]).reason, "NoServices");
}

#[test]
fn endpoints_are_added_to_the_service_of_their_name() {
    use EndpointState::{Failing, Ready};
    let snapshot = snapshot(&[
        ("1", "web", &[Ready, Failing]),
        ("2", "api", &[]),
        ("3", "web", &[Ready]),
    ]);
    let mut services = services(&snapshot, |_| Default::default());
    let counts = EndpointCounts {
        total: 7,
        ..EndpointCounts::default()
    };
    let counts = BTreeMap::from([(TaskId::from("12"), counts)]);
    add_endpoints(&mut services, &snapshot, &counts, |task| {
        task.as_str() == "31"
    });
    let told: Vec<Vec<(&str, EndpointState, bool, u64)>> = services
        .iter()
        .map(|service| {
            let endpoints = service.endpoints.iter().flatten();
            let told =
                endpoints.map(|it| (it.task.as_str(), it.state, it.ejected, it.requests.total));
            told.collect()
        })
        .collect();
    let web = [
        ("11", Ready, false, 0),
        ("12", Failing, false, 7),
        ("31", Ready, true, 0),
    ];
    assert_eq!(told, [vec![], web.to_vec()]);
}

#[test]
fn controller_shows_its_followers_and_a_follower_itself() {
    let gateway = |node: &str, number: u8, controller| GatewayTask {
        node: node.into(),
        address: [10, 0, 0, number].into(),
        controller,
    };
    let snapshot = Snapshot {
        gateways: Arc::new([
            gateway("a", 1, true),
            gateway("b", 2, true),
            gateway("c", 3, false),
        ]),
        ..snapshot(&[])
    };
    let old = Generation {
        epoch: 5,
        sequence: 6,
    };
    let followers = [
        Follower {
            node: Some("c".into()),
            generation: Some(old),
        },
        Follower {
            node: Some("edge".into()),
            generation: None,
        },
        Follower {
            node: None,
            generation: None,
        },
    ];
    /// Its name, whether it is a controller, whether it is the own one, whether it follows, and what it has.
    type Short = (String, bool, bool, Option<bool>, Option<u64>);
    let short = |nodes: Vec<NodeStatus>| -> Vec<Short> {
        let shortened = nodes.into_iter().map(|it| {
            let generation = it.generation.map(|it| it.sequence);
            let NodeStatus {
                controller,
                own,
                follows,
                ..
            } = it;
            (it.node.to_string(), controller, own, follows, generation)
        });
        shortened.collect()
    };
    assert_eq!(
        short(nodes(&snapshot, Some(&"a".into()), Some(&followers))),
        [
            ("a".into(), true, true, None, Some(7)),
            ("b".into(), true, false, Some(false), None),
            ("c".into(), false, false, Some(true), Some(6)),
            ("edge".into(), false, false, Some(true), None),
        ]
    );
    assert_eq!(
        short(nodes(&snapshot, Some(&"c".into()), None)),
        [
            ("a".into(), true, false, None, None),
            ("b".into(), true, false, None, None),
            ("c".into(), false, true, None, Some(7)),
        ]
    );
}

#[test]
fn hidden_clients_are_a_condition_with_their_services() {
    assert_eq!(client_addresses(&BTreeSet::new()), None);
    let diagnostic = |service: &str, reason: &str| Diagnostic {
        level: crate::core::model::route::Level::Warning,
        service: service.into(),
        key: "routing.allow_cidrs".into(),
        value: "10.0.0.0/8".into(),
        reason: reason.to_owned(),
        remedy: String::new(),
        suggestion: None,
    };
    let other = diagnostic("other", "is odd");
    let hidden = ["web", "shop"].map(|service| diagnostic(service, HIDDEN_CLIENTS));
    assert_eq!(client_addresses(&[other.clone()].into()), None);
    let all: BTreeSet<_> = hidden.into_iter().chain([other]).collect();
    let condition = client_addresses(&all).expect("a condition");
    assert_eq!(
        (condition.status, &*condition.reason),
        (Truth::False, "HiddenByIngress")
    );
    assert!(
        condition.message.ends_with(": shop, web"),
        "{}",
        condition.message
    );
}
