//! The route table: a snapshot, made ready for requests. Everything that a request needs is worked out here, once a
//! snapshot, so that nothing has to be made or looked up per request but the route itself.

use std::collections::{BTreeSet, HashMap};
use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::HeaderValue;

use crate::core::balance;
use crate::core::lookup::RouteIndex;
use crate::core::model::{NodeId, TaskId};
use crate::core::route::{RoutingPolicy, Scheme};
use crate::core::snapshot::{Claim, Cluster, RouteKey, Snapshot};

use super::cookie;
use super::runtime::{ClusterRuntime, EndpointRuntime, Runtimes};

/// What requests are steered by. A request pins the route that it found; a newer table cannot change it under the request.
#[derive(Debug, Default)]
pub(super) struct RouteTable {
    /// Whether a snapshot was ever seen. Until then nothing is known to be missing.
    pub(super) warm: bool,
    index: RouteIndex<Arc<Route>>,
}

/// A route with the services that share it.
#[derive(Debug)]
pub(super) struct Route {
    plain: Shares,
    secure: Shares,
}

/// The services that share a route, for one kind of client.
#[derive(Debug, Default)]
pub(super) struct Shares {
    pools: Vec<Pool>,
    /// The pools' weights; 0 for one without endpoints, whose part the others take over.
    weights: Vec<u32>,
}

/// One service's endpoints that may be given requests, at one port.
#[derive(Debug)]
pub(super) struct Pool {
    /// The service's name.
    pub(super) service: Arc<str>,
    /// Whether its endpoints are spoken to in HTTP/2.
    pub(super) http2: bool,
    /// How its traffic is steered.
    pub(super) policy: RoutingPolicy,
    /// What outlives a snapshot.
    pub(super) runtime: Arc<ClusterRuntime>,
    /// The preferred first, then the others, and the ejected last.
    targets: Vec<Target>,
    /// So many are preferred: those on the own node where that matters and any is well, or else all that are not ejected.
    preferred: usize,
    /// So many are not ejected.
    well: usize,
    /// Those that are not ejected: who is bound to an ejected one is bound anew.
    by_container: HashMap<Box<str>, usize>,
}

/// An endpoint, ready to be connected to.
#[derive(Debug)]
pub(super) struct Target {
    /// Where it listens.
    pub(super) address: SocketAddr,
    /// Keeps pooled connections of one task from being used for another that was given the same address.
    pub(super) group_key: u64,
    /// The `Set-Cookie` that binds a client to it.
    pub(super) cookie: HeaderValue,
    /// What outlives a snapshot.
    pub(super) runtime: Arc<EndpointRuntime>,
}

impl RouteTable {
    /// The route for a normalised host and a path.
    pub(super) fn find(&self, host: &str, path: &str) -> Option<&Arc<Route>> {
        self.index.find(host, path)
    }
}

impl Route {
    /// What serves requests that came by TLS, to us or to a proxy in front, or plain ones.
    pub(super) fn shares(&self, secure: bool) -> &Shares {
        if secure { &self.secure } else { &self.plain }
    }
}

impl Shares {
    /// Whether any service claims the route for this kind of client.
    pub(super) fn is_empty(&self) -> bool {
        self.pools.is_empty()
    }

    pub(super) fn pool(&self, index: usize) -> &Pool {
        &self.pools[index]
    }

    /// The first service, which answers for the route where none can serve.
    pub(super) fn first(&self) -> Option<&Pool> {
        self.pools.first()
    }

    /// The endpoint that one of the named containers is: a client's cookie is valid.
    pub(super) fn stuck<'a>(
        &self,
        mut containers: impl Iterator<Item = &'a str>,
    ) -> Option<(usize, usize)> {
        containers.find_map(|container| {
            self.pools.iter().enumerate().find_map(|(index, pool)| {
                let sticky = pool.policy.sticky && pool.policy.weight > 0;
                let target = *pool.by_container.get(container).filter(|_| sticky)?;
                Some((index, target))
            })
        })
    }

    /// The service for a client without a valid cookie, by weight; none when none has an endpoint.
    pub(super) fn choose(&self) -> Option<usize> {
        match &*self.pools {
            [] => None,
            [only] => (self.weights[0] > 0 && !only.targets.is_empty()).then_some(0),
            [first, ..] => {
                let ticket = first.runtime.draw.fetch_add(1, Ordering::Relaxed);
                balance::by_weight(ticket, &self.weights)
            }
        }
    }
}

impl Pool {
    pub(super) fn target(&self, index: usize) -> &Target {
        &self.targets[index]
    }

    /// The endpoint whose turn it is.
    pub(super) fn next(&self) -> Option<usize> {
        let ticket = self.runtime.turn.fetch_add(1, Ordering::Relaxed);
        balance::round_robin(ticket, self.preferred, |_| true)
    }

    /// Another endpoint, for a request that failed at those that were tried: a preferred one, or else any that is well, or
    /// else one that is ejected. It takes nobody's turn: otherwise, of two endpoints the one that is dead would be met by
    /// every request.
    pub(super) fn other(&self, tried: &[usize]) -> Option<usize> {
        let after = tried.last().map_or(0, |last| last + 1);
        self.tiers().into_iter().find_map(|tier| {
            let untried = |index| !tried.contains(&(tier.start + index));
            // A turn that would begin outside of the tier is taken as one inside, so that those who come from one endpoint
            // are not all sent to the same.
            let ticket = after.wrapping_sub(tier.start);
            Some(tier.start + balance::round_robin(ticket, tier.len(), untried)?)
        })
    }

    fn tiers(&self) -> [Range<usize>; 3] {
        let Self {
            preferred, well, ..
        } = *self;
        [0..preferred, preferred..well, well..self.targets.len()]
    }
}

/// Makes tables, and keeps what outlives them. Owned by the gateway's loop.
pub(super) struct TableBuilder {
    pub(super) runtimes: Runtimes,
    /// The node whose endpoints are preferred.
    near: Option<NodeId>,
}

impl TableBuilder {
    pub(super) fn new(runtimes: Runtimes, near: Option<NodeId>) -> Self {
        Self { runtimes, near }
    }

    /// The table for a snapshot, in which some endpoints are ejected.
    pub(super) fn build(&mut self, snapshot: &Snapshot, ejected: &BTreeSet<TaskId>) -> RouteTable {
        self.runtimes.retain(snapshot);
        let routes = snapshot
            .routes
            .iter()
            .map(|(key, claims)| (key.clone(), self.route(key, claims, snapshot, ejected)));
        let index = routes.collect::<Vec<_>>().into_iter().collect();
        RouteTable { warm: true, index }
    }

    fn route(
        &mut self,
        key: &RouteKey,
        claims: &[Claim],
        snapshot: &Snapshot,
        ejected: &BTreeSet<TaskId>,
    ) -> Arc<Route> {
        let mut shares = |serves: fn(Scheme) -> bool| {
            let pools: Vec<Pool> = claims
                .iter()
                .filter(|claim| serves(claim.scheme))
                .filter_map(|claim| {
                    let cluster = snapshot.clusters.get(&claim.service)?;
                    Some(self.pool(key, claim, cluster, ejected))
                })
                .collect();
            let weight = |pool: &Pool| {
                if pool.targets.is_empty() {
                    0
                } else {
                    pool.policy.weight.into()
                }
            };
            let weights = pools.iter().map(weight).collect();
            Shares { pools, weights }
        };
        let plain = shares(|scheme| scheme != Scheme::Https);
        let secure = shares(|scheme| scheme != Scheme::Http);
        Arc::new(Route { plain, secure })
    }

    fn pool(
        &mut self,
        key: &RouteKey,
        claim: &Claim,
        cluster: &Cluster,
        ejected: &BTreeSet<TaskId>,
    ) -> Pool {
        let mut endpoints = cluster.serving();
        let out = |task: &TaskId| ejected.contains(task);
        let far = |node: &NodeId| self.near.as_ref().is_some_and(|near| near != node);
        endpoints.sort_by_key(|(task, endpoint)| (out(task), far(&endpoint.node)));
        let well = match endpoints.partition_point(|(task, _)| !out(task)) {
            // Where nothing else is left, the ejected are used.
            0 => endpoints.len(),
            well => well,
        };
        let near = endpoints[..well].partition_point(|(_, endpoint)| !far(&endpoint.node));
        let containers = endpoints[..well].iter().enumerate();
        let by_container = containers
            .map(|(index, (_, it))| (it.container.as_str().into(), index))
            .collect();
        let targets = endpoints.iter().map(|(task, endpoint)| Target {
            address: SocketAddr::new(endpoint.address, claim.port),
            group_key: group_key(task),
            cookie: set_cookie(endpoint.container.as_str(), &key.path.0),
            runtime: self.runtimes.endpoint(task),
        });
        Pool {
            service: cluster.service.clone(),
            http2: claim.scheme == Scheme::Grpc,
            policy: cluster.policy.clone(),
            targets: targets.collect(),
            runtime: self.runtimes.cluster(&claim.service, &cluster.service),
            preferred: if near > 0 { near } else { well },
            well,
            by_container,
        }
    }
}

/// The cookie stands for the route's path, so that two services that share a host keep apart.
fn set_cookie(container: &str, path: &str) -> HeaderValue {
    HeaderValue::try_from(format!("{}={container}; path={path}", cookie::NAME))
        // A container id that cannot stand in a header comes from a hand-written inventory only; it binds nobody.
        .unwrap_or_else(|_| HeaderValue::from_static("CONTAINERID=; path=/; max-age=0"))
}

/// FNV-1a: the key must be the same for the same task in every snapshot, which a seeded hasher does not promise.
fn group_key(task: &TaskId) -> u64 {
    task.as_str()
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        })
}
