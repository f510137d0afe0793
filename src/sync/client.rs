//! Brings the gateway its snapshots: keeps a link to every controller, follows one of them, and tells all of them what the
//! agent of this node sees.
//!
//! Which controller is followed is decided in [`core::protocol::following`](crate::core::protocol::following); where one is in this very process,
//! it is followed by the same rules, without a link. The last snapshot stands, whatever becomes of the controllers.
//!
//! # Design notes
//!
//! Links to all controllers are open at all times, although snapshots come over one: agents tell all controllers what they
//! see, so that each knows the same and any can lead; and a controller that falls silent is replaced by one that is known to
//! be there.

mod follower;
mod link;
mod links;
mod search;
mod store;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use self::follower::Follower;
use self::link::Linking;
use self::links::Links;
use self::search::Found;
pub use self::search::PeerAddress;
pub use self::store::Store;
use super::transport::{self, Identity};
use crate::core::certificates::acme::{Challenge, Issued};
use crate::core::model::NodeId;
use crate::core::model::snapshot::Snapshot;
use crate::core::protocol::{AcmeShare, AgentMessage, CommandTargets, Standing};
use crate::observe::event_log::Emitter;
use crate::observe::metrics::Metrics;
use crate::observe::readiness::Readiness;
use crate::state::drain_store::OrderBook;
use crate::tls::certificates::FromController;

/// What links tell and was not looked at yet. When it is full, links wait, and nothing is lost.
const HEARD: usize = 256;

/// How often the age of what is known is told.
const TICK: Duration = Duration::from_secs(1);

/// What a follower needs to know.
pub struct Config {
    /// Where controllers are; none where there is none but the own one.
    pub places: Vec<PeerAddress>,
    /// What proves to controllers that this process is one of theirs.
    pub identity: Identity,
    /// This node; none where it is not known.
    pub node: Option<NodeId>,
    /// Where this process's own controller listens.
    pub own_listener: Option<SocketAddr>,
    /// Whether this process serves TLS, and is to be given certificates.
    pub serves_tls: bool,
    /// What is to be told of an ACME server, by any controller.
    pub acme: AcmeShare,
    /// Whether this process has a public listener, which is reported to controllers.
    pub public: bool,
}

/// The controller in this process.
pub struct Own {
    /// Its latest snapshot; none while it warms up.
    pub snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    /// Why it does not know the swarm as it is now; none while it does.
    pub frozen: watch::Receiver<Option<Arc<str>>>,
    /// The commands to run in this node's containers.
    pub commands: watch::Receiver<Arc<CommandTargets>>,
}

/// What a follower writes.
pub struct Outputs {
    /// What to steer by. What it holds at the start is what there is before any controller is heard.
    pub snapshots: watch::Sender<Option<Arc<Snapshot>>>,
    /// The commands to run in this node's containers, by any controller.
    pub commands: watch::Sender<Arc<CommandTargets>>,
    /// The certificates that the followed controller gives; the last stand.
    pub certificates: watch::Sender<FromController>,
    /// What operators drained by hand: told to every controller, and taken in from each.
    pub order_book: OrderBook,
    /// The certificates that any controller was issued; what is not told any more stands.
    pub issued: watch::Sender<Arc<Issued>>,
    /// What an ACME server is about to ask, by any controller.
    pub challenges: watch::Sender<Arc<[Challenge]>>,
    /// What agents see, to be told to every controller.
    pub notes: broadcast::Sender<Arc<AgentMessage>>,
    /// The controller that is followed: its address, or `this node`; none while there is none.
    pub followed: watch::Sender<Option<Arc<str>>>,
    /// What happened.
    pub emitter: Emitter,
    /// Whether the routes follow the swarm.
    pub readiness: Readiness,
    /// How old what is known is.
    pub metrics: Metrics,
}

/// Follows until `stop`.
pub async fn run(config: Config, own: Option<Own>, outputs: Outputs, stop: CancellationToken) {
    let port = config
        .places
        .first()
        .map_or(transport::PORT, PeerAddress::port);
    let (heard, mut told) = mpsc::channel(HEARD);
    let (found, mut finding) = watch::channel(Found::default());
    let mut search = JoinSet::new();
    if !config.places.is_empty() {
        search.spawn(search::run(config.places, found));
    }
    let linking = Linking {
        identity: config.identity,
        node: config.node,
        acme: config.acme,
        public: config.public,
        order_book: outputs.order_book.clone(),
        own_listener: config.own_listener,
        serves_tls: config.serves_tls,
        notes: outputs.notes.clone(),
        heard,
    };
    let links = Links::new(linking, outputs.emitter.clone(), port);
    let mut follower = Follower::new(links, outputs);
    let mut own = own;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        follower.settle(own.as_mut().map(OwnState::of).as_ref());
        let retry = follower.links.next_retry();
        tokio::select! {
            () = stop.cancelled() => return,
            Some((address, heard)) = told.recv() => follower.hear(address, heard),
            Ok(()) = finding.changed() => {
                follower.links.found = finding.borrow_and_update().clone();
            }
            () = changed(own.as_mut()) => {}
            () = sleep_until(retry.unwrap_or_else(Instant::now)), if retry.is_some() => {}
            () = follower.links.reap() => {}
            _ = ticks.tick() => {}
        }
    }
}

/// Returns when the own controller says something new.
async fn changed(own: Option<&mut Own>) {
    let Some(own) = own else {
        return std::future::pending().await;
    };
    tokio::select! {
        Ok(()) = own.snapshots.changed() => {}
        Ok(()) = own.frozen.changed() => {}
        Ok(()) = own.commands.changed() => {}
        // It is over, which ends the process elsewhere.
        else => std::future::pending().await,
    }
}

/// The own controller at one moment.
struct OwnState {
    snapshot: Option<Arc<Snapshot>>,
    frozen: Option<Arc<str>>,
    commands: Arc<CommandTargets>,
}

impl OwnState {
    fn of(own: &mut Own) -> Self {
        Self {
            snapshot: own.snapshots.borrow_and_update().clone(),
            frozen: own.frozen.borrow_and_update().clone(),
            commands: own.commands.borrow_and_update().clone(),
        }
    }

    fn standing(&self) -> Standing {
        Standing {
            generation: self.snapshot.as_deref().map(|it| it.generation),
            frozen: self.frozen.clone(),
        }
    }
}
