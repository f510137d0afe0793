//! What is counted of the connections to tasks that requests use.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use prometheus::proto::{MetricFamily, MetricType};

use super::family::{counter, family, gauge};

/// The figures of a gateway's connections to tasks. Its own counters: it decides by them.
#[derive(Debug, Default)]
pub struct TaskConnectionFigures {
    /// How many are in use.
    pub open: AtomicUsize,
    /// How many may be; zero where there is no gateway.
    pub most: AtomicUsize,
    /// How many requests wait for one.
    pub waiting: AtomicUsize,
    /// How many have ever waited.
    pub waited: AtomicU64,
}

impl TaskConnectionFigures {
    /// The families, where there is a gateway.
    pub(super) fn families(&self) -> Vec<MetricFamily> {
        let read = |value: &AtomicUsize| value.load(Ordering::Relaxed) as f64;
        let most = read(&self.most);
        if most == 0.0 {
            return Vec::new();
        }
        let one = |name, help, value| {
            let metric = gauge(&[], value);
            family(name, help, MetricType::GAUGE, std::iter::once(metric))
        };
        let waited = self.waited.load(Ordering::Relaxed);
        vec![
            one(
                "hiveway_task_connections",
                "Connections to tasks that requests use.",
                read(&self.open),
            ),
            one(
                "hiveway_task_connections_max",
                "How many of them may be in use (--max-task-connections).",
                most,
            ),
            one(
                "hiveway_task_connections_waiting",
                "Requests that wait for one of them.",
                read(&self.waiting),
            ),
            family(
                "hiveway_task_connection_waits_total",
                "Requests that had to wait for one of them.",
                MetricType::COUNTER,
                std::iter::once(counter(&[], waited)),
            ),
        ]
    }
}
