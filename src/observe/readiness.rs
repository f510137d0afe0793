//! Whether this process should be given work, and if not, why.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::core::model::Timestamp;
use crate::process::clock;

/// The conditions of one process. Cheap to clone; each component sets its own, the admin listener reads all.
#[derive(Clone, Debug)]
pub struct Readiness(Arc<watch::Sender<BTreeMap<&'static str, (Condition, Timestamp)>>>);

/// All conditions at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// Whether every required condition holds, and there is at least one.
    pub ready: bool,
    /// The conditions, sorted by name.
    pub conditions: Vec<Condition>,
}

/// One thing that holds or does not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    /// Its name, one word.
    pub name: String,
    /// Whether the process is unready without it. A lost engine, for one, is worth showing, but the last state stands.
    pub required: bool,
    /// Whether it holds.
    pub holds: bool,
    /// Why it does not, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Default for Readiness {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(BTreeMap::new())))
    }
}

impl Readiness {
    /// Sets a condition without which the process is not ready.
    pub fn require(&self, name: &'static str, state: Result<(), String>) {
        self.set(name, true, state);
    }

    /// Sets a condition that is shown and decides nothing.
    pub fn inform(&self, name: &'static str, state: Result<(), String>) {
        self.set(name, false, state);
    }

    /// How things stand.
    #[must_use]
    pub fn report(&self) -> Report {
        let conditions = self.0.borrow();
        let conditions: Vec<_> = conditions.values().map(|(it, _)| it.clone()).collect();
        let mut required = conditions.iter().filter(|it| it.required).peekable();
        Report {
            ready: required.peek().is_some() && required.all(|it| it.holds),
            conditions,
        }
    }

    /// Every condition, with the time since when it holds, or does not.
    #[must_use]
    pub fn conditions(&self) -> Vec<(Condition, Timestamp)> {
        self.0.borrow().values().cloned().collect()
    }

    /// Returns as soon as the process is ready.
    pub async fn ready(&self) {
        let mut changes = self.0.subscribe();
        while !self.report().ready {
            changes
                .changed()
                .await
                .expect("the sender lives as long as self");
        }
    }

    fn set(&self, name: &'static str, required: bool, state: Result<(), String>) {
        let condition = Condition {
            name: name.to_owned(),
            required,
            holds: state.is_ok(),
            reason: state.err(),
        };
        self.0.send_if_modified(|conditions| {
            let before = conditions.get(name);
            let same = before.filter(|(before, _)| before.holds == condition.holds);
            let since = same.map_or_else(clock::now, |(_, since)| *since);
            let differs = before.is_none_or(|(before, _)| *before != condition);
            conditions.insert(name, (condition, since));
            differs
        });
    }
}

impl fmt::Display for Report {
    /// What does not hold, required conditions first, as one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failing = |required: bool| {
            self.conditions
                .iter()
                .filter(move |it| !it.holds && it.required == required)
                .map(|it| {
                    format!(
                        "{}: {}",
                        it.name,
                        it.reason.as_deref().unwrap_or("no reason given")
                    )
                })
        };
        let failing: Vec<_> = failing(true).chain(failing(false)).collect();
        f.write_str(&match (failing.is_empty(), self.ready) {
            (true, true) => "ready".to_owned(),
            (true, false) => "nothing has reported yet".to_owned(),
            (false, _) => failing.join("; "),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn condition(name: &str, required: bool, reason: Option<&str>) -> Condition {
        Condition {
            name: name.into(),
            required,
            holds: reason.is_none(),
            reason: reason.map(Into::into),
        }
    }

    #[test]
    fn a_process_that_has_reported_nothing_is_not_ready() {
        let readiness = Readiness::default();
        assert!(!readiness.report().ready);
        readiness.inform("engine", Ok(()));
        assert!(!readiness.report().ready);
        assert_eq!(readiness.report().to_string(), "nothing has reported yet");
    }

    #[test]
    fn only_required_conditions_decide_and_all_are_shown() {
        let readiness = Readiness::default();
        readiness.require("snapshot", Err("warming up".into()));
        readiness.inform("engine", Err("connection refused".into()));
        let report = readiness.report();
        assert_eq!(
            report,
            Report {
                ready: false,
                conditions: vec![
                    condition("engine", false, Some("connection refused")),
                    condition("snapshot", true, Some("warming up")),
                ],
            }
        );
        assert_eq!(
            report.to_string(),
            "snapshot: warming up; engine: connection refused"
        );

        readiness.require("snapshot", Ok(()));
        assert!(readiness.report().ready);
        readiness.require("stopping", Err("SIGTERM".into()));
        assert!(!readiness.report().ready);
    }

    #[test]
    fn a_report_survives_json() {
        let readiness = Readiness::default();
        readiness.require("snapshot", Ok(()));
        readiness.inform("engine", Err("lost".into()));
        let json = serde_json::to_string(&readiness.report()).unwrap();
        assert_eq!(
            json,
            r#"{"ready":true,"conditions":[{"name":"engine","required":false,"holds":false,"reason":"lost"},{"name":"snapshot","required":true,"holds":true}]}"#
        );
        assert_eq!(
            serde_json::from_str::<Report>(&json).unwrap(),
            readiness.report()
        );
    }

    #[tokio::test]
    async fn waiting_ends_when_the_last_condition_holds() {
        let readiness = Readiness::default();
        readiness.require("snapshot", Err("warming up".into()));
        tokio::join!(readiness.ready(), async {
            tokio::task::yield_now().await;
            readiness.require("snapshot", Ok(()));
        });
        assert!(readiness.report().ready);
    }
}
