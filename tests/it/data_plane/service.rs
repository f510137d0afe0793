//! Services with their routes and endpoints, and the snapshot that they make.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use hiveway::core::model::middleware::Middleware;
use hiveway::core::model::route::{HostPattern, PathPrefix, RoutingPolicy, Scheme};
use hiveway::core::model::snapshot::{
    Claim, Cluster, Endpoint, EndpointState, Generation, RouteKey, Snapshot,
};
use hiveway::core::model::{NodeId, ServiceId, TaskId};

use super::origin::Origin;

/// A service to be.
#[derive(Clone)]
pub(super) struct Service {
    name: String,
    routes: Vec<(RouteKey, Scheme)>,
    port: u16,
    cluster: Cluster,
}

impl Service {
    /// A service that claims one route, written as in a label, and is not sticky.
    pub(super) fn new(name: &str, route: &str) -> Self {
        let cluster = Cluster {
            service: name.into(),
            policy: RoutingPolicy {
                sticky: false,
                ..RoutingPolicy::default()
            },
            probes_disbelieved: false,
            endpoints: BTreeMap::new(),
        };
        let new = Self {
            name: name.to_owned(),
            routes: Vec::new(),
            port: 80,
            cluster,
        };
        new.route(route)
    }

    pub(super) fn route(mut self, route: &str) -> Self {
        let (scheme, rest) = match route.split_once("://") {
            Some(("http", rest)) => (Scheme::Http, rest),
            Some(("https", rest)) => (Scheme::Https, rest),
            Some(("grpc", rest)) => (Scheme::Grpc, rest),
            Some(("tcp", rest)) => (Scheme::Tcp, rest),
            Some((other, _)) => panic!("{other} is not served"),
            None => (Scheme::Any, route),
        };
        let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let host = match host.strip_prefix("*.") {
            Some(name) => HostPattern::Under(name.into()),
            None => HostPattern::Exact(host.into()),
        };
        let path = match path {
            "" => PathPrefix::root(),
            path => PathPrefix(path.into()),
        };
        self.routes.push((RouteKey { host, path }, scheme));
        self
    }

    /// The same under another name.
    pub(super) fn named(mut self, name: &str) -> Self {
        self.name = name.to_owned();
        self.cluster.service = name.into();
        self
    }

    pub(super) fn policy(mut self, change: impl FnOnce(&mut RoutingPolicy)) -> Self {
        change(&mut self.cluster.policy);
        self
    }

    pub(super) fn middleware(self, change: impl FnOnce(&mut Middleware)) -> Self {
        self.policy(|policy| {
            let middleware = policy.middleware.get_or_insert_default();
            change(Arc::make_mut(middleware));
        })
    }

    pub(super) fn probes_disbelieved(mut self, disbelieved: bool) -> Self {
        self.cluster.probes_disbelieved = disbelieved;
        self
    }

    pub(super) fn sticky(self) -> Self {
        self.policy(|policy| policy.sticky = true)
    }

    /// Adds endpoints that are in rotation.
    pub(super) fn endpoints<'a>(self, origins: impl IntoIterator<Item = &'a Origin>) -> Self {
        origins.into_iter().fold(self, |service, origin| {
            service.endpoint(origin, EndpointState::Ready)
        })
    }

    /// Adds an endpoint at an address, in rotation.
    pub(super) fn at(mut self, address: SocketAddr) -> Self {
        self.port = address.port();
        let endpoint = Endpoint {
            container: format!("{:064x}", address.port()).as_str().into(),
            node: NodeId::from("n1"),
            address: address.ip(),
            state: EndpointState::Ready,
        };
        let task = TaskId::from(format!("task-{address}").as_str());
        self.cluster.endpoints.insert(task, endpoint);
        self
    }

    /// Adds an endpoint at an address, in this state.
    pub(super) fn at_in(mut self, address: SocketAddr, state: EndpointState) -> Self {
        self = self.at(address);
        let task = TaskId::from(format!("task-{address}").as_str());
        let endpoint = self.cluster.endpoints.get_mut(&task);
        endpoint.expect("it was added").state = state;
        self
    }

    /// Adds endpoints on a node that are in rotation.
    pub(super) fn on<'a>(self, node: &str, origins: impl IntoIterator<Item = &'a Origin>) -> Self {
        origins.into_iter().fold(self, |service, origin| {
            service.endpoint_on(node, origin, EndpointState::Ready)
        })
    }

    pub(super) fn endpoint(self, origin: &Origin, state: EndpointState) -> Self {
        self.endpoint_on("n1", origin, state)
    }

    pub(super) fn endpoint_on(mut self, node: &str, origin: &Origin, state: EndpointState) -> Self {
        self.port = origin.address.port();
        let endpoint = Endpoint {
            container: origin.container.as_str().into(),
            node: NodeId::from(node),
            address: origin.address.ip(),
            state,
        };
        let task = TaskId::from(format!("task-{}", origin.address).as_str());
        self.cluster.endpoints.insert(task, endpoint);
        self
    }
}

/// The snapshot of these services, and nothing else.
pub(super) fn snapshot(sequence: u64, services: &[Service]) -> Snapshot {
    let mut routes: BTreeMap<RouteKey, Vec<Claim>> = BTreeMap::new();
    let mut tcp_routes: BTreeMap<HostPattern, Vec<Claim>> = BTreeMap::new();
    for service in services {
        for (key, scheme) in &service.routes {
            let claims = match scheme {
                Scheme::Tcp => tcp_routes.entry(key.host.clone()).or_default(),
                _ => routes.entry(key.clone()).or_default(),
            };
            claims.push(Claim {
                service: ServiceId::from(service.name.as_str()),
                port: service.port,
                scheme: *scheme,
            });
        }
    }
    Snapshot {
        gateways: Arc::new([]),
        generation: Generation { epoch: 1, sequence },
        clusters: services
            .iter()
            .map(|it| {
                let id = ServiceId::from(it.name.as_str());
                (id, Arc::new(it.cluster.clone()))
            })
            .collect(),
        routes: routes
            .into_iter()
            .map(|(key, claims)| (key, claims.into()))
            .collect(),
        tcp_routes: tcp_routes
            .into_iter()
            .map(|(host, claims)| (host, claims.into()))
            .collect(),
    }
}
