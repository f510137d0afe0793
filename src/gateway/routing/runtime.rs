//! What of clusters and endpoints outlives the snapshots that name them: turns, lines, budgets and counters.

mod endpoint;

use std::collections::{BTreeMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::core::model::snapshot::Snapshot;
use crate::core::model::{ServiceId, TaskId};
use crate::core::routing::balance;
use crate::core::routing::ejection::Seen;
use crate::core::routing::retry_budget::RetryBudget;
use crate::observe::metrics::{ClusterMetrics, Metrics};

use super::queue::Queue;

pub(crate) use endpoint::EndpointRuntime;

/// What outlives a snapshot. Owned by who builds tables.
pub(crate) struct Runtimes {
    metrics: Metrics,
    clusters: BTreeMap<ServiceId, Arc<ClusterRuntime>>,
    endpoints: BTreeMap<TaskId, Arc<EndpointRuntime>>,
    trouble: Arc<Notify>,
    /// When the gateway started.
    epoch: Instant,
    /// Whether the first snapshot is behind, so that endpoints that come are new.
    settled: bool,
    /// The lines of services that the latest snapshot does not name any more.
    orphaned: Vec<Arc<Queue>>,
}

/// One cluster's.
#[derive(Debug)]
pub(crate) struct ClusterRuntime {
    /// Whose turn it is.
    pub(crate) turn: AtomicUsize,
    /// Which of several services is next.
    pub(crate) draw: AtomicUsize,
    /// Who waits for one of its endpoints.
    pub(crate) queue: Arc<Queue>,
    /// Its counters.
    pub(crate) metrics: Arc<ClusterMetrics>,
    /// Makes its chances others than those of other gateways.
    seed: u64,
    /// Locked for retries only.
    budget: Mutex<RetryBudget>,
    epoch: Instant,
}

impl ClusterRuntime {
    fn new(metrics: Arc<ClusterMetrics>, epoch: Instant) -> Self {
        Self {
            turn: AtomicUsize::new(0),
            draw: AtomicUsize::new(0),
            seed: RandomState::new().hash_one(0_u8),
            queue: Arc::new(Queue::new(metrics.clone())),
            budget: Mutex::new(RetryBudget::new(epoch.elapsed())),
            epoch,
            metrics,
        }
    }

    /// A number like any other, for choices that are made by chance.
    pub(crate) fn chance(&self) -> u64 {
        let ticket = self.turn.fetch_add(1, Ordering::Relaxed);
        balance::mix(self.seed.wrapping_add(ticket as u64))
    }

    /// Takes one retry out of the service's budget, and counts it either way.
    pub(crate) fn may_retry(&self) -> bool {
        let (requests, now) = (self.metrics.sent(), self.epoch.elapsed());
        let allowed = self
            .budget
            .lock()
            .expect("nothing panics while it holds the budget")
            .withdraw(requests, now);
        if !allowed {
            self.metrics.refused_to_retry();
        }
        allowed
    }
}

impl Runtimes {
    /// With a bell that rings when a request breaks.
    pub(crate) fn new(metrics: Metrics, trouble: Arc<Notify>) -> Self {
        Self {
            metrics,
            clusters: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            trouble,
            epoch: Instant::now(),
            settled: false,
            orphaned: Vec::new(),
        }
    }

    /// Forgets what a snapshot does not name any more.
    pub(crate) fn retain(&mut self, snapshot: &Snapshot) {
        let clusters = &snapshot.clusters;
        let gone = self
            .clusters
            .extract_if(.., |service, _| !clusters.contains_key(service));
        self.orphaned
            .extend(gone.map(|(_, cluster)| cluster.queue.clone()));
        let endpoints = clusters.values().flat_map(|it| it.endpoints.keys());
        let endpoints: HashSet<&TaskId> = endpoints.collect();
        self.endpoints.retain(|task, _| endpoints.contains(task));
        self.metrics
            .retain_endpoints(|task| endpoints.contains(task));
        let names = clusters.values().map(|it| it.service.clone());
        self.metrics.retain(&names.collect());
    }

    pub(crate) fn cluster(&mut self, id: &ServiceId, name: &str) -> Arc<ClusterRuntime> {
        let new = || Arc::new(ClusterRuntime::new(self.metrics.cluster(name), self.epoch));
        self.clusters.entry(id.clone()).or_insert_with(new).clone()
    }

    pub(crate) fn endpoint(&mut self, task: &TaskId) -> Arc<EndpointRuntime> {
        let since = self.settled.then(Instant::now);
        let new = || {
            Arc::new(EndpointRuntime::new(
                self.metrics.endpoint(task),
                self.trouble.clone(),
                self.epoch,
                since,
            ))
        };
        self.endpoints
            .entry(task.clone())
            .or_insert_with(new)
            .clone()
    }

    /// The first snapshot is behind: endpoints that were not in it are new.
    pub(crate) fn settle(&mut self) {
        self.settled = true;
    }

    /// Wakes those who wait for endpoints, since another table is in force.
    pub(crate) fn wake(&mut self) {
        for cluster in self.clusters.values() {
            cluster.queue.wake();
        }
        for queue in self.orphaned.drain(..) {
            queue.wake();
        }
    }

    /// What requests to a task came to so far.
    pub(crate) fn seen(&self, task: &TaskId) -> Seen {
        let runtime = self.endpoints.get(task);
        runtime.map(|runtime| runtime.seen()).unwrap_or_default()
    }
}
