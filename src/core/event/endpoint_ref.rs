//! How events name an endpoint.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::core::model::{ContainerId, NodeId, TaskId};

/// Names an endpoint to people and programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointRef {
    /// The service's name.
    pub service: Arc<str>,
    /// The task.
    pub task: TaskId,
    /// Its container.
    pub container: ContainerId,
    /// Its node.
    pub node: NodeId,
    /// Its address.
    pub address: IpAddr,
}

impl fmt::Display for EndpointRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} container {} ({})",
            self.service,
            self.container.short(),
            self.address
        )
    }
}
