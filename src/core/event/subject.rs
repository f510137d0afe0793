//! Whom an event is about.

use super::{EndpointRef, Event};

impl Event {
    /// The endpoint that it is about, if it is about one.
    #[must_use]
    pub fn endpoint(&self) -> Option<&EndpointRef> {
        match self {
            Self::EndpointDiscovered(endpoint)
            | Self::EndpointAdmitted { endpoint, .. }
            | Self::EndpointFailed { endpoint, .. }
            | Self::EndpointDrained { endpoint, .. }
            | Self::EndpointRemoved { endpoint, .. }
            | Self::EndpointEjected { endpoint, .. }
            | Self::EndpointReinstated { endpoint } => Some(endpoint),
            _ => None,
        }
    }

    /// The service that it is about, if it is about one.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        if let Some(endpoint) = self.endpoint() {
            return Some(&endpoint.service);
        }
        match self {
            Self::LabelsRejected(diagnostic) => Some(&diagnostic.service),
            Self::ProbesDisbelieved { service, .. }
            | Self::ProbesBelieved { service }
            | Self::LabelsFixed { service, .. }
            | Self::ServiceScaled { service, .. }
            | Self::AliasesUpdated { service, .. }
            | Self::AliasesRefused { service, .. }
            | Self::ScaleRefused { service, .. } => Some(service),
            _ => None,
        }
    }
}
