//! Tells what happens to the containers of tasks on this node.
//!
//! # Design notes
//!
//! A subscription of its own, also where the watcher of the swarm has one: it is the same on a manager and on a worker, and
//! the engine leaves out what is of no use here.

use std::sync::Arc;

use tokio::sync::broadcast;

use crate::core::protocol::AgentMessage;
use crate::docker::{Engine, Scope, Subscription};
use crate::observe::metrics::Metrics;

/// Tells for ever. What happens while the engine's stream is broken is not told: controllers look by the clock as well.
pub(super) async fn tell(
    engine: Engine,
    notes: broadcast::Sender<Arc<AgentMessage>>,
    metrics: Metrics,
) {
    let otherwise = "a container that ends drains seconds later";
    let mut subscription = Subscription::new(engine, Scope::Containers, otherwise);
    loop {
        let hint = subscription.next().await;
        if let Some(hint) = hint.and_then(|hint| hint.of_container()) {
            metrics.hints(hint.action.as_str()).inc();
            // Nobody may be left to be told.
            let _ = notes.send(Arc::new(AgentMessage::Hint(hint)));
        }
    }
}
