//! Docker's objects as the engine writes them, and what is left of them in an inventory.
//!
//! # Design notes
//!
//! Unknown fields and enum values are tolerated, so that tomorrow's engine can be read; an unknown value becomes the one
//! that keeps traffic where it is. An object without an id, or with a field of another type, is no object of Docker's: then the
//! whole answer is refused and the last inventory stands, since half a list would look like services that went away.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use serde::{Deserialize, Deserializer};

use crate::core::model::{
    DesiredState, Mode, Node, Service, Task, TaskAddress, TaskState, Timestamp,
};

/// Docker writes `null` for an empty map or list.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// An item of `GET /services`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ServiceObject {
    #[serde(rename = "ID")]
    id: String,
    spec: ServiceSpec,
    #[serde(default, deserialize_with = "nullable")]
    update_status: StateObject,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ServiceSpec {
    name: String,
    #[serde(default, deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
    #[serde(default, deserialize_with = "nullable")]
    mode: ModeObject,
    #[serde(default, deserialize_with = "nullable")]
    task_template: TaskTemplate,
}

/// Exactly one of the fields is there.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ModeObject {
    replicated: Option<Replicated>,
    replicated_job: Option<serde::de::IgnoredAny>,
    global_job: Option<serde::de::IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Replicated {
    replicas: Option<u64>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct TaskTemplate {
    #[serde(deserialize_with = "nullable")]
    container_spec: ContainerSpec,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ContainerSpec {
    #[serde(deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct StateObject {
    #[serde(deserialize_with = "nullable")]
    state: String,
}

impl From<ServiceObject> for Service {
    fn from(object: ServiceObject) -> Self {
        let spec = object.spec;
        Self {
            id: object.id.as_str().into(),
            name: spec.name.into(),
            mode: spec.mode.into(),
            labels: spec.labels,
            container_labels: spec.task_template.container_spec.labels,
            updating: matches!(
                object.update_status.state.as_str(),
                "updating" | "rollback_started"
            ),
        }
    }
}

impl From<ModeObject> for Mode {
    fn from(mode: ModeObject) -> Self {
        match mode {
            ModeObject {
                replicated: Some(replicated),
                ..
            } => Self::Replicated {
                // Swarm's own default.
                replicas: replicated.replicas.unwrap_or(1),
            },
            ModeObject {
                replicated_job: Some(_),
                ..
            }
            | ModeObject {
                global_job: Some(_),
                ..
            } => Self::Job,
            // A mode that is not known yet is routed to, and never scaled, like a global one.
            _ => Self::Global,
        }
    }
}

/// An item of `GET /tasks`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct TaskObject {
    #[serde(rename = "ID")]
    id: String,
    /// None: it attaches a plain container to a network.
    #[serde(rename = "ServiceID", default, deserialize_with = "nullable")]
    service: String,
    #[serde(rename = "NodeID", default, deserialize_with = "nullable")]
    node: String,
    slot: Option<u64>,
    #[serde(default, deserialize_with = "nullable")]
    desired_state: String,
    #[serde(default, deserialize_with = "nullable")]
    status: TaskStatus,
    #[serde(default, deserialize_with = "nullable")]
    networks_attachments: Vec<Attachment>,
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
    #[serde(deserialize_with = "nullable")]
    spec: NetworkSpec,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkSpec {
    #[serde(deserialize_with = "nullable")]
    name: String,
}

impl TaskObject {
    /// What is left of it; nothing, where it belongs to no service.
    pub(super) fn reduce(self) -> Option<Task> {
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

/// An item of `GET /nodes`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NodeObject {
    #[serde(rename = "ID")]
    id: String,
    #[serde(default, deserialize_with = "nullable")]
    description: Description,
    #[serde(default, deserialize_with = "nullable")]
    status: StateObject,
    #[serde(default, deserialize_with = "nullable")]
    manager_status: Option<ManagerStatus>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Description {
    #[serde(deserialize_with = "nullable")]
    hostname: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ManagerStatus {
    #[serde(deserialize_with = "nullable")]
    leader: bool,
}

impl From<NodeObject> for Node {
    fn from(object: NodeObject) -> Self {
        Self {
            id: object.id.as_str().into(),
            hostname: object.description.hostname.into(),
            // `unknown` is what a new leader says of a node until it has heard from it; its tasks serve all the same.
            ready: !matches!(object.status.state.as_str(), "down" | "disconnected"),
            manager: object.manager_status.is_some(),
            leader: object.manager_status.is_some_and(|status| status.leader),
        }
    }
}
