//! What the control channel counts.

use prometheus::{IntCounter, IntGauge, Registry};

use super::register;

/// The figures of the control channel, on both of its ends.
pub struct ControlMetrics {
    /// Gateways that follow this controller.
    pub followers: IntGauge,
    /// Connections to this controller that were turned away.
    pub refused: IntCounter,
    /// What agents told and nobody took in, because the controller was too far behind.
    pub notes_dropped: IntCounter,
    /// Controllers that this process has a connection to.
    pub controllers: IntGauge,
    /// For how many seconds no controller has known the swarm as it is; 0 while one does.
    pub stale: IntGauge,
    /// Snapshots and deltas that the gateway took over from a controller.
    pub applied: IntCounter,
}

impl ControlMetrics {
    pub(super) fn new(registry: &Registry) -> Self {
        let gauge = |name: &str, help: &str| {
            let gauge = IntGauge::new(name, help).expect("a valid metric name");
            register(registry, gauge.clone());
            gauge
        };
        let counter = |name: &str, help: &str| {
            let counter = IntCounter::new(name, help).expect("a valid metric name");
            register(registry, counter.clone());
            counter
        };
        Self {
            followers: gauge(
                "hiveway_followers",
                "Gateways on other nodes that follow this controller.",
            ),
            refused: counter(
                "hiveway_control_refused_total",
                "Connections to the control channel that were turned away.",
            ),
            notes_dropped: counter(
                "hiveway_agent_messages_dropped_total",
                "Messages of agents (container events and results of commands) that were dropped, because the controller was too far behind.",
            ),
            controllers: gauge(
                "hiveway_controllers",
                "Controllers on other nodes that this process is connected to.",
            ),
            stale: gauge(
                "hiveway_snapshot_stale_seconds",
                "For how long no controller has known the swarm as it is; 0 while one does.",
            ),
            applied: counter(
                "hiveway_snapshots_applied_total",
                "Snapshots that the gateway took over.",
            ),
        }
    }
}
