mod certificates;
mod passages;
mod paths;
mod places;
mod policies;

use super::*;
use crate::core::model::route::{HostPattern, Level, PathPrefix, ProbeSpec, RoutingPolicy};
use crate::core::model::snapshot::{Claim, Cluster, Endpoint, EndpointState};
use crate::core::reconcile::observed::Observed;

use EndpointState::{Draining, Ended, Failing, Lost, Ready, Starting, Unproven};

fn key(route: &str) -> RouteKey {
    let (host, path) = route.split_at(route.find('/').expect("a path"));
    let host = match host.strip_prefix("*.") {
        Some(name) => HostPattern::Under(name.into()),
        None => HostPattern::Exact(host.into()),
    };
    RouteKey {
        host,
        path: PathPrefix(path.into()),
    }
}

/// A service of this weight that claims a route; its tasks are named by it and counted, and each is on a node of its own.
fn add(
    snapshot: &mut Snapshot,
    name: &str,
    route: &str,
    scheme: Scheme,
    weight: u8,
    states: &[EndpointState],
) {
    let endpoints = (1..).zip(states).map(|(number, state): (u8, _)| {
        let endpoint = Endpoint {
            container: format!("c-{name}{number}").as_str().into(),
            node: format!("n{number}").as_str().into(),
            address: [10, 0, 0, number].into(),
            state: *state,
        };
        (TaskId::from(format!("{name}{number}").as_str()), endpoint)
    });
    let cluster = Cluster {
        service: name.into(),
        policy: RoutingPolicy {
            weight,
            ..RoutingPolicy::default()
        },
        probes_disbelieved: false,
        endpoints: endpoints.collect(),
    };
    let id = ServiceId::from(name);
    snapshot.clusters.insert(id.clone(), cluster.into());
    let claim = Claim {
        service: id,
        port: 80,
        scheme,
    };
    let claims = snapshot.routes.entry(key(route)).or_insert([].into());
    *claims = claims.iter().cloned().chain([claim]).collect();
}

fn of(services: &[(&str, &str, &[EndpointState])]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for (name, route, states) in services {
        add(&mut snapshot, name, route, Scheme::Any, 100, states);
    }
    snapshot
}

fn ask(url: &str, snapshot: &Snapshot, known: &Known) -> Explanation {
    let asked = Asked::read(url, "GET").expect("a URL");
    explain(&asked, Some(snapshot), known)
}

fn says(explanation: &Explanation) -> Vec<String> {
    let steps = explanation.steps.iter();
    steps
        .map(|step| {
            let verdict = match step.verdict {
                Verdict::Passes => '+',
                Verdict::Stops => '!',
                Verdict::Note => '.',
            };
            format!("{verdict} {}: {}", step.about, step.says)
        })
        .collect()
}

/// Each endpoint's task, place and reason.
fn places(explanation: &Explanation) -> Vec<(String, RotationRank, &str)> {
    let endpoints = explanation.services.iter().flat_map(|it| &it.endpoints);
    endpoints
        .map(|it| (it.task.to_string(), it.place, &*it.reason))
        .collect()
}

fn listener(public: bool, port: u16) -> Listener {
    Listener {
        public,
        tls: false,
        address: SocketAddr::from(([0, 0, 0, 0], port)),
    }
}

#[test]
fn a_request_is_followed_from_the_listener_to_its_endpoints() {
    let snapshot = of(&[
        ("shop", "shop.test/", &[Ready]),
        ("api", "shop.test/api", &[Ready, Starting]),
        ("all", "*.test/", &[Ready]),
    ]);
    let known = Known {
        listeners: vec![listener(false, 80), listener(true, 8000)],
        ..Known::default()
    };
    let explanation = ask("http://Shop.test:8080/api/v1?q=1", &snapshot, &known);
    assert_eq!(
        says(&explanation),
        [
            "+ listener: internal, 0.0.0.0:80: every host",
            "+ listener: public, 0.0.0.0:8000: any host but .local ones",
            "+ host: shop.test matches exactly",
            "+ path: /api/v1 is at or below /api",
            ". path: passed over: shop.test/, less specific than the route that matched",
            ". path: passed over: *.test/, less specific than the route that matched",
            "+ scheme: a service of shop.test/api takes plain requests",
            "+ service: api: 100 % of the requests (weight 100), over 1 of 2 endpoints",
            ". endpoint: a client whose cookie CONTAINERID names an endpoint that may be given requests is sent there",
            ". endpoint: a request that fails there before an answer has begun is tried on up to 2 further endpoints",
            "+ endpoint: GET /api/v1?q=1 with Host shop.test is sent to 10.0.0.1:80",
        ]
    );
    assert_eq!(
        explanation.outcome,
        Outcome {
            forwarded: true,
            targets: vec![SocketAddr::from(([10, 0, 0, 1], 80))],
            status: None,
            reason: None,
            says: "GET /api/v1?q=1 with Host shop.test is sent to 10.0.0.1:80".into(),
        }
    );
    assert_eq!(explanation.route, Some(key("shop.test/api")));
}

#[test]
fn local_replies_are_explained_with_status_and_reason() {
    let mut snapshot = of(&[
        ("web", "web.test/only", &[Ready]),
        ("down", "down.test/", &[Unproven, Lost]),
        ("inside", "inside.local/", &[Ready]),
    ]);
    add(
        &mut snapshot,
        "safe",
        "safe.test/",
        Scheme::Https,
        100,
        &[Ready],
    );
    add(
        &mut snapshot,
        "open",
        "open.test/",
        Scheme::Http,
        100,
        &[Ready],
    );
    add(
        &mut snapshot,
        "light",
        "light.test/",
        Scheme::Any,
        0,
        &[Ready],
    );
    let public = Known {
        listeners: vec![listener(true, 80)],
        ..Known::default()
    };
    let plain = Known {
        listeners: vec![listener(false, 80)],
        ..Known::default()
    };
    let untrusted = Known {
        trusts_client: Some(false),
        ..plain.clone()
    };
    let trusting = Known {
        trusts_proxies: true,
        ..plain.clone()
    };
    let none = Known::default();
    for (url, known, status, reason, told) in [
        (
            "http://web.test/",
            &none,
            404,
            "no-route",
            "no route of this host has the path /",
        ),
        (
            "http://wen.test/",
            &none,
            404,
            "no-route",
            "(did you mean web.test?)",
        ),
        (
            "http://nothing.example/",
            &none,
            404,
            "no-route",
            "no route has the host nothing.example",
        ),
        (
            "http://inside.local/",
            &public,
            404,
            "no-route",
            ".local hosts exist inside the cluster only",
        ),
        (
            "http://down.test/",
            &none,
            503,
            "no-endpoint",
            "none of its 2 endpoints may be given requests",
        ),
        (
            "http://light.test/",
            &none,
            503,
            "no-endpoint",
            "weight 0 gives it no share",
        ),
        (
            "http://safe.test/a?b",
            &none,
            308,
            "tls-only",
            "https://safe.test/a?b",
        ),
        (
            "http://safe.test/",
            &plain,
            404,
            "no-tls",
            "(--listen-public-tls)",
        ),
        (
            "http://safe.test/",
            &trusting,
            308,
            "tls-only",
            "https://safe.test/",
        ),
        (
            "https://open.test/",
            &none,
            404,
            "no-route",
            "without TLS only",
        ),
    ] {
        let explanation = ask(url, &snapshot, known);
        let outcome = &explanation.outcome;
        assert_eq!(
            (outcome.forwarded, outcome.status, outcome.reason.as_deref()),
            (false, Some(status), Some(reason)),
            "{url}: {outcome:?}"
        );
        let steps = says(&explanation).join("\n");
        assert!(steps.contains(told), "{url}: {told}: {steps}");
    }
    for (known, told) in [
        (&plain, "(--listen-public-tls), and no proxy in front"),
        (&untrusted, "not among --trusted-proxies"),
    ] {
        let outcome = ask("https://safe.test/", &snapshot, known).outcome;
        let ended = (outcome.forwarded, outcome.status, outcome.reason.as_deref());
        assert_eq!(ended, (false, None, Some("no-listener")), "{outcome:?}");
        assert!(outcome.says.contains(told), "{outcome:?}");
    }
    let by_proxy = ask("https://safe.test/", &snapshot, &trusting);
    assert!(by_proxy.outcome.forwarded, "{:?}", by_proxy.outcome);
    assert!(
        ask("https://safe.test/", &snapshot, &none)
            .outcome
            .forwarded
    );
    let cold = explain(&Asked::read("a.test", "GET").expect("a URL"), None, &none);
    assert_eq!(cold.outcome.reason.as_deref(), Some("warming-up"));
}

#[test]
fn a_request_that_may_not_be_repeated_is_told_from_one_that_may() {
    let snapshot = of(&[("web", "web.test/", &[Ready])]);
    let asked = Asked::read("web.test", "POST").expect("a URL");
    let explanation = explain(&asked, Some(&snapshot), &Known::default());
    let steps = says(&explanation).join("\n");
    assert!(steps.contains("once sent, POST is not repeated"), "{steps}");
}
