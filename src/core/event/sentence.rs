//! The sentence that an operator reads of each event.

use std::fmt;
use std::time::Duration;

use super::Event;
use crate::core::certificates::date;

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
                    "warmed up: {}, {} in rotation",
                    counted(*services, "routed service"),
                    counted(*ready, "endpoint")
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
                "snapshot {} published: {} and {} changed",
                generation.sequence,
                counted(*clusters, "cluster"),
                counted(*routes, "route")
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
            Self::TcpRouteChanged { host, services } => match &**services {
                [] => write!(f, "route tcp://{host} removed"),
                services => write!(
                    f,
                    "route tcp://{host} is now served by {}",
                    services.join(", ")
                ),
            },
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
            Self::LabelsFixed {
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
                f.write_str("this manager leads: what labels ask of the swarm is written from here")
            }
            Self::LeadershipLost => {
                f.write_str("another manager leads: what labels ask of the swarm is written there")
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
            Self::ControllerFollowed { controller } => {
                write!(f, "routes come from the controller on {controller}")
            }
            Self::ControllerLeft { controller, reason } => {
                write!(
                    f,
                    "the link to the controller on {controller} ended: {reason}"
                )
            }
            Self::ControllerLost { controller, reason } => {
                write!(f, "the controller on {controller} is away: {reason}")
            }
            Self::RoutesStale { reason } => {
                write!(
                    f,
                    "routes are frozen, traffic goes on by the last ones: {reason}"
                )
            }
            Self::RoutesFresh => f.write_str("routes follow the swarm again"),
            Self::PeerRefused { peer, reason } => {
                write!(f, "no control channel with {peer}: {reason}")
            }
            Self::SnapshotRestored { generation, path } => write!(
                f,
                "began with snapshot {} of {path}, until a controller is heard",
                generation.sequence
            ),
            Self::SnapshotNotKept { path, reason } | Self::OrdersNotKept { path, reason } => {
                write!(f, "{path}: {reason}")
            }
            Self::EndpointEjected {
                endpoint,
                reason,
                seconds,
            } => write!(
                f,
                "{endpoint} gets nothing from this gateway for {seconds} s: {reason}"
            ),
            Self::EndpointReinstated { endpoint } => {
                write!(f, "{endpoint} gets requests from this gateway again")
            }
            Self::NodeEjected {
                node,
                endpoints,
                seconds,
            } => write!(
                f,
                "node {} gets nothing from this gateway for {seconds} s: requests to all of its {endpoints} endpoints fail",
                node.short()
            ),
            Self::NodeReinstated { node } => {
                write!(
                    f,
                    "node {} gets requests from this gateway again",
                    node.short()
                )
            }
            Self::AliasesUpdated {
                service,
                added,
                removed,
            } => {
                write!(f, "the network aliases of {service} were changed:")?;
                if !added.is_empty() {
                    write!(f, " {} now resolves to it", added.join(", "))?;
                }
                if !removed.is_empty() {
                    let and = if added.is_empty() { "" } else { "," };
                    write!(f, "{and} {} no longer does", removed.join(", "))?;
                }
                Ok(())
            }
            Self::AliasesRefused { service, reason } => {
                write!(
                    f,
                    "the network aliases of {service} stay as they are: {reason}"
                )
            }
            Self::CertificateLoaded(certificate) => write!(
                f,
                "certificate {certificate} is used, until {}",
                date(certificate.not_after)
            ),
            Self::CertificateReplaced(certificate) => write!(
                f,
                "certificate {certificate} was renewed, until {}",
                date(certificate.not_after)
            ),
            Self::CertificateRemoved(certificate) => {
                write!(
                    f,
                    "certificate {certificate} is used no more: its file is gone"
                )
            }
            Self::CertificateExpiring { certificate, days } => {
                let end = date(certificate.not_after);
                match days {
                    Some(days) => {
                        write!(f, "certificate {certificate} ends in {days} days, on {end}")
                    }
                    None => write!(
                        f,
                        "certificate {certificate} ended on {end}, clients refuse it"
                    ),
                }?;
                f.write_str("; put a new one in its place")
            }
            Self::CertificateRefused { file, reason } => write!(
                f,
                "certificate {file} cannot be used, what was used before stays: {reason}"
            ),
            Self::ClientAuthoritiesReplaced { file, authorities } => write!(
                f,
                "clients' certificates are checked by what {file} holds now; authorities: {authorities}"
            ),
            Self::CertificateIssued(certificate) => write!(
                f,
                "certificate {certificate} was issued, until {}",
                date(certificate.not_after)
            ),
            Self::CertificateNotIssued {
                host,
                reason,
                seconds,
            } => {
                write!(f, "no certificate was issued for {host}: {reason}")?;
                match seconds {
                    Some(seconds) => {
                        let wait = Duration::from_secs(*seconds);
                        write!(f, "; next try in {}", humantime::format_duration(wait))
                    }
                    None => Ok(()),
                }
            }
            Self::CertificateNotKept { file, reason } => write!(f, "{file}: {reason}"),
            Self::CollectorLost { collector, reason } => write!(
                f,
                "{collector} does not take spans as they come, so they wait or are dropped: {reason}"
            ),
            Self::CollectorReached { collector } => write!(f, "{collector} takes spans again"),
            Self::LimitReached { limit, reason } => {
                write!(f, "the limit {limit} is reached: {reason}")
            }
            Self::LimitRelieved {
                limit,
                refused,
                seconds,
            } => write!(
                f,
                "the limit {limit} is no longer reached; refused in {seconds} s: {refused}"
            ),
            Self::StopRequested { reason } => write!(f, "stopping: {reason}"),
        }
    }
}

fn counted(count: usize, one: &str) -> String {
    match count {
        1 => format!("1 {one}"),
        _ => format!("{count} {one}s"),
    }
}
