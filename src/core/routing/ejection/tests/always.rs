//! What holds whatever happens.

use proptest::prelude::*;

use super::Scene;

/// What happens to one task between two looks.
fn requests() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[+5-]{1,4}", Just("-----".to_owned())]
}

const TASKS: [(&str, &str, &str); 9] = [
    ("api", "a1", "n1"),
    ("api", "a2", "n1"),
    ("api", "a3", "n2"),
    ("one", "o1", "n1"),
    ("web", "w1", "n1"),
    ("web", "w2", "n2"),
    ("web", "w3", "n2"),
    ("web", "w4", "n3"),
    ("web", "w5", "n3"),
];

/// Each step: how much time passes, who is deployed, and what requests there are.
fn steps() -> impl Strategy<Value = Vec<(u64, [bool; 9], [String; 9])>> {
    let deployed = proptest::array::uniform9(proptest::bool::weighted(0.9));
    let requests = proptest::array::uniform9(requests());
    proptest::collection::vec((0u64..8_000, deployed, requests), 1..12)
}

fn deploy(scene: &mut Scene, deployed: &[bool; 9]) {
    for name in ["api", "one", "web"] {
        let tasks = TASKS.iter().zip(deployed);
        let tasks = tasks.filter(|((cluster, ..), deployed)| *cluster == name && **deployed);
        let tasks: Vec<_> = tasks
            .map(|((_, task, node), _)| format!("{task}@{node}"))
            .collect();
        scene.deploy(name, &tasks.join(" "));
    }
}

proptest! {
    #[test]
    fn caps_hold_evaluation_is_idempotent_and_ejections_expire(
        steps in steps(),
        percent in proptest::option::of(1u8..=100),
    ) {
        let mut scene = Scene::new(&[]);
        scene.policy.failed_percent = percent;
        let mut now = 0;
        for (passed, deployed, requests) in &steps {
            now += passed;
            deploy(&mut scene, deployed);
            for ((_, task, _), requests) in TASKS.iter().zip(requests) {
                scene.requests(task, requests);
            }
            let before = scene.ejections.clone();
            let told = scene.look(now);
            let after = std::mem::replace(&mut scene.ejections, before);
            prop_assert_eq!(scene.look(now), told, "the same is judged the same");
            prop_assert_eq!(&scene.ejections, &after);
            prop_assert_eq!(scene.look(now), [""; 0], "nothing is told twice");
            prop_assert_eq!(&scene.ejections.ejected, &after.ejected);
            let ejected = scene.ejections.ejected();
            for cluster in scene.snapshot.clusters.values() {
                let tasks: Vec<_> = cluster.in_rotation().map(|(task, _)| task).collect();
                let out = tasks.iter().filter(|it| ejected.contains(**it)).count();
                prop_assert!(tasks.is_empty() || out < tasks.len(), "{out} of {tasks:?}");
                let nodes = scene.ejections.nodes.values().filter(|it| it.is_running()).count();
                prop_assert!(nodes > 0 || out <= tasks.len() / 2, "{out} of {tasks:?}");
            }
        }
        // No requests fail from now on.
        for _ in 0..20 {
            now += 300_000;
            scene.look(now);
        }
        prop_assert_eq!(scene.ejected(), "");
        scene.policy.failed_percent = None;
        prop_assert!(scene.at_rest(now));
    }
}
