//! What hints of agents may do to a snapshot, and what they may not.

use std::time::Duration;

use super::*;
use crate::core::protocol::{ContainerAction, ContainerHint};
use crate::core::reconcile::signals::{LAPSE, Signals};

fn hear(observed: &mut Observed, desired: &Desired, task: &str, action: ContainerAction) -> bool {
    let hint = ContainerHint {
        task: task.into(),
        container: format!("c-{task}").as_str().into(),
        action,
    };
    observed.signals.heed(&hint, desired, Duration::ZERO)
}

fn states(snapshot: &Snapshot) -> Vec<(&str, EndpointState)> {
    let clusters = snapshot.clusters.values();
    clusters
        .flat_map(|cluster| &cluster.endpoints)
        .map(|(task, endpoint)| (task.as_str(), endpoint.state))
        .collect()
}

fn serving(snapshot: &Snapshot) -> String {
    let clusters = snapshot.clusters.values();
    clusters
        .flat_map(|cluster| cluster.serving())
        .map(|(task, _)| task.as_str())
        .collect()
}

#[test]
fn a_signal_drains_and_one_that_is_survived_is_forgiven() {
    let known = desired([service("web", &["a", "b"])]);
    let mut observed = Observed::default();
    probe(&mut observed, "a", "+");
    probe(&mut observed, "b", "+");
    let before = next(reconcile(&known, &observed, &start()));
    assert!(hear(&mut observed, &known, "a", ContainerAction::Signalled));
    let drained = reconcile(&known, &observed, &before);
    assert_eq!(
        story(&drained),
        [
            "web container c-a (10.0.1.97) gets no new requests: its container was sent a signal to end"
        ]
    );
    let drained = next(drained);
    assert_eq!(serving(&drained), "b");

    // What Swarm and probes say of it meanwhile is no news.
    let stopping = desired([service("web", &["!a", "b"])]);
    assert_eq!(
        reconcile(&stopping, &observed, &drained),
        Outcome::default()
    );
    assert!(observed.signals.lapse(LAPSE));
    assert_eq!(
        story(&reconcile(&known, &observed, &drained)),
        ["web container c-a (10.0.1.97) came into rotation: its container has survived the signal"]
    );
}

#[test]
fn last_endpoint_serves_after_a_signal_until_it_ends() {
    let known = desired([service("web", &["a"])]);
    let mut observed = Observed::default();
    probe(&mut observed, "a", "+");
    let before = next(reconcile(&known, &observed, &start()));
    hear(&mut observed, &known, "a", ContainerAction::Signalled);
    let drained = next(reconcile(&known, &observed, &before));
    assert_eq!(states(&drained), [("a", EndpointState::Draining)]);
    assert_eq!(serving(&drained), "a");

    hear(&mut observed, &known, "a", ContainerAction::Died);
    let ended = reconcile(&known, &observed, &drained);
    assert_eq!(story(&ended), Vec::<String>::new());
    let ended = next(ended);
    assert_eq!(states(&ended), [("a", EndpointState::Ended)]);
    assert_eq!(serving(&ended), "");

    let at_once = reconcile(&known, &observed, &before);
    assert_eq!(
        story(&at_once),
        ["web container c-a (10.0.1.97) gets no new requests: its container has ended"]
    );
}

#[test]
fn failure_of_an_ending_container_does_not_affect_panic_mode() {
    let known = desired([service("web", &["a", "b", "c"])]);
    let mut observed = Observed::default();
    for (task, results) in [("a", "+"), ("b", "+--"), ("c", "+--")] {
        probe(&mut observed, task, results);
    }
    let snapshot = next(reconcile(&known, &observed, &start()));
    assert_eq!(serving(&snapshot), "abc");
    hear(&mut observed, &known, "b", ContainerAction::Signalled);
    let outcome = reconcile(&known, &observed, &snapshot);
    assert_eq!(story(&outcome), ["web: probes are believed again"]);
    let snapshot = next(outcome);
    assert_eq!(serving(&snapshot), "a");

    // What is out of rotation is not made to drain, which would let it serve as the last.
    hear(&mut observed, &known, "a", ContainerAction::Died);
    let snapshot = next(reconcile(&known, &observed, &snapshot));
    assert_eq!(serving(&snapshot), "");
    assert_eq!(
        states(&snapshot),
        [
            ("a", EndpointState::Ended),
            ("b", EndpointState::Failing),
            ("c", EndpointState::Failing)
        ]
    );
}

/// What is known of one of four tasks: whether Swarm stops it, its probes' results, and what agents say of it.
type Known = (bool, &'static str, Vec<ContainerAction>);

fn known() -> impl Strategy<Value = Known> {
    use ContainerAction::{Changed, Died, Signalled, Started};
    let results = proptest::sample::select(vec!["", "+", "--", "+--", "+--+"]);
    let action = proptest::sample::select(vec![Started, Signalled, Died, Changed]);
    (
        any::<bool>(),
        results,
        proptest::collection::vec(action, 0..3),
    )
}

proptest! {
    #[test]
    fn a_hint_never_adds_an_endpoint_nor_brings_one_into_rotation(
        tasks in proptest::collection::vec(known(), 1..5),
        strangers in proptest::collection::vec(proptest::sample::select(vec!["x", "y"]), 0..4),
    ) {
        let names = ["a", "b", "c", "d"];
        let listed: Vec<String> = tasks.iter().zip(names)
            .map(|((stops, _, _), name)| if *stops { format!("!{name}") } else { name.to_owned() })
            .collect();
        let listed: Vec<&str> = listed.iter().map(String::as_str).collect();
        let desired = desired([service("web", &listed)]);
        let mut observed = Observed::default();
        for ((_, results, _), name) in tasks.iter().zip(names) {
            probe(&mut observed, name, results);
        }
        let without = next(reconcile(&desired, &observed, &start()));
        for stranger in strangers {
            prop_assert!(!hear(&mut observed, &desired, stranger, ContainerAction::Died));
        }
        prop_assert_eq!(&observed.signals, &Signals::default());
        for ((_, _, actions), name) in tasks.iter().zip(names) {
            for action in actions {
                hear(&mut observed, &desired, name, *action);
            }
        }
        let with = next(reconcile(&desired, &observed, &start()));
        let id = ServiceId::from("web");
        let (before, after) = (&without.clusters[&id], &with.clusters[&id]);
        prop_assert!(before.endpoints.keys().eq(after.endpoints.keys()));
        let in_rotation = |cluster: &Cluster| -> BTreeSet<TaskId> {
            cluster.in_rotation().map(|(task, _)| task.clone()).collect()
        };
        prop_assert!(in_rotation(after).is_subset(&in_rotation(before)));
        let could_serve = |task: &TaskId| {
            in_rotation(before).contains(task) || before.endpoints[task].state == EndpointState::Draining
        };
        let heard = |task: &TaskId| {
            let place = names.iter().position(|name| *name == task.as_str()).expect("one of them");
            &tasks[place].2
        };
        for (task, _) in after.serving() {
            prop_assert!(could_serve(task), "{task}");
            prop_assert!(!heard(task).contains(&ContainerAction::Died), "{task}");
        }
        for task in in_rotation(after) {
            prop_assert!(!heard(&task).contains(&ContainerAction::Signalled), "{task}");
        }
        prop_assert_eq!(&with.routes, &without.routes);
        prop_assert_eq!(reconcile(&desired, &observed, &with), Outcome::default());
    }
}
