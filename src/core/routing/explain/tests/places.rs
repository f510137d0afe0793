//! What is told of services and endpoints.

use super::*;

#[test]
fn every_endpoint_has_a_place_and_a_reason() {
    let states = [
        Ready, Ready, Starting, Unproven, Failing, Draining, Ended, Lost,
    ];
    let mut snapshot = of(&[("web", "web.test/", &states)]);
    let known = Known {
        ejected: BTreeMap::from([("web1".into(), 7)]),
        by_hand: BTreeSet::from(["web4".into(), "web6".into()]),
        ..Known::default()
    };
    let explanation = ask("web.test", &snapshot, &known);
    assert_eq!(
        places(&explanation),
        [
            (
                "web1".into(),
                RotationRank::Next,
                "this gateway has ejected it, because requests to it failed"
            ),
            ("web2".into(), RotationRank::First, "in rotation"),
            (
                "web3".into(),
                RotationRank::Out,
                "it has not been judged by its probe yet"
            ),
            (
                "web4".into(),
                RotationRank::Out,
                "it has never passed its probe since it started; it was drained by hand as well"
            ),
            ("web5".into(), RotationRank::Out, "it fails its probes"),
            ("web6".into(), RotationRank::Out, "it was drained by hand"),
            ("web7".into(), RotationRank::Out, "its container has ended"),
            ("web8".into(), RotationRank::Out, "its node is down"),
        ]
    );
    assert_eq!(
        explanation.services[0].endpoints[0].ejected_seconds,
        Some(7)
    );

    // All ejected: then they are used.
    let all = Known {
        ejected: BTreeMap::from([("web1".into(), 7), ("web2".into(), 1)]),
        ..Known::default()
    };
    let explanation = ask("web.test", &snapshot, &all);
    assert_eq!(explanation.services[0].at(RotationRank::First).count(), 2);
    assert!(places(&explanation)[0].2.contains("as are all others"));

    // The own node's come first.
    let near = Known {
        near: Some("n2".into()),
        ..Known::default()
    };
    let explanation = ask("web.test", &snapshot, &near);
    assert_eq!(
        places(&explanation)[..2],
        [
            (
                "web1".into(),
                RotationRank::Next,
                "in rotation; those on this gateway's own node come first"
            ),
            ("web2".into(), RotationRank::First, "in rotation"),
        ]
    );

    // Nothing but what drains.
    snapshot = of(&[("web", "web.test/", &[Draining, Failing])]);
    let explanation = ask("web.test", &snapshot, &Known::default());
    assert!(explanation.outcome.forwarded);
    let reason = places(&explanation)[0].2;
    assert!(
        reason.ends_with("but nothing else of the service can serve"),
        "{reason}"
    );
}

#[test]
fn weights_share_a_route_and_empty_services_cede_their_part() {
    let shares = |services: &[(&str, u8, &[EndpointState])]| -> Vec<u8> {
        let mut snapshot = Snapshot::default();
        for (name, weight, states) in services {
            add(
                &mut snapshot,
                name,
                "web.test/",
                Scheme::Any,
                *weight,
                states,
            );
        }
        let explanation = ask("web.test", &snapshot, &Known::default());
        explanation
            .services
            .iter()
            .map(|it| it.share_percent)
            .collect()
    };
    assert_eq!(
        shares(&[("a", 90, &[Ready]), ("b", 10, &[Ready])]),
        [90, 10]
    );
    assert_eq!(
        shares(&[("a", 90, &[Starting]), ("b", 10, &[Ready])]),
        [0, 100]
    );
    assert_eq!(
        shares(&[("a", 100, &[Ready]), ("b", 0, &[Ready])]),
        [100, 0]
    );
    let small: [(&str, u8, &[EndpointState]); 3] = [
        ("a", 100, &[Ready]),
        ("b", 100, &[Ready]),
        ("c", 1, &[Ready]),
    ];
    assert_eq!(shares(&small), [50, 50, 1]);
}

#[test]
fn known_state_is_explained_and_unknown_state_is_named() {
    let snapshot = of(&[("web", "web.test/", &[Ready, Failing])]);
    let follower = ask("web.test", &snapshot, &Known::default());
    assert_eq!(follower.unknown.len(), 2);
    assert_eq!(follower.services[0].endpoints[0].probe, None);

    let mut observed = Observed::default();
    let spec = ProbeSpec::default();
    for result in [
        Ok(()),
        Err("refused".into()),
        Err("no answer in 2 s".into()),
    ] {
        observed.record(&"web2".into(), result, &spec);
    }
    let health = observed.health(&"web2".into()).expect("recorded").clone();
    let diagnostic = |service: &str, value: &str| Diagnostic {
        level: Level::Warning,
        service: service.into(),
        key: "k".into(),
        value: value.into(),
        reason: "r".into(),
        remedy: "m".into(),
        suggestion: None,
    };
    let story = Story {
        at: Timestamp(1),
        says: "it failed".into(),
    };
    let known = Known {
        health: Some(BTreeMap::from([("web2".into(), health)])),
        stories: BTreeMap::from([("web2".into(), story.clone())]),
        diagnostics: Some(BTreeSet::from([
            diagnostic("web", "x"),
            diagnostic("other", "http//web.test"),
            diagnostic("other", "elsewhere.test"),
        ])),
        ..Known::default()
    };
    let explanation = ask("web.test", &snapshot, &known);
    assert_eq!(explanation.unknown, [""; 0]);
    let endpoint = &explanation.services[0].endpoints[1];
    assert_eq!(
        endpoint.probe.as_deref(),
        Some("the latest 2 probes failed: no answer in 2 s")
    );
    assert_eq!(endpoint.story, Some(story));
    let services: Vec<_> = explanation
        .diagnostics
        .iter()
        .map(|it| (&*it.service, &*it.value))
        .collect();
    assert_eq!(services, [("other", "http//web.test"), ("web", "x")]);
}
