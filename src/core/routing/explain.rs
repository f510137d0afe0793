//! Why a request goes where it goes: the gateway's decision about one URL, step by step, with the reason of each.
//!
//! # Design notes
//!
//! The route is found by the same [`RouteIndex`](super::lookup::RouteIndex) that the gateway reads, and endpoints are sorted
//! by the same rules: in rotation or not, ejected or not, on the own node or not. What differs is that nothing is left out:
//! whoever is passed over is listed with the reason. What this process cannot know, because it is told to controllers only, is said in
//! [`Explanation::unknown`] and never guessed.

mod arrival;
mod asked;
mod certificate;
mod place;
mod policy;
mod route;
mod service;
mod tcp;
mod trace;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::rates::EndpointCounts;
use super::tls_access::TlsAccess;
use crate::core::certificates::Certificate;
use crate::core::model::route::{Diagnostic, Scheme};
use crate::core::model::snapshot::{Generation, RouteKey, Snapshot};
use crate::core::model::{NodeId, ServiceId, TaskId, Timestamp};
use crate::core::reconcile::observed::Health;

pub use self::asked::Asked;
pub use self::place::{EndpointView, RotationRank};
use self::trace::Trace;

/// The whole decision about one request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The request, as it was understood.
    pub request: Asked,
    /// The snapshot that was asked; none where there is none yet.
    pub generation: Option<Generation>,
    /// What was decided, in order.
    pub steps: Vec<Step>,
    /// The route that matched.
    pub route: Option<RouteKey>,
    /// The services that share the route, each with all of its endpoints.
    pub services: Vec<ServiceView>,
    /// What becomes of the request.
    pub outcome: Outcome,
    /// Complaints about labels that have to do with it.
    pub diagnostics: Vec<Diagnostic>,
    /// What this process does not know, and who does.
    pub unknown: Vec<String>,
}

/// One thing that was decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What about: `listener`, `certificate`, `snapshot`, `host`, `path`, `scheme`, `policy`, `service` or
    /// `endpoint`.
    pub about: String,
    /// How the decision went.
    pub verdict: Verdict,
    /// The decision in words.
    pub says: String,
}

/// How one decision went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The request goes on.
    Passes,
    /// The request ends here, or on one of several listeners.
    Stops,
    /// Nothing is decided; it should be known.
    Note,
}

/// A service's share in the route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ServiceView {
    /// Its name.
    pub service: Arc<str>,
    /// Its id.
    pub id: ServiceId,
    /// The container's port.
    pub port: u16,
    /// By which protocol it is reached.
    pub scheme: Scheme,
    /// Whether it serves requests of this kind, plain or by TLS.
    pub claims: bool,
    /// Its weight label.
    pub weight: u8,
    /// Its part of the requests without a cookie, in per cent, rounded.
    pub share_percent: u8,
    /// Whether clients stay with their container.
    pub sticky: bool,
    /// Further endpoints tried.
    pub retries: u8,
    /// So many of its probes fail at once that they are not believed.
    pub probes_disbelieved: bool,
    /// All of its endpoints, by task.
    pub endpoints: Vec<EndpointView>,
}

/// What becomes of the request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Whether it is sent to an endpoint.
    pub forwarded: bool,
    /// Where it may be sent first, one of these.
    pub targets: Vec<SocketAddr>,
    /// The status that the gateway answers itself with.
    pub status: Option<u16>,
    /// The value of `x-hiveway-reason` beside it.
    pub reason: Option<String>,
    /// The same in words.
    pub says: String,
}

/// A listener of the gateway that is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Whether it faces the outside, where `.local` hosts do not exist.
    pub public: bool,
    /// Whether it speaks TLS.
    pub tls: bool,
    /// Where it listens.
    pub address: SocketAddr,
}

/// What the process that is asked knows beside its snapshot.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The gateway's listeners.
    pub listeners: Vec<Listener>,
    /// The node whose endpoints come first; none where that is off.
    pub near: Option<NodeId>,
    /// The endpoints that this gateway has ejected, each with the seconds that are left.
    pub ejected: BTreeMap<TaskId, u64>,
    /// What the requests to each task add up to, through this gateway.
    pub requests: BTreeMap<TaskId, EndpointCounts>,
    /// What is believed of probed tasks; none where no controller is in this process.
    pub health: Option<BTreeMap<TaskId, Health>>,
    /// The latest event about each task that is still remembered here.
    pub stories: BTreeMap<TaskId, Story>,
    /// All complaints about labels; none where no controller is in this process.
    pub diagnostics: Option<BTreeSet<Diagnostic>>,
    /// The tasks that are drained by hand.
    pub by_hand: BTreeSet<TaskId>,
    /// The client that was named.
    pub client: Option<IpAddr>,
    /// Whether it is one whose forwarding headers are believed; none where none was named.
    pub trusts_client: Option<bool>,
    /// Whether there are any proxies whose forwarding headers are believed.
    pub trusts_proxies: bool,
    /// The certificates in use, the preferred first. `None` if that is not known.
    pub certificates: Option<Vec<Certificate>>,
    /// Whether clients have to show a certificate.
    pub asks_certificates: bool,
    /// The time at which it is asked.
    pub now: Timestamp,
}

/// What was last told of an endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Story {
    /// When.
    pub at: Timestamp,
    /// In words.
    pub says: String,
}

/// Explains the decision about a request.
#[must_use]
pub fn explain(asked: &Asked, snapshot: Option<&Snapshot>, known: &Known) -> Explanation {
    let mut trace = Trace::new(snapshot);
    trace.outcome = trace.decide(asked, snapshot, known);
    trace.finish(asked, known)
}

impl Known {
    fn listens_tls(&self) -> bool {
        self.listeners.iter().any(|it| it.tls)
    }

    /// What terminates TLS for this gateway. Where no listener is named, any is assumed.
    fn tls_access(&self) -> TlsAccess {
        TlsAccess {
            listener: self.listens_tls() || self.listeners.is_empty(),
            proxy: self.trusts_proxies,
        }
    }
}

impl ServiceView {
    /// Its endpoints in this place.
    pub fn at(&self, place: RotationRank) -> impl Iterator<Item = &EndpointView> {
        self.endpoints.iter().filter(move |it| it.place == place)
    }
}

impl Outcome {
    fn answer(status: u16, reason: &str, says: String) -> Self {
        Self {
            forwarded: false,
            targets: Vec::new(),
            status: Some(status),
            reason: Some(reason.to_owned()),
            says,
        }
    }

    /// What a connection that is not passed on gets: no answer, but an end.
    fn closed(reason: &str, says: String) -> Self {
        Self {
            status: None,
            ..Self::answer(0, reason, says)
        }
    }

    fn no_route(asked: &Asked) -> Self {
        let says = format!("no service claims {}{}", asked.host, asked.path);
        Self::answer(404, "no-route", says)
    }
}

#[cfg(test)]
mod tests;
