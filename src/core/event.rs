//! Every event: what happened, in the past tense, to whom and why.
//!
//! An event is made where something is decided, travels once through the journal's bounded channel, and is there logged
//! once, counted once and kept for `/events`. The sentence that an operator reads is its [`Display`](std::fmt::Display).

mod certificate_ref;
mod endpoint_ref;
mod kind;
mod sentence;
mod severity;
mod subject;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::model::NodeId;
use super::model::route::{Diagnostic, HostPattern};
use super::model::snapshot::{Generation, RouteKey};

pub use certificate_ref::CertificateRef;
pub use endpoint_ref::EndpointRef;
pub use severity::Severity;

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
    /// A TCP route came, or went where no service is left, or is served by others.
    TcpRouteChanged {
        /// The names that it matches.
        host: HostPattern,
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
    LabelsFixed {
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
    /// The gateway steers by what this controller says from now on.
    ControllerFollowed {
        /// Its address, or `this node`.
        controller: Arc<str>,
    },
    /// The link to a controller ended, as it does when its instance is replaced.
    ControllerLeft {
        /// Its address.
        controller: Arc<str>,
        /// Why.
        reason: Arc<str>,
    },
    /// A controller that was connected has been away for a while.
    ControllerLost {
        /// Its address.
        controller: Arc<str>,
        /// Why.
        reason: Arc<str>,
    },
    /// No controller knows the swarm as it is now: routes stay as they are.
    RoutesStale {
        /// Why.
        reason: Arc<str>,
    },
    /// A controller knows the swarm again.
    RoutesFresh,
    /// A peer on the control channel was turned away, or turned us away.
    PeerRefused {
        /// Its address.
        peer: Arc<str>,
        /// Why, with the remedy.
        reason: Arc<str>,
    },
    /// The gateway began with the snapshot that was kept on disk.
    SnapshotRestored {
        /// Its generation.
        generation: Generation,
        /// The file.
        path: Arc<str>,
    },
    /// The last good snapshot could not be kept, or what was kept cannot be used.
    SnapshotNotKept {
        /// The file.
        path: Arc<str>,
        /// Why, with the remedy.
        reason: Arc<str>,
    },
    /// What was drained by hand could not be kept, or what was kept cannot be used.
    OrdersNotKept {
        /// The file.
        path: Arc<str>,
        /// Why, with the remedy.
        reason: Arc<str>,
    },
    /// This gateway sends an endpoint nothing for a while, because requests to it fail.
    EndpointEjected {
        /// Which one.
        #[serde(flatten)]
        endpoint: EndpointRef,
        /// What it did.
        reason: Arc<str>,
        /// For how long, in seconds.
        seconds: u64,
    },
    /// An endpoint that was ejected gets requests again.
    EndpointReinstated {
        /// Which one.
        #[serde(flatten)]
        endpoint: EndpointRef,
    },
    /// Requests to all endpoints of a node fail, so this gateway sends none of them anything for a while.
    NodeEjected {
        /// The node.
        node: NodeId,
        /// How many endpoints it has.
        endpoints: usize,
        /// For how long, in seconds.
        seconds: u64,
    },
    /// A node that was ejected gets requests again.
    NodeReinstated {
        /// The node.
        node: NodeId,
    },
    /// The network aliases of Hiveway's own service were changed, so that names resolve to it.
    AliasesUpdated {
        /// Its own service.
        service: Arc<str>,
        /// The names that came.
        added: Vec<Arc<str>>,
        /// The names that went.
        removed: Vec<Arc<str>>,
    },
    /// The aliases of Hiveway's own service could not be changed.
    AliasesRefused {
        /// Its own service.
        service: Arc<str>,
        /// Why, with the remedy.
        reason: Arc<str>,
    },
    /// A certificate is used from now on.
    CertificateLoaded(CertificateRef),
    /// A certificate took the place of the one before it in its file.
    CertificateReplaced(CertificateRef),
    /// A certificate's file is gone, and it is used no more.
    CertificateRemoved(CertificateRef),
    /// A certificate ends soon, or has ended.
    CertificateExpiring {
        /// Which one.
        #[serde(flatten)]
        certificate: CertificateRef,
        /// How many whole days are left; none when it has ended.
        days: Option<u64>,
    },
    /// What a file holds cannot be used as a certificate, or as clients' authorities; what it held before stays in use.
    CertificateRefused {
        /// The file.
        file: Arc<str>,
        /// Why, with the remedy.
        reason: Arc<str>,
    },
    /// Clients' certificates are checked by what the file of their authorities holds now.
    ClientAuthoritiesReplaced {
        /// The file.
        file: Arc<str>,
        /// How many authorities it holds.
        authorities: usize,
    },
    /// The ACME server issued a certificate.
    CertificateIssued(CertificateRef),
    /// The ACME server issued no certificate for a host that needs one; what is used for it stays.
    CertificateNotIssued {
        /// The host, or the wildcard.
        host: Arc<str>,
        /// Why, with what the server said.
        reason: Arc<str>,
        /// When it is tried again, in seconds; none where that is of no use.
        seconds: Option<u64>,
    },
    /// What an ACME server issued could not be written down, or what was written down cannot be used.
    CertificateNotKept {
        /// The file.
        file: Arc<str>,
        /// Why, with the remedy.
        reason: Arc<str>,
    },
    /// The collector did not take spans, or not all of them.
    CollectorLost {
        /// Its address.
        collector: Arc<str>,
        /// Why, with the remedy.
        reason: Arc<str>,
    },
    /// The collector takes spans again.
    CollectorReached {
        /// Its address.
        collector: Arc<str>,
    },
    /// A gateway refuses what clients ask for, because a limit is reached.
    LimitReached {
        /// The flag that sets it, without its dashes.
        limit: Arc<str>,
        /// What is refused and to whom, with the remedy.
        reason: Arc<str>,
    },
    /// Nothing was refused for a limit for a while.
    LimitRelieved {
        /// The flag that sets it, without its dashes.
        limit: Arc<str>,
        /// How much was refused.
        refused: u64,
        /// Since when, in seconds.
        seconds: u64,
    },
    /// The process was asked to stop.
    StopRequested {
        /// By what.
        reason: Arc<str>,
    },
}
