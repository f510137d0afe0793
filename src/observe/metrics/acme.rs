//! What is counted of orders from an ACME server.

use prometheus::{IntCounter, IntCounterVec, IntGaugeVec, Registry};

use super::{counters, gauges};
use crate::core::certificates::acme::Failure;

/// The figures of the controller that orders.
pub struct AcmeMetrics {
    orders: IntCounterVec,
    hosts: IntGaugeVec,
}

impl AcmeMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        Self {
            orders: counters(
                registry,
                "hiveway_acme_orders_total",
                "Orders of certificates from the ACME server, by result.",
                &["result"],
            ),
            hosts: gauges(
                registry,
                "hiveway_acme_hosts",
                "Names that need a certificate from the ACME server, by whether they have one; told by the leading controller.",
                &["state"],
            ),
        }
    }

    /// Tells of no orders with any result. Without that the first failure would not be seen to grow.
    pub fn begin(&self) {
        for result in [
            "issued",
            Failure::Away.as_str(),
            Failure::Refused.as_str(),
            Failure::Limited.as_str(),
        ] {
            self.orders.with_label_values(&[result]);
        }
    }

    /// Counts orders that ended like this.
    #[must_use]
    pub fn orders(&self, result: &'static str) -> IntCounter {
        self.orders.with_label_values(&[result])
    }

    /// Tells how many names have a valid certificate, have none, and can have none because they are wildcards.
    pub fn hosts(&self, issued: usize, lacking: usize, wildcards: usize) {
        for (state, count) in [
            ("issued", issued),
            ("lacking", lacking),
            ("wildcard", wildcards),
        ] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.hosts.with_label_values(&[state]).set(count);
        }
    }
}
