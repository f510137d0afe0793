use super::*;
use crate::core::model::{Inventory, Mode, Service};
use crate::core::reconcile::desired::{Desired, Options};
use crate::core::reconcile::observed::Observed;
use crate::core::reconcile::reconcile;

/// What services ask for with these labels: each is a name, a container's port, and what is routed to it.
fn desired(services: &[(&str, u16, &str)]) -> Desired {
    let services = services.iter().map(|(name, port, items)| {
        let key = format!("hiveway.routing.port_{port}");
        Service {
            id: ServiceId::from(*name),
            name: (*name).into(),
            mode: Mode::Replicated { replicas: 1 },
            labels: [(key, (*items).to_owned())].into(),
            container_labels: BTreeMap::new(),
            updating: false,
        }
    });
    let inventory = Inventory {
        services: services.collect(),
        ..Inventory::default()
    };
    Desired::read(&inventory, &Options::default())
}

fn after(desired: &Desired, current: &Snapshot) -> (Snapshot, Vec<String>) {
    let outcome = reconcile(desired, &Observed::default(), current);
    let told = outcome.events.iter().map(ToString::to_string);
    let told = told.filter(|it| it.starts_with("route tcp://"));
    let told = told.collect();
    (outcome.snapshot.unwrap_or_else(|| current.clone()), told)
}

fn snapshot(services: &[(&str, u16, &str)]) -> Snapshot {
    after(&desired(services), &Snapshot::default()).0
}

#[test]
fn name_decides_and_terminated_hosts_hide_wildcards() {
    let snapshot = snapshot(&[
        ("db", 5432, "tcp://db.example.com; tcp://*.db.example.com"),
        ("all", 443, "tcp://*.example.com"),
        (
            "web",
            80,
            "shop.example.com/api; http://plain.example.com; *.eu.example.com",
        ),
        ("both", 80, "db.example.com"),
    ]);
    let index = TcpIndex::of(&snapshot, |_, claims| {
        let services = claims.iter().map(|it| it.service.as_str());
        services.collect::<Vec<_>>().join(" ")
    });
    let index = index.expect("TCP routes");
    for (name, expected) in [
        ("db.example.com", Some("db")),
        ("a.db.example.com", Some("db")),
        ("other.example.com", Some("all")),
        ("a.b.example.com", Some("all")),
        ("shop.example.com", None),
        ("x.eu.example.com", None),
        // By TLS it is not served here.
        ("plain.example.com", Some("all")),
        ("example.com", None),
        ("db.example.org", None),
        ("", None),
    ] {
        assert_eq!(index.find(name).map(String::as_str), expected, "{name}");
    }
}

#[test]
fn without_a_tcp_route_there_is_nothing_to_look_at() {
    let snapshot = snapshot(&[("web", 80, "shop.example.com")]);
    assert!(TcpIndex::of(&snapshot, |_, _| ()).is_none());
}

#[test]
fn https_stands_against_tcp_whoever_asks_for_it() {
    for (services, tcp, reason) in [
        (
            &[
                ("a", 443, "tcp://x.example"),
                ("b", 80, "https://x.example/y"),
            ][..],
            vec![],
            Some("is to be passed on undecrypted, but b has it served here by https://"),
        ),
        (
            &[("a", 443, "tcp://x.example; https://x.example")],
            vec![],
            Some("is to be passed on undecrypted, but a has it served here by https://"),
        ),
        (
            &[("a", 443, "tcp://x.example; http://x.example")],
            vec!["x.example"],
            None,
        ),
        (
            &[("a", 443, "tcp://x.example; x.example")],
            vec!["x.example"],
            None,
        ),
        (
            &[
                ("a", 443, "tcp://*.example"),
                ("b", 80, "https://x.example"),
            ],
            vec!["*.example"],
            None,
        ),
    ] {
        let desired = desired(services);
        let (snapshot, _) = after(&desired, &Snapshot::default());
        let hosts: Vec<String> = snapshot
            .tcp_routes
            .keys()
            .map(ToString::to_string)
            .collect();
        assert_eq!(hosts, tcp, "{services:?}");
        let said: Vec<_> = desired.diagnostics.iter().map(|it| &*it.reason).collect();
        assert_eq!(said, Vec::from_iter(reason), "{services:?}");
        for said in &desired.diagnostics {
            assert_eq!(
                (&*said.key, &*said.value, said.level),
                ("routing.port_443", "tcp://x.example", Level::Error)
            );
        }
    }
}

#[test]
fn a_password_that_nobody_asks_for_is_complained_of() {
    let mut desired = desired(&[("db", 5432, "tcp://db.example")]);
    assert_eq!(desired.diagnostics.len(), 0);
    let service = desired.services.values_mut().next().expect("a service");
    let middleware = crate::core::model::middleware::Middleware {
        basic_auth: Some(vec![]),
        ..Default::default()
    };
    service.spec.policy.middleware = Some(Arc::new(middleware));
    let services = desired.services.values().map(|it| (&it.name, &it.spec));
    let said: Vec<_> = complaints(services)
        .into_iter()
        .map(|it| it.level)
        .collect();
    assert_eq!(said, [Level::Warning]);
}

#[test]
fn services_share_a_host_and_what_changes_is_told() {
    let (one, told) = after(
        &desired(&[("a", 1, "tcp://x.example")]),
        &Snapshot::default(),
    );
    assert_eq!(told, ["route tcp://x.example is now served by a"]);
    let both = [("a", 1, "tcp://x.example"), ("b", 2, "tcp://x.example")];
    let (two, told) = after(&desired(&both), &one);
    assert_eq!(told, ["route tcp://x.example is now served by a, b"]);
    let claims = &two.tcp_routes[&HostPattern::Exact("x.example".into())];
    let claims: Vec<_> = claims.iter().map(|it| (it.port, it.scheme)).collect();
    assert_eq!(claims, [(1, Scheme::Tcp), (2, Scheme::Tcp)]);
    let (none, told) = after(&desired(&[("a", 1, "y.example")]), &two);
    assert_eq!(told, ["route tcp://x.example removed"]);
    assert!(none.tcp_routes.is_empty());
    let delta = Delta::between(&one, &two);
    assert_eq!(delta.apply(&one).as_ref(), Some(&two));
    let sent = serde_json::to_string(&delta).expect("JSON");
    assert_eq!(
        serde_json::from_str::<Delta>(&sent).expect("a delta"),
        delta
    );
}

#[test]
fn versions_that_know_no_tcp_routes_lose_nothing_else() {
    let mixed = [("db", 5432, "tcp://db.example"), ("web", 80, "web.example")];
    let snapshot = snapshot(&mixed);
    let sent = serde_json::to_value(&snapshot).expect("JSON");
    // Nothing that a version before would stumble over: it reads these fields, and passes the new one over.
    assert_eq!(sent["routes"].as_array().map(Vec::len), Some(1));
    assert!(!sent["routes"].to_string().contains("tcp"));
    let mut before = sent;
    let fields = before.as_object_mut().expect("an object");
    assert!(fields.remove("tcp_routes").is_some());
    let read: Snapshot = serde_json::from_value(before).expect("a snapshot of a version before");
    assert_eq!((read.routes, read.tcp_routes.len()), (snapshot.routes, 0));
    let plain = serde_json::to_string(&self::snapshot(&[("web", 80, "web.example")]));
    assert!(!plain.expect("JSON").contains("tcp_routes"));
}
