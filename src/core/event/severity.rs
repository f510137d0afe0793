//! How much an event matters.

use serde::{Deserialize, Serialize};

use super::Event;
use crate::core::model::route::Level;

/// How much an event matters to an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For whoever looks closely.
    Debug,
    /// The story of normal work.
    Info,
    /// Something is worse than it should be; traffic goes on.
    #[serde(rename = "warn")]
    Warning,
    /// Something is wrong that nobody but an operator can mend.
    Error,
}

impl Severity {
    /// The severity's name in metrics and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warning => "warn",
            Self::Error => "error",
        }
    }
}

impl Event {
    /// How much it matters.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::SnapshotPublished { .. } => Severity::Debug,
            Self::LabelsRejected(diagnostic) => match diagnostic.level {
                Level::Notice => Severity::Info,
                Level::Warning => Severity::Warning,
                Level::Error => Severity::Error,
            },
            Self::CertificateExpiring { days, .. } => match days {
                Some(3..) => Severity::Warning,
                Some(..3) | None => Severity::Error,
            },
            Self::CertificateRefused { .. } => Severity::Error,
            Self::EndpointFailed { .. }
            | Self::ProbesDisbelieved { .. }
            | Self::EngineLost { .. }
            | Self::ControllerLost { .. }
            | Self::RoutesStale { .. }
            | Self::PeerRefused { .. }
            | Self::SnapshotNotKept { .. }
            | Self::OrdersNotKept { .. }
            | Self::EndpointEjected { .. }
            | Self::NodeEjected { .. }
            | Self::AliasesRefused { .. }
            | Self::CertificateNotIssued { .. }
            | Self::CertificateNotKept { .. }
            | Self::CollectorLost { .. }
            | Self::LimitReached { .. }
            | Self::ScaleRefused { .. } => Severity::Warning,
            _ => Severity::Info,
        }
    }
}
