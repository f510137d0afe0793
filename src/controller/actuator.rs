//! Writes the little that Hiveway writes into the swarm: the replicas of services with a `scale` label, and the network
//! aliases of its own service. Nothing else is ever written, and only where this node's manager leads.

mod aliases;
mod scale;
mod spec;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::core::reconcile::wishes::DesiredChanges;
use crate::docker::Engine;
use crate::observe::event_log::Emitter;

/// Acts on `wishes` until `stop`, or until nobody can wish any more.
pub async fn run(
    engine: Engine,
    wishes: watch::Receiver<DesiredChanges>,
    emitter: Emitter,
    stop: CancellationToken,
) {
    // Side by side, so that one of them does not wait while an engine is slow to answer the other.
    let scaling = scale::run(engine.clone(), wishes.clone(), emitter.clone());
    let naming = aliases::run(engine, wishes, emitter);
    stop.run_until_cancelled(async { tokio::join!(scaling, naming) })
        .await;
}
