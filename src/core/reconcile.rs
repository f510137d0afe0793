//! Compares what is desired and what was observed with what is published.
//!
//! [`reconcile`] computes the snapshot from the latest state each time, and publishes it only when it differs. The events are the
//! difference between two whole values, so none is repeated and none is missed.
//!
//! # Design notes
//!
//! What agents report of containers ([`signals`]) comes last. A draining endpoint may still serve where nothing else can; one
//! whose container ended is kept until Swarm reports why, and never serves.

pub mod aliases;
pub mod by_hand;
pub mod desired;
pub mod observed;
pub mod pacing;
pub mod signals;
pub mod status;
pub mod wishes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use self::desired::{Desired, DesiredService, DesiredTask, Fate};
use self::observed::{Observed, Standing};
use self::signals::Leaving;
use super::event::{EndpointRef, Event};
use super::model::route::Diagnostic;
use super::model::snapshot::{Claim, Cluster, Delta, Endpoint, EndpointState, RouteKey, Snapshot};
use super::model::{ServiceId, TaskId};
use super::routing::tcp_route;

/// What a reconciliation decided.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// The snapshot to publish; none when the current one still holds.
    pub snapshot: Option<Snapshot>,
    /// What to tell about the difference.
    pub events: Vec<Event>,
}

/// Returns what to publish, and the events of the difference.
#[must_use]
pub fn reconcile(desired: &Desired, observed: &Observed, current: &Snapshot) -> Outcome {
    let services = desired.services.iter();
    let services = services.map(|(id, service)| (id, &service.name, &service.spec));
    let next = Snapshot {
        generation: current.generation.next(),
        clusters: clusters(desired, observed, current),
        routes: routes(desired),
        tcp_routes: tcp_route::routes(services),
        gateways: desired.gateways.clone(),
    };
    let delta = Delta::between(current, &next);
    if delta.is_empty() {
        return Outcome::default();
    }
    let events = tell(current, &next, &delta, desired, observed);
    Outcome {
        snapshot: Some(next),
        events,
    }
}

/// Tells which complaints about labels are new, and which are settled.
#[must_use]
pub fn tell_diagnostics(old: &BTreeSet<Diagnostic>, new: &BTreeSet<Diagnostic>) -> Vec<Event> {
    let mended = old.difference(new).map(|diagnostic| Event::LabelsFixed {
        service: diagnostic.service.clone(),
        key: diagnostic.key.clone(),
        value: diagnostic.value.clone(),
    });
    let rejected = new.difference(old).cloned().map(Event::LabelsRejected);
    mended.chain(rejected).collect()
}

/// How many tasks have to be judged by their probes and have not been yet.
#[must_use]
pub fn undecided(desired: &Desired, observed: &Observed) -> usize {
    let is_undecided = |task: &&TaskId| {
        let health = observed.health(task);
        health.is_none_or(|health| health.standing == Standing::Undecided)
    };
    desired
        .probed()
        .map(|(id, ..)| id)
        .filter(is_undecided)
        .count()
}

fn clusters(
    desired: &Desired,
    observed: &Observed,
    current: &Snapshot,
) -> BTreeMap<ServiceId, Arc<Cluster>> {
    let clusters = desired.services.iter().map(|(id, service)| {
        let cluster = cluster(service, observed);
        // What is unchanged is shared with the current snapshot, so that comparing and keeping it costs nothing.
        let cluster = match current.clusters.get(id) {
            Some(old) if **old == cluster => old.clone(),
            _ => Arc::new(cluster),
        };
        (id.clone(), cluster)
    });
    clusters.collect()
}

fn cluster(service: &DesiredService, observed: &Observed) -> Cluster {
    let probed = service.probe().is_some();
    let leaving = |id, task: &DesiredTask| {
        // One that is drained by hand leaves as one does that was sent a signal, and comes back as that does.
        let by_hand = observed.by_hand.drains(id).then_some(Leaving::Signalled);
        observed.signals.leaving(id, &task.container).or(by_hand)
    };
    let (mut ready, mut failing) = (0, 0);
    for (id, task) in &service.tasks {
        match (state(id, task, probed, observed), leaving(id, task)) {
            (EndpointState::Ready, _) => ready += 1,
            (EndpointState::Failing, None) => failing += 1,
            // That a container fails its probes while it ends says nothing about the probes.
            _ => {}
        }
    }
    let probes_disbelieved = failing > ready;
    let endpoints = service.tasks.iter().map(|(id, task)| {
        let judged = state(id, task, probed, observed);
        let endpoint = Endpoint {
            container: task.container.clone(),
            node: task.node.clone(),
            address: task.address,
            state: without(leaving(id, task), judged, probes_disbelieved),
        };
        (id.clone(), endpoint)
    });
    Cluster {
        service: service.name.clone(),
        policy: service.spec.policy.clone(),
        probes_disbelieved,
        endpoints: endpoints.collect(),
    }
}

/// The state of an endpoint that may have to leave. What is out of rotation stays out, whatever happened to its container.
fn without(
    leaving: Option<Leaving>,
    judged: EndpointState,
    probes_disbelieved: bool,
) -> EndpointState {
    match (leaving, judged) {
        (Some(Leaving::Ended), _) => EndpointState::Ended,
        (Some(Leaving::Signalled), EndpointState::Ready) => EndpointState::Draining,
        (Some(Leaving::Signalled), EndpointState::Failing) if probes_disbelieved => {
            EndpointState::Draining
        }
        _ => judged,
    }
}

fn state(id: &TaskId, task: &DesiredTask, probed: bool, observed: &Observed) -> EndpointState {
    match task.fate {
        Fate::Serves => {}
        Fate::Stops => return EndpointState::Draining,
        Fate::Lost => return EndpointState::Lost,
    }
    if !probed {
        return EndpointState::Ready;
    }
    match observed.health(id) {
        None => EndpointState::Starting,
        Some(health) => match (health.standing, health.proven) {
            (Standing::Undecided, _) => EndpointState::Starting,
            (Standing::Passing, _) => EndpointState::Ready,
            (Standing::Failing, true) => EndpointState::Failing,
            (Standing::Failing, false) => EndpointState::Unproven,
        },
    }
}

fn routes(desired: &Desired) -> BTreeMap<RouteKey, Arc<[Claim]>> {
    let mut routes: BTreeMap<RouteKey, Vec<Claim>> = BTreeMap::new();
    for (id, service) in &desired.services {
        for route in service.spec.http_routes() {
            let key = RouteKey {
                host: route.host.clone(),
                path: route.path.clone(),
            };
            let claim = Claim {
                service: id.clone(),
                port: route.port,
                scheme: route.scheme,
            };
            routes.entry(key).or_default().push(claim);
        }
    }
    routes
        .into_iter()
        .map(|(key, mut claims)| {
            claims.sort();
            (key, claims.into())
        })
        .collect()
}

/// Says in events what leads from one snapshot to the next: what goes first, then what changes, then what comes.
fn tell(
    old: &Snapshot,
    new: &Snapshot,
    delta: &Delta,
    desired: &Desired,
    observed: &Observed,
) -> Vec<Event> {
    let mut events = Vec::new();
    for (key, claims) in &delta.routes {
        if let Some(event) = tell_route(key, claims.as_deref(), old, new) {
            events.push(event);
        }
    }
    events.extend(tcp_route::tell(delta, old, new));
    for id in delta.clusters.keys() {
        let (before, after) = (old.clusters.get(id), new.clusters.get(id));
        let service = desired.services.get(id);
        tell_endpoints(before, after, service, desired, observed, &mut events);
        tell_belief(before, after, &mut events);
    }
    events.push(Event::SnapshotPublished {
        generation: new.generation,
        clusters: delta.clusters.len(),
        routes: delta.routes.len() + delta.tcp_routes.len(),
    });
    events
}

fn tell_route(
    key: &RouteKey,
    claims: Option<&[Claim]>,
    old: &Snapshot,
    new: &Snapshot,
) -> Option<Event> {
    let route = key.clone();
    let Some(claims) = claims else {
        return Some(Event::RouteRemoved { route });
    };
    let names = |claims: &[Claim], snapshot: &Snapshot| -> Vec<Arc<str>> {
        let clusters = claims
            .iter()
            .filter_map(|claim| snapshot.clusters.get(&claim.service));
        clusters.map(|cluster| cluster.service.clone()).collect()
    };
    let services = names(claims, new);
    match old.routes.get(key) {
        None => Some(Event::RouteAdded { route, services }),
        Some(before) if names(before, old) == services => None,
        Some(_) => Some(Event::RouteChanged { route, services }),
    }
}

fn tell_endpoints(
    before: Option<&Arc<Cluster>>,
    after: Option<&Arc<Cluster>>,
    service: Option<&DesiredService>,
    desired: &Desired,
    observed: &Observed,
    events: &mut Vec<Event>,
) {
    let stops = |task: &TaskId| {
        let task = service.and_then(|service| service.tasks.get(task));
        task.is_some_and(|task| task.fate == Fate::Stops)
    };
    let endpoints = |cluster: Option<&Arc<Cluster>>| {
        cluster
            .map(|cluster| cluster.endpoints.clone())
            .unwrap_or_default()
    };
    let (old, new) = (endpoints(before), endpoints(after));
    let Some(name) = after.or(before).map(|cluster| cluster.service.clone()) else {
        return;
    };
    let reference = |task: &TaskId, endpoint: &Endpoint| EndpointRef {
        service: name.clone(),
        task: task.clone(),
        container: endpoint.container.clone(),
        node: endpoint.node.clone(),
        address: endpoint.address,
    };
    for (task, endpoint) in old.iter().filter(|(task, _)| !new.contains_key(task)) {
        let reason = match (after, desired.departures.get(task)) {
            (Some(_), Some(reason)) => reason.clone(),
            (Some(_), None) => "its task is no longer listed".into(),
            (None, _) => "its service is gone, or asks for no route any more".into(),
        };
        events.push(Event::EndpointRemoved {
            endpoint: reference(task, endpoint),
            reason,
        });
    }
    for (task, endpoint) in &new {
        let from = old.get(task).map(|endpoint| endpoint.state);
        if from == Some(endpoint.state) {
            continue;
        }
        let failure = observed
            .health(task)
            .and_then(|health| health.failure.clone());
        let endpoint_ref = reference(task, endpoint);
        events.extend(match (from, endpoint.state) {
            (Some(_), EndpointState::Draining) if !stops(task) => Some(Event::EndpointDrained {
                endpoint: endpoint_ref,
                reason: observed.why_leaving(task).into(),
            }),
            (Some(EndpointState::Draining), EndpointState::Ready) => {
                Some(Event::EndpointAdmitted {
                    endpoint: endpoint_ref,
                    reason: observed.why_back(task).into(),
                })
            }
            (_, state) => tell_state(endpoint_ref, from, state, failure),
        });
    }
}

fn tell_state(
    endpoint: EndpointRef,
    from: Option<EndpointState>,
    to: EndpointState,
    failure: Option<Arc<str>>,
) -> Option<Event> {
    use EndpointState::{Draining, Ended, Failing, Lost, Ready, Starting, Unproven};
    let event = match (from, to) {
        // A task that was already stopping when it was first seen has no story here.
        (None, Draining | Ended | Lost) => return None,
        // That it ends was told before.
        (Some(Draining | Lost), Ended) => return None,
        (_, Starting) => Event::EndpointDiscovered(endpoint),
        (Some(Failing), Ready) => Event::EndpointAdmitted {
            endpoint,
            reason: "it passes its probe again".into(),
        },
        (Some(Lost), Ready) => Event::EndpointAdmitted {
            endpoint,
            reason: "its node is back".into(),
        },
        (_, Ready) => Event::EndpointAdmitted {
            endpoint,
            reason: "it passes its probe".into(),
        },
        (_, Failing | Unproven) => Event::EndpointFailed {
            endpoint,
            reason: failure.unwrap_or_else(|| "no answer".into()),
        },
        (_, Draining) => Event::EndpointDrained {
            endpoint,
            reason: "Swarm is stopping its task".into(),
        },
        (_, Ended) => Event::EndpointDrained {
            endpoint,
            reason: "its container has ended".into(),
        },
        (_, Lost) => Event::EndpointDrained {
            endpoint,
            reason: "its node is down".into(),
        },
    };
    Some(event)
}

fn tell_belief(
    before: Option<&Arc<Cluster>>,
    after: Option<&Arc<Cluster>>,
    events: &mut Vec<Event>,
) {
    let disbelieved =
        |cluster: Option<&Arc<Cluster>>| cluster.is_some_and(|it| it.probes_disbelieved);
    let Some(cluster) = after else { return };
    match (disbelieved(before), cluster.probes_disbelieved) {
        (false, true) => {
            let count = |state| {
                cluster
                    .endpoints
                    .values()
                    .filter(|endpoint| endpoint.state == state)
                    .count()
            };
            let failing = count(EndpointState::Failing);
            events.push(Event::ProbesDisbelieved {
                service: cluster.service.clone(),
                failing,
                running: failing + count(EndpointState::Ready),
            });
        }
        (true, false) => {
            events.push(Event::ProbesBelieved {
                service: cluster.service.clone(),
            });
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests;
