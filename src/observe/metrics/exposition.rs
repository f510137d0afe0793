//! Everything that is counted, in Prometheus' text format.

use prometheus::TextEncoder;

use crate::core::model::snapshot::Snapshot;

use super::{Metrics, cluster, endpoint, room, snapshot, tcp};

impl Metrics {
    /// Everything, in Prometheus' text format, sorted by name.
    #[must_use]
    pub fn render(&self, snapshot: Option<&Snapshot>) -> String {
        let mut families = self.0.registry.gather();
        let share = {
            let mut room = self.room();
            let clusters = self.clusters().clone();
            room.share(&clusters)
        };
        families.extend(cluster::families(&share.clusters));
        families.extend(tcp::families(&share.clusters));
        families.push(room::left_out(&share));
        families.extend(self.0.tls.families());
        let endpoints = self.endpoints().clone();
        let of_endpoints = |snapshot| endpoint::families(snapshot, &endpoints, &share);
        families.extend(snapshot.into_iter().flat_map(of_endpoints));
        families.extend(self.0.task_connections.families());
        let of_snapshot = |snapshot| snapshot::families(snapshot, &share);
        families.extend(snapshot.into_iter().flat_map(of_snapshot));
        families.retain(|family| !family.get_metric().is_empty());
        families.sort_by(|a, b| a.name().cmp(b.name()));
        TextEncoder::new()
            .encode_to_string(&families)
            .expect("every family has a name and a metric, and a string takes any length")
    }
}
