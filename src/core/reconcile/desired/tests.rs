mod agents;

use super::*;
use crate::core::model::route::Level;
use crate::core::model::{OwnNetwork, OwnService, TaskAddress, UpdateState};

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

fn own(networks: &[&str]) -> OwnService {
    let network = |name: &&str| OwnNetwork {
        target: format!("id-of-{name}").into(),
        name: (*name).into(),
        aliases: vec![],
    };
    OwnService {
        id: ServiceId::from("own"),
        name: "hiveway".into(),
        networks: networks.iter().map(network).collect(),
        update: UpdateState::Done,
        proven: true,
        start_first: true,
        host_port: false,
        ingress_port: false,
    }
}

/// The networks of `--network` are edge and mesh, in this order.
#[test]
fn address_is_of_a_shared_or_named_network_only() {
    let address = |network: &str| match network {
        "edge" => IpAddr::from([10, 0, 0, 1]),
        "mesh" => IpAddr::from([10, 0, 1, 1]),
        _ => IpAddr::from([10, 9, 0, 1]),
    };
    let absent = "its tasks have no address on network";
    let foreign = "names a network that Hiveway is not attached to";
    for (own_networks, named, task_networks, expected) in [
        (None, None, &["other", "mesh"][..], Ok("mesh")),
        (None, None, &["mesh", "edge"], Ok("edge")),
        (None, None, &["other"], Err((absent, "edge or mesh"))),
        (None, None, &[], Err((absent, "edge or mesh"))),
        (None, Some("mesh"), &["edge", "mesh"], Ok("mesh")),
        (None, Some("mesh"), &["edge"], Err((absent, "mesh"))),
        (
            None,
            Some("other"),
            &["other", "mesh"],
            Err((foreign, "other")),
        ),
        (Some(&["mesh"][..]), None, &["edge", "mesh"], Ok("mesh")),
        (Some(&["mesh"]), None, &["edge"], Err((absent, "mesh"))),
        (
            Some(&["mesh"]),
            Some("edge"),
            &["edge"],
            Err((foreign, "edge")),
        ),
        (
            Some(&["mesh", "other"]),
            None,
            &["other"],
            Err((absent, "mesh")),
        ),
        (
            Some(&["mesh", "other"]),
            Some("other"),
            &["other"],
            Ok("other"),
        ),
        // Nothing is known of a network that has no name yet: the flag is believed.
        (Some(&["n30lcp9u3uy7"]), None, &["mesh"], Ok("mesh")),
    ] {
        let case = format!("{own_networks:?} {named:?} {task_networks:?}");
        let mut labels = ROUTED.to_vec();
        labels.extend(named.map(|network| ("hiveway.routing.network", network)));
        let mut tasks = ["a", "b"].map(|id| task(id, "up"));
        for task in &mut tasks {
            let at = |network: &&str| TaskAddress {
                network: (*network).into(),
                address: address(network),
            };
            task.addresses = task_networks.iter().map(at).collect();
        }
        let mut inventory = inventory(&labels, tasks.into());
        inventory.own_service = own_networks.map(own);
        let desired = read(&inventory);
        let tasks = &desired.services[&ServiceId::from("s1")].tasks;
        let addresses: Vec<IpAddr> = tasks.values().map(|task| task.address).collect();
        let said: Vec<&Diagnostic> = desired.diagnostics.iter().collect();
        match (expected, &said[..]) {
            (Ok(network), []) => assert_eq!(addresses, [address(network); 2], "{case}"),
            (Err((reason, value)), [one]) => {
                assert!(addresses.is_empty(), "{case} {addresses:?}");
                assert!(one.reason.starts_with(reason), "{case} {one}");
                assert_eq!(
                    (&*one.key, &*one.value),
                    ("routing.network", value),
                    "{case}"
                );
                assert_eq!(one.level, Level::Error, "{case}");
            }
            _ => panic!("{case}: {addresses:?} {said:?}"),
        }
    }
}

#[test]
fn the_remedy_for_a_missing_network_can_be_pasted() {
    let elsewhere = Task {
        addresses: vec![],
        ..task("t", "up")
    };
    let told = read(&inventory(ROUTED, vec![elsewhere])).diagnostics;
    assert_eq!(
        told.first().map(ToString::to_string).as_deref(),
        Some(
            "service web: label routing.network: \"edge or mesh\": its tasks have no address on network edge or mesh, so they \
             cannot be reached; attach the service with `networks: [edge]` in its stack file, where `edge: { external: true \
             }` stands under the top-level `networks`"
        )
    );
    let named = [ROUTED[0], ("hiveway.routing.network", "other")];
    let told = read(&inventory(&named, vec![])).diagnostics;
    assert_eq!(
        told.first().map(|said| said.remedy.as_str()),
        Some("name edge or mesh, or attach Hiveway to other in its stack file and by --network")
    );
}

#[test]
fn missing_network_is_reported_once_addresses_are_assigned() {
    let elsewhere = Task {
        addresses: task("t", "up").addresses[..1].to_vec(),
        ..task("t", "up")
    };
    let without = Task {
        addresses: vec![],
        ..elsewhere.clone()
    };
    let in_state = |task: &Task, desired, state| Task {
        desired,
        state,
        ..task.clone()
    };
    use DesiredState::{Ready, Running, Stopped};
    for (task, desired, state, complaints) in [
        (&elsewhere, Running, TaskState::Running, 1),
        (&without, Running, TaskState::Running, 1),
        (&elsewhere, Running, TaskState::Pending, 1),
        (&elsewhere, Ready, TaskState::Pending, 1),
        (&without, Running, TaskState::Pending, 0),
        (&elsewhere, Stopped, TaskState::Running, 0),
        (&elsewhere, Running, TaskState::Ended, 0),
    ] {
        let tasks = vec![in_state(task, desired, state)];
        let told = read(&inventory(ROUTED, tasks)).diagnostics;
        assert_eq!(told.len(), complaints, "{desired:?} {state:?} {told:?}");
    }
    assert_eq!(read(&inventory(ROUTED, vec![])).diagnostics.len(), 0);
}

#[test]
fn gateways_are_our_running_tasks_on_available_nodes() {
    let of_ours = |id: &str, node: &str| Task {
        service: ServiceId::from("own"),
        ..task(id, node)
    };
    let stopping = Task {
        desired: DesiredState::Stopped,
        ..of_ours("stopping", "up")
    };
    let elsewhere = Task {
        addresses: vec![],
        ..of_ours("elsewhere", "up")
    };
    let tasks = vec![
        of_ours("serving", "up"),
        of_ours("lost", "down"),
        task("other", "up"),
        stopping,
        elsewhere,
    ];
    let mut inventory = inventory(ROUTED, tasks);
    assert_eq!(read(&inventory).gateways.len(), 0);
    inventory.own_service = Some(own(&["mesh"]));
    let expected = GatewayTask {
        node: NodeId::from("up"),
        address: [10, 0, 1, 1].into(),
        controller: false,
    };
    assert_eq!(*read(&inventory).gateways, [expected]);
}

#[test]
fn names_are_the_local_hosts_of_all_routes_but_wildcards() {
    let hosts = "web.local/a; web.local/b; api.local; shop.example.com; *.web.local; *.example.com";
    let mut inventory = inventory(&[("hiveway.routing.port_80", hosts)], vec![]);
    let options = Options {
        networks: vec!["mesh".into()],
        manage_aliases: true,
        ..Options::default()
    };
    assert_eq!(Desired::read(&inventory, &options).aliases, None);
    inventory.own_service = Some(own(&["mesh"]));
    let desired = Desired::read(&inventory, &options);
    let wish = AliasRequest {
        service: own(&["mesh"]),
        networks: vec!["mesh".into()],
        names: ["api.local", "web.local"].map(Arc::from).into(),
    };
    assert_eq!(desired.aliases, Some(wish));
    let told: Vec<_> = desired
        .diagnostics
        .iter()
        .map(|said| (said.level, &*said.key, &*said.value))
        .collect();
    assert_eq!(told, [(Level::Notice, "routing.port_80", "*.web.local")]);

    let off = Options {
        manage_aliases: false,
        ..options
    };
    let desired = Desired::read(&inventory, &off);
    assert_eq!((desired.aliases, desired.diagnostics.len()), (None, 0));
}

#[test]
fn a_scale_label_is_a_wish_also_without_a_route() {
    let desired = read(&inventory(&[("hiveway.scale", "3")], vec![]));
    let wish = ScaleChange {
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
fn a_guard_by_addresses_behind_the_ingress_is_reported() {
    let guard = ("hiveway.routing.allow_cidrs", "10.0.0.0/8");
    let public = ("hiveway.routing.port_80", "a.example");
    for (labels, ingress_port, is_told) in [
        (vec![public, guard], true, true),
        (vec![public, guard], false, false),
        (vec![public], true, false),
        ([ROUTED, &[guard]].concat(), true, false),
    ] {
        let mut inventory = inventory(&labels, vec![]);
        inventory.own_service = Some(OwnService {
            ingress_port,
            ..own(&["mesh"])
        });
        let said = read(&inventory).diagnostics;
        let hidden = said.iter().any(|it| {
            it.reason == crate::core::reconcile::status::HIDDEN_CLIENTS
                && it.level == Level::Warning
        });
        assert_eq!(hidden, is_told, "{labels:?} {said:?}");
    }
}
