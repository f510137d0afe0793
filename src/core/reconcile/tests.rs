mod signals;

use std::net::{IpAddr, Ipv4Addr};

use proptest::prelude::*;

use super::*;
use crate::core::model::route::{Check, HostPattern, PathPrefix, RouteSpec, Scheme, ServiceSpec};
use crate::core::model::snapshot::Generation;
use crate::core::model::{ContainerId, NodeId};

const EMPTY: Generation = Generation {
    epoch: 7,
    sequence: 0,
};

fn start() -> Snapshot {
    Snapshot {
        generation: EMPTY,
        ..Snapshot::default()
    }
}

/// A service named like its host, with tasks that run; a task named `!x` is about to stop.
fn service(name: &str, tasks: &[&str]) -> (ServiceId, DesiredService) {
    let route = RouteSpec {
        host: HostPattern::Exact(format!("{name}.local").into()),
        path: PathPrefix::root(),
        scheme: Scheme::Any,
        port: 80,
    };
    let tasks = tasks.iter().map(|task| {
        let (id, fate) = match task.strip_prefix('!') {
            Some(id) => (id, Fate::Stops),
            None => (*task, Fate::Serves),
        };
        (
            TaskId::from(id),
            DesiredTask {
                container: ContainerId::from(format!("c-{id}").as_str()),
                node: NodeId::from("n1"),
                address: address(id),
                since: None,
                fate,
            },
        )
    });
    let spec = ServiceSpec {
        routes: vec![route],
        ..ServiceSpec::default()
    };
    let service = DesiredService {
        name: name.into(),
        spec,
        tasks: tasks.collect(),
    };
    (ServiceId::from(name), service)
}

fn address(task: &str) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(10, 0, 1, task.bytes().last().unwrap_or(0)))
}

fn desired(services: impl IntoIterator<Item = (ServiceId, DesiredService)>) -> Desired {
    Desired {
        services: services.into_iter().collect(),
        ..Desired::default()
    }
}

fn probe(observed: &mut Observed, task: &str, results: &str) {
    for result in results.chars() {
        let result = if result == '+' {
            Ok(())
        } else {
            Err("refused".into())
        };
        observed.record(&TaskId::from(task), result, &Default::default());
    }
}

/// The story of an outcome, as an operator reads it, without the notice that something was published.
fn story(outcome: &Outcome) -> Vec<String> {
    let told = outcome
        .events
        .iter()
        .filter(|event| !matches!(event, Event::SnapshotPublished { .. }));
    told.map(ToString::to_string).collect()
}

fn next(outcome: Outcome) -> Snapshot {
    outcome.snapshot.expect("something changed")
}

#[test]
fn an_endpoint_starts_out_comes_in_fails_and_returns() {
    let desired = desired([service("web", &["a"])]);
    let mut observed = Observed::default();
    let mut current = start();
    let mut tell = |observed: &Observed| {
        let outcome = reconcile(&desired, observed, &current);
        let story = story(&outcome);
        if let Some(snapshot) = outcome.snapshot {
            current = snapshot;
        }
        story
    };
    assert_eq!(
        tell(&observed),
        [
            "route web.local/ added, served by web",
            "web container c-a (10.0.1.97) runs, out of rotation until it passes its probe",
        ]
    );
    probe(&mut observed, "a", "+");
    assert_eq!(
        tell(&observed),
        ["web container c-a (10.0.1.97) came into rotation: it passes its probe"]
    );
    probe(&mut observed, "a", "-");
    assert_eq!(tell(&observed), Vec::<String>::new());
    probe(&mut observed, "a", "-");
    assert_eq!(
        tell(&observed),
        [
            "web container c-a (10.0.1.97) failed its probes: refused",
            "web: 1 of 1 endpoints fail their probes at once, which is not believed; all stay in rotation",
        ]
    );
    probe(&mut observed, "a", "+");
    assert_eq!(
        tell(&observed),
        [
            "web container c-a (10.0.1.97) came into rotation: it passes its probe again",
            "web: probes are believed again",
        ]
    );
    assert_eq!(
        current.generation,
        Generation {
            epoch: 7,
            sequence: 4
        }
    );
}

#[test]
fn a_rolling_update_drains_first_and_tells_why() {
    let mut observed = Observed::default();
    probe(&mut observed, "a", "+");
    probe(&mut observed, "b", "+");
    let before = next(reconcile(
        &desired([service("web", &["a", "b"])]),
        &observed,
        &start(),
    ));
    let draining = reconcile(&desired([service("web", &["!a", "b"])]), &observed, &before);
    assert_eq!(
        story(&draining),
        ["web container c-a (10.0.1.97) gets no new requests: Swarm is stopping its task"]
    );
    let draining = next(draining);
    let cluster = &draining.clusters[&ServiceId::from("web")];
    assert_eq!(
        cluster
            .in_rotation()
            .map(|(task, _)| task.as_str())
            .collect::<Vec<_>>(),
        ["b"]
    );
    let mut gone = desired([service("web", &["b"])]);
    gone.departures.insert(
        TaskId::from("a"),
        "its task ended: non-zero exit (137)".into(),
    );
    let removed = reconcile(&gone, &observed, &draining);
    assert_eq!(
        story(&removed),
        ["web container c-a (10.0.1.97) is gone: its task ended: non-zero exit (137)"]
    );
    let nothing = reconcile(&desired([]), &observed, &next(removed));
    assert_eq!(
        story(&nothing),
        [
            "route web.local/ removed",
            "web container c-b (10.0.1.98) is gone: its service is gone, or asks for no route any more",
        ]
    );
}

#[test]
fn panic_mode_needs_more_than_half_of_the_proven_to_fail() {
    for (results, in_rotation) in [
        (["+", "+", "+", "+"], "abcd"),
        (["+--", "+", "+", "+"], "bcd"),
        (["+--", "+--", "+", "+"], "cd"),
        (["+--", "+--", "+--", "+"], "abcd"),
        (["+--", "+--", "+--", "+--"], "abcd"),
        // Those that never passed are no evidence either way, and stay out.
        (["--", "--", "--", "+"], "d"),
        (["--", "--", "--", "--"], ""),
        (["--", "--", "+--", "+"], "d"),
        (["", "", "", "+"], "d"),
    ] {
        let mut observed = Observed::default();
        for (task, results) in ["a", "b", "c", "d"].into_iter().zip(results) {
            probe(&mut observed, task, results);
        }
        let snapshot = next(reconcile(
            &desired([service("web", &["a", "b", "c", "d"])]),
            &observed,
            &start(),
        ));
        let cluster = &snapshot.clusters[&ServiceId::from("web")];
        let found: String = cluster
            .in_rotation()
            .map(|(task, _)| task.as_str())
            .collect();
        assert_eq!(found, in_rotation, "{results:?}");
    }
}

#[test]
fn the_last_endpoint_serves_while_it_drains() {
    let mut observed = Observed::default();
    probe(&mut observed, "a", "+");
    let serving = |tasks: &[&str], observed: &Observed| {
        let snapshot = next(reconcile(
            &desired([service("web", tasks)]),
            observed,
            &start(),
        ));
        let cluster = &snapshot.clusters[&ServiceId::from("web")];
        cluster
            .serving()
            .iter()
            .map(|(task, _)| task.as_str())
            .collect::<String>()
    };
    assert_eq!(serving(&["!a", "b"], &observed), "a");
    probe(&mut observed, "b", "+");
    assert_eq!(serving(&["!a", "b"], &observed), "b");
    assert_eq!(serving(&["b"], &Observed::default()), "");
}

#[test]
fn without_a_probe_every_running_task_is_in_rotation() {
    let (id, mut web) = service("web", &["a", "!b"]);
    web.spec.probe.check = Check::None;
    let desired = desired([(id.clone(), web)]);
    assert!(desired.probe_targets().is_empty());
    let snapshot = next(reconcile(&desired, &Observed::default(), &start()));
    let states: Vec<_> = snapshot.clusters[&id]
        .endpoints
        .values()
        .map(|it| it.state)
        .collect();
    assert_eq!(states, [EndpointState::Ready, EndpointState::Draining]);
}

#[test]
fn services_that_claim_one_route_share_it_and_that_is_told() {
    let (blue, mut green) = (service("blue", &[]), service("green", &[]));
    green.1.spec.routes = blue.1.spec.routes.clone();
    let alone = next(reconcile(
        &desired([blue.clone()]),
        &Observed::default(),
        &start(),
    ));
    let shared = reconcile(
        &desired([blue, green.clone()]),
        &Observed::default(),
        &alone,
    );
    assert_eq!(
        story(&shared),
        ["route blue.local/ is now served by blue, green"]
    );
    let left = reconcile(&desired([green]), &Observed::default(), &next(shared));
    assert_eq!(story(&left), ["route blue.local/ is now served by green"]);
}

#[test]
fn a_complaint_is_told_once_and_its_end_too() {
    let complaint = Diagnostic {
        level: crate::core::model::route::Level::Error,
        service: "web".into(),
        key: "aliyun.scale".into(),
        value: "two".into(),
        reason: "this is no number".into(),
        remedy: "write a number".into(),
        suggestion: Some("2".into()),
    };
    let (none, one) = (BTreeSet::new(), BTreeSet::from([complaint]));
    let sentences = |old, new| {
        tell_diagnostics(old, new)
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    let told = "service web: label aliyun.scale: \"two\": this is no number; write a number (did you mean \"2\"?)";
    assert_eq!(sentences(&none, &one), [told]);
    assert_eq!(sentences(&one, &one), Vec::<String>::new());
    assert_eq!(
        sentences(&one, &none),
        ["service web: label aliyun.scale: \"two\" is no longer complained about"]
    );
}

/// Something that happens to a swarm of two services with tasks a to d each.
#[derive(Clone, Debug)]
enum Step {
    Runs(bool, usize),
    Stops(bool, usize),
    Goes(bool, usize),
    Passes(bool, usize),
    Fails(bool, usize),
}

fn step() -> impl Strategy<Value = Step> {
    (0..5, any::<bool>(), 0..4usize).prop_map(|(kind, service, task)| match kind {
        0 => Step::Runs(service, task),
        1 => Step::Stops(service, task),
        2 => Step::Goes(service, task),
        3 => Step::Passes(service, task),
        _ => Step::Fails(service, task),
    })
}

fn name(service: bool, task: usize) -> String {
    format!(
        "{}{}",
        if service { "x" } else { "y" },
        ["a", "b", "c", "d"][task]
    )
}

proptest! {
    #[test]
    fn deltas_replay_to_the_snapshot_and_reconcile_is_idempotent(
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut tasks: BTreeMap<String, bool> = BTreeMap::new();
        let mut observed = Observed::default();
        let (mut current, mut follower) = (start(), start());
        for step in steps {
            match step {
                Step::Runs(service, task) => { tasks.insert(name(service, task), false); }
                Step::Stops(service, task) => {
                    if let Some(stopping) = tasks.get_mut(&name(service, task)) { *stopping = true; }
                }
                Step::Goes(service, task) => { tasks.remove(&name(service, task)); }
                Step::Passes(service, task) => probe(&mut observed, &name(service, task), "+"),
                Step::Fails(service, task) => probe(&mut observed, &name(service, task), "-"),
            }
            let named = |prefix: &str| -> Vec<String> {
                let of = tasks.iter().filter(|(id, _)| id.starts_with(prefix));
                of.map(|(id, stopping)| if *stopping { format!("!{id}") } else { id.clone() }).collect()
            };
            let services = ["x", "y"].into_iter().filter_map(|name| {
                let tasks = named(name);
                let tasks: Vec<&str> = tasks.iter().map(String::as_str).collect();
                (!tasks.is_empty()).then(|| service(name, &tasks))
            });
            let desired = desired(services);
            let outcome = reconcile(&desired, &observed, &current);
            prop_assert_eq!(outcome.snapshot.is_some(), !outcome.events.is_empty());
            if let Some(snapshot) = outcome.snapshot {
                let delta = Delta::between(&current, &snapshot);
                follower = delta.apply(&follower).expect("the follower saw every generation");
                prop_assert_eq!(&follower, &snapshot);
                prop_assert_eq!(snapshot.generation, current.generation.next());
                current = snapshot;
            }
            prop_assert_eq!(reconcile(&desired, &observed, &current), Outcome::default());
            let json = serde_json::to_string(&current).expect("a snapshot is JSON");
            prop_assert_eq!(&serde_json::from_str::<Snapshot>(&json).expect("and back"), &current);
        }
    }
}
