//! The half that knows the containers of its own node: it tells what happens to them, and runs commands in them.
//!
//! An agent is wherever there is an engine, a worker's as well. It decides nothing: it tells every controller the same
//! [`AgentMessage`]s, each of which may be lost or said again.

mod commands;
mod hints;
pub mod local;

use std::sync::Arc;

use tokio::sync::{broadcast, watch};
use tokio_util::sync::CancellationToken;

use crate::core::protocol::{AgentMessage, CommandTargets};
use crate::docker::Engine;
use crate::observe::metrics::Metrics;

/// Works until `stop`, or until nobody can ask for commands any more. Notes that nobody takes are lost.
pub async fn run(
    engine: Engine,
    commands: watch::Receiver<Arc<CommandTargets>>,
    notes: broadcast::Sender<Arc<AgentMessage>>,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let telling = hints::tell(engine.clone(), notes.clone(), metrics.clone());
    let working = commands::run(engine, commands, notes, &metrics);
    tokio::select! {
        () = stop.cancelled() => {}
        () = telling => {}
        () = working => {}
    }
}
