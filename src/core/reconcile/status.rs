//! How an instance stands, for an operator: its conditions, its services and the nodes, gathered from what the process knows.

mod endpoint;
mod exposure;
pub mod select;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::core::model::route::Diagnostic;
use crate::core::model::snapshot::{Cluster, EndpointState, Generation, Snapshot};
use crate::core::model::{NodeId, ServiceId, TaskId, Timestamp};
use crate::core::routing::misses::Misses;
use crate::core::routing::rates::RequestCounts;

pub use self::endpoint::{EndpointStatus, add_endpoints};
pub use self::exposure::{Entrance, exposure};

/// How one instance stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The version of Hiveway.
    pub version: String,
    /// When this was gathered.
    pub at: Timestamp,
    /// What the process is.
    pub role: String,
    /// The node that it runs on; none where it is not known.
    pub node: Option<NodeId>,
    /// The controller that it follows: an address, or `this node`; none where it follows none.
    pub controller: Option<String>,
    /// What it steers by; none before the first snapshot.
    pub snapshot: Option<SnapshotStatus>,
    /// What holds of it and what does not.
    pub conditions: Vec<Condition>,
    /// The routed services, by name.
    pub services: Vec<ServiceStatus>,
    /// The instances that the snapshot knows, by node.
    pub nodes: Vec<NodeStatus>,
    /// For which hosts this gateway answered 404 or 503 itself.
    #[serde(default)]
    pub misses: Misses,
    /// The tasks that are drained by hand.
    pub drained_by_hand: BTreeSet<TaskId>,
    /// What this process does not know, and who does.
    pub unknown: Vec<String>,
}

impl Status {
    /// Every endpoint of its services.
    pub fn endpoints(&self) -> impl Iterator<Item = &EndpointStatus> {
        let services = self.services.iter();
        services.flat_map(|it| it.endpoints.iter().flatten())
    }
}

/// The snapshot that an instance steers by.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnapshotStatus {
    /// Which one.
    pub generation: Generation,
    /// Since when this process has had it; none where it came before the admin listener.
    pub since: Option<Timestamp>,
    /// How many routes it has.
    pub routes: usize,
}

/// Something that holds or does not, in the form that Kubernetes gives its conditions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// What, as one word: true is good.
    #[serde(rename = "type")]
    pub kind: String,
    /// Whether it holds.
    pub status: Truth,
    /// Why, as one word.
    pub reason: String,
    /// The same in words.
    pub message: String,
    /// Since when; none where that is not known.
    pub since: Option<Timestamp>,
}

impl Condition {
    /// The same with the time since when it holds or does not, where that was noted of what it says.
    #[must_use]
    pub fn since(self, noted: Option<(bool, Timestamp)>) -> Self {
        let holds = self.status == Truth::True;
        let noted = noted.filter(|(noted, _)| *noted == holds);
        Self {
            since: noted.map(|(_, at)| at),
            ..self
        }
    }
}

/// Whether a condition holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Truth {
    /// It holds.
    True,
    /// It does not.
    False,
}

/// How a routed service stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceStatus {
    /// Its name.
    pub service: Arc<str>,
    /// Its routes, as `host/path`.
    pub routes: Vec<String>,
    /// Endpoints in rotation.
    pub ready: usize,
    /// All endpoints.
    pub total: usize,
    /// All endpoints by state; states that none has are left out.
    pub states: BTreeMap<EndpointState, usize>,
    /// Those in rotation that this gateway has ejected.
    pub ejected: u64,
    /// So many of its probes fail at once that they are not believed.
    pub probes_disbelieved: bool,
    /// How it is probed, in words. `None` if this process is not a controller.
    #[serde(default)]
    pub probe: Option<Arc<str>>,
    /// What its requests add up to, through this gateway.
    pub requests: RequestCounts,
    /// Each of its endpoints, by task; `None` unless asked for.
    #[serde(default)]
    pub endpoints: Option<Vec<EndpointStatus>>,
}

/// An instance of Hiveway, as the snapshot names it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeStatus {
    /// Its node.
    pub node: NodeId,
    /// Its address; none where it follows without being a task of Hiveway's service.
    pub address: Option<IpAddr>,
    /// Whether it is a controller as well.
    pub controller: bool,
    /// Whether it is the one that was asked.
    pub own: bool,
    /// Whether it takes its snapshots from the controller that was asked; none where that is no controller.
    pub follows: Option<bool>,
    /// What it has; none where the process that was asked does not know.
    pub generation: Option<Generation>,
}

/// A gateway that follows a controller, as that controller knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Follower {
    /// Its node; none where it does not know it itself.
    pub node: Option<NodeId>,
    /// The snapshot that it was sent last; none where it has none yet.
    pub generation: Option<Generation>,
}

/// The services of a snapshot; those of the same name are one, as in the metrics.
#[must_use]
pub fn services(
    snapshot: &Snapshot,
    requests: impl Fn(&str) -> (RequestCounts, u64),
) -> Vec<ServiceStatus> {
    let mut services: BTreeMap<&str, ServiceStatus> = BTreeMap::new();
    let mut routes: BTreeMap<&ServiceId, Vec<String>> = BTreeMap::new();
    for (key, claims) in &snapshot.routes {
        let claiming: BTreeSet<&ServiceId> = claims.iter().map(|claim| &claim.service).collect();
        for service in claiming {
            let route = format!("{}{}", key.host, key.path);
            routes.entry(service).or_default().push(route);
        }
    }
    for (host, claims) in &snapshot.tcp_routes {
        for claim in claims.iter() {
            let route = format!("tcp://{host}");
            routes.entry(&claim.service).or_default().push(route);
        }
    }
    for (id, cluster) in &snapshot.clusters {
        let status = services
            .entry(&cluster.service)
            .or_insert_with(|| new(cluster, &requests));
        status.routes.extend(routes.remove(id).unwrap_or_default());
        status.ready += cluster.in_rotation().count();
        status.total += cluster.endpoints.len();
        status.probes_disbelieved |= cluster.probes_disbelieved;
        for endpoint in cluster.endpoints.values() {
            *status.states.entry(endpoint.state).or_default() += 1;
        }
    }
    services.into_values().collect()
}

fn new(cluster: &Cluster, requests: &impl Fn(&str) -> (RequestCounts, u64)) -> ServiceStatus {
    let (requests, ejected) = requests(&cluster.service);
    ServiceStatus {
        service: cluster.service.clone(),
        routes: Vec::new(),
        ready: 0,
        total: 0,
        states: BTreeMap::new(),
        ejected,
        probes_disbelieved: false,
        probe: None,
        requests,
        endpoints: None,
    }
}

/// The instances that the snapshot or the followers of this controller tell of. `followers` is none where the process is no
/// controller.
#[must_use]
pub fn nodes(
    snapshot: &Snapshot,
    own: Option<&NodeId>,
    followers: Option<&[Follower]>,
) -> Vec<NodeStatus> {
    let follower = |node: &NodeId| {
        let mut all = followers.into_iter().flatten();
        all.find(|it| it.node.as_ref() == Some(node))
    };
    let mut nodes: BTreeMap<NodeId, NodeStatus> = BTreeMap::new();
    let mut add = |node: &NodeId, address: Option<IpAddr>, controller: bool| {
        let is_own = own == Some(node);
        let follows = follower(node);
        let generation = match is_own {
            true => Some(snapshot.generation),
            false => follows.and_then(|it| it.generation),
        };
        nodes.entry(node.clone()).or_insert(NodeStatus {
            node: node.clone(),
            address,
            controller,
            own: is_own,
            follows: followers.filter(|_| !is_own).map(|_| follows.is_some()),
            generation,
        });
    };
    for gateway in snapshot.gateways.iter() {
        add(&gateway.node, Some(gateway.address), gateway.controller);
    }
    for follower in followers.into_iter().flatten() {
        if let Some(node) = &follower.node {
            add(node, None, false);
        }
    }
    nodes.into_values().collect()
}

/// Whether every service, by name, has an endpoint in rotation.
#[must_use]
pub fn serves_all(snapshot: &Snapshot) -> bool {
    let serves = |cluster: &&Arc<Cluster>| cluster.in_rotation().next().is_some();
    let clusters = || snapshot.clusters.values();
    let serving = clusters().filter(serves).map(|it| &*it.service);
    let serving: BTreeSet<&str> = serving.collect();
    clusters().all(|it| serving.contains(&*it.service))
}

/// Whether every service has an endpoint to send requests to.
#[must_use]
pub fn availability(services: &[ServiceStatus]) -> Condition {
    let without: Vec<&str> = services
        .iter()
        .filter(|service| service.ready == 0)
        .map(|service| &*service.service)
        .collect();
    let (status, reason, message) = match (services.len(), without.len()) {
        (0, _) => (
            Truth::True,
            "NoServices",
            "no service asks for a route".to_owned(),
        ),
        (1, 0) => (
            Truth::True,
            "AllServe",
            "the service has an endpoint in rotation".to_owned(),
        ),
        (all, 0) => (
            Truth::True,
            "AllServe",
            format!("each of {all} services has an endpoint in rotation"),
        ),
        (_, _) => (
            Truth::False,
            "ServicesWithoutEndpoints",
            format!("no endpoint in rotation: {}", without.join(", ")),
        ),
    };
    Condition {
        kind: "ServicesAvailable".to_owned(),
        status,
        reason: reason.to_owned(),
        message,
        since: None,
    }
}

/// Why a guard by addresses does not work on a port that is published through Swarm's ingress.
pub const HIDDEN_CLIENTS: &str = "sees an address of Swarm's ingress instead of the client's on ports that are published with `mode: ingress`";

/// That the clients of services which let in by address are not seen by their own; `None` if nothing speaks for that.
#[must_use]
pub fn client_addresses(diagnostics: &BTreeSet<Diagnostic>) -> Option<Condition> {
    let hidden = diagnostics.iter().filter(|it| it.reason == HIDDEN_CLIENTS);
    let services: BTreeSet<&str> = hidden.map(|it| &*it.service).collect();
    (!services.is_empty()).then(|| Condition {
        kind: "ClientAddressesKnown".to_owned(),
        status: Truth::False,
        reason: "HiddenByIngress".to_owned(),
        message: format!(
            "routing.allow_cidrs {HIDDEN_CLIENTS}: {}",
            services.into_iter().collect::<Vec<_>>().join(", ")
        ),
        since: None,
    })
}

#[cfg(test)]
mod tests;
