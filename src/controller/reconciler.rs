//! The loop: waits for a new inventory, for probe results or for what agents tell, and reconciles from the latest state.
//!
//! It owns what was observed and what is published; nobody else writes either. It takes no input but the latest state, so
//! a lost or repeated wake-up costs time, never truth.
//!
//! # Design notes
//!
//! Nothing is published before the first inventory is in and every endpoint has been judged by its probes, or
//! `WARM_UP` has passed: a restarted controller must not empty the tables of those who follow it.
//!
//! An agent is believed about the commands that it was asked to run, and about nothing else that is probed. Any hint of one is
//! a reason to look; what it says can only take an endpoint out ([`signals`](crate::core::signals)).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::core::control::{ContainerHint, Note};
use crate::core::desired::{Desired, Options};
use crate::core::event::Event;
use crate::core::model::Inventory;
use crate::core::observed::{Observed, ProbeReport};
use crate::core::reconcile::{reconcile, tell_diagnostics, undecided};
use crate::core::scale::ScaleWishes;
use crate::core::snapshot::{Generation, Snapshot};
use crate::journal::Emitter;
use crate::metrics::Metrics;

use super::probe::Targets;
use super::publish::Commands;

/// How long after the first inventory the first snapshot may wait for verdicts. Longer than the default probe needs to
/// fail twice, short enough for a rolling update of Hiveway itself.
const WARM_UP: Duration = Duration::from_secs(10);

/// What the reconciler reads.
pub struct Inputs {
    /// The swarm as it was last seen; none before the first look.
    pub inventory: watch::Receiver<Option<Arc<Inventory>>>,
    /// What probes over the network found.
    pub reports: mpsc::Receiver<ProbeReport>,
    /// What agents tell.
    pub notes: mpsc::Receiver<Note>,
}

/// What the reconciler writes.
pub struct Outputs {
    /// What to probe over the network.
    pub targets: watch::Sender<Arc<Targets>>,
    /// What agents are to run in containers, by node.
    pub commands: watch::Sender<Arc<Commands>>,
    /// Changes whenever there is reason to look at the swarm at once.
    pub nudges: watch::Sender<u64>,
    /// What to steer by; none before warm-up is over.
    pub snapshots: watch::Sender<Option<Arc<Snapshot>>>,
    /// What to scale.
    pub wishes: watch::Sender<ScaleWishes>,
    /// What happened.
    pub emitter: Emitter,
}

/// Reconciles until `stop`, or until nobody is left to say anything new. `epoch` is the time of the start in
/// milliseconds: snapshots of a later start are newer.
pub async fn run(
    options: Options,
    epoch: u64,
    mut inputs: Inputs,
    outputs: Outputs,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let mut state = State::new(options, epoch, outputs);
    loop {
        let due = state.due();
        tokio::select! {
            () = stop.cancelled() => return,
            changed = inputs.inventory.changed() => {
                if changed.is_err() {
                    return;
                }
                let inventory = inputs.inventory.borrow_and_update().clone();
                if let Some(inventory) = inventory {
                    state.take_inventory(&inventory);
                }
            }
            Some(report) = inputs.reports.recv() => {
                let mut due = state.take_report(report, false);
                while let Ok(report) = inputs.reports.try_recv() {
                    due |= state.take_report(report, false);
                }
                if !due {
                    continue;
                }
            }
            Some(note) = inputs.notes.recv() => {
                let mut due = state.take_note(note);
                while let Ok(note) = inputs.notes.try_recv() {
                    due |= state.take_note(note);
                }
                if !due {
                    continue;
                }
            }
            () = async { tokio::time::sleep_until(due.unwrap_or_else(Instant::now)).await },
                if due.is_some() => {}
        }
        let started = Instant::now();
        state.reconcile();
        metrics.reconciled(started.elapsed());
    }
}

struct State {
    options: Options,
    outputs: Outputs,
    /// The time that signals are counted from.
    began: Instant,
    desired: Desired,
    /// What has to be judged, over the network or by a command.
    probed: Targets,
    observed: Observed,
    current: Arc<Snapshot>,
    /// While warming up: when it ends at the latest. Set by the first inventory.
    deadline: Option<Instant>,
    warm: bool,
}

impl State {
    fn new(options: Options, epoch: u64, outputs: Outputs) -> Self {
        let generation = Generation { epoch, sequence: 0 };
        Self {
            options,
            outputs,
            began: Instant::now(),
            desired: Desired::default(),
            probed: Targets::new(),
            observed: Observed::default(),
            current: Arc::new(Snapshot {
                generation,
                ..Snapshot::default()
            }),
            deadline: None,
            warm: false,
        }
    }

    fn take_inventory(&mut self, inventory: &Inventory) {
        let desired = Desired::read(inventory, &self.options);
        for event in tell_diagnostics(&self.desired.diagnostics, &desired.diagnostics) {
            self.outputs.emitter.emit(event);
        }
        let wishes = ScaleWishes {
            leading: inventory.leads(),
            replicas: desired.scale.clone(),
        };
        self.outputs
            .wishes
            .send_if_modified(|old| replace(old, wishes));
        let commands = Arc::new(desired.commands());
        self.outputs
            .commands
            .send_if_modified(|old| replace(old, commands));
        self.probed = desired.probe_targets();
        let mut targets = self.probed.clone();
        targets.retain(|_, target| !target.spec.is_command());
        self.outputs
            .targets
            .send_if_modified(|old| replace(old, Arc::new(targets)));
        let probed: BTreeSet<_> = self.probed.keys().cloned().collect();
        self.observed.retain(&probed);
        self.observed.signals.retain(&desired);
        self.desired = desired;
        if !self.warm && self.deadline.is_none() {
            self.deadline = Some(Instant::now() + WARM_UP);
        }
    }

    /// True when the result changes what is believed of a task.
    fn take_report(&mut self, report: ProbeReport, by_agent: bool) -> bool {
        // A result that was on its way when its target went is about nothing any more.
        let target = self.probed.get(&report.task);
        target
            .filter(|target| target.spec.is_command() == by_agent)
            .is_some_and(|target| {
                self.observed
                    .record(&report.task, report.result, &target.spec)
            })
    }

    /// True when the note changes what is known of a task.
    fn take_note(&mut self, note: Note) -> bool {
        match note {
            Note::Report(report) => self.take_report(report, true),
            Note::Hint(hint) => self.take_hint(&hint),
        }
    }

    fn take_hint(&mut self, hint: &ContainerHint) -> bool {
        self.outputs.nudges.send_modify(|count| *count += 1);
        let now = self.began.elapsed();
        self.observed.signals.heed(hint, &self.desired, now)
    }

    /// When there is something to do at the latest.
    fn due(&self) -> Option<Instant> {
        let lapse = self.observed.signals.next_lapse();
        let lapse = lapse.map(|after| self.began + after);
        self.deadline.into_iter().chain(lapse).min()
    }

    fn reconcile(&mut self) {
        self.observed.signals.lapse(self.began.elapsed());
        if !self.warm && !self.warms_up() {
            return;
        }
        let outcome = reconcile(&self.desired, &self.observed, &self.current);
        for event in outcome.events {
            self.outputs.emitter.emit(event);
        }
        match outcome.snapshot {
            Some(snapshot) => self.current = Arc::new(snapshot),
            // The first snapshot is published even if it is empty: an empty swarm is known, not unknown.
            None if self.outputs.snapshots.borrow().is_none() => {}
            None => return,
        }
        self.outputs
            .snapshots
            .send_replace(Some(self.current.clone()));
    }

    fn warms_up(&mut self) -> bool {
        let Some(deadline) = self.deadline else {
            return false;
        };
        let undecided = undecided(&self.desired, &self.observed);
        if undecided > 0 && Instant::now() < deadline {
            return false;
        }
        self.warm = true;
        self.deadline = None;
        let next = reconcile(&self.desired, &self.observed, &self.current).snapshot;
        let ready = next.iter().flat_map(|snapshot| snapshot.clusters.values());
        self.outputs.emitter.emit(Event::WarmedUp {
            services: self.desired.services.len(),
            ready: ready.map(|cluster| cluster.in_rotation().count()).sum(),
            undecided,
        });
        true
    }
}

/// Replaces a watched value, and wakes its readers only when it differs.
fn replace<T: PartialEq>(old: &mut T, new: T) -> bool {
    let differs = *old != new;
    *old = new;
    differs
}
