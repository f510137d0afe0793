//! The figures of services, endpoints and hosts: created when the first asks for them, dropped with what they are about.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;
use std::sync::{Arc, MutexGuard, PoisonError};

use crate::core::model::TaskId;
use crate::core::routing::misses::Misses;
use crate::core::routing::rates::EndpointCounts;

use super::room::Room;
use super::{ClusterMetrics, EndpointMetrics, Metrics};

impl Metrics {
    /// The figures of a service's requests. To be resolved when a snapshot is applied and kept beside the cluster.
    #[must_use]
    pub fn cluster(&self, service: &str) -> Arc<ClusterMetrics> {
        let mut clusters = self.clusters();
        if let Some(known) = clusters.get(service) {
            return Arc::clone(known);
        }
        let new = Arc::<ClusterMetrics>::default();
        clusters.insert(service.into(), Arc::clone(&new));
        new
    }

    /// What the requests of each service add up to, by its name.
    #[must_use]
    pub fn requests(&self) -> BTreeMap<Arc<str>, Arc<ClusterMetrics>> {
        self.clusters().clone()
    }

    /// Forgets the requests of every service but these. What a request in flight adds to a forgotten one is lost.
    pub fn retain(&self, services: &BTreeSet<Arc<str>>) {
        let mut room = self.room();
        self.clusters().retain(|service, figures| {
            let stays = services.contains(service);
            if !stays {
                room.forget(service, figures);
            }
            stays
        });
    }

    /// Bounds the number of services that have series of their own; the others add up in one.
    pub fn bound_services(&self, most: NonZeroUsize) {
        self.room().set_most(most.get());
    }

    /// The figures of a task's requests. To be resolved when a snapshot is applied and kept beside
    /// the endpoint.
    #[must_use]
    pub fn endpoint(&self, task: &TaskId) -> Arc<EndpointMetrics> {
        self.endpoints().entry(task.clone()).or_default().clone()
    }

    /// What the requests of each task add up to.
    #[must_use]
    pub fn endpoint_counts(&self) -> BTreeMap<TaskId, EndpointCounts> {
        let endpoints = self.endpoints().clone();
        let counted = endpoints.into_iter().map(|(task, it)| (task, it.counts()));
        counted.collect()
    }

    /// Forgets the requests of every task but those that are kept.
    pub fn retain_endpoints(&self, keep: impl Fn(&TaskId) -> bool) {
        self.endpoints().retain(|task, _| keep(task));
    }

    /// Counts an answer of the gateway's own for a normalised host.
    pub fn missed(&self, host: &str, status: u16) {
        let misses = self.0.misses.lock();
        let mut misses = misses.unwrap_or_else(PoisonError::into_inner);
        misses.count(host, status);
    }

    /// For which hosts the gateway answered 404 or 503 itself.
    #[must_use]
    pub fn misses(&self) -> Misses {
        let misses = self.0.misses.lock();
        misses.unwrap_or_else(PoisonError::into_inner).all()
    }

    pub(super) fn clusters(&self) -> MutexGuard<'_, BTreeMap<Arc<str>, Arc<ClusterMetrics>>> {
        self.0
            .clusters
            .lock()
            .expect("nothing panics while it holds the clusters")
    }

    pub(super) fn endpoints(&self) -> MutexGuard<'_, BTreeMap<TaskId, Arc<EndpointMetrics>>> {
        self.0
            .endpoints
            .lock()
            .expect("nothing panics while it holds the endpoints")
    }

    /// Taken before the clusters, where both are needed.
    pub(super) fn room(&self) -> MutexGuard<'_, Room> {
        self.0
            .room
            .lock()
            .expect("nothing panics while it holds the room")
    }
}
