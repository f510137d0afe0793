//! A node that follows: its follower, and what it brings.

use std::net::SocketAddr;
use std::sync::Arc;

use hiveway::core::certificates::acme::{Challenge, Issued};
use hiveway::core::event::Event;
use hiveway::core::model::snapshot::Snapshot;
use hiveway::core::protocol::{AcmeShare, AgentMessage, CommandTargets};
use hiveway::observe::event_log;
use hiveway::observe::metrics::Metrics;
use hiveway::observe::readiness::Readiness;
use hiveway::state::drain_store::OrderBook;
use hiveway::sync::client::{self, Config, Outputs, Own, PeerAddress};
use hiveway::tls::certificates::FromController;
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{SECRET, identity};
use crate::bounded::bounded;

/// One that follows; it ends when dropped.
pub(super) struct Node {
    pub(super) snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    pub(super) commands: watch::Receiver<Arc<CommandTargets>>,
    pub(super) certificates: watch::Receiver<FromController>,
    pub(super) order_book: OrderBook,
    pub(super) issued: watch::Receiver<Arc<Issued>>,
    pub(super) challenges: watch::Receiver<Arc<[Challenge]>>,
    pub(super) notes: broadcast::Sender<Arc<AgentMessage>>,
    pub(super) readiness: Readiness,
    pub(super) metrics: Metrics,
    events: mpsc::Receiver<Event>,
    _running: JoinSet<()>,
}

impl Node {
    pub(super) async fn start(controllers: &[SocketAddr]) -> Self {
        Self::start_with(SECRET, controllers, None, None).await
    }

    /// One that serves TLS.
    pub(super) async fn start_serving_tls(controllers: &[SocketAddr]) -> Self {
        Self::launch(SECRET, controllers, None, None, true).await
    }

    /// One with a secret, with a controller of its own, and with a snapshot to begin with.
    pub(super) async fn start_with(
        secret: &str,
        controllers: &[SocketAddr],
        own: Option<Own>,
        kept: Option<Arc<Snapshot>>,
    ) -> Self {
        Self::launch(secret, controllers, own, kept, false).await
    }

    async fn launch(
        secret: &str,
        controllers: &[SocketAddr],
        own: Option<Own>,
        kept: Option<Arc<Snapshot>>,
        serves_tls: bool,
    ) -> Self {
        let places = controllers.iter().map(ToString::to_string);
        let places = places.map(|it| it.parse::<PeerAddress>().expect("an address"));
        let config = Config {
            places: places.collect(),
            identity: identity(secret).await,
            node: Some("n1".into()),
            own_listener: None,
            serves_tls,
            acme: match serves_tls {
                true => AcmeShare::Certificates,
                false => AcmeShare::Challenges,
            },
            public: false,
        };
        let (snapshots, snapshot) = watch::channel(kept);
        let (commands, commanded) = watch::channel(Arc::default());
        let (notes, _) = broadcast::channel(64);
        let (emitter, events) = event_log::channel();
        let (metrics, readiness) = (Metrics::new(emitter.drop_counter()), Readiness::default());
        let order_book = OrderBook::new(snapshot.clone());
        let (gives, certificates) = watch::channel(Arc::default());
        let (issued, know) = watch::channel(Arc::default());
        let (challenges, expected) = watch::channel(Arc::default());
        let outputs = Outputs {
            snapshots,
            commands,
            certificates: gives,
            order_book: order_book.clone(),
            issued,
            challenges,
            notes: notes.clone(),
            followed: watch::channel(None).0,
            emitter,
            readiness: readiness.clone(),
            metrics: metrics.clone(),
        };
        let mut running = JoinSet::new();
        running.spawn(client::run(config, own, outputs, CancellationToken::new()));
        Self {
            snapshots: snapshot,
            commands: commanded,
            certificates,
            order_book,
            issued: know,
            challenges: expected,
            notes,
            readiness,
            metrics,
            events,
            _running: running,
        }
    }

    /// Waits until it steers by this snapshot, and by all of it.
    pub(super) async fn steers_by(&mut self, snapshot: &Arc<Snapshot>) {
        let same = |latest: &Option<Arc<Snapshot>>| latest.as_ref() == Some(snapshot);
        let waited = bounded(self.snapshots.wait_for(same)).await;
        waited.expect("the follower lives");
    }

    pub(super) async fn event(&mut self) -> Event {
        bounded(self.events.recv()).await.expect("an emitter")
    }

    /// The next event of this kind.
    pub(super) async fn event_of(&mut self, kind: &str) -> Event {
        loop {
            let event = self.event().await;
            if event.kind() == kind {
                return event;
            }
        }
    }

    /// The kinds of the events so far.
    pub(super) fn events_so_far(&mut self) -> Vec<&'static str> {
        std::iter::from_fn(|| self.events.try_recv().ok())
            .map(|event| event.kind())
            .collect()
    }
}
