//! Keeps the route table up to date: with the latest snapshot, less the endpoints that are ejected.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use crate::core::event::Event;
use crate::core::model::TaskId;
use crate::core::model::snapshot::Snapshot;
use crate::core::routing::ejection::{Ejections, Policy};
use crate::observe::event_log::Emitter;
use crate::observe::metrics::Metrics;

use super::runtime::Runtimes;
use super::table::{RouteTable, TableBuilder};
use crate::gateway::filters::Chains;
use crate::gateway::{Config, Ejected};

/// What the gateway's loop steers with.
pub(crate) struct RouteTableUpdater {
    table: Arc<ArcSwap<RouteTable>>,
    builder: TableBuilder,
    snapshot: Arc<Snapshot>,
    policy: Option<Policy>,
    ejections: Ejections,
    metrics: Metrics,
    /// Rings when a request breaks.
    trouble: Arc<Notify>,
    started: Instant,
    judged_every: Duration,
    /// Who is ejected, for those who ask.
    shown: watch::Sender<Arc<Ejected>>,
    /// When the next judgement is due; none while nothing can change until a request breaks.
    next: Option<Instant>,
}

impl RouteTableUpdater {
    pub(crate) fn new(config: &Config, table: Arc<ArcSwap<RouteTable>>, metrics: &Metrics) -> Self {
        let trouble = Arc::new(Notify::new());
        let runtimes = Runtimes::new(metrics.clone(), trouble.clone());
        let near = config.node.clone().filter(|_| config.prefer_local);
        Self {
            table,
            builder: TableBuilder::new(runtimes, Chains::new(config.threads, metrics), near),
            snapshot: Arc::default(),
            policy: config.ejection,
            ejections: Ejections::default(),
            metrics: metrics.clone(),
            trouble,
            started: Instant::now(),
            judged_every: config.judged_every,
            shown: watch::Sender::default(),
            next: None,
        }
    }

    /// Who is ejected, and until when.
    pub(crate) fn ejected(&self) -> watch::Receiver<Arc<Ejected>> {
        self.shown.subscribe()
    }

    /// Puts another snapshot into force.
    pub(crate) fn steer_by(&mut self, snapshot: Arc<Snapshot>, emitter: &Emitter) {
        self.snapshot = snapshot;
        // Another snapshot has other endpoints, of which others may be ejected.
        self.update(emitter, true);
    }

    /// Waits until it has to be judged who is ejected.
    pub(crate) async fn due(&self) {
        match (self.policy, self.next) {
            (None, _) => std::future::pending().await,
            (Some(_), Some(next)) => sleep_until(next).await,
            (Some(_), None) => self.trouble.notified().await,
        }
    }

    /// Judges who is ejected, and makes another table if that has changed.
    pub(crate) fn judge(&mut self, emitter: &Emitter) {
        self.update(emitter, false);
    }

    /// What is told is in force when it is told.
    fn update(&mut self, emitter: &Emitter, rebuild: bool) {
        let before = self.ejections.ejected().clone();
        let events = self.policy.map(|policy| self.eject(&policy));
        let changed = *self.ejections.ejected() != before;
        if changed || rebuild {
            let ejected = self.ejections.ejected();
            let table = self.builder.build(&self.snapshot, ejected);
            self.table.store(Arc::new(table));
            self.builder.runtimes.wake();
        }
        if changed {
            self.count(&before);
        }
        self.show();
        for event in events.into_iter().flatten() {
            emitter.emit(event);
        }
    }

    fn eject(&mut self, policy: &Policy) -> Vec<Event> {
        let now = self.started.elapsed();
        let runtimes = &self.builder.runtimes;
        let seen = |task: &_| runtimes.seen(task);
        let events = self.ejections.judge(policy, &self.snapshot, seen, now);
        let at_rest = self.ejections.at_rest(policy, now);
        self.next = (!at_rest).then(|| Instant::now() + self.judged_every);
        events
    }

    /// Shows who is ejected to those who ask. A node's ejection can make one last longer, which changes no table.
    fn show(&self) {
        if self.ejections.ejected().is_empty() && self.shown.borrow().is_empty() {
            return;
        }
        let clusters = self.snapshot.clusters.values();
        let endpoints = clusters.flat_map(|cluster| &cluster.endpoints);
        let ejected = endpoints.filter_map(|(task, endpoint)| {
            let until = self.ejections.until(task, &endpoint.node)?;
            Some((task.clone(), self.started + until))
        });
        let ejected: Ejected = ejected.collect();
        self.shown.send_if_modified(|shown| {
            let differs = **shown != ejected;
            if differs {
                *shown = Arc::new(ejected);
            }
            differs
        });
    }

    /// Counts the ejected of every service.
    fn count(&self, before: &BTreeSet<TaskId>) {
        let mut counts: BTreeMap<&str, (u64, u64)> = BTreeMap::new();
        for cluster in self.snapshot.clusters.values() {
            let (count, newly) = counts.entry(&cluster.service).or_default();
            for task in cluster.endpoints.keys() {
                let ejected = self.ejections.ejected().contains(task);
                *count += u64::from(ejected);
                *newly += u64::from(ejected && !before.contains(task));
            }
        }
        for (service, (count, newly)) in counts {
            self.metrics.cluster(service).ejected(count, newly);
        }
    }
}
