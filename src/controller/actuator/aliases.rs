//! Keeps the network aliases of Hiveway's own service as the routes need them, when `core::aliases` says so.
//!
//! # Design notes
//!
//! The write replaces the tasks of the very service that does it. Nothing is done about that here: the process goes on
//! until it is asked to stop, and its successor finds the names written.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::spec::{self, SpecError};
use crate::core::event::Event;
use crate::core::model::OwnService;
use crate::core::reconcile::aliases::{AliasChange, AliasPlan, Decision};
use crate::core::reconcile::wishes::DesiredChanges;
use crate::docker::Engine;
use crate::observe::event_log::Emitter;
use crate::process::backoff;

/// How long a look may take to show what was written.
const SHOWING: Duration = Duration::from_secs(2);

/// Keeps them until nobody can wish any more.
pub(super) async fn run(
    engine: Engine,
    mut wishes: watch::Receiver<DesiredChanges>,
    emitter: Emitter,
) {
    let mut keeper = AliasManager {
        engine,
        emitter,
        began: Instant::now(),
        plan: AliasPlan::default(),
        failing: None,
    };
    loop {
        let latest = wishes.borrow_and_update().clone();
        let next = keeper.act(&latest).await;
        let later = async {
            match next {
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

struct AliasManager {
    engine: Engine,
    emitter: Emitter,
    /// What the plan's times count from.
    began: Instant,
    plan: AliasPlan,
    /// The change that the engine refuses, and how often it did.
    failing: Option<(AliasChange, u32)>,
}

/// What a write did to the aliases.
#[derive(Debug, Default, PartialEq, Eq)]
struct Written {
    added: BTreeSet<Arc<str>>,
    removed: BTreeSet<Arc<str>>,
}

impl AliasManager {
    /// Does what is to be done now; the time of the next decision, if one is due before anything changes.
    async fn act(&mut self, wishes: &DesiredChanges) -> Option<Instant> {
        let own = &wishes.aliases.as_ref()?.service;
        let pause = match self.plan.decide(self.began.elapsed(), wishes) {
            Decision::Nothing => return None,
            Decision::Wait(until) => return Some(self.began + until),
            Decision::Refuse(reason) => {
                self.tell_refusal(own, reason);
                return None;
            }
            Decision::Write(change) => self.write(own, change).await,
        };
        let until = self.began.elapsed() + pause;
        self.plan.pause(until);
        Some(self.began + until)
    }

    /// Writes, and says how long to wait before another decision.
    async fn write(&mut self, own: &OwnService, change: AliasChange) -> Duration {
        let written = spec::update(&self.engine, &own.id, |service| {
            Ok::<_, SpecError>(set_aliases(service, &change))
        });
        match written.await {
            Ok(written) => {
                self.failing = None;
                // Where there is nothing, it is so already, and the next look will show it.
                if let Some(Written { added, removed }) = written {
                    self.emitter.emit(Event::AliasesUpdated {
                        service: own.name.clone(),
                        added: added.into_iter().collect(),
                        removed: removed.into_iter().collect(),
                    });
                }
                SHOWING
            }
            Err(error) if error.is_gone() => SHOWING,
            Err(error) => {
                let before = self.failing.take().filter(|(same, _)| *same == change);
                let failures = before.map_or(0, |(_, failures)| failures) + 1;
                tracing::debug!(service = %own.name, failures, %error, "writing aliases failed");
                if failures == 1 {
                    self.tell_refusal(own, error.to_string().into());
                }
                self.failing = Some((change, failures));
                backoff::after(failures)
            }
        }
    }

    fn tell_refusal(&self, own: &OwnService, reason: Arc<str>) {
        self.emitter.emit(Event::AliasesRefused {
            service: own.name.clone(),
            reason,
        });
    }
}

/// Changes the aliases of the networks that the change names; none where they are so already.
fn set_aliases(service: &mut Value, change: &AliasChange) -> Option<Written> {
    let networks = service.pointer_mut("/Spec/TaskTemplate/Networks")?;
    let mut written = Written::default();
    for network in networks.as_array_mut()? {
        let target = network.get("Target").and_then(Value::as_str);
        if !target.is_some_and(|target| change.targets.contains(target)) {
            continue;
        }
        let before = network.get("Aliases").and_then(Value::as_array);
        let before = before.map_or(&[][..], Vec::as_slice);
        let before: Vec<Arc<str>> = before
            .iter()
            .filter_map(|alias| alias.as_str().map(Arc::from))
            .collect();
        let after = change.apply(&before);
        let lacking = |from: &[Arc<str>], of: &[Arc<str>]| -> Vec<Arc<str>> {
            let lacking = from.iter().filter(|name| !of.contains(name));
            lacking.cloned().collect()
        };
        written.added.extend(lacking(&after, &before));
        written.removed.extend(lacking(&before, &after));
        if after != before {
            network["Aliases"] = after.iter().map(|name| Value::from(&**name)).collect();
        }
    }
    (written != Written::default()).then_some(written)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_the_aliases_of_the_networks_named_change() {
        let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
        let networks = |first: Value, second: Value| {
            json!({"Version": {"Index": 3}, "Spec": {"TaskTemplate": {"Unknown": [null], "Networks": [
                {"Target": "n1", "Aliases": first, "DriverOpts": {"a": "b"}},
                {"Target": "n2", "Aliases": ["old.local"]},
                {"Target": "n3", "Aliases": second},
            ]}}})
        };
        let mut service = networks(json!(["hiveway", "old.local"]), Value::Null);
        let change = AliasChange {
            targets: names(&["n1", "n3"]),
            add: names(&["shop.local", "api.local"]),
            remove: names(&["old.local"]),
        };
        let written = Written {
            added: names(&["api.local", "shop.local"]),
            removed: names(&["old.local"]),
        };
        assert_eq!(set_aliases(&mut service, &change), Some(written));
        let after = networks(
            json!(["hiveway", "api.local", "shop.local"]),
            json!(["api.local", "shop.local"]),
        );
        assert_eq!(service, after);
        assert_eq!(set_aliases(&mut service, &change), None);
        assert_eq!(service, after);
        assert_eq!(set_aliases(&mut json!({"Spec": {}}), &change), None);
    }
}
