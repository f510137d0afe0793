//! What the process is and knows beside its snapshot, for those who ask the admin listener.

use std::collections::BTreeSet;
use std::sync::Arc;

use ipnet::IpNet;
use tokio::sync::{mpsc, watch};

use super::token::Token;
use crate::controller::reconciler::Inquiry;
use crate::core::model::NodeId;
use crate::core::model::route::Diagnostic;
use crate::core::reconcile::desired::Probes;
use crate::core::routing::explain::Listener;
use crate::gateway::Ejected;
use crate::state::drain_store::OrderBook;
use crate::sync::server::Followers;
use crate::tls::certificates::ActiveCertificates;

/// What a process is, and where it keeps what operators ask for.
#[derive(Clone, Debug, Default)]
pub struct Instance {
    /// Its roles, in words.
    pub role: String,
    /// The node that it runs on; none where that is not known.
    pub node: Option<NodeId>,
    /// The gateway's listeners.
    pub listeners: Vec<Listener>,
    /// The node whose endpoints the gateway prefers.
    pub near: Option<NodeId>,
    /// Whose forwarding headers the gateway believes.
    pub trusted: Vec<IpNet>,
    /// The certificates that the gateway serves TLS with. `None` if it does not.
    pub certificates: Option<watch::Receiver<ActiveCertificates>>,
    /// Whether clients by TLS have to show a certificate.
    pub asks_certificates: bool,
    /// Whom the gateway has ejected, and until when.
    pub ejected: Option<watch::Receiver<Arc<Ejected>>>,
    /// The controller that is followed.
    pub followed: Option<watch::Receiver<Option<Arc<str>>>>,
    /// The controller in this process; none where there is none.
    pub controller: Option<Controller>,
    /// What operators drained by hand.
    pub order_book: OrderBook,
    /// What proves that a write is an operator's; none: nobody may write.
    pub token: Option<Token>,
}

/// The controller in this process, as far as operators are concerned.
#[derive(Clone, Debug)]
pub struct Controller {
    /// Asks the reconciler for the health that it believes in.
    pub inquiries: mpsc::Sender<Inquiry>,
    /// How each service is probed, in words.
    pub probes: watch::Receiver<Arc<Probes>>,
    /// Every complaint about labels.
    pub diagnostics: watch::Receiver<Arc<BTreeSet<Diagnostic>>>,
    /// Who follows it; none where nobody can.
    pub followers: Option<Followers>,
}
