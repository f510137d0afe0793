use proptest::prelude::*;

use super::*;
use crate::core::model::route::ServiceSpec;
use crate::core::model::{NodeId, ServiceId};
use crate::core::reconcile::desired::{DesiredService, DesiredTask, Fate};

const SECOND: Duration = Duration::from_secs(1);

/// One service, whose tasks have containers of the same names.
fn desired(tasks: &[&str]) -> Desired {
    let tasks = tasks.iter().map(|id| {
        let task = DesiredTask {
            container: ContainerId::from(*id),
            node: NodeId::from("n"),
            address: [10, 0, 0, 1].into(),
            since: None,
            fate: Fate::Serves,
        };
        (TaskId::from(*id), task)
    });
    let service = DesiredService {
        name: "web".into(),
        spec: ServiceSpec::default(),
        tasks: tasks.collect(),
    };
    Desired {
        services: BTreeMap::from([(ServiceId::from("web"), service)]),
        ..Desired::default()
    }
}

fn hint(task: &str, container: &str, action: ContainerAction) -> ContainerHint {
    ContainerHint {
        task: task.into(),
        container: container.into(),
        action,
    }
}

fn leaving(signals: &Signals, task: &str) -> Option<Leaving> {
    signals.leaving(&task.into(), &task.into())
}

#[test]
fn only_an_end_or_a_signal_to_a_known_container_is_heeded() {
    use ContainerAction::{Changed, Died, Signalled, Started};
    for (task, container, action, expected) in [
        ("a", "a", Signalled, Some(Leaving::Signalled)),
        ("a", "a", Died, Some(Leaving::Ended)),
        ("a", "a", Started, None),
        ("a", "a", Changed, None),
        ("a", "b", Died, None),
        ("b", "a", Died, None),
        ("c", "c", Died, None),
        ("c", "c", Signalled, None),
    ] {
        let mut signals = Signals::default();
        let changed = signals.heed(
            &hint(task, container, action),
            &desired(&["a", "b"]),
            SECOND,
        );
        let told = (task, container, action);
        assert_eq!(changed, expected.is_some(), "{told:?}");
        assert_eq!(leaving(&signals, "a"), expected, "{told:?}");
        if expected.is_none() {
            assert_eq!(signals, Signals::default(), "{told:?}");
        }
    }
}

#[test]
fn signal_expires_after_fifteen_seconds_and_an_end_never() {
    let known = desired(&["a", "b"]);
    let mut signals = Signals::default();
    let signal = hint("a", "a", ContainerAction::Signalled);
    assert!(signals.heed(&signal, &known, SECOND));
    assert!(!signals.heed(&signal, &known, 3 * SECOND));
    assert!(signals.heed(&hint("b", "b", ContainerAction::Died), &known, SECOND));
    assert_eq!(signals.next_lapse(), Some(18 * SECOND));
    assert!(!signals.lapse(17 * SECOND));
    assert_eq!(leaving(&signals, "a"), Some(Leaving::Signalled));
    assert!(signals.lapse(18 * SECOND));
    assert_eq!(leaving(&signals, "a"), None);
    assert!(!signals.lapse(1_000_000 * SECOND));
    assert_eq!(leaving(&signals, "b"), Some(Leaving::Ended));
    assert_eq!(signals.next_lapse(), None);

    signals.retain(&known);
    assert_eq!(leaving(&signals, "b"), Some(Leaving::Ended));
    signals.retain(&desired(&["a"]));
    assert_eq!(signals, Signals::default());
}

fn told() -> impl Strategy<Value = (ContainerHint, Duration)> {
    use ContainerAction::{Changed, Died, Signalled, Started};
    let name = || proptest::sample::select(vec!["a", "b", "c"]);
    let action = proptest::sample::select(vec![Changed, Died, Signalled, Started]);
    (name(), name(), action, 0..30u32)
        .prop_map(|(task, container, action, at)| (hint(task, container, action), at * SECOND))
}

proptest! {
    #[test]
    fn neither_the_order_nor_the_number_of_hints_matters(
        hints in proptest::collection::vec(told(), 0..12),
        order in any::<u64>(),
    ) {
        let known = desired(&["a", "b"]);
        let heed = |hints: &[(ContainerHint, Duration)]| {
            let mut signals = Signals::default();
            for (hint, at) in hints {
                signals.heed(hint, &known, *at);
            }
            signals
        };
        let mut others = hints.clone();
        others.extend_from_slice(&hints);
        others.sort_by_key(|(hint, at)| {
            let seed = format!("{hint:?} {at:?} {order}");
            seed.bytes().fold(order, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
        });
        let signals = heed(&hints);
        prop_assert_eq!(&heed(&others), &signals);
        let mut lapsed = signals;
        lapsed.lapse(20 * SECOND);
        let once = lapsed.clone();
        prop_assert!(!lapsed.lapse(20 * SECOND));
        prop_assert_eq!(lapsed, once);
    }
}
