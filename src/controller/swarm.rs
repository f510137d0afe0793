//! Watches the swarm through the engine of a manager, and keeps the latest inventory.
//!
//! `Listing → Following → Backoff → Listing`:
//!
//! * *Listing*: subscribe to the engine's events, then look, so that no change falls between the two.
//! * *Following*: look again at every hint, of this engine or of an agent, and by the clock, as often as `pace.rs` says.
//!   What an event says is never taken for a fact: lost, repeated or reordered events cost time, never truth.
//!   Where a look is dear, the few services that move are glanced at in between (`look.rs`), which costs next to nothing.
//! * *Backoff*: a look failed. The last inventory stands, and the engine is asked again after a growing pause.

mod listing;
mod look;
mod objects;
mod own;
mod pace;

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use self::listing::Digests;
pub use self::own::OwnContainer;
use self::pace::Circumstances;
use crate::core::event::Event;
use crate::core::model::{Inventory, ServiceId};
use crate::docker::{Engine, Error, Hint, Scope, Subscription};
use crate::observe::event_log::Emitter;
use crate::observe::metrics::Metrics;
use crate::process::backoff;

/// How long the first look waits for the subscription. An engine that lists is worth more than one that hints.
const SUBSCRIBING: Duration = Duration::from_secs(1);

/// What the watcher writes.
pub struct Outputs {
    /// The swarm as it was last seen; nothing before the first look that succeeded. Changes only when a look differs from the
    /// one before.
    pub inventory: watch::Sender<Option<Arc<Inventory>>>,
    /// Why the last look failed; none when it succeeded.
    pub frozen: watch::Sender<Option<Arc<str>>>,
    /// What happened.
    pub emitter: Emitter,
    /// How long looks take.
    pub metrics: Metrics,
}

/// Watches until `stop`. A failed look leaves the inventory as it is. Whenever `nudges` changes, it is time to look. `own` is
/// the container that this process runs in.
pub async fn run(
    engine: Engine,
    own: Option<OwnContainer>,
    nudges: watch::Receiver<u64>,
    outputs: Outputs,
    stop: CancellationToken,
) {
    let mut watcher = Watcher {
        engine,
        own,
        nudges,
        outputs,
        digests: Digests::default(),
        reached: None,
        leads: false,
    };
    stop.run_until_cancelled(watcher.watch()).await;
}

/// One look, for who does not watch: what serves and what is asked for, without Hiveway's own service.
///
/// # Errors
///
/// The first request's that failed.
pub async fn look_once(engine: &Engine) -> Result<Inventory, Error> {
    look::look(engine, None, None, &mut Digests::default()).await
}

/// When a look ended, and how long it took.
#[derive(Clone, Copy)]
struct Span {
    ended: Instant,
    cost: Duration,
}

struct Watcher {
    engine: Engine,
    own: Option<OwnContainer>,
    nudges: watch::Receiver<u64>,
    outputs: Outputs,
    /// What the last look that succeeded left behind.
    digests: Digests,
    /// Whether the last look succeeded; none before the first.
    reached: Option<bool>,
    /// Whether the last inventory had this node's manager lead.
    leads: bool,
}

impl Watcher {
    async fn watch(&mut self) {
        let mut failures = 0;
        loop {
            let Err(error) = self.follow(&mut failures).await;
            failures += 1;
            tracing::debug!(failures, %error, "a look failed");
            self.lost(&error);
            sleep(backoff::after(failures)).await;
        }
    }

    /// Listing and Following, until a look fails.
    async fn follow(&mut self, failures: &mut u32) -> Result<Infallible, Error> {
        if *failures > 0 {
            self.engine.negotiate().await?;
        }
        let otherwise = "changes are seen seconds later";
        let mut subscription = Subscription::new(self.engine.clone(), Scope::Swarm, otherwise);
        // Where this fails, looks go by the clock.
        let _ = timeout(SUBSCRIBING, subscription.next()).await;
        let mut moved = Instant::now();
        loop {
            // One that comes during the look asks for another.
            self.nudges.mark_unchanged();
            let began = Instant::now();
            let changed = self.look().await?;
            *failures = 0;
            let ended = Instant::now();
            self.outputs.metrics.synced(ended - began);
            if changed {
                moved = ended;
            }
            let look = Span {
                ended,
                cost: ended - began,
            };
            self.attend(look, &mut subscription, &mut moved).await;
        }
    }

    /// Waits until it is time to look again. Where looks are dear, those services that move are glanced at meanwhile: they
    /// are seen as soon as in a small swarm, and the others, of which nothing is to be expected, less often.
    async fn attend(&mut self, look: Span, subscription: &mut Subscription, moved: &mut Instant) {
        let (mut moving, mut settled) = self.moving();
        // What was hinted at since the look.
        let (mut named, mut asked) = (BTreeSet::new(), None);
        // What a look tells of them is as old as it took.
        let (mut next_glance, mut glances, mut hurry) = (look.ended, true, false);
        loop {
            let focus: BTreeSet<ServiceId> = moving.union(&named).cloned().collect();
            let quiet = look.ended.saturating_duration_since(*moved);
            let pays = |count| glances && pace::glances_pay(look.cost, quiet, count);
            let covered = pays(focus.len());
            let pause = match hurry {
                true => pace::share(look.cost),
                false => pace::pause(Circumstances {
                    settled: settled && named.is_empty(),
                    quiet,
                    hinted: subscription.is_open(),
                    covered,
                    cost: look.cost,
                }),
            };
            let from = asked.filter(|_| !hurry).unwrap_or(look.ended);
            tokio::select! {
                hint = subscription.next() => {
                    let service = hint.as_ref().and_then(Hint::of_service).map(ServiceId::from);
                    match service.filter(|id| !self.is_own(id) && pays(focus.len() + 1)) {
                        Some(service) => {
                            *moved = Instant::now();
                            asked.get_or_insert(*moved);
                            named.insert(service);
                        }
                        None => break,
                    }
                }
                () = nudged(&mut self.nudges) => match covered {
                    true => (hurry, *moved) = (true, Instant::now()),
                    false => break,
                },
                () = sleep_until(next_glance), if covered => {
                    let began = Instant::now();
                    match self.glance(&focus).await {
                        Ok(true) => {
                            (moving, settled) = self.moving();
                            *moved = Instant::now();
                        }
                        Ok(false) => {}
                        // One of them is gone, or the engine is: the look will tell.
                        Err(error) => {
                            tracing::debug!(%error, "a glance failed");
                            (glances, hurry) = (false, true);
                        }
                    }
                    next_glance = Instant::now() + pace::BURST.max(pace::share(began.elapsed()));
                }
                () = sleep_until(from + pause) => return,
            }
        }
        *moved = Instant::now();
        let rest = look.ended + pace::BURST.max(look.cost);
        subscription.skip_until(rest).await;
    }

    /// The services that are not as Swarm wants them and can be glanced at, and whether there are none at all. More is wanted of
    /// Hiveway's own than a glance sees.
    fn moving(&self) -> (BTreeSet<ServiceId>, bool) {
        let inventory = self.outputs.inventory.borrow().clone();
        let moving = inventory.as_deref().map(pace::moving).unwrap_or_default();
        let others = moving.iter().filter(|id| !self.is_own(id));
        let others = others.map(|&id| id.clone()).collect();
        (others, moving.is_empty())
    }

    fn is_own(&self, service: &ServiceId) -> bool {
        let inventory = self.outputs.inventory.borrow();
        let own = inventory.as_deref().and_then(|it| it.own_service.as_ref());
        own.is_some_and(|own| own.id == *service)
    }

    /// Reads these services again; whether they have changed.
    async fn glance(&mut self, services: &BTreeSet<ServiceId>) -> Result<bool, Error> {
        let Some(previous) = self.outputs.inventory.borrow().clone() else {
            return Ok(false);
        };
        let began = Instant::now();
        let seen = look::glance(&self.engine, &previous, services, &mut self.digests).await?;
        self.outputs.metrics.partially_synced(began.elapsed());
        let changed = seen.is_some();
        if let Some(seen) = seen {
            self.outputs.inventory.send_replace(Some(Arc::new(seen)));
        }
        Ok(changed)
    }

    /// One look; whether it saw a change.
    async fn look(&mut self) -> Result<bool, Error> {
        let previous = self.outputs.inventory.borrow().clone();
        let seen = look::look(
            &self.engine,
            self.own.as_ref(),
            previous.as_deref(),
            &mut self.digests,
        )
        .await?;
        if previous.is_none() && seen.own_service.is_none() {
            tracing::info!("this process is no task of a service: there are no aliases to manage");
        }
        if self.reached != Some(true) {
            self.reached = Some(true);
            self.outputs.emitter.emit(Event::EngineReached {
                engine: Arc::clone(self.engine.host()),
                version: self.engine.version().into(),
            });
        }
        if seen.leads() != self.leads {
            self.leads = seen.leads();
            self.outputs.emitter.emit(match self.leads {
                true => Event::LeadershipGained,
                false => Event::LeadershipLost,
            });
        }
        let changed = self.outputs.inventory.send_if_modified(|last| {
            let changed = last.as_deref() != Some(&seen);
            if changed {
                *last = Some(Arc::new(seen));
            }
            changed
        });
        // After the inventory: who sees that it is not frozen sees what was seen.
        self.outputs
            .frozen
            .send_if_modified(|frozen| frozen.take().is_some());
        Ok(changed)
    }

    /// Says so, once an outage.
    fn lost(&mut self, error: &Error) {
        self.outputs
            .frozen
            .send_replace(Some(error.to_string().into()));
        if self.reached != Some(false) {
            self.reached = Some(false);
            self.outputs.emitter.emit(Event::EngineLost {
                engine: Arc::clone(self.engine.host()),
                reason: error.to_string().into(),
            });
        }
    }
}

/// Returns when somebody asks for a look; never where nobody can.
async fn nudged(nudges: &mut watch::Receiver<u64>) {
    if nudges.changed().await.is_err() {
        std::future::pending::<()>().await;
    }
}
