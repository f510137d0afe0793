//! Keeps the replicas of services at what their `scale` labels say. Nothing else is ever written.
//!
//! # Design notes
//!
//! A spec is read as raw JSON, one number of it is changed, and all of it is written back under the version that was read.
//! So fields that Hiveway does not know survive, and a change by somebody else in between is never undone: the engine
//! refuses the write, and the spec is read again. Because every write begins with a read, acting twice on one wish does
//! nothing the second time.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::backoff;
use crate::core::event::Event;
use crate::core::model::ServiceId;
use crate::core::scale::{ScaleWish, ScaleWishes};
use crate::engine::{Engine, Error};
use crate::journal::Emitter;

/// How often a write is tried while others change the same service.
const TRIES: usize = 5;

/// Acts on `wishes` until `stop`, or until nobody can wish any more.
pub async fn run(
    engine: Engine,
    mut wishes: watch::Receiver<ScaleWishes>,
    emitter: Emitter,
    stop: CancellationToken,
) {
    let mut actuator = Actuator {
        engine,
        emitter,
        refused: BTreeMap::new(),
    };
    stop.run_until_cancelled(async {
        loop {
            let latest = wishes.borrow_and_update().clone();
            let retry = actuator.act(&latest).await;
            let later = async {
                match retry {
                    Some(time) => sleep_until(time).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                changed = wishes.changed() => if changed.is_err() { return },
                () = later => {}
            }
        }
    })
    .await;
}

struct Actuator {
    engine: Engine,
    emitter: Emitter,
    /// The wishes that could not be fulfilled yet.
    refused: BTreeMap<ServiceId, Refused>,
}

/// A wish that could not be fulfilled.
struct Refused {
    wanted: u64,
    failures: u32,
    retry: Instant,
}

/// Why a service could not be scaled.
#[derive(Debug, thiserror::Error)]
enum ScaleError {
    #[error(transparent)]
    Engine(#[from] Error),
    #[error("it is not replicated, so it has no number of replicas; remove its scale label")]
    NotReplicated,
    #[error("the engine's description of it has no version or no spec; is this a Docker engine?")]
    NotAService,
}

impl Actuator {
    /// Fulfils what can be fulfilled now; the time of the next try, if one failed.
    async fn act(&mut self, wishes: &ScaleWishes) -> Option<Instant> {
        let open: BTreeMap<&ServiceId, &ScaleWish> = wishes.open().collect();
        self.refused.retain(|id, refused| {
            open.get(id)
                .is_some_and(|wish| wish.wanted == refused.wanted)
        });
        for (id, wish) in open {
            let waits = |refused: &Refused| refused.retry > Instant::now();
            if !self.refused.get(id).is_some_and(waits) {
                self.fulfil(id, wish).await;
            }
        }
        self.refused.values().map(|refused| refused.retry).min()
    }

    async fn fulfil(&mut self, id: &ServiceId, wish: &ScaleWish) {
        match self.scale(id, wish.wanted).await {
            Ok(Some(from)) => {
                self.refused.remove(id);
                self.emitter.emit(Event::ServiceScaled {
                    service: wish.service.clone(),
                    from,
                    to: wish.wanted,
                });
            }
            // It is so already, and the next look will show it.
            Ok(None) => drop(self.refused.remove(id)),
            // It was removed, and the next look will show it.
            Err(ScaleError::Engine(error)) if error.is_not_found() => drop(self.refused.remove(id)),
            Err(error) => self.refuse(id, wish, &error),
        }
    }

    /// Tries again later, and says so once a wish.
    fn refuse(&mut self, id: &ServiceId, wish: &ScaleWish, error: &ScaleError) {
        let failures = self.refused.get(id).map_or(0, |refused| refused.failures) + 1;
        tracing::debug!(service = %wish.service, failures, %error, "scaling failed");
        if failures == 1 {
            self.emitter.emit(Event::ScaleRefused {
                service: wish.service.clone(),
                to: wish.wanted,
                reason: error.to_string().into(),
            });
        }
        let refused = Refused {
            wanted: wish.wanted,
            failures,
            retry: Instant::now() + backoff::after(failures),
        };
        self.refused.insert(id.clone(), refused);
    }

    /// Sets the replicas; the number before, or none where it was the wanted one already.
    async fn scale(&self, id: &ServiceId, wanted: u64) -> Result<Option<u64>, ScaleError> {
        let mut tries = 1..=TRIES;
        loop {
            let mut service: Value = self.engine.get_json(&format!("/services/{id}")).await?;
            let version = service.pointer("/Version/Index").and_then(Value::as_u64);
            let version = version.ok_or(ScaleError::NotAService)?;
            let spec = service.get_mut("Spec").ok_or(ScaleError::NotAService)?;
            let Some(before) = set_replicas(spec, wanted)? else {
                return Ok(None);
            };
            let path = format!("/services/{id}/update?version={version}");
            match self.engine.post_json::<Value>(&path, spec).await {
                Ok(_) => return Ok(Some(before)),
                Err(error) if error.is_conflict() && tries.next().is_some() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Changes the one number; the one before, or none where it was the wanted one already.
fn set_replicas(spec: &mut Value, wanted: u64) -> Result<Option<u64>, ScaleError> {
    let replicated = spec
        .pointer_mut("/Mode/Replicated")
        .and_then(Value::as_object_mut);
    let replicated = replicated.ok_or(ScaleError::NotReplicated)?;
    // Swarm's own default.
    let before = replicated
        .get("Replicas")
        .and_then(Value::as_u64)
        .unwrap_or(1);
    if before == wanted {
        return Ok(None);
    }
    replicated.insert("Replicas".to_owned(), wanted.into());
    Ok(Some(before))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_replicas_of_a_spec_change() {
        let mut spec =
            json!({"Mode": {"Replicated": {"Replicas": 2, "New": [1]}}, "Unknown": {"a": null}});
        assert_eq!(set_replicas(&mut spec, 5).unwrap(), Some(2));
        assert_eq!(
            spec,
            json!({"Mode": {"Replicated": {"Replicas": 5, "New": [1]}}, "Unknown": {"a": null}})
        );
        assert_eq!(set_replicas(&mut spec, 5).unwrap(), None);
    }

    #[test]
    fn a_service_without_replicas_is_left_alone() {
        let mut spec = json!({"Mode": {"Global": {}}});
        assert!(matches!(
            set_replicas(&mut spec, 5),
            Err(ScaleError::NotReplicated)
        ));
        assert_eq!(spec, json!({"Mode": {"Global": {}}}));
    }
}
