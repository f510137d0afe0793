//! What agents saw happen to containers: which were sent a signal to end, and which have ended.
//!
//! # Design notes
//!
//! * A hint travels beside the state, so it may be early, late, repeated or wrong. It is therefore heeded only where it
//!   names a container that the inventory knows, and all that it can do is to take that container's endpoint out.
//! * What is kept of a container is the greatest of all that was said of it, ended being greater than signalled and a later
//!   signal greater than an earlier one. So neither the order nor the number of hints matters.
//! * A process may survive a signal: a drain for one lapses. A container that has ended is never started again as the
//!   same task's, so this holds for as long as the task is listed.

use std::collections::BTreeMap;
use std::time::Duration;

use super::desired::Desired;
use crate::core::model::{ContainerId, TaskId};
use crate::core::protocol::{ContainerAction, ContainerHint};

/// How long after a signal a container that still runs is held to be ending: longer than the ten seconds that Docker gives
/// it by default before it is killed.
pub const LAPSE: Duration = Duration::from_secs(15);

/// What was seen of every container that is ending or has ended. Owned by the reconciler; written by hints only. Times are
/// counted from any one moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Signals {
    tasks: BTreeMap<TaskId, Seen>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen {
    container: ContainerId,
    last: Last,
}

/// What was seen of a container; the greater holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Last {
    /// When the latest signal was told of.
    Signal(Duration),
    End,
}

/// Why a container's endpoint has to leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leaving {
    /// It was sent a signal that is meant to end it.
    Signalled,
    /// It has ended.
    Ended,
}

impl Signals {
    /// Takes in a hint. True when it changes what holds of a container, which is when a reconciliation is due.
    pub fn heed(&mut self, hint: &ContainerHint, desired: &Desired, now: Duration) -> bool {
        let last = match hint.action {
            ContainerAction::Signalled => Last::Signal(now),
            ContainerAction::Died => Last::End,
            ContainerAction::Started | ContainerAction::Changed => return false,
        };
        if !knows(desired, &hint.task, &hint.container) {
            return false;
        }
        let before = self.leaving(&hint.task, &hint.container);
        let seen = self.tasks.entry(hint.task.clone()).or_insert_with(|| Seen {
            container: hint.container.clone(),
            last,
        });
        if seen.container != hint.container {
            // What was said of a container that is not the task's any more.
            *seen = Seen {
                container: hint.container.clone(),
                last,
            };
        }
        seen.last = seen.last.max(last);
        self.leaving(&hint.task, &hint.container) != before
    }

    /// Why this container's endpoint has to leave, if it has to.
    #[must_use]
    pub fn leaving(&self, task: &TaskId, container: &ContainerId) -> Option<Leaving> {
        let seen = self.tasks.get(task)?;
        (seen.container == *container).then_some(match seen.last {
            Last::Signal(_) => Leaving::Signalled,
            Last::End => Leaving::Ended,
        })
    }

    /// Forgets the signals that were survived. True when there was one.
    pub fn lapse(&mut self, now: Duration) -> bool {
        let before = self.tasks.len();
        self.tasks.retain(|_, seen| match seen.last {
            Last::Signal(at) => now < at + LAPSE,
            Last::End => true,
        });
        self.tasks.len() < before
    }

    /// When the next signal lapses.
    #[must_use]
    pub fn next_lapse(&self) -> Option<Duration> {
        let signals = self.tasks.values().filter_map(|seen| match seen.last {
            Last::Signal(at) => Some(at + LAPSE),
            Last::End => None,
        });
        signals.min()
    }

    /// Forgets the containers that are not known any more.
    pub fn retain(&mut self, desired: &Desired) {
        self.tasks
            .retain(|task, seen| knows(desired, task, &seen.container));
    }
}

fn knows(desired: &Desired, task: &TaskId, container: &ContainerId) -> bool {
    let mut services = desired.services.values();
    services.any(|service| {
        let known = service.tasks.get(task);
        known.is_some_and(|known| known.container == *container)
    })
}

#[cfg(test)]
mod tests;
