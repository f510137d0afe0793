//! The service that a request is about, where the request has no endpoint.
//!
//! # Design notes
//!
//! Code that makes a local reply names the service that the reply is about
//! ([`LocalReply::about`](super::LocalReply::about)), and the request's context keeps it. Counters,
//! access log and spans read the service of a request in one place, `Context::about`, whether the
//! request has an endpoint or not. A request without a service has met no route.

use std::sync::Arc;

use crate::core::model::snapshot::RouteKey;
use crate::observe::metrics::ClusterMetrics;

/// A service in its part of a route.
#[derive(Clone)]
pub(crate) struct Subject {
    route: RouteKey,
    service: Arc<str>,
    metrics: Arc<ClusterMetrics>,
}

/// What is shown of the service that a request is about.
#[derive(Clone, Copy)]
pub(crate) struct About<'a> {
    /// What the route matches.
    pub(crate) route: &'a RouteKey,
    /// The service's name.
    pub(crate) service: &'a str,
    pub(crate) metrics: &'a ClusterMetrics,
}

impl Subject {
    pub(crate) fn new(route: &RouteKey, service: &Arc<str>, metrics: &Arc<ClusterMetrics>) -> Self {
        Self {
            route: route.clone(),
            service: service.clone(),
            metrics: metrics.clone(),
        }
    }

    pub(crate) fn about(&self) -> About<'_> {
        About {
            route: &self.route,
            service: &self.service,
            metrics: &self.metrics,
        }
    }
}
