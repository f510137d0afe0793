//! The one immutable value that gateways steer by, its generation, and the delta between two of them.
//!
//! A snapshot is made by [`reconcile`](crate::core::reconcile), published only when it differs from the one before, and never
//! changed afterwards. The same inputs always give the same bytes: every collection in it is sorted.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::route::{HostPattern, PathPrefix, RoutingPolicy, Scheme};
use super::{ContainerId, NodeId, ServiceId, TaskId};

/// All routes and all endpoints, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Which one this is.
    pub generation: Generation,
    /// The routed services, by id.
    pub clusters: BTreeMap<ServiceId, Arc<Cluster>>,
    /// The routes, by what they match.
    #[serde(with = "as_list")]
    pub routes: BTreeMap<RouteKey, Arc<[Claim]>>,
    /// The TCP routes, by the names that clients ask for by TLS. A field of its own, which gateways of a version that knows
    /// none pass over.
    #[serde(default, with = "as_list", skip_serializing_if = "BTreeMap::is_empty")]
    pub tcp_routes: BTreeMap<HostPattern, Arc<[Claim]>>,
    /// Hiveway's own running tasks, sorted; empty where it does not run as a service.
    #[serde(default)]
    pub gateways: Arc<[GatewayTask]>,
}

impl Snapshot {
    /// Whether the task is an endpoint of any service.
    #[must_use]
    pub fn knows(&self, task: &TaskId) -> bool {
        let mut clusters = self.clusters.values();
        clusters.any(|cluster| cluster.endpoints.contains_key(task))
    }

    /// The same without the hashes of passwords, fit to be shown.
    #[must_use]
    pub fn without_secrets(&self) -> Self {
        let mut shown = self.clone();
        for cluster in shown.clusters.values_mut() {
            let middleware = cluster.policy.middleware.as_deref();
            if let Some(middleware) = middleware.filter(|it| it.basic_auth.is_some()) {
                let middleware = Some(Arc::new(middleware.without_secrets()));
                Arc::make_mut(cluster).policy.middleware = middleware;
            }
        }
        shown
    }
}

/// A running task of Hiveway itself.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct GatewayTask {
    /// The node that it runs on.
    pub node: NodeId,
    /// Its address on the first network that it shares with services.
    pub address: IpAddr,
    /// Whether its node is a manager, so that it is a controller as well.
    pub controller: bool,
}

/// Tells snapshots apart, and orders those of one reconciler. Of two reconcilers' snapshots neither is the newer
/// ([`following`](crate::core::protocol::following)), so this type has no order of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generation {
    /// When the reconciler that made it started, in milliseconds since the Unix epoch.
    pub epoch: u64,
    /// Counts that reconciler's snapshots, from 1; 0 is the empty snapshot before the first.
    pub sequence: u64,
}

impl Generation {
    /// The generation of the same reconciler's next snapshot.
    #[must_use]
    pub fn next(self) -> Self {
        Self {
            sequence: self.sequence + 1,
            ..self
        }
    }
}

/// A routed service: the group of endpoints that share its policy.
///
/// `Eq` lets two references to one cluster be found equal without a look at it, which is what comparing snapshots lives on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// The service's name.
    pub service: Arc<str>,
    /// How its traffic is steered.
    pub policy: RoutingPolicy,
    /// So many of its probes fail at once that they are not believed: failing endpoints stay in rotation.
    pub probes_disbelieved: bool,
    /// Its endpoints, by task.
    pub endpoints: BTreeMap<TaskId, Endpoint>,
}

impl Cluster {
    /// The endpoints that new requests are spread over: those in rotation or, where there are none, those that drain.
    ///
    /// A task keeps serving for two seconds after Swarm has decided to stop it. When it is the last one, because its
    /// successor runs but is not proven yet, a request that it can still answer is worth more than a 503.
    #[must_use]
    pub fn serving(&self) -> Vec<(&TaskId, &Endpoint)> {
        let chosen: Vec<_> = self.in_rotation().collect();
        if chosen.is_empty() {
            let draining =
                |(_, endpoint): &(_, &Endpoint)| endpoint.state == EndpointState::Draining;
            return self.endpoints.iter().filter(draining).collect();
        }
        chosen
    }

    /// The endpoints that are meant to serve and pass their probes, or fail them beyond belief.
    pub fn in_rotation(&self) -> impl Iterator<Item = (&TaskId, &Endpoint)> {
        self.endpoints
            .iter()
            .filter(|(_, endpoint)| match endpoint.state {
                EndpointState::Ready => true,
                EndpointState::Failing => self.probes_disbelieved,
                EndpointState::Starting
                | EndpointState::Unproven
                | EndpointState::Draining
                | EndpointState::Ended
                | EndpointState::Lost => false,
            })
    }
}

/// A task that requests can be sent to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// The full id of its container; the value of the sticky cookie.
    pub container: ContainerId,
    /// The node that it runs on.
    pub node: NodeId,
    /// Its address on the network that was chosen; the port is the claim's.
    pub address: IpAddr,
    /// Whether it may be given requests.
    pub state: EndpointState,
}

/// Whether an endpoint may be given requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointState {
    /// It runs and has not been judged yet.
    Starting,
    /// It has failed its probes since it started.
    Unproven,
    /// It passes its probes.
    Ready,
    /// It passed its probes before and fails them now.
    Failing,
    /// Swarm is stopping it, or it was sent a signal to end: requests in flight end in peace, and none is added while any
    /// other endpoint can serve.
    Draining,
    /// Its container has ended, which an agent saw before Swarm did: unlike one that drains, it can serve nothing.
    Ended,
    /// Its node is down.
    Lost,
}

impl EndpointState {
    /// Every state, for those who count.
    pub const ALL: [Self; 7] = [
        Self::Starting,
        Self::Unproven,
        Self::Ready,
        Self::Failing,
        Self::Draining,
        Self::Ended,
        Self::Lost,
    ];

    /// The state's name in metrics and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Unproven => "unproven",
            Self::Ready => "ready",
            Self::Failing => "failing",
            Self::Draining => "draining",
            Self::Ended => "ended",
            Self::Lost => "lost",
        }
    }
}

/// What a route matches.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouteKey {
    /// The host names.
    pub host: HostPattern,
    /// The paths.
    pub path: PathPrefix,
}

/// One service's share in a route.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Claim {
    /// The service, a key of [`Snapshot::clusters`].
    pub service: ServiceId,
    /// The container's port.
    pub port: u16,
    /// By which protocol clients reach it.
    pub scheme: Scheme,
}

/// What changed between two snapshots: values replace, `None` removes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Delta {
    /// The generation that it applies to.
    pub from: Generation,
    /// The generation that it makes.
    pub to: Generation,
    /// Clusters that came, changed or went.
    pub clusters: BTreeMap<ServiceId, Option<Arc<Cluster>>>,
    /// Routes that came, changed or went.
    #[serde(with = "as_list")]
    pub routes: BTreeMap<RouteKey, Option<Arc<[Claim]>>>,
    /// TCP routes that came, changed or went.
    #[serde(default, with = "as_list", skip_serializing_if = "BTreeMap::is_empty")]
    pub tcp_routes: BTreeMap<HostPattern, Option<Arc<[Claim]>>>,
    /// Hiveway's own tasks, where any of them changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gateways: Option<Arc<[GatewayTask]>>,
}

impl Delta {
    /// What leads from one snapshot to another.
    #[must_use]
    pub fn between(old: &Snapshot, new: &Snapshot) -> Self {
        Self {
            from: old.generation,
            to: new.generation,
            clusters: changes(&old.clusters, &new.clusters),
            routes: changes(&old.routes, &new.routes),
            tcp_routes: changes(&old.tcp_routes, &new.tcp_routes),
            gateways: (old.gateways != new.gateways).then(|| new.gateways.clone()),
        }
    }

    /// Whether the two snapshots say the same.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.clusters.is_empty()
            && self.routes.is_empty()
            && self.tcp_routes.is_empty()
            && self.gateways.is_none()
    }

    /// The snapshot that this leads to; none when it does not start from `old`.
    #[must_use]
    pub fn apply(&self, old: &Snapshot) -> Option<Snapshot> {
        (self.from == old.generation).then(|| Snapshot {
            generation: self.to,
            clusters: replay(&old.clusters, &self.clusters),
            routes: replay(&old.routes, &self.routes),
            tcp_routes: replay(&old.tcp_routes, &self.tcp_routes),
            gateways: self.gateways.as_ref().unwrap_or(&old.gateways).clone(),
        })
    }
}

fn changes<K: Ord + Clone, V: PartialEq + Clone>(
    old: &BTreeMap<K, V>,
    new: &BTreeMap<K, V>,
) -> BTreeMap<K, Option<V>> {
    let gone = old
        .keys()
        .filter(|key| !new.contains_key(key))
        .map(|key| (key.clone(), None));
    let came = new
        .iter()
        .filter(|(key, value)| old.get(key) != Some(value))
        .map(|(key, value)| (key.clone(), Some(value.clone())));
    gone.chain(came).collect()
}

fn replay<K: Ord + Clone, V: Clone>(
    old: &BTreeMap<K, V>,
    changes: &BTreeMap<K, Option<V>>,
) -> BTreeMap<K, V> {
    let mut new = old.clone();
    for (key, value) in changes {
        match value {
            Some(value) => new.insert(key.clone(), value.clone()),
            None => new.remove(key),
        };
    }
    new
}

/// JSON has no maps with structured keys, so routes travel as a list of pairs.
mod as_list {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    pub(crate) fn serialize<S: Serializer, K: Serialize, V: Serialize>(
        routes: &BTreeMap<K, V>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(routes)
    }

    pub(crate) fn deserialize<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
    where
        D: Deserializer<'de>,
        K: Deserialize<'de> + Ord,
        V: Deserialize<'de>,
    {
        Ok(Vec::<(K, V)>::deserialize(deserializer)?
            .into_iter()
            .collect())
    }
}
