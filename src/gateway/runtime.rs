//! What of clusters and endpoints outlives the snapshots that name them: turns, and counters.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use tokio::sync::Notify;

use crate::core::ejection::Seen;
use crate::core::model::{ServiceId, TaskId};
use crate::core::snapshot::Snapshot;
use crate::metrics::{ClusterMetrics, Metrics};

/// What outlives a snapshot. Owned by who builds tables.
pub(super) struct Runtimes {
    metrics: Metrics,
    clusters: BTreeMap<ServiceId, Arc<ClusterRuntime>>,
    endpoints: BTreeMap<TaskId, Arc<EndpointRuntime>>,
    trouble: Arc<Notify>,
}

/// One cluster's.
#[derive(Debug)]
pub(super) struct ClusterRuntime {
    /// Whose turn it is.
    pub(super) turn: AtomicUsize,
    /// Which of several services is next.
    pub(super) draw: AtomicUsize,
    /// Its counters.
    pub(super) metrics: Arc<ClusterMetrics>,
}

/// What requests to one endpoint came to. Written per request by relaxed additions, read by the gateway's loop.
#[derive(Debug, Default)]
pub(super) struct EndpointRuntime {
    answered: AtomicU64,
    failed: AtomicU64,
    broken: AtomicU64,
    streak: AtomicU64,
    trouble: Arc<Notify>,
}

impl EndpointRuntime {
    /// A request was answered to its end.
    pub(super) fn answered(&self, status: u16) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        // A load and no store in all but the answers after a failure: the line stays shared between processors.
        if self.streak.load(Ordering::Relaxed) != 0 {
            self.streak.store(0, Ordering::Relaxed);
        }
        if status >= 500 {
            self.failed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A request was not answered in time. It says nothing about the connection, so it ends no streak.
    pub(super) fn timed_out(&self) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        self.failed.fetch_add(1, Ordering::Relaxed);
    }

    /// No connection could be made, or it was reset or closed before the answer was whole. Wakes who judges.
    pub(super) fn broke(&self) {
        self.broken.fetch_add(1, Ordering::Relaxed);
        self.streak.fetch_add(1, Ordering::Relaxed);
        self.trouble.notify_one();
    }

    fn seen(&self) -> Seen {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Seen {
            answered: read(&self.answered),
            failed: read(&self.failed),
            broken: read(&self.broken),
            streak: read(&self.streak),
        }
    }
}

impl Runtimes {
    /// With a bell that rings when a request breaks.
    pub(super) fn new(metrics: Metrics, trouble: Arc<Notify>) -> Self {
        Self {
            metrics,
            clusters: BTreeMap::new(),
            endpoints: BTreeMap::new(),
            trouble,
        }
    }

    /// Forgets what a snapshot does not name any more.
    pub(super) fn retain(&mut self, snapshot: &Snapshot) {
        let clusters = &snapshot.clusters;
        self.clusters
            .retain(|service, _| clusters.contains_key(service));
        let endpoints = clusters.values().flat_map(|it| it.endpoints.keys());
        let endpoints: HashSet<&TaskId> = endpoints.collect();
        self.endpoints.retain(|task, _| endpoints.contains(task));
        let names = clusters.values().map(|it| it.service.clone());
        self.metrics.retain(&names.collect());
    }

    pub(super) fn cluster(&mut self, id: &ServiceId, name: &str) -> Arc<ClusterRuntime> {
        let new = || {
            Arc::new(ClusterRuntime {
                turn: AtomicUsize::new(0),
                draw: AtomicUsize::new(0),
                metrics: self.metrics.cluster(name),
            })
        };
        self.clusters.entry(id.clone()).or_insert_with(new).clone()
    }

    pub(super) fn endpoint(&mut self, task: &TaskId) -> Arc<EndpointRuntime> {
        let new = || {
            Arc::new(EndpointRuntime {
                trouble: self.trouble.clone(),
                ..EndpointRuntime::default()
            })
        };
        self.endpoints
            .entry(task.clone())
            .or_insert_with(new)
            .clone()
    }

    /// What requests to a task came to so far.
    pub(super) fn seen(&self, task: &TaskId) -> Seen {
        let runtime = self.endpoints.get(task);
        runtime.map(|runtime| runtime.seen()).unwrap_or_default()
    }
}
