//! A controller's side of the channel, and what it is given to publish.

use std::net::SocketAddr;
use std::sync::Arc;

use hiveway::core::event::Event;
use hiveway::core::model::snapshot::Snapshot;
use hiveway::core::protocol::AgentMessage;
use hiveway::observe::event_log;
use hiveway::observe::metrics::Metrics;
use hiveway::state::drain_store::OrderBook;
use hiveway::sync::server::{Acme, Commands, Inputs, Publisher};
use hiveway::tls::certificates::FromController;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{SECRET, identity};
use crate::bounded::bounded;

/// One that listens; it ends when dropped, and its connections with it.
pub(super) struct Controller {
    pub(super) address: SocketAddr,
    pub(super) snapshots: watch::Sender<Option<Arc<Snapshot>>>,
    pub(super) frozen: watch::Sender<Option<Arc<str>>>,
    pub(super) commands: watch::Sender<Arc<Commands>>,
    pub(super) order_book: OrderBook,
    pub(super) notes: mpsc::Receiver<AgentMessage>,
    pub(super) metrics: Metrics,
    events: mpsc::Receiver<Event>,
    _running: JoinSet<()>,
}

impl Controller {
    pub(super) async fn start(snapshot: Option<Arc<Snapshot>>) -> Self {
        Self::start_giving(snapshot, None).await
    }

    /// One that gives certificates.
    pub(super) async fn start_giving(
        snapshot: Option<Arc<Snapshot>>,
        certificates: Option<watch::Receiver<FromController>>,
    ) -> Self {
        Self::launch(snapshot, certificates, None).await
    }

    /// One that orders certificates.
    pub(super) async fn start_ordering(snapshot: Option<Arc<Snapshot>>, acme: Acme) -> Self {
        Self::launch(snapshot, None, Some(acme)).await
    }

    async fn launch(
        snapshot: Option<Arc<Snapshot>>,
        certificates: Option<watch::Receiver<FromController>>,
        acme: Option<Acme>,
    ) -> Self {
        let identity = identity(SECRET).await;
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let publisher = Publisher::bind(any, identity).await.expect("a free port");
        let publisher = match certificates {
            Some(certificates) => publisher.with_certificates(certificates),
            None => publisher,
        };
        let publisher = match acme {
            Some(acme) => publisher.with_acme(acme),
            None => publisher,
        };
        let (snapshots, snapshot) = watch::channel(snapshot);
        let order_book = OrderBook::new(snapshot.clone());
        let publisher = publisher.with_orders(order_book.clone());
        let address = publisher.address();
        let (freeze, frozen) = watch::channel(None);
        let (commands, commanded) = watch::channel(Arc::default());
        let (note, notes) = mpsc::channel(64);
        let (emitter, events) = event_log::channel();
        let metrics = Metrics::new(emitter.drop_counter());
        let inputs = Inputs {
            snapshots: snapshot,
            frozen,
            commands: commanded,
            notes: note,
        };
        let mut running = JoinSet::new();
        let stop = CancellationToken::new();
        running.spawn(publisher.run(inputs, emitter, metrics.clone(), stop));
        Self {
            address,
            snapshots,
            frozen: freeze,
            commands,
            order_book,
            notes,
            metrics,
            events,
            _running: running,
        }
    }

    pub(super) fn publish(&self, snapshot: Arc<Snapshot>) {
        self.snapshots.send_replace(Some(snapshot));
    }

    pub(super) async fn event(&mut self) -> Event {
        bounded(self.events.recv()).await.expect("an emitter")
    }
}
