//! A task as the engine writes it.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use serde::Deserialize;

use super::{NetworkTarget, nullable};
use crate::core::model::{DesiredState, ServiceId, Task, TaskAddress, TaskState, Timestamp};

/// An item of `GET /tasks`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::controller::swarm) struct TaskObject {
    #[serde(rename = "ID")]
    id: String,
    /// None: it attaches a plain container to a network.
    #[serde(rename = "ServiceID", default, deserialize_with = "nullable")]
    pub(in crate::controller::swarm) service: String,
    #[serde(rename = "NodeID", default, deserialize_with = "nullable")]
    node: String,
    slot: Option<u64>,
    /// A copy of the service's, as it was when the task was made.
    #[serde(default, deserialize_with = "nullable")]
    spec: TaskSpec,
    #[serde(default, deserialize_with = "nullable")]
    desired_state: String,
    #[serde(default, deserialize_with = "nullable")]
    status: TaskStatus,
    #[serde(default, deserialize_with = "nullable")]
    networks_attachments: Vec<Attachment>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct TaskSpec {
    #[serde(deserialize_with = "nullable")]
    networks: Vec<NetworkTarget>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct TaskStatus {
    #[serde(deserialize_with = "nullable")]
    timestamp: String,
    #[serde(deserialize_with = "nullable")]
    state: String,
    #[serde(deserialize_with = "nullable")]
    err: String,
    #[serde(deserialize_with = "nullable")]
    container_status: ContainerStatus,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ContainerStatus {
    #[serde(rename = "ContainerID", deserialize_with = "nullable")]
    container: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Attachment {
    #[serde(deserialize_with = "nullable")]
    network: Network,
    #[serde(deserialize_with = "nullable")]
    addresses: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Network {
    #[serde(rename = "ID", deserialize_with = "nullable")]
    id: String,
    #[serde(deserialize_with = "nullable")]
    spec: NetworkSpec,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkSpec {
    #[serde(deserialize_with = "nullable")]
    name: String,
}

/// What more is known of a task that may be Hiveway's own.
pub(in crate::controller::swarm) struct OwnTask {
    pub(in crate::controller::swarm) service: ServiceId,
    runs: bool,
    /// The networks that the service's spec named when the task was made.
    targets: Vec<NetworkTarget>,
    /// The ids and names of those that it is attached to.
    networks: Vec<(Box<str>, Arc<str>)>,
}

impl OwnTask {
    /// Whether it runs, and was made when the spec of its service named these networks.
    pub(super) fn runs_on(&self, networks: &[NetworkTarget]) -> bool {
        self.runs && self.targets == networks
    }

    /// The ids and names of the networks that it is attached to.
    pub(in crate::controller::swarm) fn networks(&self) -> impl Iterator<Item = (&str, &Arc<str>)> {
        self.networks.iter().map(|(id, name)| (&**id, name))
    }
}

impl TaskObject {
    /// Takes out what only Hiveway's own tasks are asked for; nothing, where it belongs to no service. To be called before
    /// [`reduce`](Self::reduce).
    pub(in crate::controller::swarm) fn own(&mut self) -> Option<OwnTask> {
        let network = |attachment: &Attachment| {
            let Network { id, spec } = &attachment.network;
            (id.as_str().into(), spec.name.as_str().into())
        };
        (!self.service.is_empty()).then(|| OwnTask {
            service: self.service.as_str().into(),
            runs: self.desired_state == "running" && self.status.state == "running",
            targets: std::mem::take(&mut self.spec.networks),
            networks: self.networks_attachments.iter().map(network).collect(),
        })
    }

    /// What is left of it; nothing, where it belongs to no service.
    pub(in crate::controller::swarm) fn reduce(self) -> Option<Task> {
        let service = filled(self.service)?;
        Some(Task {
            id: self.id.as_str().into(),
            service: service.as_str().into(),
            node: filled(self.node).map(|id| id.as_str().into()),
            slot: self.slot.filter(|&slot| slot > 0),
            container: filled(self.status.container_status.container).map(|id| id.as_str().into()),
            desired: desired_state(&self.desired_state),
            state: task_state(&self.status.state),
            since: timestamp(&self.status.timestamp),
            error: filled(self.status.err).map(Arc::from),
            addresses: self
                .networks_attachments
                .into_iter()
                .filter_map(Attachment::reduce)
                .collect(),
        })
    }
}

impl Attachment {
    /// The first address that can be read; the network of the host has none.
    fn reduce(self) -> Option<TaskAddress> {
        let address = self.addresses.iter().find_map(|address| {
            let (address, _prefix) = address.split_once('/').unwrap_or((address, ""));
            address.parse::<IpAddr>().ok()
        })?;
        Some(TaskAddress {
            network: self.network.spec.name.into(),
            address,
        })
    }
}

/// A desired state that is not known is an end: those that mean life are asked for by name.
fn desired_state(state: &str) -> DesiredState {
    match state {
        "running" => DesiredState::Running,
        "new" | "pending" | "assigned" | "accepted" | "preparing" | "ready" | "starting" => {
            DesiredState::Ready
        }
        _ => DesiredState::Stopped,
    }
}

/// A state that is not known is no reason to send requests, nor to forget the task.
fn task_state(state: &str) -> TaskState {
    match state {
        "running" => TaskState::Running,
        "complete" | "shutdown" | "failed" | "rejected" | "remove" | "orphaned" => TaskState::Ended,
        _ => TaskState::Pending,
    }
}

/// A time that cannot be read is none.
fn timestamp(text: &str) -> Option<Timestamp> {
    let time = humantime::parse_rfc3339(text).ok()?;
    let millis = time.duration_since(UNIX_EPOCH).ok()?.as_millis();
    Some(Timestamp(u64::try_from(millis).ok()?))
}

/// Docker writes an empty string for what is not there.
fn filled(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}
