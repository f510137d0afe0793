//! Serves snapshots to the gateways that follow this controller, and takes in what their agents tell.
//!
//! # Design notes
//!
//! Every snapshot is written down once, as an `EncodedSnapshot`, and sent to whoever follows as the bytes that it needs. A peer
//! that is slow is sent the latest when it can take it, never a queue of what was in between.

mod edition;
mod followers;
mod peer;
mod refusals;

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::edition::EncodedSnapshot;
pub use self::followers::Followers;
use self::peer::Peer;
use self::refusals::Refusals;
use super::transport::{Identity, encode};
use crate::core::certificates::acme::{Challenge, Issued};
use crate::core::model::NodeId;
use crate::core::model::snapshot::Snapshot;
use crate::core::protocol::{AgentMessage, CommandTargets, Standing, ToNode};
use crate::observe::event_log::Emitter;
use crate::observe::metrics::Metrics;
use crate::state::drain_store::OrderBook;
use crate::tls::certificates::FromController;

/// Peers at once. A swarm has hundreds of nodes; whoever opens more connections than this is no swarm.
const PEERS: usize = 4096;

/// Peers of one address at once. A node has one connection, and several may come through one translated address; the rest of
/// [`PEERS`] is for others, whatever one of them does.
const PEERS_OF_ONE_ADDRESS: usize = 256;

/// The pause after an address could not be accepted on, most often because no more files can be opened.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// By node, the commands to run in its containers. Written by the reconciler, read here and by the own agent.
pub type Commands = BTreeMap<NodeId, Arc<CommandTargets>>;

/// Why the control channel could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address could not be taken.
    #[error(
        "cannot listen on {address} for the control channel: {source}; stop what listens there, or choose another address \
         with --listen-control"
    )]
    Bind {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What is published, and where what peers tell goes.
pub struct Inputs {
    /// The latest snapshot; none while warming up.
    pub snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    /// Why the swarm is not known as it is now; none while it is.
    pub frozen: watch::Receiver<Option<Arc<str>>>,
    /// The commands to run, by node.
    pub commands: watch::Receiver<Arc<Commands>>,
    /// What agents tell.
    pub notes: mpsc::Sender<AgentMessage>,
}

/// What is told of an ACME server to nodes that want to know it.
#[derive(Clone)]
pub struct Acme {
    /// The certificates that it issued, with their keys.
    pub issued: watch::Receiver<Arc<Issued>>,
    /// What it is about to ask.
    pub challenges: watch::Receiver<Arc<[Challenge]>>,
}

/// A listener that is bound and serves nothing yet.
pub struct Publisher {
    listener: TcpListener,
    identity: Identity,
    certificates: Option<watch::Receiver<FromController>>,
    acme: Option<Acme>,
    followers: Followers,
    order_book: OrderBook,
}

impl Publisher {
    /// Binds the listener.
    ///
    /// # Errors
    ///
    /// The address is taken, not allowed, or not this machine's.
    pub async fn bind(address: SocketAddr, identity: Identity) -> Result<Self, Error> {
        let fail = |source| Error::Bind { address, source };
        let listener = TcpListener::bind(address).await.map_err(fail)?;
        Ok(Self {
            listener,
            identity,
            certificates: None,
            acme: None,
            followers: Followers::default(),
            order_book: OrderBook::default(),
        })
    }

    /// Gives these certificates, with their keys, to followers that ask for them.
    #[must_use]
    pub fn with_certificates(mut self, certificates: watch::Receiver<FromController>) -> Self {
        self.certificates = Some(certificates);
        self
    }

    /// Passes on what operators drained by hand, and takes it in.
    #[must_use]
    pub fn with_orders(mut self, order_book: OrderBook) -> Self {
        self.order_book = order_book;
        self
    }

    /// Tells this of an ACME server to nodes that want to know it, whoever they follow.
    #[must_use]
    pub fn with_acme(mut self, acme: Acme) -> Self {
        self.acme = Some(acme);
        self
    }

    /// Where it listens; tells the port when 0 was asked for.
    ///
    /// # Panics
    ///
    /// Never: a bound listener has an address.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        let address = self.listener.local_addr();
        address.expect("a bound listener has an address")
    }

    /// Who follows, for those who ask.
    #[must_use]
    pub fn followers(&self) -> Followers {
        self.followers.clone()
    }

    /// Serves until `stop`.
    pub async fn run(
        self,
        inputs: Inputs,
        emitter: Emitter,
        metrics: Metrics,
        stop: CancellationToken,
    ) {
        let Inputs {
            mut snapshots,
            mut frozen,
            commands,
            notes,
        } = inputs;
        let order_book = self.order_book;
        let mut orders = order_book.subscribe();
        let (editions, edition) = watch::channel::<Option<Arc<EncodedSnapshot>>>(None);
        let (standings, standing) = watch::channel(Bytes::new());
        let shared = Arc::new(Shared {
            identity: self.identity,
            followers: self.followers,
            order_book: order_book.clone(),
            edition,
            standing,
            commands,
            certificates: self.certificates,
            acme: self.acme,
            notes,
            refusals: Refusals::new(emitter),
            metrics,
        });
        let mut peers = JoinSet::new();
        let mut of_address: HashMap<IpAddr, usize> = HashMap::new();
        snapshots.mark_changed();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Ok(()) = snapshots.changed() => {
                    let latest = snapshots.borrow_and_update().clone();
                    if let Some(snapshot) = latest {
                        let next = EncodedSnapshot::after(editions.borrow().as_deref(), snapshot);
                        editions.send_replace(Some(Arc::new(next)));
                    }
                    standings.send_replace(stand(&snapshots, &frozen, &order_book));
                }
                Ok(()) = frozen.changed() => {
                    frozen.borrow_and_update();
                    standings.send_replace(stand(&snapshots, &frozen, &order_book));
                }
                Ok(()) = orders.changed() => {
                    orders.borrow_and_update();
                    standings.send_replace(stand(&snapshots, &frozen, &order_book));
                }
                (stream, address) = accept(&self.listener), if peers.len() < PEERS => {
                    let peer = address.ip();
                    let count = of_address.entry(peer).or_default();
                    if *count == PEERS_OF_ONE_ADDRESS {
                        shared.metrics.control().refused.inc();
                        continue;
                    }
                    *count += 1;
                    let serving = Peer::new(shared.clone(), address, stop.clone()).serve(stream);
                    peers.spawn(async move {
                        serving.await;
                        peer
                    });
                }
                Some(ended) = peers.join_next() => match ended {
                    Ok(peer) => {
                        let count = of_address.get_mut(&peer);
                        let count = count.expect("it was counted when it came");
                        *count -= 1;
                        if *count == 0 {
                            of_address.remove(&peer);
                        }
                    }
                    Err(error) if error.is_panic() => {
                        std::panic::resume_unwind(error.into_panic());
                    }
                    // Nobody aborts a peer but by dropping all of them.
                    Err(_) => {}
                },
            }
        }
    }
}

/// What all peers' tasks share.
struct Shared {
    identity: Identity,
    followers: Followers,
    order_book: OrderBook,
    edition: watch::Receiver<Option<Arc<EncodedSnapshot>>>,
    /// A [`ToNode::Standing`], encoded.
    standing: watch::Receiver<Bytes>,
    commands: watch::Receiver<Arc<Commands>>,
    certificates: Option<watch::Receiver<FromController>>,
    acme: Option<Acme>,
    notes: mpsc::Sender<AgentMessage>,
    refusals: Refusals,
    metrics: Metrics,
}

fn stand(
    snapshots: &watch::Receiver<Option<Arc<Snapshot>>>,
    frozen: &watch::Receiver<Option<Arc<str>>>,
    order_book: &OrderBook,
) -> Bytes {
    let standing = Standing {
        generation: snapshots.borrow().as_deref().map(|it| it.generation),
        frozen: frozen.borrow().clone(),
    };
    let by_hand = order_book.latest();
    encode(&ToNode::Standing { standing, by_hand })
}

/// The next connection.
async fn accept(listener: &TcpListener) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            Err(error) => {
                tracing::debug!(%error, "accepting on the control channel failed");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}
