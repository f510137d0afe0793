use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::*;
use crate::core::model::route::PathPrefix;
use crate::core::model::snapshot::{GatewayTask, RouteKey};

fn key(host: &str, path: &str) -> RouteKey {
    RouteKey {
        host: match host.strip_prefix("*.") {
            Some(name) => HostPattern::Under(name.into()),
            None => HostPattern::Exact(host.into()),
        },
        path: PathPrefix(path.into()),
    }
}

fn gateway(node: &str, address: &str) -> GatewayTask {
    GatewayTask {
        node: NodeId::from(node),
        address: address.parse().expect("an address"),
        controller: false,
    }
}

fn snapshot(hosts: &[&str], gateways: &[GatewayTask]) -> Snapshot {
    let routes = hosts.iter().map(|host| (key(host, "/"), Arc::from([])));
    Snapshot {
        routes: routes.collect::<BTreeMap<_, _>>(),
        gateways: gateways.into(),
        ..Snapshot::default()
    }
}

fn addresses<const N: usize>(addresses: [&str; N]) -> Answer {
    let parsed = addresses.map(|it| it.parse().expect("an address"));
    Answer::Addresses(parsed.into())
}

#[test]
fn local_hosts_resolve_to_gateways_and_no_other_name_does() {
    let snapshot = snapshot(
        &[
            "restserver.local",
            "*.shop.local",
            "a.b.shop.local",
            "deep.below.local",
            "www.example.com",
            "*.example.org",
            "notlocal",
        ],
        &[gateway("n1", "10.0.0.1"), gateway("n2", "fd00::2")],
    );
    let names = Names::new(&snapshot, None);
    let v4 = || addresses(["10.0.0.1"]);
    for (name, expected) in [
        ("restserver.local", v4()),
        ("x.restserver.local", Answer::NoSuchName),
        ("xrestserver.local", Answer::NoSuchName),
        ("unclaimed.local", Answer::NoSuchName),
        // The wildcard holds one label or more, and not the name that it lies under.
        ("cart.shop.local", v4()),
        ("x.cart.shop.local", v4()),
        ("shop.local", Answer::NoData),
        ("xshop.local", Answer::NoSuchName),
        // Above a host and under a wildcard: requests are routed there, so it has addresses.
        ("b.shop.local", v4()),
        ("a.b.shop.local", v4()),
        ("below.local", Answer::NoData),
        ("deep.below.local", v4()),
        ("deeper.below.local", Answer::NoSuchName),
        ("local", Answer::NoData),
        (".local", Answer::NoSuchName),
        ("www.example.com", Answer::NotOurs),
        ("x.example.org", Answer::NotOurs),
        ("notlocal", Answer::NotOurs),
        ("", Answer::NotOurs),
    ] {
        assert_eq!(names.answer(name, RecordKind::A, 0), expected, "{name:?}");
    }
    let host = "restserver.local";
    assert_eq!(
        names.answer(host, RecordKind::Aaaa, 0),
        addresses(["fd00::2"])
    );
    assert_eq!(names.answer(host, RecordKind::Other, 0), Answer::NoData);
    let unclaimed = names.answer("unclaimed.local", RecordKind::Other, 0);
    assert_eq!(unclaimed, Answer::NoSuchName);
}

#[test]
fn without_routes_the_domain_alone_exists() {
    let names = Names::default();
    assert_eq!(names.answer("local", RecordKind::A, 0), Answer::NoData);
    assert_eq!(
        names.answer("a.local", RecordKind::A, 0),
        Answer::NoSuchName
    );
}

#[test]
fn a_host_without_gateways_exists() {
    let names = Names::new(&snapshot(&["a.local"], &[]), None);
    for kind in [RecordKind::A, RecordKind::Aaaa, RecordKind::Other] {
        assert_eq!(names.answer("a.local", kind, 7), Answer::NoData, "{kind:?}");
    }
}

#[test]
fn the_own_nodes_gateway_comes_first_and_the_others_take_turns() {
    let gateways = [
        gateway("n1", "10.0.0.1"),
        gateway("n2", "10.0.0.2"),
        gateway("n3", "10.0.0.3"),
        gateway("n4", "10.0.0.4"),
    ];
    let snapshot = snapshot(&["a.local"], &gateways);
    let on = |node: Option<&str>| Names::new(&snapshot, node.map(NodeId::from).as_ref());
    let ask = |names: &Names, ticket| names.answer("a.local", RecordKind::A, ticket);
    let own = on(Some("n2"));
    for (ticket, expected) in [
        (0, ["10.0.0.2", "10.0.0.1", "10.0.0.3", "10.0.0.4"]),
        (1, ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.1"]),
        (2, ["10.0.0.2", "10.0.0.4", "10.0.0.1", "10.0.0.3"]),
        (3, ["10.0.0.2", "10.0.0.1", "10.0.0.3", "10.0.0.4"]),
    ] {
        assert_eq!(ask(&own, ticket), addresses(expected), "{ticket}");
    }
    for stranger in [on(None), on(Some("n9"))] {
        for (ticket, expected) in [
            (0, ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4"]),
            (3, ["10.0.0.4", "10.0.0.1", "10.0.0.2", "10.0.0.3"]),
        ] {
            assert_eq!(ask(&stranger, ticket), addresses(expected), "{ticket}");
        }
    }
}

#[test]
fn of_many_gateways_an_answer_names_a_few_and_each_in_its_turn() {
    let gateways: Vec<_> = (0..50)
        .map(|number| gateway(&format!("n{number}"), &format!("10.0.0.{number}")))
        .collect();
    let names = Names::new(
        &snapshot(&["a.local"], &gateways),
        Some(&NodeId::from("n7")),
    );
    let mut seen = BTreeSet::new();
    for ticket in 0..49 {
        let Answer::Addresses(some) = names.answer("a.local", RecordKind::A, ticket) else {
            panic!("it has addresses");
        };
        assert_eq!(some.len(), MOST_ADDRESSES);
        assert_eq!(some[0], gateways[7].address);
        seen.insert(some[1]);
    }
    assert_eq!(seen.len(), 49, "every other one came first among the rest");
}

/// Whether a pattern matches, by its definition.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.strip_prefix("*.") {
        Some(under) => name.ends_with(&format!(".{under}")),
        None => pattern == name,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_index_agrees_with_the_definition(
        hosts in proptest::collection::vec("(\\*\\.)?([ab]\\.){1,3}(local|com)", 0..8),
        name in "([ab]\\.){0,4}(local|com)",
        ticket in any::<usize>(),
    ) {
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        let names = Names::new(&snapshot(&hosts, &[gateway("n1", "10.0.0.1")]), None);
        let above = |host: &&str| {
            host.trim_start_matches("*.") == name || host.ends_with(&format!(".{name}"))
        };
        let expected = if !name.ends_with("local") {
            Answer::NotOurs
        } else if hosts.iter().any(|host| matches(host, &name)) {
            addresses(["10.0.0.1"])
        } else if name == "local" || hosts.iter().any(above) {
            Answer::NoData
        } else {
            Answer::NoSuchName
        };
        prop_assert_eq!(names.answer(&name, RecordKind::A, ticket), expected);
    }

    #[test]
    fn no_address_is_lost_repeated_or_made_up(
        nodes in proptest::collection::vec(0u8..6, 1..=MOST_ADDRESSES),
        own in 0u8..6,
        ticket in any::<usize>(),
    ) {
        let gateways: Vec<_> = nodes
            .iter()
            .zip(1u8..)
            .map(|(node, last)| gateway(&format!("n{node}"), &format!("10.0.0.{last}")))
            .collect();
        let own = NodeId::from(format!("n{own}").as_str());
        let names = Names::new(&snapshot(&["a.local"], &gateways), Some(&own));
        let Answer::Addresses(told) = names.answer("a.local", RecordKind::A, ticket) else {
            panic!("it has addresses");
        };
        let mut sorted = told.clone();
        sorted.sort();
        let all: Vec<_> = gateways.iter().map(|it| it.address).collect();
        prop_assert_eq!(sorted, all);
        let is_own = |address: &IpAddr| {
            gateways.iter().any(|it| it.address == *address && it.node == own)
        };
        prop_assert!(told.is_sorted_by_key(|address| !is_own(address)), "{told:?}");
    }

    #[test]
    fn no_name_panics(name in "\\PC{0,40}", ticket in any::<usize>()) {
        let names = Names::new(&snapshot(&["a.local", "*.b.local"], &[]), None);
        let _ = names.answer(&name, RecordKind::A, ticket);
    }
}
