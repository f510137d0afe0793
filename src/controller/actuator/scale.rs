//! Keeps the replicas of services at what their `scale` labels say.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::spec::{self, SpecError};
use crate::core::event::Event;
use crate::core::model::ServiceId;
use crate::core::reconcile::wishes::{DesiredChanges, ScaleChange};
use crate::docker::Engine;
use crate::observe::event_log::Emitter;
use crate::process::backoff;

/// Scales until nobody can wish any more.
pub(super) async fn run(
    engine: Engine,
    mut wishes: watch::Receiver<DesiredChanges>,
    emitter: Emitter,
) {
    let mut scaler = Scaler {
        engine,
        emitter,
        refused: BTreeMap::new(),
    };
    loop {
        let latest = wishes.borrow_and_update().clone();
        let retry = scaler.act(&latest).await;
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
}

struct Scaler {
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
    Spec(#[from] SpecError),
    #[error("it is not replicated, so it has no number of replicas; remove its scale label")]
    NotReplicated,
}

impl Scaler {
    /// Fulfils what can be fulfilled now; the time of the next try, if one failed.
    async fn act(&mut self, wishes: &DesiredChanges) -> Option<Instant> {
        let open: BTreeMap<&ServiceId, &ScaleChange> = wishes.to_scale().collect();
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

    async fn fulfil(&mut self, id: &ServiceId, wish: &ScaleChange) {
        let scaled = spec::update(&self.engine, id, |service| {
            set_replicas(&mut service["Spec"], wish.wanted)
        });
        match scaled.await {
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
            Err(ScaleError::Spec(error)) if error.is_gone() => drop(self.refused.remove(id)),
            Err(error) => self.refuse(id, wish, &error),
        }
    }

    /// Tries again later, and says so once a wish.
    fn refuse(&mut self, id: &ServiceId, wish: &ScaleChange, error: &ScaleError) {
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
