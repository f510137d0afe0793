//! Passive ejection: which endpoints and nodes a gateway leaves out for a while, from what it saw of its own requests.
//!
//! A probe asks one question now and then, from a controller; requests ask all the time, from here. So each gateway judges
//! for itself, and what it finds only ever takes endpoints out of what its snapshot has in rotation, never adds one.
//!
//! # Design notes
//!
//! [`Ejections::judge`] is called with all counters at once, as often as the gateway likes: calling it twice is the same as
//! calling it once, and what happened between two calls counts in the second. It judges in this order: what is over, or
//! cannot be spared any more, is reinstated; nodes are judged before endpoints (one node that vanished explains many endpoints
//! that broke); and the caps come last, so that no rule can take the last endpoint of a cluster.

mod record;
mod term;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::core::event::{EndpointRef, Event};
use crate::core::model::snapshot::{Cluster, Endpoint, Snapshot};
use crate::core::model::{NodeId, TaskId};

use self::record::RequestStats;
use self::term::EjectionInterval;

/// How far back a judgement looks: the span over which 5xx are added up, and in which an endpoint must have had requests
/// to speak for its node. Long enough for twenty requests to a service of a few requests a second, short enough that
/// what was before the trouble is soon out of it.
const LATELY: Duration = Duration::from_secs(10);

/// A share is not made of fewer requests than this: two failures of three requests mean nothing.
const ENOUGH_REQUESTS: u64 = 20;

/// One endpoint that breaks requests is a broken endpoint; this many on one node, and nothing well on it, are a broken node.
const ENOUGH_ENDPOINTS: usize = 2;

/// When endpoints are ejected, and for how long. From the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// So many broken requests without an answer in between eject; at least 1.
    pub after: u32,
    /// This share of 5xx, in percent, ejects; none: an endpoint may answer what it likes.
    pub failed_percent: Option<u8>,
    /// How long the first ejection lasts. The next are each twice as long as the one before.
    pub first: Duration,
    /// How long one lasts at most.
    pub longest: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            // One may be chance and two a restart.
            after: 3,
            failed_percent: None,
            // A crashed container is back in about this time; and a wrong ejection costs little.
            first: Duration::from_secs(5),
            longest: Duration::from_secs(300),
        }
    }
}

/// What a gateway saw of an endpoint, counted since it knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Requests that it answered to their end, or let time out.
    pub answered: u64,
    /// Those among them that it answered with a 5xx, or let time out.
    pub failed: u64,
    /// Requests that it broke: no connection, a reset one, or an answer that broke off.
    pub broken: u64,
    /// Those among them since its latest answer.
    pub streak: u64,
}

/// Who is ejected, and what has to be known to judge the next time. Owned by the gateway's loop; keyed by task, so that it
/// survives snapshots.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ejections {
    endpoints: BTreeMap<TaskId, RequestStats>,
    nodes: BTreeMap<NodeId, EjectionInterval>,
    ejected: BTreeSet<TaskId>,
    /// When a request was last seen to fail.
    troubled: Option<Duration>,
}

/// An endpoint in rotation.
#[derive(Clone, Copy)]
struct EndpointInCluster<'a> {
    task: &'a TaskId,
    endpoint: &'a Endpoint,
    cluster: &'a Cluster,
}

impl Ejections {
    /// The endpoints that get no requests while others are left.
    #[must_use]
    pub fn ejected(&self) -> &BTreeSet<TaskId> {
        &self.ejected
    }

    /// Until when an ejected endpoint is left out at least, by itself or with its node.
    #[must_use]
    pub fn until(&self, task: &TaskId, node: &NodeId) -> Option<Duration> {
        let own = self.endpoints.get(task).and_then(|it| it.term.until());
        let nodes = self.nodes.get(node).and_then(EjectionInterval::until);
        own.max(nodes).filter(|_| self.ejected.contains(task))
    }

    /// Whether nothing can change until another request fails, so that nobody need judge before.
    #[must_use]
    pub fn at_rest(&self, policy: &Policy, now: Duration) -> bool {
        let recent = |at: Duration| now.saturating_sub(at) < LATELY;
        // A share is made of the good answers as well, and these tell nobody.
        policy.failed_percent.is_none()
            && !self.troubled.is_some_and(recent)
            && self.nodes.values().all(EjectionInterval::is_forgotten)
            && self.endpoints.values().all(|it| it.term.is_forgotten())
    }

    /// Judges by all counters; `now` is the time since any fixed moment. The events say who came and went.
    pub fn judge(
        &mut self,
        policy: &Policy,
        snapshot: &Snapshot,
        seen: impl Fn(&TaskId) -> Seen,
        now: Duration,
    ) -> Vec<Event> {
        let mut events = Vec::new();
        let clusters: Vec<Vec<EndpointInCluster<'_>>> =
            snapshot.clusters.values().map(rotation).collect();
        let places = || clusters.iter().flatten();
        self.forget(snapshot);
        for place in places() {
            self.endpoints.entry(place.task.clone()).or_default();
        }
        let rotation: HashSet<&TaskId> = places().map(|it| it.task).collect();
        for (task, record) in &mut self.endpoints {
            if record.look(seen(task), policy, now) {
                self.troubled = Some(now);
            }
            if !rotation.contains(task) {
                record.leave(now);
            }
        }
        let mut nodes: BTreeMap<&NodeId, Vec<EndpointInCluster<'_>>> = BTreeMap::new();
        for place in places() {
            nodes.entry(&place.endpoint.node).or_default().push(*place);
        }
        self.reinstate_nodes(policy, &nodes, now, &mut events);
        for place in places() {
            self.reinstate_endpoint(policy, *place, now, &mut events);
        }
        for cluster in &clusters {
            self.reinstate_beyond_cap(cluster, now, &mut events);
        }
        self.eject_nodes(policy, &nodes, now, &mut events);
        for cluster in &clusters {
            self.eject_endpoints(policy, cluster, now, &mut events);
        }
        self.ejected = clusters.iter().flat_map(|it| self.in_force(it)).collect();
        events
    }

    /// Forgets tasks and nodes that are gone.
    fn forget(&mut self, snapshot: &Snapshot) {
        let all = || snapshot.clusters.values().flat_map(|it| &it.endpoints);
        let nodes: HashSet<&NodeId> = all().map(|(_, endpoint)| &endpoint.node).collect();
        let tasks: HashSet<&TaskId> = all().map(|(task, _)| task).collect();
        self.endpoints.retain(|task, _| tasks.contains(task));
        self.nodes.retain(|node, _| nodes.contains(node));
    }

    fn reinstate_nodes(
        &mut self,
        policy: &Policy,
        nodes: &BTreeMap<&NodeId, Vec<EndpointInCluster<'_>>>,
        now: Duration,
        events: &mut Vec<Event>,
    ) {
        for (node, term) in &mut self.nodes {
            let places = nodes.get(node).map(Vec::as_slice).unwrap_or_default();
            let over = term.is_over(now) || places.is_empty();
            if term.is_running() && over {
                term.end(now);
                for place in places {
                    let record = self.endpoints.entry(place.task.clone()).or_default();
                    if !record.term.is_running() {
                        record.start_anew(now);
                    }
                }
                if !places.is_empty() {
                    events.push(Event::NodeReinstated { node: node.clone() });
                }
            }
            term.ease(policy, now);
        }
    }

    fn reinstate_endpoint(
        &mut self,
        policy: &Policy,
        place: EndpointInCluster<'_>,
        now: Duration,
        events: &mut Vec<Event>,
    ) {
        let record = self.endpoints.entry(place.task.clone()).or_default();
        if record.term.is_over(now) {
            record.start_anew(now);
            events.push(Event::EndpointReinstated {
                endpoint: place.reference(),
            });
        }
        record.term.ease(policy, now);
    }

    /// A node is ejected when nothing on it answers: every endpoint on it that had requests lately broke the latest, some
    /// of them enough to be ejected for themselves, and endpoints elsewhere are well, so that it is not this gateway
    /// that nobody hears.
    fn eject_nodes(
        &mut self,
        policy: &Policy,
        nodes: &BTreeMap<&NodeId, Vec<EndpointInCluster<'_>>>,
        now: Duration,
        events: &mut Vec<Event>,
    ) {
        let lately = |places: &[EndpointInCluster<'_>]| -> Vec<&RequestStats> {
            let records = places.iter().filter_map(|it| self.endpoints.get(it.task));
            records.filter(|it| it.had_requests(now)).collect()
        };
        let well: BTreeSet<&NodeId> = nodes
            .iter()
            .filter(|(_, places)| lately(places).iter().any(|it| it.streak() == 0))
            .map(|(node, _)| *node)
            .collect();
        let broken = nodes.iter().filter(|(node, places)| {
            let records = lately(places);
            let enough = records.iter().filter(|it| it.is_broken(policy)).count();
            let elsewhere = |place: &EndpointInCluster<'_>| {
                rotation_of(place.cluster).any(|it| it.node != ***node)
            };
            !well.contains(*node)
                && enough >= ENOUGH_ENDPOINTS
                && well.iter().any(|other| other != *node)
                && places.iter().any(elsewhere)
        });
        let broken: Vec<_> = broken.collect();
        for (node, places) in broken {
            let term = self.nodes.entry((*node).clone()).or_default();
            if term.is_running() {
                continue;
            }
            let length = term.begin(policy, now);
            for place in places {
                let record = self.endpoints.entry(place.task.clone()).or_default();
                record.term.extend(now + length);
            }
            events.push(Event::NodeEjected {
                node: (*node).clone(),
                endpoints: places.len(),
                seconds: whole_seconds(length),
            });
        }
    }

    /// Reinstates those that a cluster which has shrunk cannot spare any more, the latest first. They begin anew, and so before
    /// nodes are judged by what is known of them.
    fn reinstate_beyond_cap(
        &mut self,
        cluster: &[EndpointInCluster<'_>],
        now: Duration,
        events: &mut Vec<Event>,
    ) {
        let since = |place: &EndpointInCluster<'_>| self.endpoints.get(place.task)?.term.since();
        let running = cluster.iter().filter_map(|it| Some((since(it)?, *it)));
        let mut running: Vec<_> = running.collect();
        running.sort_by(|a, b| (a.0, a.1.task).cmp(&(b.0, b.1.task)));
        for (_, place) in running.into_iter().skip(cap(cluster)) {
            let record = self.endpoints.entry(place.task.clone()).or_default();
            record.start_anew(now);
            events.push(Event::EndpointReinstated {
                endpoint: place.reference(),
            });
        }
    }

    /// Ejects what is broken in one cluster, as far as its cap leaves room.
    fn eject_endpoints(
        &mut self,
        policy: &Policy,
        cluster: &[EndpointInCluster<'_>],
        now: Duration,
        events: &mut Vec<Event>,
    ) {
        let record = |place: &EndpointInCluster<'_>| self.endpoints.get(place.task);
        let runs =
            |place: &&EndpointInCluster<'_>| record(place).is_some_and(|it| it.term.is_running());
        let room = cap(cluster).saturating_sub(cluster.iter().filter(runs).count());
        let is_bad = |place: &&EndpointInCluster<'_>| {
            !self.is_out(place)
                && record(place).is_some_and(|it| !it.term.is_running() && it.is_bad(policy, now))
        };
        let bad: Vec<_> = cluster.iter().filter(is_bad).take(room).copied().collect();
        for place in bad {
            let record = self.endpoints.entry(place.task.clone()).or_default();
            let reason = record.reason(policy, now);
            let length = record.term.begin(policy, now);
            events.push(Event::EndpointEjected {
                endpoint: place.reference(),
                reason,
                seconds: whole_seconds(length),
            });
        }
    }

    /// The ejected of one cluster. A node's ejection spares the clusters that would have nothing left.
    fn in_force(&self, cluster: &[EndpointInCluster<'_>]) -> Vec<TaskId> {
        let alone = |place: &EndpointInCluster<'_>| {
            let record = self.endpoints.get(place.task);
            record.is_some_and(|record| record.term.is_running())
        };
        let spared = cluster.iter().all(|it| alone(it) || self.is_out(it));
        let ejected = cluster
            .iter()
            .filter(|it| alone(it) || !spared && self.is_out(it));
        ejected.map(|it| it.task.clone()).collect()
    }

    /// Whether its node is ejected.
    fn is_out(&self, place: &EndpointInCluster<'_>) -> bool {
        let term = self.nodes.get(&place.endpoint.node);
        term.is_some_and(EjectionInterval::is_running)
    }
}

impl EndpointInCluster<'_> {
    fn reference(&self) -> EndpointRef {
        EndpointRef {
            service: self.cluster.service.clone(),
            task: self.task.clone(),
            container: self.endpoint.container.clone(),
            node: self.endpoint.node.clone(),
            address: self.endpoint.address,
        }
    }
}

/// So many of a cluster may be ejected, each for itself.
fn cap(cluster: &[EndpointInCluster<'_>]) -> usize {
    cluster.len() / 2
}

fn rotation(cluster: &Arc<Cluster>) -> Vec<EndpointInCluster<'_>> {
    let place = |(task, endpoint)| EndpointInCluster {
        task,
        endpoint,
        cluster,
    };
    cluster.in_rotation().map(place).collect()
}

fn rotation_of(cluster: &Cluster) -> impl Iterator<Item = &Endpoint> {
    cluster.in_rotation().map(|(_, endpoint)| endpoint)
}

/// Events tell whole seconds, and a short ejection is no ejection for 0 s.
fn whole_seconds(length: Duration) -> u64 {
    length.as_secs().max(1)
}

#[cfg(test)]
mod tests;
