//! What all tests share: a swarm, the images and Hiveway itself; set up by the first test, removed after the last.

mod engine;
mod hiveway;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Mutex, MutexGuard};

use self::engine::{Swarm, Usable};
pub(super) use self::hiveway::Hiveway;
use crate::eventually::eventually;
use crate::images::Images;

/// The host name that Hiveway's own network alias makes known, as in the example.
pub(super) const HOST: &str = "restserver.local";

/// The tests take turns, since they share one engine, and with it one host name and two processors.
static TURN: Mutex<Option<Stage>> = Mutex::const_new(None);
/// How many tests have their turn or wait for it. Who is the last removes the stage.
static INTERESTED: AtomicUsize = AtomicUsize::new(0);

/// A swarm with Hiveway in it. The parts are removed in the order of the fields.
pub(super) struct Stage {
    pub(super) hiveway: Hiveway,
    pub(super) images: Images,
    _swarm: Swarm,
    /// What every name begins with.
    name: String,
}

/// A test's turn on the stage.
pub(super) struct Turn {
    stage: MutexGuard<'static, Option<Stage>>,
    _interest: Interest,
}

impl Turn {
    /// Waits for the turn, and sets up what is missing.
    pub(super) async fn take() -> Self {
        let usable = engine::usable().await;
        INTERESTED.fetch_add(1, Ordering::SeqCst);
        let interest = Interest;
        let mut stage = TURN.lock().await;
        if stage.is_none() {
            *stage = Some(Stage::set(usable).await);
        }
        Self {
            stage,
            _interest: interest,
        }
    }
}

/// Waits for a turn that needs no stage; nobody else works on one meanwhile.
pub(crate) async fn alone() -> impl Sized {
    TURN.lock().await
}

/// Counts down when dropped, also where the set-up fails.
struct Interest;

impl Drop for Interest {
    fn drop(&mut self) {
        INTERESTED.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if INTERESTED.load(Ordering::SeqCst) == 1 {
            *self.stage = None;
        }
    }
}

impl std::ops::Deref for Turn {
    type Target = Stage;

    fn deref(&self) -> &Stage {
        self.stage.as_ref().expect("set when the turn was taken")
    }
}

impl Stage {
    async fn set(usable: Usable) -> Self {
        let name = format!("hiveway-test-{}", std::process::id());
        let swarm = Swarm::join_or_make(usable).await;
        let images = Images::build(&name).await;
        let hiveway = Hiveway::deploy(&name, &images).await;
        Self {
            hiveway,
            images,
            _swarm: swarm,
            name,
        }
    }

    /// A name for something of a test's own.
    pub(super) fn name(&self, of: &str) -> String {
        format!("{}-{of}", self.name)
    }

    /// Waits for something to be so. Where it does not come, the test fails with what was seen, and Hiveway's log.
    pub(super) async fn eventually<T>(
        &self,
        what: &str,
        bound: Duration,
        look: impl AsyncFnMut() -> Result<T, String>,
    ) -> T {
        match eventually(what, bound, look).await {
            Ok(found) => found,
            Err(error) => self.fail(&error).await,
        }
    }

    /// Fails the test, with Hiveway's log.
    pub(super) async fn fail(&self, why: &str) -> ! {
        let log = self.hiveway.log().await;
        let from = log.len().saturating_sub(200);
        panic!(
            "{why}\n\nHiveway's log, its end:\n{}",
            log[from..].join("\n")
        );
    }
}
