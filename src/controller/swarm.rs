//! Watches the swarm through the engine of a manager, and keeps the latest inventory.
//!
//! `Listing → Following → Backoff → Listing`:
//!
//! * *Listing*: subscribe to the engine's events, then look, so that no change falls between the two.
//! * *Following*: look again at every hint, of this engine or of an agent, and by the clock, as often as `pace.rs` says.
//!   What an event says is never taken for a fact: lost, repeated or reordered events cost time, never truth.
//! * *Backoff*: a look failed. The last inventory stands, and the engine is asked again after a growing pause.

mod look;
mod objects;
mod own;
mod pace;

use std::convert::Infallible;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::time::{Duration, Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

pub use self::own::OwnContainer;
use self::pace::Circumstances;
use crate::backoff;
use crate::core::event::Event;
use crate::core::model::Inventory;
use crate::engine::{Engine, Error, Scope, Subscription};
use crate::journal::Emitter;

/// How long the first look waits for the subscription. An engine that lists is worth more than one that hints.
const SUBSCRIBING: Duration = Duration::from_secs(1);

/// Watches until `stop`. `inventory` holds nothing before the first look that succeeded, and changes only when a look
/// differs from the one before; a failed look leaves it as it is, and `frozen` then says why. Whenever `nudges` changes, it is
/// time to look. `own` is the container that this process runs in.
pub async fn run(
    engine: Engine,
    own: Option<OwnContainer>,
    nudges: watch::Receiver<u64>,
    inventory: watch::Sender<Option<Arc<Inventory>>>,
    frozen: watch::Sender<Option<Arc<str>>>,
    emitter: Emitter,
    stop: CancellationToken,
) {
    let mut watcher = Watcher {
        engine,
        own,
        nudges,
        inventory,
        frozen,
        emitter,
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
    look::look(engine, None, None).await
}

struct Watcher {
    engine: Engine,
    own: Option<OwnContainer>,
    nudges: watch::Receiver<u64>,
    inventory: watch::Sender<Option<Arc<Inventory>>>,
    /// Why the last look failed; none when it succeeded.
    frozen: watch::Sender<Option<Arc<str>>>,
    emitter: Emitter,
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
            if changed {
                moved = ended;
            }
            let now = Circumstances {
                settled: self
                    .inventory
                    .borrow()
                    .as_deref()
                    .is_some_and(pace::is_settled),
                quiet: ended - moved,
                hinted: subscription.is_open(),
                cost: ended - began,
            };
            tokio::select! {
                _ = subscription.next() => {}
                () = nudged(&mut self.nudges) => {}
                () = sleep_until(ended + pace::pause(now)) => continue,
            }
            moved = Instant::now();
            subscription
                .skip_until(ended + pace::BURST.max(now.cost))
                .await;
        }
    }

    /// One look; whether it saw a change.
    async fn look(&mut self) -> Result<bool, Error> {
        let previous = self.inventory.borrow().clone();
        let seen = look::look(&self.engine, self.own.as_ref(), previous.as_deref()).await?;
        if previous.is_none() && seen.own_service.is_none() {
            tracing::info!("this process is no task of a service: there are no aliases to manage");
        }
        if self.reached != Some(true) {
            self.reached = Some(true);
            self.emitter.emit(Event::EngineReached {
                engine: Arc::clone(self.engine.host()),
                version: self.engine.version().into(),
            });
        }
        if seen.leads() != self.leads {
            self.leads = seen.leads();
            self.emitter.emit(match self.leads {
                true => Event::LeadershipGained,
                false => Event::LeadershipLost,
            });
        }
        let changed = self.inventory.send_if_modified(|last| {
            let changed = last.as_deref() != Some(&seen);
            if changed {
                *last = Some(Arc::new(seen));
            }
            changed
        });
        // After the inventory: who sees that it is not frozen sees what was seen.
        self.frozen
            .send_if_modified(|frozen| frozen.take().is_some());
        Ok(changed)
    }

    /// Says so, once an outage.
    fn lost(&mut self, error: &Error) {
        self.frozen.send_replace(Some(error.to_string().into()));
        if self.reached != Some(false) {
            self.reached = Some(false);
            self.emitter.emit(Event::EngineLost {
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
