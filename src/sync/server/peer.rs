//! One connection of the control channel, from the controller's side.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::followers::Listed;
use crate::core::certificates::acme::{self, Issued};
use crate::core::model::NodeId;
use crate::core::model::snapshot::Generation;
use crate::core::protocol::{AcmeShare, CommandTargets, ToController, ToNode};
use crate::observe::metrics::Counted;
use crate::sync::transport::{self, BEAT, Error, Receiver, SILENCE, Sender, WireError};
use crate::tls::certificates::FromController;

/// The most certificates in one message; each is some kilobytes.
const AT_ONCE: usize = 500;

/// A connection that was accepted.
pub(super) struct Peer {
    shared: Arc<Shared>,
    address: SocketAddr,
    stop: CancellationToken,
}

impl Peer {
    pub(super) fn new(shared: Arc<Shared>, address: SocketAddr, stop: CancellationToken) -> Self {
        Self {
            shared,
            address,
            stop,
        }
    }

    /// Serves it to its end.
    pub(super) async fn serve(self, stream: TcpStream) {
        let metrics = self.shared.metrics.control();
        let (sender, mut receiver) = match transport::accept(stream, &self.shared.identity).await {
            Ok(opened) => opened,
            Err(error) => {
                metrics.refused.inc();
                tracing::debug!(peer = %self.address, %error, "no control channel");
                // Others are port scans and peers that went away.
                if matches!(error, Error::Secret) {
                    self.shared.refusals.tell(self.address, &error);
                }
                return;
            }
        };
        let (node, acme, public) = match receiver.next_within(SILENCE).await {
            Ok(ToController::Hello {
                node,
                by_hand,
                acme,
                public,
                ..
            }) => {
                self.shared.order_book.take_in(&by_hand);
                (node, acme, public)
            }
            Ok(_) | Err(_) => return,
        };
        let _outward = public.then(|| self.shared.followers.face_outside());
        let conversation = Conversation {
            shared: self.shared.clone(),
            sender,
            node,
            acme,
            issued: Arc::default(),
            follows: None,
            commands: Arc::default(),
        };
        let talk = conversation.talk(receiver);
        if let Some(Err(error)) = self.stop.run_until_cancelled(talk).await {
            tracing::debug!(peer = %self.address, %error, "a control channel ended");
        }
    }
}

/// What is said to one peer.
struct Conversation {
    shared: Arc<Shared>,
    sender: Sender,
    node: Option<NodeId>,
    /// What it wants to be told of an ACME server.
    acme: AcmeShare,
    /// The certificates of that that it was told last.
    issued: Arc<Issued>,
    /// Whether it follows, and what it has.
    follows: Option<Follows>,
    /// The commands that it was told last.
    commands: Arc<CommandTargets>,
}

struct Follows {
    have: Option<Generation>,
    /// Whether it is given certificates.
    certificates: bool,
    /// Those that it was given last.
    given: Option<FromController>,
    listed: Listed,
    _counted: Counted,
}

impl Conversation {
    async fn talk(mut self, mut receiver: Receiver) -> Result<(), WireError> {
        let mut editions = self.shared.edition.clone();
        let mut standings = self.shared.standing.clone();
        let mut commands = self.shared.commands.clone();
        let mut beats = interval(BEAT);
        beats.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut certificates = self.shared.certificates.clone();
        let acme = self.shared.acme.clone();
        let wants = |least: AcmeShare| acme.clone().filter(|_| self.acme >= least);
        let mut issued = wants(AcmeShare::Certificates).map(|it| it.issued);
        let mut challenges = wants(AcmeShare::Challenges).map(|it| it.challenges);
        if let Some(issued) = &mut issued {
            issued.mark_changed();
        }
        if let Some(challenges) = &mut challenges {
            challenges.mark_changed();
        }
        standings.mark_changed();
        commands.mark_changed();
        loop {
            tokio::select! {
                heard = receiver.next() => {
                    self.hear(heard?);
                    editions.mark_changed();
                    if let Some(certificates) = &mut certificates {
                        certificates.mark_changed();
                    }
                }
                Ok(()) = editions.changed(), if self.follows.is_some() => {
                    let edition = editions.borrow_and_update().clone();
                    if let (Some(edition), Some(follows)) = (edition, &mut self.follows)
                        && let Some(message) = edition.bring(follows.have)
                    {
                        follows.have = Some(edition.generation());
                        self.sender.send_encoded(message).await?;
                        follows.listed.has(follows.have);
                    }
                }
                Some(given) = latest(certificates.as_mut()), if self.follows.is_some() => {
                    self.give(given).await?;
                }
                Some(challenges) = latest(challenges.as_mut()) => {
                    self.sender.send(&ToNode::Challenges { challenges }).await?;
                }
                Some(issued) = latest(issued.as_mut()) => self.tell_issued(issued).await?,
                Ok(()) = standings.changed() => {
                    let standing = standings.borrow_and_update().clone();
                    self.sender.send_encoded(standing).await?;
                }
                Ok(()) = commands.changed() => {
                    let all = commands.borrow_and_update().clone();
                    self.tell_commands(&all).await?;
                }
                _ = beats.tick() => {
                    let standing = standings.borrow().clone();
                    self.sender.send_encoded(standing).await?;
                }
            }
        }
    }

    fn hear(&mut self, said: ToController) {
        let metrics = self.shared.metrics.control();
        match said {
            ToController::Hello { by_hand, .. } => {
                self.shared.order_book.take_in(&by_hand);
            }
            ToController::Follow { have, certificates } => {
                let _counted = Counted::new(metrics.followers.clone());
                let listed = self.shared.followers.list(self.node.clone(), have);
                self.follows = Some(Follows {
                    have,
                    certificates,
                    given: None,
                    listed,
                    _counted,
                });
            }
            ToController::Leave => self.follows = None,
            ToController::Note(note) => {
                if self.shared.notes.try_send(note).is_err() {
                    metrics.notes_dropped.inc();
                }
            }
        }
    }

    async fn give(&mut self, certificates: FromController) -> Result<(), WireError> {
        let Some(follows) = self.follows.as_mut().filter(|it| it.certificates) else {
            return Ok(());
        };
        if follows.given.as_ref() == Some(&certificates) {
            return Ok(());
        }
        follows.given = Some(certificates.clone());
        self.sender
            .send(&ToNode::Certificates { certificates })
            .await
    }

    async fn tell_issued(&mut self, issued: Arc<Issued>) -> Result<(), WireError> {
        for some in acme::news(&self.issued, &issued).chunks(AT_ONCE) {
            let certificates = some.to_vec();
            self.sender.send(&ToNode::Issued { certificates }).await?;
        }
        self.issued = issued;
        Ok(())
    }

    async fn tell_commands(&mut self, all: &super::Commands) -> Result<(), WireError> {
        let own = self.node.as_ref().and_then(|node| all.get(node));
        let own = own.cloned().unwrap_or_default();
        if own == self.commands {
            return Ok(());
        }
        self.commands = own.clone();
        self.sender.send(&ToNode::Commands { commands: own }).await
    }
}

/// The latest, as soon as it changed; never where there is nothing to tell.
async fn latest<T: Clone>(told: Option<&mut watch::Receiver<T>>) -> Option<T> {
    let told = told?;
    told.changed().await.ok()?;
    Some(told.borrow_and_update().clone())
}
