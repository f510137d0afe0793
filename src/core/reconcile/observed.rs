//! What was observed of tasks: what the probes have shown, by rise and fall, what agents saw of their containers, and what
//! an operator drained by hand.
//!
//! Health is keyed by task id, so that it survives snapshots, label changes and the order in which answers come in.

use std::collections::HashMap;
use std::sync::Arc;

use super::by_hand::ManualDrainView;
use super::signals::Signals;
use crate::core::model::TaskId;
use crate::core::model::route::ProbeSpec;
use crate::core::protocol::ProbeResult;

/// The health of every probed task, written by probe results only, and the containers that end. Owned by the reconciler.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// Hashed, since thousands of results a second look for theirs.
    tasks: HashMap<TaskId, Health>,
    /// What agents saw.
    pub signals: Signals,
    /// What an operator drained.
    pub by_hand: ManualDrainView,
}

/// One task's health.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// What is believed of it.
    pub standing: Standing,
    /// Whether it ever passed: one that never did is not counted against the panic threshold.
    pub proven: bool,
    /// How the latest failed probe failed, in words.
    pub failure: Option<Arc<str>>,
    /// Whether the latest probe passed, and how many in a row went the same way.
    run: (bool, u8),
}

/// What is believed of a task.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Standing {
    /// Too few results yet.
    #[default]
    Undecided,
    /// The last `rise` results passed, or it has not failed `fall` times in a row since.
    Passing,
    /// The last `fall` results failed, or it has not passed `rise` times in a row since.
    Failing,
}

impl Observed {
    /// What is known of a task.
    #[must_use]
    pub fn health(&self, task: &TaskId) -> Option<&Health> {
        self.tasks.get(task)
    }

    /// Takes in one probe's result. True when the task's standing changed, which is when a reconciliation is due.
    pub fn record(&mut self, task: &TaskId, result: ProbeResult, spec: &ProbeSpec) -> bool {
        let health = self.tasks.entry(task.clone()).or_default();
        let before = health.standing;
        health.take_in(result, spec);
        health.standing != before
    }

    /// Why a task that Swarm does not stop drains.
    #[must_use]
    pub fn why_leaving(&self, task: &TaskId) -> &'static str {
        match self.by_hand.drains(task) {
            true => "it was drained by hand",
            false => "its container was sent a signal to end",
        }
    }

    /// Why one that drained is in rotation again.
    #[must_use]
    pub fn why_back(&self, task: &TaskId) -> &'static str {
        match self.by_hand.undid(task) {
            true => "it is no longer drained by hand",
            false => "its container has survived the signal",
        }
    }

    /// Forgets the tasks that are not probed any more.
    pub fn retain(&mut self, is_probed: impl Fn(&TaskId) -> bool) {
        self.tasks.retain(|task, _| is_probed(task));
    }
}

impl Health {
    /// Whether the latest probe passed, and how many in a row went the same way, up to 255; 0 before the first.
    #[must_use]
    pub fn run(&self) -> (bool, u8) {
        self.run
    }

    fn take_in(&mut self, result: ProbeResult, spec: &ProbeSpec) {
        let passed = result.is_ok();
        let (before, length) = self.run;
        let length = if before == passed {
            length.saturating_add(1)
        } else {
            1
        };
        self.run = (passed, length);
        match result {
            Ok(()) if length >= spec.rise => {
                self.standing = Standing::Passing;
                self.proven = true;
            }
            Ok(()) => {}
            Err(failure) => {
                self.failure = Some(failure);
                if length >= spec.fall {
                    self.standing = Standing::Failing;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standings(rise: u8, fall: u8, results: &str) -> Vec<Standing> {
        let spec = ProbeSpec {
            rise,
            fall,
            ..ProbeSpec::default()
        };
        let task = TaskId::from("task");
        let mut observed = Observed::default();
        results
            .chars()
            .map(|result| {
                let result = if result == '+' {
                    Ok(())
                } else {
                    Err("refused".into())
                };
                observed.record(&task, result, &spec);
                observed.health(&task).expect("just recorded").standing
            })
            .collect()
    }

    #[test]
    fn rise_and_fall_count_agreeing_results_in_a_row() {
        use Standing::{Failing, Passing, Undecided};
        for (rise, fall, results, expected) in [
            (1, 2, "+--+", vec![Passing, Passing, Failing, Passing]),
            (1, 2, "-+", vec![Undecided, Passing]),
            (2, 2, "+-+-", vec![Undecided; 4]),
            (
                2,
                3,
                "++--+---",
                vec![
                    Undecided, Passing, Passing, Passing, Passing, Passing, Passing, Failing,
                ],
            ),
            (1, 1, "-+-", vec![Failing, Passing, Failing]),
        ] {
            assert_eq!(
                standings(rise, fall, results),
                expected,
                "{rise} {fall} {results}"
            );
        }
    }

    #[test]
    fn only_a_change_of_health_is_reported_with_its_failure() {
        let (task, spec) = (TaskId::from("task"), ProbeSpec::default());
        let mut observed = Observed::default();
        assert!(observed.record(&task, Ok(()), &spec));
        assert!(!observed.record(&task, Ok(()), &spec));
        assert!(!observed.record(&task, Err("connection refused".into()), &spec));
        assert!(observed.record(&task, Err("no answer in 2 s".into()), &spec));
        let health = observed.health(&task).expect("recorded");
        assert_eq!(health.failure.as_deref(), Some("no answer in 2 s"));
        assert!(health.proven);
    }

    #[test]
    fn a_task_that_is_not_probed_any_more_is_forgotten() {
        let spec = ProbeSpec::default();
        let mut observed = Observed::default();
        for task in ["a", "b"] {
            observed.record(&TaskId::from(task), Ok(()), &spec);
        }
        observed.retain(|task| task.as_str() == "b");
        assert!(observed.health(&TaskId::from("a")).is_none());
        assert!(observed.health(&TaskId::from("b")).is_some());
    }
}
