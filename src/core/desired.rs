//! What the swarm should look like to clients: the inventory, read through the labels. Never fails: what cannot be read
//! is a diagnostic.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use super::control::{CommandTarget, CommandTargets};
use super::labels::{self, LabelOptions};
use super::model::{
    ContainerId, DesiredState, Inventory, Mode, NodeId, Service, ServiceId, Task, TaskId,
    TaskState, Timestamp,
};
use super::route::{Check, Diagnostic, Level, ProbeSpec, ServiceSpec};
use super::scale::ScaleWish;
use super::snapshot::GatewayTask;

/// The routed services with the tasks that can be reached, and what to say about the labels.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Desired {
    /// The services that claim at least one route.
    pub services: BTreeMap<ServiceId, DesiredService>,
    /// Every complaint and notice about labels.
    pub diagnostics: BTreeSet<Diagnostic>,
    /// What `scale` labels ask for, whether or not the service is routed.
    pub scale: BTreeMap<ServiceId, ScaleWish>,
    /// Why tasks that are no longer reachable are not, for the events that tell of their end.
    pub departures: BTreeMap<TaskId, Arc<str>>,
    /// Hiveway's own running tasks, sorted.
    pub gateways: Arc<[GatewayTask]>,
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
        desired.gateways = gateways(inventory, &options.networks);
        let ready: BTreeMap<&NodeId, bool> = inventory
            .nodes
            .iter()
            .map(|node| (&node.id, node.ready))
            .collect();
        for service in &inventory.services {
            let (spec, diagnostics) = labels::parse(service, &options.labels);
            desired.diagnostics.extend(diagnostics);
            if let (Some(wanted), Mode::Replicated { replicas }) = (spec.scale, service.mode) {
                let wish = ScaleWish {
                    service: service.name.clone(),
                    current: replicas,
                    wanted,
                };
                desired.scale.insert(service.id.clone(), wish);
            }
            if spec.routes.is_empty() {
                continue;
            }
            let tasks = tasks.get(&service.id).map_or(&[][..], Vec::as_slice);
            desired.add(service, spec, tasks, &ready, options);
        }
        desired
    }

    fn add(
        &mut self,
        service: &Service,
        spec: ServiceSpec,
        tasks: &[&Task],
        ready: &BTreeMap<&NodeId, bool>,
        options: &Options,
    ) {
        let mut reachable = BTreeMap::new();
        for task in tasks {
            if task.state != TaskState::Running {
                if task.state == TaskState::Ended {
                    self.departures.insert(task.id.clone(), why_ended(task));
                }
                continue;
            }
            let (Some(container), Some(node)) = (&task.container, &task.node) else {
                continue;
            };
            let Some(address) = address(task, spec.network.as_ref(), &options.networks) else {
                self.diagnostics
                    .insert(unreachable(service, &spec, &options.networks));
                continue;
            };
            let fate = match task.desired {
                _ if ready.get(node) == Some(&false) => Fate::Lost,
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
    fn probed(&self) -> impl Iterator<Item = (&TaskId, &DesiredTask, ProbeSpec)> {
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

/// The task's address on the network that the label names, or else on the first that both sides share. Never an arbitrary
/// one: an address on another network could lead to another service.
fn address(task: &Task, named: Option<&Arc<str>>, shared: &[Arc<str>]) -> Option<IpAddr> {
    let on = |network: &Arc<str>| {
        task.addresses
            .iter()
            .find(|at| at.network == *network)
            .map(|at| at.address)
    };
    match named {
        Some(network) => on(network),
        None => shared.iter().find_map(on),
    }
}

/// Hiveway's own tasks that run on nodes that are there and are meant to go on, with their addresses.
fn gateways(inventory: &Inventory, networks: &[Arc<str>]) -> Arc<[GatewayTask]> {
    let own = |task: &&Task| {
        inventory.own_service.as_ref() == Some(&task.service)
            && task.state == TaskState::Running
            && task.desired == DesiredState::Running
    };
    let gateway = |task: &Task| {
        let id = task.node.as_ref()?;
        let node = inventory.nodes.iter().find(|node| node.id == *id)?;
        node.ready.then_some(GatewayTask {
            node: id.clone(),
            address: address(task, None, networks)?,
            controller: node.manager,
        })
    };
    let tasks = inventory.tasks.iter().filter(own);
    let sorted: BTreeSet<GatewayTask> = tasks.filter_map(gateway).collect();
    sorted.into_iter().collect()
}

fn why_ended(task: &Task) -> Arc<str> {
    match &task.error {
        Some(error) => format!("its task ended: {error}").into(),
        None => "its task ended".into(),
    }
}

fn unreachable(service: &Service, spec: &ServiceSpec, networks: &[Arc<str>]) -> Diagnostic {
    let wanted = match &spec.network {
        Some(network) => network.to_string(),
        None => networks.join(" or "),
    };
    Diagnostic {
        level: Level::Error,
        service: service.name.clone(),
        key: "routing.network".into(),
        value: wanted.clone().into(),
        reason: format!("its tasks have no address on network {wanted}, so they cannot be reached"),
        remedy: format!("attach the service with `networks: [{wanted}]` in its stack file"),
        suggestion: None,
    }
}

#[cfg(test)]
mod tests;
