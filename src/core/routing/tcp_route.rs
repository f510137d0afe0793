//! TCP routes (`tcp://` items): which there are, what goes before them, and which of them a name finds.
//!
//! # Design notes
//!
//! A connection by TLS that is passed on undecrypted is told apart by the one thing that it says in clear: the name in its
//! first message. So such a route is a host and nothing else, and it is looked for before any certificate is. That would let a
//! service take a site away from another by a label. Where one says by `https://` that a host is terminated here, this
//! stands, and the `tcp://` item for the same host has no effect, whoever asks for it; where none says so, the pass-through
//! goes first, for whoever has written it has meant it.
//!
//! An exact host that is served here wins over a wildcard that is passed on, as exact hosts win everywhere. So the hosts of HTTP
//! stand in the index as well, with nothing to be found there.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::lookup::RouteIndex;
use crate::core::event::Event;
use crate::core::model::ServiceId;
use crate::core::model::route::{
    Diagnostic, HostPattern, Level, PathPrefix, RouteSpec, Scheme, ServiceSpec,
};
use crate::core::model::snapshot::{Claim, Delta, RouteKey, Snapshot};

/// Finds what a connection by TLS is passed on to, by the name that it asks for. Made once a snapshot.
#[derive(Debug)]
pub struct TcpIndex<T>(RouteIndex<Option<T>>);

impl<T> TcpIndex<T> {
    /// What is found for each TCP route; none where there is no route at all, so that nobody has to look.
    #[must_use]
    pub fn of<'a>(
        snapshot: &'a Snapshot,
        mut found: impl FnMut(&'a HostPattern, &'a [Claim]) -> T,
    ) -> Option<Self> {
        if snapshot.tcp_routes.is_empty() {
            return None;
        }
        let key = |host: &HostPattern| RouteKey {
            host: host.clone(),
            path: PathPrefix::root(),
        };
        let by_tls = |claims: &[Claim]| claims.iter().any(|claim| claim.scheme != Scheme::Http);
        let terminated = snapshot.routes.iter().filter(|(_, claims)| by_tls(claims));
        let mut hosts: BTreeMap<&HostPattern, Option<T>> =
            terminated.map(|(key, _)| (&key.host, None)).collect();
        for (host, claims) in &snapshot.tcp_routes {
            hosts.insert(host, Some(found(host, claims)));
        }
        let routes = hosts.into_iter().map(|(host, it)| (key(host), it));
        Some(Self(routes.collect()))
    }

    /// What a normalised name finds; none where the connection is served here.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&T> {
        self.0.find(name, "/")?.as_ref()
    }
}

/// The TCP routes that stand, with those that claim them of these services, all that there are: each by id, name and labels.
pub(crate) fn routes<'a>(
    services: impl Iterator<Item = (&'a ServiceId, &'a Arc<str>, &'a ServiceSpec)> + Clone,
) -> BTreeMap<HostPattern, Arc<[Claim]>> {
    let terminated = terminated(services.clone().map(|(_, name, spec)| (name, spec)));
    let mut routes: BTreeMap<HostPattern, Vec<Claim>> = BTreeMap::new();
    for (id, _, spec) in services {
        let tcp = spec.tcp_routes();
        for route in tcp.filter(|route| !terminated.contains_key(&route.host)) {
            let claim = Claim {
                service: id.clone(),
                port: route.port,
                scheme: route.scheme,
            };
            routes.entry(route.host.clone()).or_default().push(claim);
        }
    }
    let sorted = routes.into_iter().map(|(host, mut claims)| {
        claims.sort();
        (host, claims.into())
    });
    sorted.collect()
}

/// What is wrong with a TCP route beside the others: it has no effect, or a policy does not hold for it.
pub(crate) struct Complaint<'a> {
    pub(crate) service: &'a Arc<str>,
    pub(crate) route: &'a RouteSpec,
    pub(crate) level: Level,
    /// Continues the sentence that the item begins.
    pub(crate) reason: String,
    pub(crate) remedy: &'static str,
}

/// What to say of the TCP routes of these services, all that there are.
pub(crate) fn complaints<'a>(
    services: impl Iterator<Item = (&'a Arc<str>, &'a ServiceSpec)> + Clone,
) -> Vec<Complaint<'a>> {
    let terminated = terminated(services.clone());
    let mut complaints = Vec::new();
    for (service, spec) in services {
        let middleware = spec.policy.middleware.as_deref();
        let guarded = middleware.is_some_and(|it| it.basic_auth.is_some());
        for route in spec.tcp_routes() {
            let mut complain = |level, reason, remedy| {
                complaints.push(Complaint {
                    service,
                    route,
                    level,
                    reason,
                    remedy,
                });
            };
            if let Some(other) = terminated.get(&route.host) {
                complain(
                    Level::Error,
                    format!(
                        "is to be passed on undecrypted, but {other} has it served here by https://"
                    ),
                    "keep one of the two, or give them different hosts; until then the tcp:// item has no effect",
                );
            }
            if guarded {
                complain(
                    Level::Warning,
                    "is passed on undecrypted, so that routing.basic_auth guards nothing there"
                        .to_owned(),
                    "let the task ask for passwords, or limit by routing.allow_cidrs who may connect",
                );
            }
        }
    }
    complaints
}

impl Complaint<'_> {
    pub(crate) fn diagnostic(self) -> Diagnostic {
        Diagnostic {
            level: self.level,
            service: self.service.clone(),
            key: format!("routing.port_{}", self.route.port).into(),
            value: self.route.to_string().into(),
            reason: self.reason,
            remedy: self.remedy.to_owned(),
            suggestion: None,
        }
    }
}

/// The hosts that services claim by `https://`, each with the first of them.
fn terminated<'a>(
    services: impl Iterator<Item = (&'a Arc<str>, &'a ServiceSpec)>,
) -> BTreeMap<&'a HostPattern, &'a Arc<str>> {
    let mut terminated = BTreeMap::new();
    for (name, spec) in services {
        for route in spec.routes.iter().filter(|it| it.scheme == Scheme::Https) {
            terminated.entry(&route.host).or_insert(name);
        }
    }
    terminated
}

/// Says in events which TCP routes came, went, or are served by others.
pub(crate) fn tell(delta: &Delta, old: &Snapshot, new: &Snapshot) -> Vec<Event> {
    let names = |claims: Option<&Arc<[Claim]>>, snapshot: &Snapshot| -> Vec<Arc<str>> {
        let named = |id: &ServiceId| snapshot.clusters.get(id).map(|it| it.service.clone());
        let claims = claims.into_iter().flat_map(|claims| claims.iter());
        claims.filter_map(|claim| named(&claim.service)).collect()
    };
    let changed = delta.tcp_routes.iter().filter_map(|(host, claims)| {
        let services = names(claims.as_ref(), new);
        let before = names(old.tcp_routes.get(host), old);
        (before != services).then(|| Event::TcpRouteChanged {
            host: host.clone(),
            services,
        })
    });
    changed.collect()
}

#[cfg(test)]
mod tests;
