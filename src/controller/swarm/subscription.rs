//! The engine's hints, subscribed to again whenever the stream ends.

use std::pin::Pin;

use tokio::time::{Instant, sleep_until, timeout_at};

use crate::backoff;
use crate::engine::{Engine, Error, Hints};

/// The failure that an operator is told of. One or two are an engine that restarts.
const TELLING: u32 = 3;

/// Reasons to look again. Only polled between looks; hints that arrive meanwhile wait in the socket.
pub(super) struct Subscription {
    engine: Engine,
    state: State,
    /// Failures in a row: subscriptions that were refused, or ended without one hint.
    failures: u32,
}

enum State {
    /// Being asked for.
    Opening(Pin<Box<dyn Future<Output = Result<Hints, Error>> + Send>>),
    Open(Box<Hints>),
    /// Asked for again at that time.
    Lost(Instant),
}

impl Subscription {
    pub(super) fn new(engine: Engine) -> Self {
        Self {
            state: opening(&engine),
            engine,
            failures: 0,
        }
    }

    pub(super) fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Returns when there is reason to look: a hint came, or the stream began or ended, either of which may have cost
    /// hints. May be cancelled without loss.
    pub(super) async fn next(&mut self) {
        loop {
            match &mut self.state {
                State::Opening(answer) => match answer.await {
                    Ok(hints) => {
                        self.state = State::Open(Box::new(hints));
                        return;
                    }
                    Err(error) => self.retry(&error.to_string()),
                },
                State::Open(hints) => match hints.next().await {
                    Some(hint) => {
                        tracing::debug!("hint: {} {}", hint.r#type, hint.action);
                        self.failures = 0;
                        return;
                    }
                    None => {
                        self.retry("the stream ended");
                        return;
                    }
                },
                State::Lost(until) => {
                    sleep_until(*until).await;
                    self.state = opening(&self.engine);
                }
            }
        }
    }

    /// Takes the rest of a burst: everything until `end`, and whatever is there already.
    pub(super) async fn skip_until(&mut self, end: Instant) {
        let rest = async {
            loop {
                self.next().await;
            }
        };
        let _: Result<(), _> = timeout_at(end, rest).await;
    }

    fn retry(&mut self, reason: &str) {
        self.failures += 1;
        if self.failures == TELLING {
            tracing::warn!(
                "the engine sends no events, so changes are seen seconds later: {reason}"
            );
        }
        self.state = State::Lost(Instant::now() + backoff::after(self.failures));
    }
}

fn opening(engine: &Engine) -> State {
    let engine = engine.clone();
    State::Opening(Box::pin(async move { engine.hints().await }))
}
