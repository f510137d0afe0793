//! What the swarm should look like to clients: the inventory, read through the labels. Never fails: what cannot be read
//! is a diagnostic.

mod agents;
mod ingress;
mod names;
mod networks;
mod probes;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use self::agents::Agents;
use self::networks::{Networks, address};
use super::wishes::{AliasRequest, ScaleChange};
use crate::core::labels::{self, LabelOptions};
use crate::core::model::route::{Check, Diagnostic, ProbeSpec, ServiceSpec};
use crate::core::model::snapshot::GatewayTask;
use crate::core::model::{
    ContainerId, DesiredState, Inventory, Mode, Node, NodeId, Service, ServiceId, Task, TaskId,
    TaskState, Timestamp,
};
use crate::core::protocol::{CommandTarget, CommandTargets};
use crate::core::routing::tcp_route;

pub use self::probes::Probes;

/// The routed services with the tasks that can be reached, and what to say about the labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// The services that claim at least one route.
    pub services: BTreeMap<ServiceId, DesiredService>,
    /// Every complaint and notice about labels.
    pub diagnostics: BTreeSet<Diagnostic>,
    /// What `scale` labels ask for, whether or not the service is routed.
    pub scale: BTreeMap<ServiceId, ScaleChange>,
    /// Why tasks that are no longer reachable are not, for the events that tell of their end.
    pub departures: BTreeMap<TaskId, Arc<str>>,
    /// Hiveway's own running tasks, sorted.
    pub gateways: Arc<[GatewayTask]>,
    /// The names that should resolve to Hiveway's own service; none where it is no service, or they are not managed.
    pub aliases: Option<AliasRequest>,
}

/// A routed service.
#[derive(Clone, Debug, PartialEq)]
pub struct DesiredService {
    /// Its name.
    pub name: Arc<str>,
    /// What its labels declare.
    pub spec: ServiceSpec,
    /// Its running tasks that have an address on the network that was chosen.
    pub tasks: BTreeMap<TaskId, DesiredTask>,
}

/// A running task of a routed service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DesiredTask {
    /// The full id of its container.
    pub container: ContainerId,
    /// Its node.
    pub node: NodeId,
    /// Its address on the network that was chosen.
    pub address: IpAddr,
    /// When it started, if its node said so.
    pub since: Option<Timestamp>,
    /// What becomes of it.
    pub fate: Fate,
}

/// What becomes of a task that runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is meant to serve.
    Serves,
    /// Swarm is stopping it.
    Stops,
    /// Its node is down; Swarm goes on calling it running for ever.
    Lost,
}

/// What the labels are read with.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What the label parser must know.
    pub labels: LabelOptions,
    /// The networks that gateways are attached to, the preferred first (`--network`).
    pub networks: Vec<Arc<str>>,
    /// Whether the network aliases of Hiveway's own service are kept as routes need them (`--aliases`).
    pub manage_aliases: bool,
    /// Where the controller finds the secrets that labels name (`--secrets`); none where nobody looks.
    pub secrets: Option<PathBuf>,
}

/// What to probe: one target a task that is meant to serve.
#[derive(Clone, Debug, PartialEq)]
pub struct ProbeTarget {
    /// The task's address.
    pub address: IpAddr,
    /// When the task started, if its node said so.
    pub since: Option<Timestamp>,
    /// How it is probed; [`Check::Connect`] is already resolved to a port.
    pub spec: ProbeSpec,
}

impl Desired {
    /// Reads an inventory.
    #[must_use]
    pub fn read(inventory: &Inventory, options: &Options) -> Self {
        let mut desired = Self::default();
        let mut tasks: BTreeMap<&ServiceId, Vec<&Task>> = BTreeMap::new();
        for task in &inventory.tasks {
            tasks.entry(&task.service).or_default().push(task);
        }
        let nodes: BTreeMap<&NodeId, &Node> =
            inventory.nodes.iter().map(|it| (&it.id, it)).collect();
        let networks = Networks::of(inventory, &options.networks);
        let agents = Agents::of(inventory);
        desired.gateways = gateways(inventory, &nodes, &networks.shared);
        for service in &inventory.services {
            let (spec, diagnostics) = labels::parse(service, &options.labels);
            desired.diagnostics.extend(diagnostics);
            if let (Some(wanted), Mode::Replicated { replicas }) = (spec.scale, service.mode) {
                let wish = ScaleChange {
                    service: service.name.clone(),
                    current: replicas,
                    wanted,
                };
                desired.scale.insert(service.id.clone(), wish);
            }
            if spec.routes.is_empty() {
                continue;
            }
            if let Some(own) = &inventory.own_service {
                let hidden = ingress::hidden(own, service, &spec);
                desired.diagnostics.extend(hidden);
            }
            let tasks = tasks.get(&service.id).map_or(&[][..], Vec::as_slice);
            desired.add(service, spec, tasks, &nodes, &networks);
            desired.complain_of_nodes(service, &agents, &nodes);
        }
        let read = desired.services.values().map(|it| (&it.name, &it.spec));
        let complaints = tcp_route::complaints(read).into_iter();
        let complaints: Vec<_> = complaints.map(|it| it.diagnostic()).collect();
        desired.diagnostics.extend(complaints);
        if let Some(own) = &inventory.own_service
            && options.manage_aliases
        {
            desired.name(own, &options.networks);
        }
        desired
    }

    fn add(
        &mut self,
        service: &Service,
        spec: ServiceSpec,
        tasks: &[&Task],
        nodes: &BTreeMap<&NodeId, &Node>,
        networks: &Networks,
    ) {
        let usable = networks.usable(spec.network.as_ref());
        if let (Some(named), []) = (&spec.network, usable) {
            self.diagnostics.insert(networks.foreign(service, named));
        }
        let mut reachable = BTreeMap::new();
        for task in tasks {
            let address = address(task, usable);
            if address.is_none() && should_be_reached(task) && !usable.is_empty() {
                self.diagnostics
                    .insert(networks::unreachable(service, usable));
            }
            if task.state == TaskState::Ended {
                self.departures.insert(task.id.clone(), why_ended(task));
            }
            let (TaskState::Running, Some(container), Some(node), Some(address)) =
                (task.state, &task.container, &task.node, address)
            else {
                continue;
            };
            let fate = match task.desired {
                _ if nodes.get(node).is_some_and(|node| !node.ready) => Fate::Lost,
                DesiredState::Stopped => Fate::Stops,
                DesiredState::Running | DesiredState::Ready => Fate::Serves,
            };
            reachable.insert(
                task.id.clone(),
                DesiredTask {
                    container: container.clone(),
                    node: node.clone(),
                    address,
                    since: task.since,
                    fate,
                },
            );
        }
        let name = service.name.clone();
        self.services.insert(
            service.id.clone(),
            DesiredService {
                name,
                spec,
                tasks: reachable,
            },
        );
    }

    /// Tells of commands that nobody can run, once a node.
    fn complain_of_nodes(
        &mut self,
        service: &Service,
        agents: &Agents<'_>,
        nodes: &BTreeMap<&NodeId, &Node>,
    ) {
        let Some(routed) = self.services.get(&service.id) else {
            return;
        };
        if let Check::Command(command) = &routed.spec.probe.check {
            let serving = routed.tasks.values().filter(|it| it.fate == Fate::Serves);
            let places = serving.map(|task| &task.node);
            let lacking = places.filter(|node| agents.lack(node));
            let complaints = lacking.map(|node| agents::lacking(service, command, node, nodes));
            self.diagnostics.extend(complaints);
        }
    }

    /// What has to be probed for this state to be judged, over the network or by a command.
    #[must_use]
    pub fn probe_targets(&self) -> BTreeMap<TaskId, ProbeTarget> {
        let targets = self.probed().map(|(id, task, spec)| {
            let (address, since) = (task.address, task.since);
            let target = ProbeTarget {
                address,
                since,
                spec,
            };
            (id.clone(), target)
        });
        targets.collect()
    }

    /// The commands that have to be run in containers for this state to be judged, by node.
    #[must_use]
    pub fn commands(&self) -> BTreeMap<NodeId, Arc<CommandTargets>> {
        let mut nodes: BTreeMap<NodeId, CommandTargets> = BTreeMap::new();
        for (id, task, spec) in self.probed().filter(|(_, _, spec)| spec.is_command()) {
            let target = CommandTarget {
                container: task.container.clone(),
                since: task.since,
                spec,
            };
            let node = nodes.entry(task.node.clone()).or_default();
            node.insert(id.clone(), target);
        }
        let shared = nodes.into_iter();
        shared
            .map(|(node, targets)| (node, Arc::new(targets)))
            .collect()
    }

    /// The tasks that are meant to serve and have to prove that they can, each with how.
    pub(crate) fn probed(&self) -> impl Iterator<Item = (&TaskId, &DesiredTask, ProbeSpec)> {
        self.services.values().flat_map(|service| {
            let spec = service.probe();
            let serving = service.tasks.iter();
            let serving = serving.filter(|(_, task)| task.fate == Fate::Serves);
            serving.filter_map(move |(id, task)| Some((id, task, spec.clone()?)))
        })
    }
}

impl DesiredService {
    /// How its tasks are probed, with the default check resolved to the lowest routed port; none when probing is off.
    #[must_use]
    pub fn probe(&self) -> Option<ProbeSpec> {
        let check = match &self.spec.probe.check {
            Check::None => return None,
            Check::Connect => Check::Tcp {
                port: self.spec.routes.iter().map(|route| route.port).min()?,
            },
            check => check.clone(),
        };
        Some(ProbeSpec {
            check,
            ..self.spec.probe.clone()
        })
    }
}

/// Whether the task serves, or will. Swarm gives it its addresses before it puts it on a node, so that a missing network is
/// known before anything runs.
fn should_be_reached(task: &Task) -> bool {
    task.desired != DesiredState::Stopped
        && match task.state {
            TaskState::Pending => !task.addresses.is_empty(),
            TaskState::Running => true,
            TaskState::Ended => false,
        }
}

/// Hiveway's own tasks that run on nodes that are there and are meant to go on, with their addresses.
fn gateways(
    inventory: &Inventory,
    nodes: &BTreeMap<&NodeId, &Node>,
    networks: &[Arc<str>],
) -> Arc<[GatewayTask]> {
    let Some(own) = &inventory.own_service else {
        return Arc::default();
    };
    let serves = |task: &&Task| {
        task.service == own.id
            && task.state == TaskState::Running
            && task.desired == DesiredState::Running
    };
    let gateway = |task: &Task| {
        let node = nodes.get(task.node.as_ref()?)?;
        node.ready.then_some(GatewayTask {
            node: node.id.clone(),
            address: address(task, networks)?,
            controller: node.manager,
        })
    };
    let tasks = inventory.tasks.iter().filter(serves);
    let sorted: BTreeSet<GatewayTask> = tasks.filter_map(gateway).collect();
    sorted.into_iter().collect()
}

fn why_ended(task: &Task) -> Arc<str> {
    match &task.error {
        Some(error) => format!("its task ended: {error}").into(),
        None => "its task ended".into(),
    }
}

#[cfg(test)]
mod tests;
