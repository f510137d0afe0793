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
//! While ten thousand endpoints warm up, each verdict would be a reason to reconcile ten thousand endpoints. `pace.rs` lets
//! what comes in close succession wait for one reconciliation, and what comes after quiet be reconciled at once.
//!
//! At rest thousands of results a second change nothing. They are taken in together, so that this loop is not woken for each;
//! one that comes after quiet is taken in at once.
//!
//! An agent is believed about the commands that it was asked to run, and about nothing else that is probed. Any hint of one is
//! a reason to look; what it says can only take an endpoint out ([`signals`](crate::core::reconcile::signals)).

mod inquiry;
mod pace;

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::core::event::Event;
use crate::core::labels::Secrets;
use crate::core::model::route::{Diagnostic, ProbeSpec};
use crate::core::model::snapshot::{Generation, Snapshot};
use crate::core::model::{Inventory, TaskId};
use crate::core::protocol::{AgentMessage, ContainerHint, ProbeReport};
use crate::core::reconcile::by_hand::ManualDrains;
use crate::core::reconcile::desired::{Desired, Options, Probes};
use crate::core::reconcile::observed::Observed;
use crate::core::reconcile::wishes::DesiredChanges;
use crate::core::reconcile::{reconcile, tell_diagnostics, undecided};
use crate::observe::event_log::Emitter;
use crate::observe::metrics::Metrics;
use crate::process::watch_ext;

pub use self::inquiry::Inquiry;
use self::pace::Pace;
use super::probe::Targets;
use super::secrets;
use crate::sync::server::Commands;

/// How long after the first inventory the first snapshot may wait for verdicts. Longer than the default probe needs to
/// fail twice, short enough for a rolling update of Hiveway itself.
const WARM_UP: Duration = Duration::from_secs(10);

/// The pause after results were taken in. They wait in their channel meanwhile, and the probes where it is full.
const TAKING_IN: Duration = Duration::from_millis(10);

/// What the reconciler reads.
pub struct Inputs {
    /// The swarm as it was last seen; none before the first look.
    pub inventory: watch::Receiver<Option<Arc<Inventory>>>,
    /// Why the swarm could not be looked at; none while it can be.
    pub frozen: watch::Receiver<Option<Arc<str>>>,
    /// What probes over the network found.
    pub reports: mpsc::Receiver<ProbeReport>,
    /// What agents tell.
    pub notes: mpsc::Receiver<AgentMessage>,
    /// What operators want to know.
    pub inquiries: mpsc::Receiver<Inquiry>,
    /// What operators drained by hand.
    pub orders: watch::Receiver<Arc<ManualDrains>>,
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
    /// Why that is not the swarm as it is now; none once everything that was seen is judged and published.
    pub frozen: watch::Sender<Option<Arc<str>>>,
    /// What to write into the swarm.
    pub wishes: watch::Sender<DesiredChanges>,
    /// Every complaint about labels.
    pub diagnostics: watch::Sender<Arc<BTreeSet<Diagnostic>>>,
    /// How each service is probed, in words.
    pub probes: watch::Sender<Arc<Probes>>,
    /// What happened.
    pub emitter: Emitter,
}

/// Reconciles until `stop`, or until nobody is left to say anything new. `epoch` is the time of the start in
/// milliseconds since the Unix epoch, which tells this reconciler's snapshots from those of all others.
pub async fn run(
    options: Options,
    epoch: u64,
    mut inputs: Inputs,
    outputs: Outputs,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let mut state = State::new(options, epoch, outputs);
    let mut pace = Pace::default();
    // A source that never fails may say nothing about it.
    let mut told = true;
    // Whoever gives orders may be gone.
    let mut asked = true;
    let mut next_results = Instant::now();
    let mut looks = interval(secrets::LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // There may have been orders before the first one came.
    inputs.orders.mark_changed();
    loop {
        let wake = pace.wake(state.due());
        tokio::select! {
            () = stop.cancelled() => return,
            changed = inputs.inventory.changed() => {
                if changed.is_err() {
                    return;
                }
                let inventory = inputs.inventory.borrow_and_update().clone();
                if let Some(inventory) = inventory {
                    state.read_secrets(&inventory).await;
                    state.take_inventory(&inventory);
                    metrics.diagnosed(&state.desired.diagnostics);
                }
                pace.pending = true;
            }
            _ = looks.tick(), if state.needs_secrets => {
                let inventory = inputs.inventory.borrow().clone();
                if let Some(inventory) = inventory
                    && state.read_secrets(&inventory).await
                {
                    state.take_inventory(&inventory);
                    metrics.diagnosed(&state.desired.diagnostics);
                    pace.pending = true;
                }
            }
            changed = inputs.frozen.changed(), if told => {
                told = changed.is_ok();
                pace.pending = true;
            }
            Some(report) = receive_from(next_results, &mut inputs.reports) => {
                pace.pending |= state.take_report(report, false);
                while let Ok(report) = inputs.reports.try_recv() {
                    pace.pending |= state.take_report(report, false);
                }
                next_results = Instant::now() + TAKING_IN;
            }
            Some(note) = inputs.notes.recv() => {
                pace.pending |= state.take_note(note);
                while let Ok(note) = inputs.notes.try_recv() {
                    pace.pending |= state.take_note(note);
                }
            }
            Some(inquiry) = inputs.inquiries.recv() => inquiry.answer_from(&state.observed),
            changed = inputs.orders.changed(), if asked => {
                asked = changed.is_ok();
                let drained = inputs.orders.borrow_and_update().drained();
                pace.pending |= state.observed.by_hand.replace(&drained);
            }
            () = async { sleep_until(wake.unwrap_or_else(Instant::now)).await },
                if wake.is_some() => pace.pending = true,
        }
        if !pace.is_due(Instant::now()) {
            continue;
        }
        // It is cleared after the inventory was written, so this order takes in what it speaks of.
        let frozen = inputs.frozen.borrow_and_update().clone();
        if inputs.inventory.has_changed().unwrap_or_default() {
            continue;
        }
        let started = Instant::now();
        state.reconcile();
        state.freeze(frozen);
        let ended = Instant::now();
        pace.ran(started, ended);
        metrics.reconciled(ended - started);
    }
}

/// The next result, not before a time. What is cancelled has taken none.
async fn receive_from(
    earliest: Instant,
    reports: &mut mpsc::Receiver<ProbeReport>,
) -> Option<ProbeReport> {
    sleep_until(earliest).await;
    reports.recv().await
}

struct State {
    options: Options,
    outputs: Outputs,
    /// The time that signals are counted from.
    began: Instant,
    /// Whether this node's manager led at the last look.
    leading: bool,
    desired: Desired,
    /// How what has to be judged is probed, over the network or by a command. Hashed, since every result looks for its task.
    probed: HashMap<TaskId, ProbeSpec>,
    observed: Observed,
    current: Arc<Snapshot>,
    /// While warming up, at first or after the swarm could not be looked at: when it ends at the latest. Set by the first
    /// inventory.
    deadline: Option<Instant>,
    warm: bool,
    /// Whether any label names a secret.
    needs_secrets: bool,
}

impl State {
    fn new(options: Options, epoch: u64, outputs: Outputs) -> Self {
        let generation = Generation { epoch, sequence: 0 };
        Self {
            options,
            outputs,
            began: Instant::now(),
            leading: false,
            desired: Desired::default(),
            probed: HashMap::new(),
            observed: Observed::default(),
            current: Arc::new(Snapshot {
                generation,
                ..Snapshot::default()
            }),
            deadline: None,
            warm: false,
            needs_secrets: false,
        }
    }

    /// Reads the secrets that labels name. True when they are not what they were.
    async fn read_secrets(&mut self, inventory: &Inventory) -> bool {
        let Some(folder) = &self.options.secrets else {
            return false;
        };
        let names = Secrets::named_in(inventory);
        self.needs_secrets = !names.is_empty();
        let read = Some(secrets::read(folder, names).await);
        let differs = self.options.labels.secrets != read;
        self.options.labels.secrets = read;
        differs
    }

    fn take_inventory(&mut self, inventory: &Inventory) {
        let desired = Desired::read(inventory, &self.options);
        for event in tell_diagnostics(&self.desired.diagnostics, &desired.diagnostics) {
            self.outputs.emitter.emit(event);
        }
        if self.desired.diagnostics != desired.diagnostics {
            let diagnostics = Arc::new(desired.diagnostics.clone());
            self.outputs.diagnostics.send_replace(diagnostics);
        }
        watch_ext::tell(&self.outputs.probes, Arc::new(desired.probes()));
        let commands = Arc::new(desired.commands());
        watch_ext::tell(&self.outputs.commands, commands);
        let mut targets = desired.probe_targets();
        let specs = targets.iter();
        self.probed = specs
            .map(|(task, target)| (task.clone(), target.spec.clone()))
            .collect();
        targets.retain(|_, target| !target.spec.is_command());
        watch_ext::tell(&self.outputs.targets, Arc::new(targets));
        self.observed.retain(|task| self.probed.contains_key(task));
        self.observed.signals.retain(&desired);
        self.desired = desired;
        self.leading = inventory.leads();
        self.wish();
        if !self.warm && self.deadline.is_none() {
            self.deadline = Some(Instant::now() + WARM_UP);
        }
    }

    /// Whom to name is known only when the routes are.
    fn wish(&self) {
        let aliases = self.desired.aliases.as_ref().filter(|_| self.warm);
        let wishes = DesiredChanges {
            leading: self.leading,
            replicas: self.desired.scale.clone(),
            aliases: aliases.cloned(),
        };
        watch_ext::tell(&self.outputs.wishes, wishes);
    }

    /// True when the result changes what is believed of a task.
    fn take_report(&mut self, report: ProbeReport, by_agent: bool) -> bool {
        // A result that was on its way when its target went is about nothing any more.
        let spec = self.probed.get(&report.task);
        spec.filter(|spec| spec.is_command() == by_agent)
            .is_some_and(|spec| self.observed.record(&report.task, report.result, spec))
    }

    /// True when the note changes what is known of a task.
    fn take_note(&mut self, note: AgentMessage) -> bool {
        match note {
            AgentMessage::Report(report) => self.take_report(report, true),
            AgentMessage::Hint(hint) => self.take_hint(&hint),
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
        self.observed.by_hand.settle();
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

    /// Tells that the swarm is not known as it is, and that it is again: once what was missed is judged, or the time for
    /// that is over. Who follows another controller meanwhile must not come back to endpoints that are not probed yet.
    fn freeze(&mut self, frozen: Option<Arc<str>>) {
        if frozen.is_none() && self.outputs.frozen.borrow().is_some() {
            let now = Instant::now();
            let deadline = *self.deadline.get_or_insert(now + WARM_UP);
            if now < deadline && undecided(&self.desired, &self.observed) > 0 {
                return;
            }
        }
        if self.warm {
            self.deadline = None;
        }
        watch_ext::tell(&self.outputs.frozen, frozen);
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
        self.wish();
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
