use std::collections::BTreeMap;

use super::*;

fn service(name: &str, mode: Mode, labels: &[(&str, &str)]) -> Service {
    let labels = labels.iter();
    Service {
        id: name.into(),
        name: name.into(),
        mode,
        labels: labels
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .collect(),
        container_labels: BTreeMap::new(),
        updating: false,
    }
}

fn replicated(name: &str, replicas: u64, labels: &[(&str, &str)]) -> Service {
    service(name, Mode::Replicated { replicas }, labels)
}

const A: (&str, &str) = ("hiveway.routing.port_80", "a.local; a.example/x");
const SHOP: (&str, &str) = (NAMESPACE, "shop");

/// The plan as it is written.
fn planned(now: &[Service], files: &[Service], prune: bool) -> String {
    let now = Inventory {
        services: now.to_vec(),
        ..Inventory::default()
    };
    let plan = plan(&now, "shop", files, prune, &Options::default());
    text::write(&plan, "shop", false)
}

#[test]
fn what_is_deployed_already_changes_nothing() {
    let now = [
        replicated("shop_web", 2, &[A, SHOP]),
        replicated("blog_web", 1, &[A]),
    ];
    let files = [
        replicated("shop_web", 2, &[A]),
        replicated("shop_job", 1, &[]),
    ];
    assert_eq!(
        planned(&now, &files, true),
        "stack shop: nothing changes for clients\n"
    );
}

#[test]
fn services_come_and_go_with_their_routes_and_names() {
    let web = [replicated("shop_web", 2, &[A])];
    assert_eq!(
        planned(&[], &web, false),
        "+ service shop_web
    + a.example/x to port 80
    + a.local/ to port 80
    + replicas: 2
+ name a.local
stack shop: 1 to come, 0 to change, 0 to go
"
    );
    let old = [replicated("shop_old", 2, &[A, SHOP])];
    assert_eq!(
        planned(&old, &[], true),
        "- service shop_old
    - a.example/x to port 80
    - a.local/ to port 80
- name a.local
stack shop: 0 to come, 0 to change, 1 to go
"
    );
    assert_eq!(
        planned(&old, &[], false),
        "  service shop_old is not in these files and stays as it is; docker stack deploy --prune removes it
stack shop: nothing changes for clients
"
    );
}

#[test]
fn a_change_is_told_by_what_changes() {
    let now = [
        replicated(
            "shop_web",
            2,
            &[A, SHOP, ("hiveway.probe.timeout_seconds", "0.5")],
        ),
        replicated("blog_web", 1, &[("hiveway.routing.port_80", "b.example")]),
    ];
    let labels = [
        ("hiveway.routing.port_80", "a.local; b.example"),
        ("hiveway.routing.session_sticky", "false"),
        ("hiveway.routing.weight", "10"),
        ("hiveway.probe.url", "none"),
        ("hiveway.scale", "3"),
    ];
    let mut web = replicated("shop_web", 1, &labels);
    web.container_labels.insert("team".into(), "shop".into());
    assert_eq!(
        planned(&now, &[web], false),
        "~ service shop_web
    + b.example/ to port 80, shared by weight with blog_web
    - a.example/x to port 80
    ~ probe.check: connect -> none
    ~ probe.timeout_seconds: 0.5 -> 2
    ~ routing.session_sticky: true -> false
    ~ routing.weight: 100 -> 10
    ~ replicas: 2 -> 3
    ~ labels of its containers, so that its tasks are replaced
stack shop: 0 to come, 1 to change, 0 to go
"
    );
    let global = [service("shop_web", Mode::Global, &[A])];
    let told = planned(&[replicated("shop_web", 2, &[A])], &global, false);
    assert!(
        told.contains("~ replicas: 2 -> one on every node\n"),
        "{told}"
    );
    // A service that loses its routes is gone for clients.
    let told = planned(
        &[replicated("shop_web", 2, &[A])],
        &[replicated("shop_web", 2, &[])],
        false,
    );
    assert!(told.starts_with("- service shop_web\n"), "{told}");
}
