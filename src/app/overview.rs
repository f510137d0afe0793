//! What the admin listener is told of the process, and how it reaches the controller in it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use super::role::Role;
use crate::admin::{Controller, Instance, Token};
use crate::controller::reconciler::Inquiry;
use crate::core::model::route::Diagnostic;
use crate::core::reconcile::by_hand::ManualDrains;
use crate::core::reconcile::desired::Probes;
use crate::core::routing::explain::Listener;
use crate::gateway::{self, Gateway};
use crate::state::drain_store::OrderBook;
use crate::sync::server::Publisher;
use crate::tls::certificates::ActiveCertificates;

/// Questions that may wait for the reconciler. When there are more, who asks waits.
const INQUIRIES: usize = 16;

/// The controller's listener, and its ends of what it shares with the admin listener.
pub(super) struct AdminHandles {
    pub(super) publisher: Option<Publisher>,
    pub(super) inquiries: mpsc::Receiver<Inquiry>,
    pub(super) orders: watch::Receiver<Arc<ManualDrains>>,
    pub(super) diagnostics: watch::Sender<Arc<BTreeSet<Diagnostic>>>,
    pub(super) probes: watch::Sender<Arc<Probes>>,
}

/// Describes the process.
///
/// # Errors
///
/// The token cannot be read.
pub(super) async fn open(
    role: &Role,
    config: &gateway::Config,
    gateway: &Gateway,
    publisher: Option<Publisher>,
    order_book: OrderBook,
    certificates: Option<watch::Receiver<ActiveCertificates>>,
    token_file: Option<&Path>,
) -> anyhow::Result<(Instance, AdminHandles)> {
    let token = match token_file {
        Some(path) => Some(Token::read(path).await?),
        None => None,
    };
    let publisher = publisher.map(|it| it.with_orders(order_book.clone()));
    let (inquire, inquiries) = mpsc::channel(INQUIRIES);
    let (diagnostics, diagnosed) = watch::channel(Arc::default());
    let (probes, probed) = watch::channel(Arc::default());
    let listeners = [
        (false, false, gateway.internal()),
        (true, false, gateway.public()),
        (true, true, gateway.public_tls()),
    ];
    let listener = |(public, tls, address): (bool, bool, Option<_>)| {
        Some(Listener {
            public,
            tls,
            address: address?,
        })
    };
    let instance = Instance {
        role: role.to_string(),
        node: config.node.clone(),
        listeners: listeners.into_iter().filter_map(listener).collect(),
        near: config.node.clone().filter(|_| config.prefer_local),
        trusted: config.trusted_proxies.clone(),
        certificates: certificates.filter(|_| config.tls.is_some()),
        asks_certificates: config.tls.as_ref().is_some_and(|it| it.client_ca.is_some()),
        ejected: Some(gateway.ejected()),
        followed: None,
        controller: role.controls().then(|| Controller {
            inquiries: inquire,
            probes: probed,
            diagnostics: diagnosed,
            followers: publisher.as_ref().map(Publisher::followers),
        }),
        order_book,
        token,
    };
    let desk = AdminHandles {
        publisher,
        inquiries,
        orders: instance.order_book.subscribe(),
        diagnostics,
        probes,
    };
    Ok((instance, desk))
}
