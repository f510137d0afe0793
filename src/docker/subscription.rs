//! The engine's hints, subscribed to again whenever the stream ends.

use std::pin::Pin;

use tokio::time::{Instant, sleep_until, timeout_at};

use super::{Engine, Error, Hint, Hints, Scope};
use crate::process::backoff;

/// The failure that an operator is told of. One or two are an engine that restarts.
const TELLING: u32 = 3;

/// Hints for as long as there is an engine. What arrives while nobody asks waits in the socket.
pub struct Subscription {
    engine: Engine,
    scope: Scope,
    /// What it means when there are no hints, for the operator.
    otherwise: &'static str,
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
    /// Begins when it is first asked for a hint. `otherwise` says what it means when there are none.
    #[must_use]
    pub fn new(engine: Engine, scope: Scope, otherwise: &'static str) -> Self {
        Self {
            state: opening(&engine, scope, false),
            engine,
            scope,
            otherwise,
            failures: 0,
        }
    }

    /// Whether the engine gives hints at this time.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, State::Open(_))
    }

    /// Returns when there is reason to look: with a hint, or with none where the stream began or ended, either of which
    /// may have cost hints. May be cancelled without loss.
    pub async fn next(&mut self) -> Option<Hint> {
        loop {
            match &mut self.state {
                State::Opening(answer) => match answer.await {
                    Ok(hints) => {
                        self.state = State::Open(Box::new(hints));
                        return None;
                    }
                    Err(error) => self.retry(&error.to_string()),
                },
                State::Open(hints) => match hints.next().await {
                    Some(hint) => {
                        tracing::debug!("hint: {} {}", hint.r#type, hint.action);
                        self.failures = 0;
                        return Some(hint);
                    }
                    None => {
                        self.retry("the stream ended");
                        return None;
                    }
                },
                State::Lost(until) => {
                    sleep_until(*until).await;
                    self.state = opening(&self.engine, self.scope, true);
                }
            }
        }
    }

    /// Takes the rest of a burst: everything until `end`, and whatever is there already.
    pub async fn skip_until(&mut self, end: Instant) {
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
                "the engine sends no events, so {}: {reason}",
                self.otherwise
            );
        }
        self.state = State::Lost(Instant::now() + backoff::after(self.failures));
    }
}

/// An engine that was away may speak another version now.
fn opening(engine: &Engine, scope: Scope, again: bool) -> State {
    let engine = engine.clone();
    State::Opening(Box::pin(async move {
        if again {
            engine.negotiate().await?;
        }
        engine.hints(scope).await
    }))
}
