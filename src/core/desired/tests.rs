use super::*;
use crate::core::model::{Node, TaskAddress};

fn inventory(labels: &[(&str, &str)], tasks: Vec<Task>) -> Inventory {
    let labels = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let service = Service {
        id: ServiceId::from("s1"),
        name: "web".into(),
        mode: Mode::Replicated { replicas: 2 },
        labels: labels.collect(),
        container_labels: BTreeMap::new(),
        updating: false,
    };
    let node = |id: &str, ready| Node {
        id: NodeId::from(id),
        hostname: id.into(),
        ready,
        manager: false,
        leader: false,
    };
    let nodes = vec![node("up", true), node("down", false)];
    Inventory {
        own_node: None,
        own_service: None,
        services: vec![service],
        tasks,
        nodes,
    }
    .sorted()
}

fn task(id: &str, node: &str) -> Task {
    Task {
        id: TaskId::from(id),
        service: ServiceId::from("s1"),
        node: Some(NodeId::from(node)),
        slot: Some(1),
        container: Some(ContainerId::from(format!("c-{id}").as_str())),
        desired: DesiredState::Running,
        state: TaskState::Running,
        since: None,
        error: None,
        addresses: vec![
            TaskAddress {
                network: "other".into(),
                address: [10, 9, 0, 1].into(),
            },
            TaskAddress {
                network: "mesh".into(),
                address: [10, 0, 1, 1].into(),
            },
        ],
    }
}

fn read(inventory: &Inventory) -> Desired {
    let networks = vec!["edge".into(), "mesh".into()];
    Desired::read(
        inventory,
        &Options {
            networks,
            ..Options::default()
        },
    )
}

const ROUTED: &[(&str, &str)] = &[("hiveway.routing.port_80", "web.local")];

#[test]
fn only_running_tasks_of_ready_nodes_are_meant_to_serve() {
    let stopping = Task {
        desired: DesiredState::Stopped,
        ..task("stopping", "up")
    };
    let pending = Task {
        state: TaskState::Pending,
        ..task("pending", "up")
    };
    let error = Some("non-zero exit (1)".into());
    let ended = Task {
        state: TaskState::Ended,
        error,
        ..task("ended", "up")
    };
    let tasks = vec![
        task("serving", "up"),
        task("lost", "down"),
        stopping,
        pending,
        ended,
    ];
    let desired = read(&inventory(ROUTED, tasks));
    let tasks = &desired.services[&ServiceId::from("s1")].tasks;
    let told: Vec<_> = tasks
        .iter()
        .map(|(id, task)| (id.as_str(), task.fate))
        .collect();
    assert_eq!(
        told,
        [
            ("lost", Fate::Lost),
            ("serving", Fate::Serves),
            ("stopping", Fate::Stops),
        ]
    );
    let reason = "its task ended: non-zero exit (1)".into();
    assert_eq!(
        desired.departures,
        BTreeMap::from([(TaskId::from("ended"), reason)])
    );
    let probed: Vec<_> = desired.probe_targets().into_keys().collect();
    assert_eq!(probed, [TaskId::from("serving")]);
}

#[test]
fn the_address_is_that_of_a_shared_or_named_network_and_never_another() {
    let address = |labels: &[(&str, &str)], task| {
        let desired = read(&inventory(labels, vec![task]));
        let tasks = &desired.services[&ServiceId::from("s1")].tasks;
        (
            tasks.values().next().map(|task| task.address),
            desired.diagnostics.len(),
        )
    };
    let named = |network| [ROUTED[0], ("hiveway.routing.network", network)];
    let elsewhere = Task {
        addresses: task("t", "up").addresses[..1].to_vec(),
        ..task("t", "up")
    };
    assert_eq!(
        address(ROUTED, task("t", "up")),
        (Some([10, 0, 1, 1].into()), 0)
    );
    assert_eq!(
        address(&named("other"), task("t", "up")),
        (Some([10, 9, 0, 1].into()), 0)
    );
    assert_eq!(address(&named("none"), task("t", "up")), (None, 1));
    assert_eq!(address(ROUTED, elsewhere), (None, 1));
}

#[test]
fn a_scale_label_is_a_wish_also_without_a_route() {
    let desired = read(&inventory(&[("hiveway.scale", "3")], vec![]));
    let wish = ScaleWish {
        service: "web".into(),
        current: 2,
        wanted: 3,
    };
    assert_eq!(
        desired.scale,
        BTreeMap::from([(ServiceId::from("s1"), wish)])
    );
    assert_eq!(desired.services, BTreeMap::new());
}

#[test]
fn commands_are_told_by_node_and_only_for_tasks_that_are_meant_to_serve() {
    let stopping = Task {
        desired: DesiredState::Stopped,
        ..task("stopping", "up")
    };
    let tasks = || vec![task("a", "up"), task("lost", "down"), stopping.clone()];
    let command = [ROUTED[0], ("hiveway.probe.cmd", "test -e /ready")];
    let desired = read(&inventory(&command, tasks()));
    let spec = ProbeSpec {
        check: Check::Command("test -e /ready".into()),
        ..ProbeSpec::default()
    };
    let target = CommandTarget {
        container: "c-a".into(),
        since: None,
        spec: spec.clone(),
    };
    let on_node = Arc::new(CommandTargets::from([(TaskId::from("a"), target)]));
    assert_eq!(
        desired.commands(),
        BTreeMap::from([(NodeId::from("up"), on_node)])
    );
    let target = ProbeTarget {
        address: [10, 0, 1, 1].into(),
        since: None,
        spec,
    };
    assert_eq!(
        desired.probe_targets(),
        BTreeMap::from([(TaskId::from("a"), target)])
    );
    let by_network = read(&inventory(ROUTED, tasks()));
    assert_eq!(by_network.commands(), BTreeMap::new());
}
