//! What an operator drained by hand.
//!
//! # Design notes
//!
//! A set of tasks, which is replaced as a whole and read anew by every reconciliation, so that nothing depends on what was
//! asked when. How all controllers come to have the same set is told in `by_hand/orders.rs`.

mod orders;

use std::collections::BTreeSet;

use crate::core::model::TaskId;

pub use orders::ManualDrains;

/// The tasks that are drained by hand. Owned by the reconciler; written through it by whoever is given orders.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ManualDrainView {
    drained: BTreeSet<TaskId>,
    /// Those that changes took out of the set and that nobody was told of yet.
    undone: BTreeSet<TaskId>,
}

impl ManualDrainView {
    /// Takes over the whole set. True when it differs.
    pub fn replace(&mut self, drained: &BTreeSet<TaskId>) -> bool {
        if self.drained == *drained {
            return false;
        }
        self.undone
            .extend(self.drained.difference(drained).cloned());
        self.undone.retain(|task| !drained.contains(task));
        self.drained.clone_from(drained);
        true
    }

    /// Whether the task is to be drained.
    #[must_use]
    pub fn drains(&self, task: &TaskId) -> bool {
        self.drained.contains(task)
    }

    /// What was undone has been told.
    pub fn settle(&mut self) {
        self.undone.clear();
    }

    /// Whether the task was, until a change that is not settled yet.
    #[must_use]
    pub fn undid(&self, task: &TaskId) -> bool {
        self.undone.contains(task)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn set_is_replaced_whole_and_undone_drains_are_remembered() {
        let set = |tasks: &[&str]| tasks.iter().map(|it| TaskId::from(*it)).collect();
        let (a, b) = (TaskId::from("a"), TaskId::from("b"));
        let mut by_hand = ManualDrainView::default();
        assert!(!by_hand.replace(&set(&[])));
        assert!(by_hand.replace(&set(&["a", "b"])));
        assert!(!by_hand.replace(&set(&["a", "b"])));
        assert!(by_hand.drains(&a) && by_hand.drains(&b) && !by_hand.undid(&a));
        assert!(by_hand.replace(&set(&["b"])));
        assert!(!by_hand.drains(&a) && by_hand.undid(&a) && !by_hand.undid(&b));
        assert!(by_hand.replace(&set(&[])));
        assert!(by_hand.undid(&b) && by_hand.undid(&a));
        by_hand.settle();
        assert!(!by_hand.undid(&b) && !by_hand.undid(&a));
    }
}
