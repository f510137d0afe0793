//! The route table: a snapshot, made ready for requests. Everything that a request needs is worked out here, once a
//! snapshot, so that nothing has to be made or looked up per request but the route itself.

#[cfg(test)]
mod decoded;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use http::HeaderValue;

use crate::core::model::route::{Balance, PathPrefix, Scheme};
use crate::core::model::snapshot::{Claim, Cluster, RouteKey, Snapshot};
use crate::core::model::{NodeId, TaskId};
use crate::core::routing::balance;
use crate::core::routing::lookup::RouteIndex;
use crate::core::routing::tcp_route::TcpIndex;

use super::cookie;
use super::pool::{Pool, Target};
use super::runtime::Runtimes;
use crate::gateway::filters::{Chains, Prefix};
use crate::gateway::local_reply::subject::Subject;

/// What requests are steered by. A request pins the route that it found; a newer table cannot change it under the request.
#[derive(Debug, Default)]
pub(crate) struct RouteTable {
    /// Whether a snapshot was ever seen. Until then nothing is known to be missing.
    pub(crate) warm: bool,
    index: RouteIndex<Arc<Route>>,
    /// What connections by TLS are passed on to; none where nothing is.
    pub(crate) tcp: Option<TcpIndex<Arc<Route>>>,
}

/// A route with the services that share it.
#[derive(Debug)]
pub(crate) struct Route {
    /// What it matches.
    pub(crate) key: RouteKey,
    plain: Shares,
    secure: Shares,
}

/// The services that share a route, for one kind of client.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    pools: Vec<Pool>,
    /// The pools' weights; 0 for one without endpoints, whose part the others take over.
    weights: Vec<u32>,
    /// By what a client's key is made, where any of the services asks for one; the first that does decides for all, so that
    /// a key goes to one service.
    keyed_by: Option<Balance>,
}

impl RouteTable {
    /// The route for a normalised host and a path.
    pub(crate) fn find(&self, host: &str, path: &str) -> Option<&Arc<Route>> {
        self.index.find(host, path)
    }
}

impl Route {
    /// What serves requests that came by TLS, to us or to a proxy in front, or plain ones.
    pub(crate) fn shares(&self, secure: bool) -> &Shares {
        if secure { &self.secure } else { &self.plain }
    }

    /// The service that a reply to a request is about which is given to none of the services: the
    /// one that would be waited for, of those that serve this kind of client or, where none does,
    /// of the others.
    pub(crate) fn subject(&self, secure: bool) -> Option<Subject> {
        let own = self.shares(secure).awaited();
        let pool = own.or_else(|| self.shares(!secure).awaited())?;
        Some(self.subject_of(pool))
    }

    /// The service of one of its pools.
    pub(crate) fn subject_of(&self, pool: &Pool) -> Subject {
        Subject::new(&self.key, &pool.service, &pool.runtime.metrics)
    }
}

impl Shares {
    /// Whether any service claims the route for this kind of client.
    pub(crate) fn is_empty(&self) -> bool {
        self.pools.is_empty()
    }

    pub(crate) fn pool(&self, index: usize) -> &Pool {
        &self.pools[index]
    }

    /// The endpoint that one of the named containers is: a client's cookie is valid.
    pub(crate) fn stuck<'a>(
        &self,
        mut containers: impl Iterator<Item = &'a str>,
    ) -> Option<(usize, usize)> {
        containers.find_map(|container| {
            self.pools.iter().enumerate().find_map(|(index, pool)| {
                let sticky = pool.policy.sticky && pool.policy.weight > 0;
                let target = pool.named(container).filter(|_| sticky)?;
                Some((index, target))
            })
        })
    }

    /// By what a client's key is made; none where no service asks for one.
    pub(crate) fn keyed_by(&self) -> Option<&Balance> {
        self.keyed_by.as_ref()
    }

    /// The service for a client without a valid cookie, by weight, and always the same for a key; none when none has an
    /// endpoint.
    pub(crate) fn choose(&self, key: Option<u64>) -> Option<usize> {
        let count = self.weights.len();
        let weight = |index: usize| self.weights[index];
        match (&*self.pools, key) {
            ([], _) => None,
            ([only], _) => (self.weights[0] > 0 && !only.is_empty()).then_some(0),
            (_, Some(key)) => balance::by_key(key, count, weight),
            ([first, ..], None) => {
                let ticket = first.runtime.draw.fetch_add(1, Ordering::Relaxed);
                balance::by_weight(ticket, count, weight)
            }
        }
    }

    /// The service of this name, where it gets requests and has an endpoint.
    pub(crate) fn named(&self, service: &str) -> Option<usize> {
        let mut pools = self.pools.iter().zip(&self.weights);
        pools.position(|(pool, weight)| *weight > 0 && *pool.service == *service)
    }

    /// The service to wait for where none has an endpoint: the one for which requests wait longest.
    pub(crate) fn awaited(&self) -> Option<&Pool> {
        let pools = self.pools.iter().filter(|pool| pool.policy.weight > 0);
        pools
            .rev()
            .max_by_key(|pool| pool.policy.hold)
            .or(self.pools.first())
    }
}

/// Makes tables, and keeps what outlives them. Owned by the gateway's loop.
pub(crate) struct TableBuilder {
    pub(crate) runtimes: Runtimes,
    chains: Chains,
    /// The node whose endpoints are preferred.
    near: Option<NodeId>,
}

impl TableBuilder {
    pub(crate) fn new(runtimes: Runtimes, chains: Chains, near: Option<NodeId>) -> Self {
        Self {
            runtimes,
            chains,
            near,
        }
    }

    /// The table for a snapshot, in which some endpoints are ejected.
    pub(crate) fn build(&mut self, snapshot: &Snapshot, ejected: &BTreeSet<TaskId>) -> RouteTable {
        self.runtimes.retain(snapshot);
        self.chains.retain(snapshot);
        let routes = snapshot
            .routes
            .iter()
            .map(|(key, claims)| (key.clone(), self.route(key, claims, snapshot, ejected)));
        let index = routes.collect::<Vec<_>>().into_iter().collect();
        let tcp = TcpIndex::of(snapshot, |host, claims| {
            let path = PathPrefix::root();
            let host = host.clone();
            let route = self.route(&RouteKey { host, path }, claims, snapshot, ejected);
            route.secure.pools.iter().for_each(Pool::counts_connections);
            route
        });
        self.runtimes.settle();
        RouteTable {
            warm: true,
            index,
            tcp,
        }
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
                if pool.is_empty() {
                    0
                } else {
                    pool.policy.weight.into()
                }
            };
            let weights = pools.iter().map(weight).collect();
            let mut methods = pools.iter().map(|pool| &pool.policy.balance);
            let keyed_by = methods.find(|it| it.is_keyed()).cloned();
            Shares {
                pools,
                weights,
                keyed_by,
            }
        };
        let plain = shares(|scheme| !matches!(scheme, Scheme::Https | Scheme::Tcp));
        let secure = shares(|scheme| scheme != Scheme::Http);
        let key = key.clone();
        Arc::new(Route { key, plain, secure })
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
            task: (*task).clone(),
            address: SocketAddr::new(endpoint.address, claim.port),
            group_key: balance::stable_hash(task.as_str().as_bytes()),
            cookie: set_cookie(endpoint.container.as_str(), &key.path.0),
            runtime: self.runtimes.endpoint(task),
        });
        let chain = self
            .chains
            .chain(&claim.service, cluster.policy.middleware.as_ref());
        let prefix = cluster
            .policy
            .strip_prefix
            .then(|| Prefix::of(&key.path))
            .flatten();
        let mut pool = Pool::new(
            cluster,
            targets.collect(),
            self.runtimes.cluster(&claim.service, &cluster.service),
            if near > 0 { near } else { well },
            well,
            by_container,
        );
        pool.http2 = claim.scheme == Scheme::Grpc;
        pool.chain = chain;
        pool.prefix = prefix;
        pool
    }
}

/// The cookie stands for the route's path, so that two services that share a host keep apart.
fn set_cookie(container: &str, path: &str) -> HeaderValue {
    HeaderValue::try_from(format!("{}={container}; path={path}", cookie::NAME))
        // A container id that cannot stand in a header comes from a hand-written inventory only; it binds nobody.
        .unwrap_or_else(|_| HeaderValue::from_static("CONTAINERID=; path=/; max-age=0"))
}
