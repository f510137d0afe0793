mod always;
mod nodes;

use super::*;
use crate::core::model::ServiceId;
use crate::core::model::route::RoutingPolicy;
use crate::core::model::snapshot::EndpointState;

/// A gateway's view of a swarm, and its judgements. Tasks are named by one word each, unlike in the whole swarm.
struct Scene {
    policy: Policy,
    snapshot: Snapshot,
    seen: BTreeMap<TaskId, Seen>,
    ejections: Ejections,
}

impl Scene {
    /// Clusters by name, with their tasks and the nodes that these run on: `a@n1 b@n2`.
    fn new(clusters: &[(&str, &str)]) -> Self {
        let mut scene = Self {
            policy: Policy::default(),
            snapshot: Snapshot::default(),
            seen: BTreeMap::new(),
            ejections: Ejections::default(),
        };
        for (name, tasks) in clusters {
            scene.deploy(name, tasks);
        }
        scene
    }

    fn deploy(&mut self, name: &str, tasks: &str) {
        let endpoints = tasks.split_whitespace().map(|task| {
            let (task, node) = task.split_once('@').expect("a task and its node");
            let endpoint = Endpoint {
                container: task.into(),
                node: node.into(),
                address: [10, 0, 1, 4].into(),
                state: EndpointState::Ready,
            };
            (TaskId::from(task), endpoint)
        });
        let cluster = Cluster {
            service: name.into(),
            policy: RoutingPolicy::default(),
            probes_disbelieved: false,
            endpoints: endpoints.collect(),
        };
        let id = ServiceId::from(name);
        self.snapshot.clusters.insert(id, cluster.into());
    }

    fn set_state(&mut self, name: &str, task: &str, state: EndpointState) {
        let cluster = self.snapshot.clusters.get_mut(&ServiceId::from(name));
        let cluster = Arc::make_mut(cluster.expect("a cluster"));
        let endpoint = cluster.endpoints.get_mut(&TaskId::from(task));
        endpoint.expect("a task").state = state;
    }

    /// Requests to a task, one a character: `+` answered, `5` answered 5xx, `-` broken.
    fn requests(&mut self, task: &str, requests: &str) {
        let seen = self.seen.entry(TaskId::from(task)).or_default();
        for request in requests.chars() {
            match request {
                '-' => (seen.broken, seen.streak) = (seen.broken + 1, seen.streak + 1),
                _ => (seen.answered, seen.streak) = (seen.answered + 1, 0),
            }
            seen.failed += u64::from(request == '5');
        }
    }

    /// Judges after so many milliseconds, and tells what happened: `-a 5` ejected for 5 s, `+a` reinstated.
    fn look(&mut self, milliseconds: u64) -> Vec<String> {
        let now = Duration::from_millis(milliseconds);
        let seen = |task: &TaskId| self.seen.get(task).copied().unwrap_or_default();
        let told = self
            .ejections
            .judge(&self.policy, &self.snapshot, seen, now);
        told.into_iter().map(|event| short(&event)).collect()
    }

    fn ejected(&self) -> String {
        let tasks = self.ejections.ejected().iter().map(TaskId::as_str);
        tasks.collect::<Vec<_>>().join(" ")
    }

    fn at_rest(&self, milliseconds: u64) -> bool {
        let now = Duration::from_millis(milliseconds);
        self.ejections.at_rest(&self.policy, now)
    }
}

fn short(event: &Event) -> String {
    match event {
        Event::EndpointEjected {
            endpoint, seconds, ..
        } => format!("-{} {seconds}", endpoint.task),
        Event::EndpointReinstated { endpoint } => format!("+{}", endpoint.task),
        Event::NodeEjected {
            node,
            endpoints,
            seconds,
        } => format!("-{node}*{endpoints} {seconds}"),
        Event::NodeReinstated { node } => format!("+{node}"),
        other => panic!("no ejection: {other:?}"),
    }
}

#[test]
fn so_many_broken_requests_without_an_answer_in_between_eject() {
    for (requests, told) in [
        ("", &[][..]),
        ("--", &[]),
        ("---", &["-a 5"]),
        ("--+-", &[]),
        ("--5--", &[]),
        ("+++---", &["-a 5"]),
        ("---+", &[]),
    ] {
        let mut scene = Scene::new(&[("web", "a@n1 b@n2")]);
        scene.requests("a", requests);
        assert_eq!(scene.look(0), told, "{requests}");
        assert_eq!(scene.ejected(), if told.is_empty() { "" } else { "a" });
    }
}

#[test]
fn an_event_says_who_why_and_for_how_long() {
    let mut scene = Scene::new(&[("web", "a@n1 b@n2")]);
    scene.requests("a", "---");
    let seen = |task: &TaskId| scene.seen.get(task).copied().unwrap_or_default();
    let now = Duration::ZERO;
    let told = scene
        .ejections
        .judge(&scene.policy, &scene.snapshot, seen, now);
    let endpoint = EndpointRef {
        service: "web".into(),
        task: "a".into(),
        container: "a".into(),
        node: "n1".into(),
        address: [10, 0, 1, 4].into(),
    };
    let expected = Event::EndpointEjected {
        endpoint,
        reason: "3 requests in a row broke".into(),
        seconds: 5,
    };
    assert_eq!(told, [expected]);
}

#[test]
fn back_off_grows_while_failing_and_shrinks_once_healthy() {
    let mut scene = Scene::new(&[("web", "a@n1 b@n2")]);
    scene.requests("a", "---");
    assert_eq!(scene.look(0), ["-a 5"]);
    assert_eq!(scene.look(4_999), [""; 0]);
    // What ends during the ejection was begun before it and counts for nothing.
    scene.requests("a", "-");
    assert_eq!(scene.look(5_000), ["+a"]);
    assert_eq!(scene.look(5_250), [""; 0]);
    scene.requests("a", "-");
    assert_eq!(scene.look(5_500), ["-a 10"], "one is enough now");
    assert_eq!(scene.look(15_500), ["+a"]);
    scene.requests("a", "+--");
    assert_eq!(
        scene.look(15_750),
        [""; 0],
        "an answer gave it its credit back"
    );
    scene.requests("a", "-");
    assert_eq!(scene.look(16_000), ["-a 20"]);
    assert_eq!(scene.look(36_000), ["+a"]);
    scene.requests("a", "+");
    for (after, length) in [(19_999, 40), (20_000, 20), (30_000, 10), (35_000, 5)] {
        let mut scene = Scene {
            snapshot: scene.snapshot.clone(),
            seen: scene.seen.clone(),
            ejections: scene.ejections.clone(),
            ..scene
        };
        scene.requests("a", "---");
        assert_eq!(scene.look(36_000 + after), [format!("-a {length}")]);
    }
}

#[test]
fn a_share_of_5xx_ejects_where_that_is_asked_for() {
    let half = "+5".repeat(10);
    for (percent, requests, told) in [
        (None, "5".repeat(1000), &[][..]),
        (Some(50), half.clone(), &["-a 5"]),
        (Some(51), half, &[]),
        (Some(50), "5".repeat(19), &[]),
        (Some(100), "5".repeat(20), &["-a 5"]),
        (Some(1), "+".repeat(1000), &[]),
    ] {
        let mut scene = Scene::new(&[("web", "a@n1 b@n2")]);
        scene.policy.failed_percent = percent;
        assert_eq!(scene.look(0), [""; 0]);
        scene.requests("a", &requests);
        assert_eq!(scene.look(250), told, "{percent:?} of {requests}");
    }
}

#[test]
fn a_share_is_that_of_the_last_ten_seconds() {
    let mut scene = Scene::new(&[("web", "a@n1 b@n2")]);
    scene.policy.failed_percent = Some(50);
    scene.requests("a", &"+".repeat(1000));
    for tick in 0..48 {
        assert_eq!(scene.look(tick * 250), [""; 0]);
    }
    scene.requests("a", &"5".repeat(30));
    assert_eq!(scene.look(12_000), ["-a 5"], "what was before is forgotten");
    assert_eq!(scene.look(17_000), ["+a"]);
    scene.requests("a", &"5".repeat(19));
    assert_eq!(scene.look(17_250), [""; 0], "its counters started anew");
    scene.requests("a", "5");
    assert_eq!(scene.look(17_500), ["-a 10"]);
}

#[test]
fn at_most_half_of_a_cluster_is_ejected_and_never_the_last() {
    for (tasks, broken, told, ejected) in [
        ("a@n1", "a", &[][..], ""),
        ("a@n1 b@n1", "a b", &["-a 5"], "a"),
        ("a@n1 b@n1 c@n1", "b c", &["-b 5"], "b"),
        ("a@n1 b@n1 c@n1 d@n1", "b c d", &["-b 5", "-c 5"], "b c"),
    ] {
        let mut scene = Scene::new(&[("web", tasks)]);
        for task in broken.split(' ') {
            scene.requests(task, "---");
        }
        assert_eq!(scene.look(0), told, "{tasks}");
        assert_eq!(scene.ejected(), ejected);
    }
}

#[test]
fn who_was_ejected_first_stays_so_while_there_is_room_for_fewer() {
    let mut scene = Scene::new(&[("web", "a@n1 b@n1 c@n1 d@n1")]);
    scene.requests("d", "---");
    assert_eq!(scene.look(0), ["-d 5"]);
    scene.requests("a", "---");
    scene.requests("b", "---");
    assert_eq!(scene.look(250), ["-a 5"]);
    assert_eq!(scene.ejected(), "a d");
    scene.deploy("web", "a@n1 b@n1 d@n1");
    assert_eq!(scene.look(500), ["+a"]);
    assert_eq!(scene.ejected(), "d");
    scene.deploy("web", "d@n1");
    assert_eq!(
        scene.look(750),
        ["+d"],
        "the last one is used, whatever it does"
    );
}

#[test]
fn an_endpoint_out_of_rotation_is_no_longer_ejected() {
    let mut scene = Scene::new(&[("web", "a@n1 b@n1 c@n1")]);
    scene.requests("a", "---");
    assert_eq!(scene.look(0), ["-a 5"]);
    scene.set_state("web", "a", EndpointState::Failing);
    assert_eq!(scene.look(250), [""; 0], "the controller says enough of it");
    assert_eq!(scene.ejected(), "");
    scene.set_state("web", "a", EndpointState::Ready);
    assert_eq!(scene.look(500), [""; 0], "its probe passes");
    scene.requests("a", "-");
    assert_eq!(scene.look(750), ["-a 10"]);
}

#[test]
fn a_task_that_is_gone_is_forgotten_and_so_is_its_node() {
    let mut scene = Scene::new(&[("api", "a1@n1 a2@n2"), ("web", "w1@n1 w2@n2")]);
    for (task, requests) in [("w1", "---"), ("a1", "---"), ("a2", "+")] {
        scene.requests(task, requests);
    }
    assert_eq!(scene.look(0), ["-n1*2 5"]);
    scene.deploy("api", "a2@n2");
    scene.deploy("web", "w2@n2");
    assert_eq!(scene.look(250), [""; 0]);
    let left: Vec<_> = scene
        .ejections
        .endpoints
        .keys()
        .map(TaskId::as_str)
        .collect();
    assert_eq!(left, ["a2", "w2"]);
    assert!(scene.ejections.nodes.is_empty() && scene.ejections.ejected.is_empty());
}

#[test]
fn nothing_is_at_rest_until_all_is_forgotten() {
    let mut scene = Scene::new(&[("web", "a@n1 b@n2")]);
    assert!(scene.at_rest(0));
    scene.requests("a", "-");
    scene.look(0);
    assert!(!scene.at_rest(9_999) && scene.at_rest(10_000));
    scene.requests("a", "--");
    assert_eq!(scene.look(20_000), ["-a 5"]);
    assert!(!scene.at_rest(60_000), "it has to be reinstated");
    assert_eq!(scene.look(60_000), ["+a"]);
    assert!(!scene.at_rest(60_000), "its back-off has to fall back");
    scene.look(65_000);
    assert!(scene.at_rest(65_000));
    scene.policy.failed_percent = Some(50);
    assert!(!scene.at_rest(65_000), "good answers count as well");
}
