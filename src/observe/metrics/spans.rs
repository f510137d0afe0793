//! What is counted of spans.

use prometheus::{IntCounter, Registry};

use super::{counter, counters};

/// The figures of the spans that are sent to a collector.
#[derive(Clone, Debug)]
pub struct SpanMetrics {
    pub(crate) exported: IntCounter,
    /// Because too many waited.
    pub(crate) overflowed: IntCounter,
    /// Because the collector did not take them.
    pub(crate) refused: IntCounter,
    pub(crate) failed: IntCounter,
}

impl SpanMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let dropped = counters(
            registry,
            "hiveway_spans_dropped_total",
            "Spans that no collector has: too many waited (overflow), or it did not take them (collector).",
            &["reason"],
        );
        Self {
            exported: counter(
                registry,
                "hiveway_spans_exported_total",
                "Spans that the collector took.",
            ),
            overflowed: dropped.with_label_values(&["overflow"]),
            refused: dropped.with_label_values(&["collector"]),
            failed: counter(
                registry,
                "hiveway_span_exports_failed_total",
                "Batches of spans that the collector did not take; most are tried again.",
            ),
        }
    }
}
