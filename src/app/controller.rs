//! The controller's part of the process: its tasks, and the channels between them.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use tokio::sync::{broadcast, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::NOTES;
use super::overview::AdminHandles;
use super::role::Role;
use crate::agent;
use crate::controller::probe::{Ask, Targets};
use crate::controller::reconciler::{self, Inputs, Outputs};
use crate::controller::swarm::{self, OwnContainer};
use crate::controller::{actuator, probe};
use crate::core::model::Inventory;
use crate::core::model::snapshot::Snapshot;
use crate::core::protocol::AgentMessage;
use crate::core::reconcile::desired;
use crate::core::reconcile::wishes::DesiredChanges;
use crate::observe::event_log::Emitter;
use crate::observe::metrics::Metrics;
use crate::process::supervisor::Supervisor;
use crate::sync::client;
use crate::sync::server;

/// Results that may wait for the reconciler. When it is full, probes wait, and nothing is lost.
const REPORTS: usize = 1024;

/// Where the controller knows the swarm from.
pub(super) struct Sources<A> {
    /// What serves and what is asked for.
    pub(super) role: Role,
    /// How tasks are asked whether they serve.
    pub(super) ask: A,
    /// What the agent of this process tells.
    pub(super) own_notes: broadcast::Receiver<Arc<AgentMessage>>,
}

/// Runs the controller, and gives what the follower in this process needs of it, and what is to be written by whoever leads.
pub(super) fn run(
    supervisor: &mut Supervisor,
    sources: Sources<impl Ask>,
    desired: desired::Options,
    desk: AdminHandles,
    emitter: &Emitter,
    metrics: &Metrics,
) -> (client::Own, watch::Receiver<DesiredChanges>) {
    let Sources {
        role,
        ask,
        own_notes,
    } = sources;
    let (inventories, inventory) = watch::channel::<Option<Arc<Inventory>>>(None);
    let (targets, probed) = watch::channel(Arc::new(Targets::new()));
    let (snapshots, snapshot) = watch::channel::<Option<Arc<Snapshot>>>(None);
    let (wishes, wished) = watch::channel(DesiredChanges::default());
    let told_wishes = wished.clone();
    let (look_failure, look_failed) = watch::channel(None);
    let (freeze, frozen) = watch::channel(None);
    let (commands, commanded) = watch::channel(Arc::<server::Commands>::default());
    let (nudges, nudged) = watch::channel(0);
    let (report, reports) = mpsc::channel(REPORTS);
    let (note, noted) = mpsc::channel(NOTES);

    let stop = supervisor.stop();
    let passing = agent::local::pass_notes(own_notes, note.clone(), metrics.clone());
    let passing = until(stop.clone(), passing);
    supervisor.serve("the notes of the own agent", passing);
    let (own_commands, own_commanded) = watch::channel(Arc::default());
    if let Some(engine) = role.engine() {
        let (engine, commanded) = (engine.clone(), commanded.clone());
        let picking = agent::local::pick_commands(engine, commanded, own_commands);
        let picking = until(stop.clone(), picking);
        supervisor.serve("the commands of the own node", picking);
    }
    match role {
        Role::Manager(engine) => {
            let writing = actuator::run(engine.clone(), wished, emitter.clone(), stop.clone());
            supervisor.serve("the actuator", writing);
            let outputs = swarm::Outputs {
                inventory: inventories,
                frozen: look_failure,
                emitter: emitter.clone(),
                metrics: metrics.clone(),
            };
            let own = OwnContainer::look();
            let watching = swarm::run(engine, own, nudged, outputs, stop.clone());
            supervisor.serve("the watcher of the swarm", watching);
        }
        Role::File(file) => {
            let watching = file.run(inventories, emitter.clone(), stop.clone());
            supervisor.serve("the watcher of the inventory file", watching);
        }
        Role::Worker(_) | Role::Edge => {}
    }
    let probing = probe::run(ask, probed, report, metrics.clone(), stop.clone());
    supervisor.serve("the prober", probing);
    let inputs = Inputs {
        inventory,
        frozen: look_failed,
        reports,
        notes: noted,
        inquiries: desk.inquiries,
        orders: desk.orders,
    };
    let outputs = Outputs {
        targets,
        commands,
        nudges,
        snapshots,
        frozen: freeze,
        wishes,
        diagnostics: desk.diagnostics,
        probes: desk.probes,
        emitter: emitter.clone(),
    };
    let (metrics, emitter) = (metrics.clone(), emitter.clone());
    let reconciling = reconciler::run(
        desired,
        epoch(),
        inputs,
        outputs,
        metrics.clone(),
        stop.clone(),
    );
    supervisor.serve("the reconciler", reconciling);
    if let Some(publisher) = desk.publisher {
        let inputs = server::Inputs {
            snapshots: snapshot.clone(),
            frozen: frozen.clone(),
            commands: commanded,
            notes: note,
        };
        let publishing = publisher.run(inputs, emitter, metrics, stop);
        supervisor.serve("the control channel", publishing);
    }
    let own = client::Own {
        snapshots: snapshot,
        frozen,
        commands: own_commanded,
    };
    (own, told_wishes)
}

/// Ends something that knows of no stop.
async fn until(stop: CancellationToken, endless: impl Future<Output = ()>) {
    stop.run_until_cancelled(endless).await;
}

/// Milliseconds since the Unix epoch, which tell the snapshots of this start from those of all others.
fn epoch() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
