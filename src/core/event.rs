//! Every event: what happened, in the past tense, to whom and why.
//!
//! An event is made where something is decided, travels once through the journal's bounded channel, and is there logged
//! once, counted once and kept for `/events`. The sentence that an operator reads is its [`Display`](fmt::Display).

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::model::{ContainerId, NodeId, TaskId};
use super::route::{Diagnostic, Level};
use super::snapshot::{Generation, RouteKey};

/// Something that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Event {
    /// The first inventory is in and every endpoint has been probed, or the deadline has passed: snapshots are published.
    WarmedUp {
        /// How many services are routed.
        services: usize,
        /// How many endpoints are in rotation.
        ready: usize,
        /// How many endpoints have not been probed to a verdict yet.
        undecided: usize,
    },
    /// A snapshot that differs from the one before was published.
    SnapshotPublished {
        /// Its generation.
        generation: Generation,
        /// How many clusters changed.
        clusters: usize,
        /// How many routes changed.
        routes: usize,
    },
    /// A route came.
    RouteAdded {
        /// What it matches.
        #[serde(flatten)]
        route: RouteKey,
        /// The services that claim it.
        services: Vec<Arc<str>>,
    },
    /// A route went with its last service.
    RouteRemoved {
        /// What it matched.
        #[serde(flatten)]
        route: RouteKey,
    },
    /// The services that claim a route changed.
    RouteChanged {
        /// What it matches.
        #[serde(flatten)]
        route: RouteKey,
        /// The services that claim it now.
        services: Vec<Arc<str>>,
    },
    /// A task of a routed service runs; it is out of rotation until it has been probed.
    EndpointDiscovered(EndpointRef),
    /// An endpoint came into rotation.
    EndpointAdmitted {
        /// Which one.
        #[serde(flatten)]
        endpoint: EndpointRef,
        /// Why now.
        reason: Arc<str>,
    },
    /// An endpoint failed its probes.
    EndpointFailed {
        /// Which one.
        #[serde(flatten)]
        endpoint: EndpointRef,
        /// The last probe's failure.
        reason: Arc<str>,
    },
    /// An endpoint gets no new requests, because its task is about to stop.
    EndpointDrained {
        /// Which one.
        #[serde(flatten)]
        endpoint: EndpointRef,
        /// Why.
        reason: Arc<str>,
    },
    /// A task's endpoint is gone.
    EndpointRemoved {
        /// Which one.
        #[serde(flatten)]
        endpoint: EndpointRef,
        /// Why.
        reason: Arc<str>,
    },
    /// More than half of a service's endpoints fail their probes at once: they stay in rotation.
    ProbesDisbelieved {
        /// The service.
        service: Arc<str>,
        /// How many fail.
        failing: usize,
        /// Of how many.
        running: usize,
    },
    /// The probes of a service are believed again.
    ProbesBelieved {
        /// The service.
        service: Arc<str>,
    },
    /// A label is wrong, or should be known about.
    LabelsRejected(Diagnostic),
    /// A label that was complained about is right now, or gone.
    LabelsMended {
        /// The service.
        service: Arc<str>,
        /// The label's key.
        key: Arc<str>,
        /// The value that was complained about.
        value: Arc<str>,
    },
    /// The engine answered, at first or again.
    EngineReached {
        /// Its address.
        engine: Arc<str>,
        /// Its version and the API version spoken.
        version: Arc<str>,
    },
    /// A look at the engine failed; the last inventory stands.
    EngineLost {
        /// Its address.
        engine: Arc<str>,
        /// What went wrong, with the remedy.
        reason: Arc<str>,
    },
    /// This node's manager became the leader; its controller writes from now on.
    LeadershipGained,
    /// This node's manager leads no more.
    LeadershipLost,
    /// The replicas of a service were set to what its label says.
    ServiceScaled {
        /// The service.
        service: Arc<str>,
        /// The number before.
        from: u64,
        /// The number now.
        to: u64,
    },
    /// The replicas of a service could not be set.
    ScaleRefused {
        /// The service.
        service: Arc<str>,
        /// The number wanted.
        to: u64,
        /// Why.
        reason: Arc<str>,
    },
    /// The process was asked to stop.
    StopRequested {
        /// By what.
        reason: Arc<str>,
    },
}

/// Names an endpoint to people and programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointRef {
    /// The service's name.
    pub service: Arc<str>,
    /// The task.
    pub task: TaskId,
    /// Its container.
    pub container: ContainerId,
    /// Its node.
    pub node: NodeId,
    /// Its address.
    pub address: IpAddr,
}

impl fmt::Display for EndpointRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} container {} ({})",
            self.service,
            self.container.short(),
            self.address
        )
    }
}

/// How much an event matters to an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// For whoever looks closely.
    Debug,
    /// The story of normal work.
    Info,
    /// Something is worse than it should be; traffic goes on.
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
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

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
            Self::EndpointDiscovered(_) => "endpoint_discovered",
            Self::EndpointAdmitted { .. } => "endpoint_admitted",
            Self::EndpointFailed { .. } => "endpoint_failed",
            Self::EndpointDrained { .. } => "endpoint_drained",
            Self::EndpointRemoved { .. } => "endpoint_removed",
            Self::ProbesDisbelieved { .. } => "probes_disbelieved",
            Self::ProbesBelieved { .. } => "probes_believed",
            Self::LabelsRejected(_) => "labels_rejected",
            Self::LabelsMended { .. } => "labels_mended",
            Self::EngineReached { .. } => "engine_reached",
            Self::EngineLost { .. } => "engine_lost",
            Self::LeadershipGained => "leadership_gained",
            Self::LeadershipLost => "leadership_lost",
            Self::ServiceScaled { .. } => "service_scaled",
            Self::ScaleRefused { .. } => "scale_refused",
            Self::StopRequested { .. } => "stop_requested",
        }
    }

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
            Self::EndpointFailed { .. }
            | Self::ProbesDisbelieved { .. }
            | Self::EngineLost { .. }
            | Self::ScaleRefused { .. } => Severity::Warning,
            _ => Severity::Info,
        }
    }

    /// The service that it is about, if it is about one.
    #[must_use]
    pub fn service(&self) -> Option<&str> {
        match self {
            Self::EndpointDiscovered(endpoint)
            | Self::EndpointAdmitted { endpoint, .. }
            | Self::EndpointFailed { endpoint, .. }
            | Self::EndpointDrained { endpoint, .. }
            | Self::EndpointRemoved { endpoint, .. } => Some(&endpoint.service),
            Self::LabelsRejected(diagnostic) => Some(&diagnostic.service),
            Self::ProbesDisbelieved { service, .. }
            | Self::ProbesBelieved { service }
            | Self::LabelsMended { service, .. }
            | Self::ServiceScaled { service, .. }
            | Self::ScaleRefused { service, .. } => Some(service),
            _ => None,
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WarmedUp {
                services,
                ready,
                undecided,
            } => {
                write!(
                    f,
                    "warmed up: {services} routed services, {ready} endpoints in rotation"
                )?;
                match undecided {
                    0 => Ok(()),
                    _ => write!(f, ", {undecided} without a verdict yet"),
                }
            }
            Self::SnapshotPublished {
                generation,
                clusters,
                routes,
            } => write!(
                f,
                "snapshot {} published: {clusters} clusters and {routes} routes changed",
                generation.sequence
            ),
            Self::RouteAdded { route, services } => {
                write!(
                    f,
                    "route {}{} added, served by {}",
                    route.host,
                    route.path,
                    services.join(", ")
                )
            }
            Self::RouteRemoved { route } => write!(f, "route {}{} removed", route.host, route.path),
            Self::RouteChanged { route, services } => {
                write!(
                    f,
                    "route {}{} is now served by {}",
                    route.host,
                    route.path,
                    services.join(", ")
                )
            }
            Self::EndpointDiscovered(endpoint) => write!(
                f,
                "{endpoint} runs, out of rotation until it passes its probe"
            ),
            Self::EndpointAdmitted { endpoint, reason } => {
                write!(f, "{endpoint} came into rotation: {reason}")
            }
            Self::EndpointFailed { endpoint, reason } => {
                write!(f, "{endpoint} failed its probes: {reason}")
            }
            Self::EndpointDrained { endpoint, reason } => {
                write!(f, "{endpoint} gets no new requests: {reason}")
            }
            Self::EndpointRemoved { endpoint, reason } => write!(f, "{endpoint} is gone: {reason}"),
            Self::ProbesDisbelieved {
                service,
                failing,
                running,
            } => write!(
                f,
                "{service}: {failing} of {running} endpoints fail their probes at once, which is not believed; all stay in rotation"
            ),
            Self::ProbesBelieved { service } => write!(f, "{service}: probes are believed again"),
            Self::LabelsRejected(diagnostic) => write!(f, "{diagnostic}"),
            Self::LabelsMended {
                service,
                key,
                value,
            } => {
                write!(
                    f,
                    "service {service}: label {key}: {value:?} is no longer complained about"
                )
            }
            Self::EngineReached { engine, version } => {
                write!(f, "{engine} answers: {version}")
            }
            Self::EngineLost { engine, reason } => {
                write!(
                    f,
                    "{engine} cannot be read, the last state stands: {reason}"
                )
            }
            Self::LeadershipGained => {
                f.write_str("this manager leads: scale labels are acted on from here")
            }
            Self::LeadershipLost => {
                f.write_str("another manager leads: scale labels are acted on there")
            }
            Self::ServiceScaled { service, from, to } => {
                write!(
                    f,
                    "{service} scaled from {from} to {to} replicas, as its label says"
                )
            }
            Self::ScaleRefused {
                service,
                to,
                reason,
            } => {
                write!(
                    f,
                    "{service} could not be scaled to {to} replicas: {reason}"
                )
            }
            Self::StopRequested { reason } => write!(f, "stopping: {reason}"),
        }
    }
}
