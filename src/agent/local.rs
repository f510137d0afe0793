//! Joins an agent with the reconciler of the same process.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, watch};

use crate::core::model::NodeId;
use crate::core::protocol::{AgentMessage, CommandTargets};
use crate::docker::Engine;
use crate::observe::metrics::Metrics;
use crate::process::watch_ext;

/// Passes an agent's notes on, until either side is gone. Those that the reconciler was too slow for are counted.
pub async fn pass_notes(
    mut notes: broadcast::Receiver<Arc<AgentMessage>>,
    reconciler: mpsc::Sender<AgentMessage>,
    metrics: Metrics,
) {
    loop {
        match notes.recv().await {
            Ok(note) => {
                if reconciler.send(AgentMessage::clone(&note)).await.is_err() {
                    return;
                }
            }
            Err(RecvError::Lagged(lost)) => metrics.control().notes_dropped.inc_by(lost),
            Err(RecvError::Closed) => return,
        }
    }
}

/// Picks what this engine's node is to run out of what all nodes are, until either side is gone.
pub async fn pick_commands(
    engine: Engine,
    mut all: watch::Receiver<Arc<BTreeMap<NodeId, Arc<CommandTargets>>>>,
    own: watch::Sender<Arc<CommandTargets>>,
) {
    loop {
        let picked = all.borrow_and_update().get(&engine.node()).cloned();
        watch_ext::tell(&own, picked.unwrap_or_default());
        tokio::select! {
            changed = all.changed() => if changed.is_err() {
                return;
            },
            () = own.closed() => return,
        }
    }
}
