//! What each event is called.

use super::Event;

impl Event {
    /// The event's name, in metrics and JSON.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::WarmedUp { .. } => "warmed_up",
            Self::SnapshotPublished { .. } => "snapshot_published",
            Self::RouteAdded { .. } => "route_added",
            Self::RouteRemoved { .. } => "route_removed",
            Self::RouteChanged { .. } => "route_changed",
            Self::TcpRouteChanged { .. } => "tcp_route_changed",
            Self::EndpointDiscovered(_) => "endpoint_discovered",
            Self::EndpointAdmitted { .. } => "endpoint_admitted",
            Self::EndpointFailed { .. } => "endpoint_failed",
            Self::EndpointDrained { .. } => "endpoint_drained",
            Self::EndpointRemoved { .. } => "endpoint_removed",
            Self::ProbesDisbelieved { .. } => "probes_disbelieved",
            Self::ProbesBelieved { .. } => "probes_believed",
            Self::LabelsRejected(_) => "labels_rejected",
            Self::LabelsFixed { .. } => "labels_fixed",
            Self::EngineReached { .. } => "engine_reached",
            Self::EngineLost { .. } => "engine_lost",
            Self::LeadershipGained => "leadership_gained",
            Self::LeadershipLost => "leadership_lost",
            Self::ServiceScaled { .. } => "service_scaled",
            Self::ScaleRefused { .. } => "scale_refused",
            Self::ControllerFollowed { .. } => "controller_followed",
            Self::ControllerLeft { .. } => "controller_left",
            Self::ControllerLost { .. } => "controller_lost",
            Self::RoutesStale { .. } => "routes_stale",
            Self::RoutesFresh => "routes_fresh",
            Self::PeerRefused { .. } => "peer_refused",
            Self::SnapshotRestored { .. } => "snapshot_restored",
            Self::SnapshotNotKept { .. } => "snapshot_not_kept",
            Self::OrdersNotKept { .. } => "orders_not_kept",
            Self::EndpointEjected { .. } => "endpoint_ejected",
            Self::EndpointReinstated { .. } => "endpoint_reinstated",
            Self::NodeEjected { .. } => "node_ejected",
            Self::NodeReinstated { .. } => "node_reinstated",
            Self::AliasesUpdated { .. } => "aliases_updated",
            Self::AliasesRefused { .. } => "aliases_refused",
            Self::CertificateLoaded(_) => "certificate_loaded",
            Self::CertificateReplaced(_) => "certificate_replaced",
            Self::CertificateRemoved(_) => "certificate_removed",
            Self::CertificateExpiring { .. } => "certificate_expiring",
            Self::CertificateRefused { .. } => "certificate_refused",
            Self::ClientAuthoritiesReplaced { .. } => "client_authorities_replaced",
            Self::CertificateIssued(_) => "certificate_issued",
            Self::CertificateNotIssued { .. } => "certificate_not_issued",
            Self::CertificateNotKept { .. } => "certificate_not_kept",
            Self::CollectorLost { .. } => "collector_lost",
            Self::CollectorReached { .. } => "collector_reached",
            Self::LimitReached { .. } => "limit_reached",
            Self::LimitRelieved { .. } => "limit_relieved",
            Self::StopRequested { .. } => "stop_requested",
        }
    }
}
