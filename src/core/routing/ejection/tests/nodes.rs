//! When a whole node is ejected.

use super::Scene;
use crate::core::model::snapshot::EndpointState;

#[test]
fn a_node_on_which_nothing_answers_is_ejected_whole() {
    // Each cluster alone could eject but one of its tasks.
    let mut scene = Scene::new(&[
        ("api", "a1@n1 a2@n1 a3@n2"),
        ("far", "f1@n1 f2@n1"),
        ("web", "w1@n1 w2@n2"),
    ]);
    scene.requests("w2", "+++");
    scene.requests("a1", "---");
    scene.requests("a2", "-");
    assert_eq!(scene.look(0), ["-a1 5"], "one is no node");
    scene.requests("w1", "--");
    assert_eq!(scene.look(250), [""; 0]);
    scene.requests("w1", "-");
    assert_eq!(scene.look(500), ["-n1*5 5"]);
    assert_eq!(scene.ejected(), "a1 a2 w1", "far has nothing else");
    assert_eq!(scene.look(5_000), [""; 0], "a1 stays out with its node");
    assert_eq!(scene.look(5_500), ["+n1", "+a1"]);
    assert_eq!(scene.ejected(), "");
    scene.requests("w2", "+");
    scene.requests("w1", "-");
    assert_eq!(scene.look(5_750), ["-w1 5"]);
    scene.requests("a2", "-");
    assert_eq!(scene.look(6_000), ["-n1*5 10"], "of each one is enough now");
}

#[test]
fn it_is_told_until_when_an_endpoint_is_left_out() {
    let mut scene = Scene::new(&[
        ("api", "a1@n1 a2@n1 a3@n2"),
        ("far", "f1@n1 f2@n1"),
        ("web", "w1@n1 w2@n2"),
    ]);
    scene.requests("w2", "+++");
    scene.requests("a1", "---");
    scene.look(0);
    let until = |scene: &Scene, task: &str| {
        let until = scene.ejections.until(&task.into(), &"n1".into());
        until.map(|until| until.as_millis())
    };
    assert_eq!(until(&scene, "a1"), Some(5_000));
    assert_eq!(until(&scene, "a2"), None);
    scene.requests("a2", "-");
    scene.requests("w1", "---");
    assert_eq!(scene.look(500), ["-n1*5 5"]);
    assert_eq!(until(&scene, "a1"), Some(5_500), "with its node");
    assert_eq!(until(&scene, "a2"), Some(5_500));
    assert_eq!(until(&scene, "f1"), None, "its service has nothing else");
}

#[test]
fn node_is_not_ejected_while_evidence_contradicts_it() {
    let clusters = [("api", "a1@n1 a2@n2"), ("web", "w1@n1 w2@n2")];
    for (case, requests) in [
        (
            "one of its endpoints answers",
            &[("w1", "-"), ("w1", "+"), ("a1", "---"), ("a2", "+")][..],
        ),
        (
            "another was well lately",
            &[("w1", "+"), ("a1", "---"), ("a2", "+")],
        ),
        (
            "nothing is known to be well",
            &[("w1", "---"), ("a1", "---")],
        ),
        (
            "nothing is well",
            &[("w1", "---"), ("a1", "---"), ("a2", "-"), ("w2", "-")],
        ),
        ("one endpoint is no node", &[("a1", "---"), ("a2", "+")]),
    ] {
        let mut scene = Scene::new(&clusters);
        for (task, requests) in requests {
            scene.requests(task, requests);
        }
        let told = scene.look(0);
        assert!(!told.iter().any(|it| it.contains('*')), "{case}: {told:?}");
    }
    // What was answered long ago does not speak for it.
    let mut scene = Scene::new(&[clusters[0], clusters[1], ("old", "o1@n1 o2@n2")]);
    scene.requests("o1", "+");
    assert_eq!(scene.look(0), [""; 0]);
    for (task, requests) in [("w1", "---"), ("a1", "---"), ("a2", "+")] {
        scene.requests(task, requests);
    }
    assert_eq!(scene.look(9_999), ["-a1 5", "-w1 5"]);
    scene.requests("a2", "+");
    assert_eq!(scene.look(10_000), ["-n1*3 5"]);
    assert_eq!(scene.ejected(), "a1 o1 w1");
}

#[test]
fn node_without_endpoints_in_rotation_returns_silently() {
    let mut scene = Scene::new(&[("api", "a1@n1 a2@n2"), ("web", "w1@n1 w2@n2")]);
    for (task, requests) in [("w1", "---"), ("a1", "---"), ("a2", "+")] {
        scene.requests(task, requests);
    }
    assert_eq!(scene.look(0), ["-n1*2 5"]);
    scene.set_state("api", "a1", EndpointState::Lost);
    scene.set_state("web", "w1", EndpointState::Lost);
    assert_eq!(scene.look(250), [""; 0]);
    assert_eq!(scene.ejected(), "");
    scene.set_state("api", "a1", EndpointState::Ready);
    assert_eq!(scene.look(500), [""; 0]);
    assert_eq!(scene.ejected(), "");
}

#[test]
fn who_cannot_be_spared_any_more_says_nothing_about_its_node() {
    let mut scene = Scene::new(&[("api", "a1@n1 a3@n2"), ("one", "o1@n1"), ("web", "")]);
    scene.requests("a1", "---");
    assert_eq!(scene.look(0), ["-a1 5"]);
    // The cluster shrinks to the one that was ejected; beside it all breaks.
    scene.deploy("api", "a1@n1");
    scene.deploy("web", "w1@n1 w4@n3");
    scene.requests("a1", "5");
    scene.requests("o1", "---");
    scene.requests("w1", "---");
    scene.requests("w4", "+");
    assert_eq!(scene.look(0), ["+a1", "-n1*3 5"]);
    assert_eq!(scene.look(0), [""; 0]);
}
