//! Which nodes have an instance of Hiveway that can run commands in their containers, and what to say where none has.

use std::collections::{BTreeMap, BTreeSet};

use crate::core::model::route::{Diagnostic, Level};
use crate::core::model::{
    DesiredState, Inventory, Node, NodeId, OwnService, Service, Task, TaskState,
};

/// The nodes of Hiveway's own tasks.
pub(super) struct Agents<'a> {
    /// None where Hiveway is no service, so that instances elsewhere are not known of.
    nodes: Option<BTreeSet<&'a NodeId>>,
}

impl<'a> Agents<'a> {
    /// An instance that is being started counts: complaints must not come and go with its restarts.
    pub(super) fn of(inventory: &'a Inventory) -> Self {
        let places = |own: &OwnService| {
            let meant = |task: &&Task| {
                task.service == own.id
                    && task.desired != DesiredState::Stopped
                    && task.state != TaskState::Ended
            };
            let tasks = inventory.tasks.iter().filter(meant);
            tasks.filter_map(|task| task.node.as_ref()).collect()
        };
        Self {
            nodes: inventory.own_service.as_ref().map(places),
        }
    }

    /// Whether nobody is on this node who could run a command there.
    pub(super) fn lack(&self, node: &NodeId) -> bool {
        let nodes = self.nodes.as_ref();
        nodes.is_some_and(|nodes| !nodes.contains(node))
    }
}

/// What to say of a service whose command cannot be run on a node.
pub(super) fn lacking(
    service: &Service,
    command: &str,
    node: &NodeId,
    nodes: &BTreeMap<&NodeId, &Node>,
) -> Diagnostic {
    let name = nodes.get(node).map_or(node.as_str(), |it| &it.hostname);
    Diagnostic {
        level: Level::Error,
        service: service.name.clone(),
        key: "probe.cmd".into(),
        value: command.into(),
        reason: format!(
            "node {name} has no instance of Hiveway to run it, so the service's tasks there stay out of rotation"
        ),
        remedy:
            "run Hiveway on every node (`mode: global` without constraints), or probe by probe.url"
                .into(),
        suggestion: None,
    }
}
