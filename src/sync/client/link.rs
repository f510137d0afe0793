//! A link to one controller, from the follower's side: opened, spoken on, and ended when the controller falls silent.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::{broadcast, mpsc, watch};

use crate::core::model::NodeId;
use crate::core::model::snapshot::Generation;
use crate::core::protocol::{AcmeShare, AgentMessage, ToController, ToNode};
use crate::core::reconcile::by_hand::ManualDrains;
use crate::state::drain_store::OrderBook;
use crate::sync::transport::{self, Identity, Receiver, SILENCE, Sender, WireError};

/// Whether snapshots are asked for on a link. Written by the follower; a change is said to the controller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Subscription {
    /// They are not.
    #[default]
    Nothing,
    /// They are.
    Follow {
        /// What the gateway steers by already.
        have: Option<Generation>,
        /// Tells a wish from the same one before.
        number: u64,
    },
}

/// What a link tells the follower.
#[derive(Debug)]
pub(super) enum Heard {
    /// The controller said something.
    Said(ToNode),
    /// The link is over.
    Ended(Ended),
}

/// Why a link is over.
#[derive(Debug, thiserror::Error)]
pub(super) enum Ended {
    /// The address is this process's own.
    #[error("it is this process itself")]
    Itself,
    #[error(transparent)]
    Open(#[from] transport::Error),
    #[error(transparent)]
    Speak(#[from] WireError),
}

/// What every link needs.
#[derive(Clone)]
pub(super) struct Linking {
    pub(super) identity: Identity,
    /// This node; none where it is not known.
    pub(super) node: Option<NodeId>,
    pub(super) acme: AcmeShare,
    /// Whether this process has a public listener.
    pub(super) public: bool,
    pub(super) order_book: OrderBook,
    /// Where this process's own controller listens.
    pub(super) own_listener: Option<SocketAddr>,
    /// Whether certificates are asked for as well.
    pub(super) serves_tls: bool,
    pub(super) notes: broadcast::Sender<Arc<AgentMessage>>,
    pub(super) heard: mpsc::Sender<(SocketAddr, Heard)>,
}

impl Linking {
    /// Keeps a link until it ends, and tells why it did.
    pub(super) async fn keep(self, address: SocketAddr, wishes: watch::Receiver<Subscription>) {
        let Err(ended) = self.talk(address, wishes).await;
        // Nobody hears it when the follower itself is over.
        let _ = self.heard.send((address, Heard::Ended(ended))).await;
    }

    async fn talk(
        &self,
        address: SocketAddr,
        mut wishes: watch::Receiver<Subscription>,
    ) -> Result<std::convert::Infallible, Ended> {
        let notes = self.notes.subscribe();
        let (mut sender, receiver, own) = transport::connect(address, &self.identity).await?;
        let own_port = self.own_listener.map(|listener| listener.port());
        if own.ip() == address.ip() && own_port == Some(address.port()) {
            return Err(Ended::Itself);
        }
        let orders = self.order_book.subscribe();
        sender.send(&self.hello()).await?;
        tokio::select! {
            ended = self.speak(&mut sender, &mut wishes, orders, notes) => ended,
            ended = self.hear(address, receiver) => ended,
        }
    }

    fn hello(&self) -> ToController {
        ToController::Hello {
            node: self.node.clone(),
            version: env!("CARGO_PKG_VERSION").into(),
            by_hand: self.order_book.latest(),
            acme: self.acme,
            public: self.public,
        }
    }

    async fn hear(
        &self,
        address: SocketAddr,
        mut receiver: Receiver,
    ) -> Result<std::convert::Infallible, Ended> {
        loop {
            let said: ToNode = receiver.next_within(SILENCE).await?;
            if self.heard.send((address, Heard::Said(said))).await.is_err() {
                return Err(WireError::Close.into());
            }
        }
    }

    async fn speak(
        &self,
        sender: &mut Sender,
        wishes: &mut watch::Receiver<Subscription>,
        mut orders: watch::Receiver<Arc<ManualDrains>>,
        mut notes: broadcast::Receiver<Arc<AgentMessage>>,
    ) -> Result<std::convert::Infallible, Ended> {
        wishes.mark_changed();
        let mut follows = false;
        loop {
            tokio::select! {
                changed = wishes.changed() => {
                    if changed.is_err() {
                        return Err(WireError::Close.into());
                    }
                    let wish = *wishes.borrow_and_update();
                    match wish {
                        Subscription::Follow { have, .. } => {
                            let certificates = self.serves_tls;
                            sender.send(&ToController::Follow { have, certificates }).await?;
                        }
                        Subscription::Nothing if follows => sender.send(&ToController::Leave).await?,
                        Subscription::Nothing => {}
                    }
                    follows = wish != Subscription::Nothing;
                }
                Ok(()) = orders.changed() => {
                    orders.borrow_and_update();
                    sender.send(&self.hello()).await?;
                }
                note = notes.recv() => match note {
                    Ok(note) => sender.send(&ToController::Note(AgentMessage::clone(&note))).await?,
                    // What was missed are hints, and results that the next probe brings again.
                    Err(broadcast::error::RecvError::Lagged(_)) => {}
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        }
    }
}
