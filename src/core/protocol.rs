//! What controllers and the processes that follow them say to each other.
//!
//! A connection of the control channel carries both directions: down from a controller to a node, [`ToNode`]; up from a
//! node to a controller, [`ToController`]. Everything that is said is either the latest state, which may be said again, or a
//! hint, which may be lost.

pub mod following;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::certificates::GivenCertificate;
use super::certificates::acme::{Challenge, IssuedCertificate};
use super::model::route::ProbeSpec;
use super::model::snapshot::{Delta, Generation, Snapshot};
use super::model::{ContainerId, NodeId, TaskId, Timestamp};
use super::reconcile::by_hand::ManualDrains;

/// What a controller says to a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum ToNode {
    /// How the controller stands. Said at least once every beat, which is how a node knows that it is there.
    Standing {
        /// How it stands.
        #[serde(flatten)]
        standing: Standing,
        /// What operators drained by hand, as far as it knows.
        #[serde(default, skip_serializing_if = "no_orders")]
        by_hand: Arc<ManualDrains>,
    },
    /// All of it, to a node that has nothing, or something that the controller does not remember.
    Snapshot {
        /// The latest.
        snapshot: Arc<Snapshot>,
    },
    /// What changed since the node's last snapshot.
    Delta {
        /// From what the node has to the latest.
        delta: Arc<Delta>,
    },
    /// The certificates to serve TLS with, to a node that asked for them; replaces those that were told before.
    Certificates {
        /// With their keys.
        certificates: Arc<[GivenCertificate]>,
    },
    /// Certificates that an ACME server issued, to a node that wants them: those that it was not told yet.
    Issued {
        /// With their keys.
        certificates: Vec<Arc<IssuedCertificate>>,
    },
    /// What an ACME server is about to ask; replaces what was told before.
    Challenges {
        /// With the answers.
        challenges: Arc<[Challenge]>,
    },
    /// The commands to run in the node's containers; replaces those that were told before.
    Commands {
        /// By task.
        commands: Arc<CommandTargets>,
    },
}

fn no_orders(orders: &ManualDrains) -> bool {
    orders.is_empty()
}

/// How a controller stands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// Its latest snapshot; none while it warms up.
    pub generation: Option<Generation>,
    /// Why it does not know the swarm as it is now; none while it does.
    pub frozen: Option<Arc<str>>,
}

/// What a node says to a controller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum ToController {
    /// Who is speaking. The first thing that is said, and said again when what operators drained by hand changes.
    Hello {
        /// The node; none where it is not known.
        node: Option<NodeId>,
        /// The version of Hiveway, for people.
        version: Arc<str>,
        /// What operators drained by hand, as far as the node knows.
        #[serde(default, skip_serializing_if = "no_orders")]
        by_hand: Arc<ManualDrains>,
        /// What it wants to be told of an ACME server, whoever it follows.
        #[serde(default)]
        acme: AcmeShare,
        /// Whether its gateway has a public listener.
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        public: bool,
    },
    /// Asks for snapshots from now on.
    Follow {
        /// What the node steers by already.
        have: Option<Generation>,
        /// Whether the node serves TLS, and wants to be given certificates, too.
        #[serde(default)]
        certificates: bool,
    },
    /// Asks for no more snapshots.
    Leave,
    /// What an agent saw or found.
    Note(AgentMessage),
}

/// What a node wants to be told of an ACME server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AcmeShare {
    /// Nothing: its version does not know what that is.
    #[default]
    Nothing,
    /// What the server is about to ask, which any gateway may be asked.
    Challenges,
    /// The certificates that it issued, with their keys, as well.
    Certificates,
}

/// What an agent tells every controller.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "note", rename_all = "snake_case")]
pub enum AgentMessage {
    /// Something happened to a task's container.
    Hint(ContainerHint),
    /// A command in a container passed or failed.
    Report(ProbeReport),
}

/// What one probe found: nothing wrong, or what, in words.
pub type ProbeResult = Result<(), Arc<str>>;

/// What one probe found, and of whom.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProbeReport {
    /// The task.
    pub task: TaskId,
    /// Nothing wrong, or what.
    pub result: ProbeResult,
}

/// Something happened to the container of a task. It can make a controller look, or drain what it knows of, and no more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerHint {
    /// The task.
    pub task: TaskId,
    /// Its container.
    pub container: ContainerId,
    /// What happened.
    pub action: ContainerAction,
}

/// What happened to a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ContainerAction {
    /// It started.
    Started,
    /// It was sent a signal that is meant to end it.
    Signalled,
    /// It ended.
    Died,
    /// Docker's own check of it changed its mind, or it was sent a signal that says nothing about its end.
    Changed,
}

impl ContainerAction {
    /// The action's name in metrics and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Signalled => "signalled",
            Self::Died => "died",
            Self::Changed => "changed",
        }
    }
}

/// The commands to run in the containers of one node, by task.
pub type CommandTargets = BTreeMap<TaskId, CommandTarget>;

/// A command to run in a container, again and again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CommandTarget {
    /// The container.
    pub container: ContainerId,
    /// When the task started, if its node said so.
    pub since: Option<Timestamp>,
    /// The command, as [`Check::Command`](super::model::route::Check::Command), and how often.
    pub spec: ProbeSpec,
}
