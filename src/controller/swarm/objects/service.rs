//! A service as the engine writes it.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;

use super::{NetworkTarget, OwnTask, StateObject, nullable};
use crate::core::model::{Mode, OwnNetwork, OwnService, Service, UpdateState};

/// An item of `GET /services`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::controller::swarm) struct ServiceObject {
    #[serde(rename = "ID")]
    pub(in crate::controller::swarm) id: String,
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
    #[serde(default, deserialize_with = "nullable")]
    update_config: UpdateConfig,
    #[serde(default, deserialize_with = "nullable")]
    endpoint_spec: EndpointSpec,
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
    #[serde(deserialize_with = "nullable")]
    networks: Vec<NetworkTarget>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct ContainerSpec {
    #[serde(deserialize_with = "nullable")]
    labels: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct UpdateConfig {
    #[serde(deserialize_with = "nullable")]
    order: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct EndpointSpec {
    #[serde(deserialize_with = "nullable")]
    ports: Vec<PortConfig>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct PortConfig {
    #[serde(deserialize_with = "nullable")]
    publish_mode: String,
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
            updating: update_state(&object.update_status.state).is_in_progress(),
        }
    }
}

impl ServiceObject {
    /// What is left of it where it is Hiveway's own; `name_of` knows the names of networks by their ids.
    pub(in crate::controller::swarm) fn own<'a>(
        &self,
        name_of: impl Fn(&str) -> Option<Arc<str>>,
        mut tasks: impl Iterator<Item = &'a OwnTask>,
    ) -> OwnService {
        let spec = &self.spec;
        let networks = &spec.task_template.networks;
        let network = |network: &NetworkTarget| OwnNetwork {
            target: network.target.as_str().into(),
            name: name_of(&network.target).unwrap_or_else(|| network.target.as_str().into()),
            aliases: network
                .aliases
                .iter()
                .map(|it| it.as_str().into())
                .collect(),
        };
        let ports = &spec.endpoint_spec.ports;
        OwnService {
            id: self.id.as_str().into(),
            name: spec.name.as_str().into(),
            networks: networks.iter().map(network).collect(),
            update: update_state(&self.update_status.state),
            proven: tasks.any(|task| task.runs_on(networks)),
            start_first: spec.update_config.order == "start-first",
            host_port: ports.iter().any(|port| port.publish_mode == "host"),
            ingress_port: ports.iter().any(|port| port.publish_mode != "host"),
        }
    }
}

/// A state that is not known is no reason to wait for it to end.
fn update_state(state: &str) -> UpdateState {
    match state {
        "updating" => UpdateState::Updating,
        "rollback_started" => UpdateState::RollingBack,
        "rollback_completed" | "rollback_paused" => UpdateState::RolledBack,
        _ => UpdateState::Done,
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
