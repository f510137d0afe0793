//! A node as the engine writes it.

use serde::Deserialize;

use super::{StateObject, nullable};
use crate::core::model::Node;

/// An item of `GET /nodes`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(in crate::controller::swarm) struct NodeObject {
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
