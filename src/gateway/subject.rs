//! The service that a request is about, where the request has no endpoint.
//!
//! # Design notes
//!
//! Whoever makes a reply of the gateway's own says which service it is about ([`Answer::about`](super::answer::Answer::about)),
//! and [`Context::answer`](super::context::Context::answer) keeps it. [`Context::about`](super::context::Context::about) is the
//! one place where counters, access log and spans learn the service of a request, whether it has an endpoint or not. What
//! is about no service meets no route.

use std::sync::Arc;

use crate::core::snapshot::RouteKey;
use crate::metrics::ClusterMetrics;

/// A service in its part of a route.
#[derive(Clone)]
pub(super) struct Subject {
    route: RouteKey,
    service: Arc<str>,
    metrics: Arc<ClusterMetrics>,
}

/// What is told of the service that a request is about.
#[derive(Clone, Copy)]
pub(super) struct About<'a> {
    /// What the route matches.
    pub(super) route: &'a RouteKey,
    /// The service's name.
    pub(super) service: &'a str,
    pub(super) metrics: &'a ClusterMetrics,
}

impl Subject {
    pub(super) fn new(route: &RouteKey, service: &Arc<str>, metrics: &Arc<ClusterMetrics>) -> Self {
        Self {
            route: route.clone(),
            service: service.clone(),
            metrics: metrics.clone(),
        }
    }

    pub(super) fn about(&self) -> About<'_> {
        About {
            route: &self.route,
            service: &self.service,
            metrics: &self.metrics,
        }
    }
}
