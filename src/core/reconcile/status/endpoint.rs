//! How each endpoint of a service stands, for those who ask for that.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::ServiceStatus;
use crate::core::model::snapshot::{EndpointState, Snapshot};
use crate::core::model::{ContainerId, NodeId, TaskId};
use crate::core::routing::rates::EndpointCounts;

/// How an endpoint stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndpointStatus {
    /// The task.
    pub task: TaskId,
    /// Its container.
    pub container: ContainerId,
    /// Its node.
    pub node: NodeId,
    /// Its address.
    pub address: IpAddr,
    /// The state that controllers see it in.
    pub state: EndpointState,
    /// Whether this gateway has ejected it.
    pub ejected: bool,
    /// What its requests add up to, through this gateway.
    pub requests: EndpointCounts,
}

/// Adds its endpoints to each service, by task.
pub fn add_endpoints(
    services: &mut [ServiceStatus],
    snapshot: &Snapshot,
    counts: &BTreeMap<TaskId, EndpointCounts>,
    ejected: impl Fn(&TaskId) -> bool,
) {
    let mut endpoints: BTreeMap<Arc<str>, Vec<EndpointStatus>> = BTreeMap::new();
    for cluster in snapshot.clusters.values() {
        let known = cluster.endpoints.iter();
        let known = known.map(|(task, endpoint)| EndpointStatus {
            task: task.clone(),
            container: endpoint.container.clone(),
            node: endpoint.node.clone(),
            address: endpoint.address,
            state: endpoint.state,
            ejected: ejected(task),
            requests: counts.get(task).copied().unwrap_or_default(),
        });
        // Services of the same name are one here.
        let own = endpoints.entry(cluster.service.clone());
        own.or_default().extend(known);
    }

    for service in services {
        let own = endpoints.remove(&service.service);
        service.endpoints = Some(own.unwrap_or_default());
    }
}
