//! What a swarm looks like to Hiveway: the parts of Docker's objects that can change a decision, and no others.
//!
//! # Design notes
//!
//! Objects are cut down at the border, so that "did anything change?" is one `==` between two [`Inventory`] values. Lists
//! are sorted by id when an inventory is made, so that equal swarms give equal values.

pub mod middleware;
pub mod network;
pub mod route;
pub mod snapshot;

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

/// Everything that one look at the swarm saw. Written by the watcher of the engine (or of an inventory file), read by
/// the reconciler; it is replaced as a whole, never patched.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inventory {
    /// The node whose engine was asked; none for an inventory file.
    pub own_node: Option<NodeId>,
    /// The service that Hiveway itself runs as; none where it is no task of a service.
    pub own_service: Option<OwnService>,
    /// All services, sorted by id.
    pub services: Vec<Service>,
    /// The tasks that run or are meant to, and those that left lately, sorted by id.
    pub tasks: Vec<Task>,
    /// All nodes, sorted by id.
    pub nodes: Vec<Node>,
}

impl Inventory {
    /// Puts the lists in their canonical order, which makes equal swarms equal values.
    #[must_use]
    pub fn sorted(mut self) -> Self {
        self.services.sort_by(|a, b| a.id.cmp(&b.id));
        self.tasks.sort_by(|a, b| a.id.cmp(&b.id));
        self.nodes.sort_by(|a, b| a.id.cmp(&b.id));
        self
    }

    /// Whether the engine that was asked is the leader of the managers: the only one whose controller may write.
    #[must_use]
    pub fn leads(&self) -> bool {
        self.own_node
            .as_ref()
            .is_some_and(|own| self.nodes.iter().any(|node| node.leader && node.id == *own))
    }
}

/// A Swarm service, as far as routing is concerned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Service {
    /// Swarm's id of the service.
    pub id: ServiceId,
    /// The name, `STACK_SERVICE` when a stack file deployed it.
    pub name: Arc<str>,
    /// How many tasks Swarm keeps.
    pub mode: Mode,
    /// The labels of the service (`deploy.labels` in a stack file).
    pub labels: BTreeMap<String, String>,
    /// The labels of its containers (`labels` in a stack file).
    pub container_labels: BTreeMap<String, String>,
    /// Whether Swarm is replacing its tasks right now.
    pub updating: bool,
}

/// The service that Hiveway itself runs as: what decides about its network aliases.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnService {
    /// Swarm's id of the service.
    pub id: ServiceId,
    /// The name.
    pub name: Arc<str>,
    /// The networks that its tasks are attached to, in the order of its spec.
    pub networks: Vec<OwnNetwork>,
    /// What became of the last change to its spec.
    pub update: UpdateState,
    /// Whether a task runs on these networks by these aliases: a change to them works on one node at least.
    pub proven: bool,
    /// Whether a new task runs before the one that it replaces stops.
    pub start_first: bool,
    /// Whether it publishes a port of its nodes (`mode: host`), which only one task a node can have.
    pub host_port: bool,
    /// Whether it publishes a port through Swarm's ingress (`mode: ingress`, the default), which hides its clients' addresses.
    #[serde(default)]
    pub ingress_port: bool,
}

/// A network of Hiveway's own service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnNetwork {
    /// How the spec names it: by its id.
    pub target: Arc<str>,
    /// The network's name.
    pub name: Arc<str>,
    /// The names that resolve to the service there, in the order of its spec.
    pub aliases: Vec<Arc<str>>,
}

/// What became of the last change to a service's spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateState {
    /// Its tasks are as its spec says, or nobody tries any more to make them so.
    Done,
    /// Swarm is replacing its tasks.
    Updating,
    /// The new tasks failed, and Swarm is taking the change back.
    RollingBack,
    /// Swarm has taken the change back, or has given that up.
    RolledBack,
}

impl UpdateState {
    /// Whether tasks are being replaced right now.
    #[must_use]
    pub fn is_in_progress(self) -> bool {
        matches!(self, Self::Updating | Self::RollingBack)
    }
}

/// How Swarm decides the number of a service's tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// So many tasks, wherever there is room.
    Replicated {
        /// The number asked for.
        replicas: u64,
    },
    /// One task on every node.
    Global,
    /// Tasks that run to their end; they are never routed to.
    Job,
}

/// A Swarm task: one slot's present or past container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Swarm's id of the task; all state of an endpoint is keyed by it.
    pub id: TaskId,
    /// The service it belongs to.
    pub service: ServiceId,
    /// Where it was put; none before the scheduler has decided.
    pub node: Option<NodeId>,
    /// Its number among the replicas; none for a global service.
    pub slot: Option<u64>,
    /// The full id of its container, once there is one.
    pub container: Option<ContainerId>,
    /// What Swarm wants of it.
    pub desired: DesiredState,
    /// What it does.
    pub state: TaskState,
    /// When its state last changed, by the clock of its node; the start of `probe.initial_delay_seconds`.
    pub since: Option<Timestamp>,
    /// Why it ended, in Docker's words.
    pub error: Option<Arc<str>>,
    /// Its addresses, one a network, in the order Docker gives.
    pub addresses: Vec<TaskAddress>,
}

/// What Swarm wants of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DesiredState {
    /// It should run.
    Running,
    /// It should be prepared and wait: it replaces another that has not stopped yet.
    Ready,
    /// It should end; the earliest sign of a rolling update, about two seconds before SIGTERM.
    Stopped,
}

/// How far a task has come. Swarm's fifteen states, cut down to the three that decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskState {
    /// Not running yet (`new` to `starting`).
    Pending,
    /// Its process runs; with a HEALTHCHECK it is also healthy.
    Running,
    /// It is over, for whatever reason.
    Ended,
}

/// A task's address on one network.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskAddress {
    /// The network's name.
    pub network: Arc<str>,
    /// The address there.
    pub address: IpAddr,
}

/// A node of the swarm.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Swarm's id of the node.
    pub id: NodeId,
    /// Its host name.
    pub hostname: Arc<str>,
    /// Whether the managers hear from it. A task of a node that is down keeps its state `running` for ever.
    pub ready: bool,
    /// Whether it is a manager.
    pub manager: bool,
    /// Whether it leads the managers.
    pub leader: bool,
}

/// Milliseconds since the Unix epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The id as Docker writes it.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// The first twelve characters, the form in which Docker's own tools show ids.
            #[must_use]
            pub fn short(&self) -> &str {
                self.0.get(..12).unwrap_or(&self.0)
            }
        }

        impl From<&str> for $name {
            fn from(id: &str) -> Self {
                Self(id.into())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

ids! {
    /// The id of a service.
    ServiceId,
    /// The id of a task.
    TaskId,
    /// The full id of a container, 64 hexadecimal digits.
    ContainerId,
    /// The id of a node.
    NodeId,
}
