//! Commands in containers: by which node they are told, and what is said where no instance can run them.

use super::*;

#[test]
fn commands_go_to_nodes_with_tasks_desired_to_run() {
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

#[test]
fn a_command_that_nobody_can_run_is_told_of_by_node() {
    let command = [ROUTED[0], ("hiveway.probe.cmd", "test -e /ready")];
    let of_ours = |state| Task {
        service: ServiceId::from("own"),
        state,
        ..task("ours", "up")
    };
    let told = |labels: &[_], own_service: Option<OwnService>, state| {
        let mut inventory = inventory(labels, vec![task("a", "up"), task("b", "down")]);
        inventory.tasks.push(of_ours(state));
        inventory.own_service = own_service;
        let diagnostics = read(&inventory).diagnostics;
        diagnostics
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
    };
    use TaskState::{Ended, Pending, Running};
    let ours = || Some(own(&["mesh"]));
    assert_eq!(
        told(&command, ours(), Ended),
        [
            "service web: label probe.cmd: \"test -e /ready\": node up has no instance of Hiveway to run it, so the service's \
             tasks there stay out of rotation; run Hiveway on every node (`mode: global` without constraints), or probe by \
             probe.url"
        ]
    );
    assert_eq!(told(&command, ours(), Running).len(), 0);
    assert_eq!(told(&command, ours(), Pending).len(), 0, "it starts");
    assert_eq!(told(ROUTED, ours(), Ended).len(), 0, "no command");
    assert_eq!(told(&command, None, Ended).len(), 0, "not known");
}
