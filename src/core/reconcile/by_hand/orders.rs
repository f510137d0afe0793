//! What operators said of endpoints, as every process of the swarm comes to know it.
//!
//! # Design notes
//!
//! A controller decides for the gateways that follow it, and a gateway may follow another one tomorrow, so all controllers
//! must know the same orders. There is no one place to keep them, and none is needed: an order is the last word about one
//! task, whoever has a later one wins, and orders can therefore be merged in any order, twice, and over any detour. Every
//! process keeps those that it knows of, tells all of them to every controller that it has a link to, and takes in those
//! that controllers tell. So an order holds everywhere within a round trip or two, whichever process was asked, and
//! outlives each controller for as long as one process that knew of it runs. Processes with a folder for it keep it on disk as
//! well, for the time when all of them start again at once.
//!
//! An order lives until its task ends. Since a task may be known here and not yet there, an order on a task that is not
//! known is kept for [`UNKNOWN`] before it is forgotten, and not taken in again from somebody who has not forgotten it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::core::model::snapshot::Snapshot;
use crate::core::model::{TaskId, Timestamp};

/// How long an order on a task that no snapshot has is kept.
const UNKNOWN: Duration = Duration::from_secs(600);

/// So many are kept, the latest: nobody drains more by hand, and nobody can make them a burden.
const MOST: usize = 1000;

/// The last word about each task. Written by the admin listeners of the swarm, read by the reconciler.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ManualDrains(BTreeMap<TaskId, Order>);

/// The last word about one task: the later wins, and a drain over what was said in the same moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Order {
    at: Timestamp,
    drained: bool,
}

impl ManualDrains {
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tasks that are to be drained.
    #[must_use]
    pub fn drained(&self) -> BTreeSet<TaskId> {
        let drained = self.0.iter().filter(|(_, order)| order.drained);
        drained.map(|(task, _)| task.clone()).collect()
    }

    /// Whether the task is to be drained.
    #[must_use]
    pub fn drains(&self, task: &TaskId) -> bool {
        self.0.get(task).is_some_and(|order| order.drained)
    }

    /// The same with a new order; none where it says what holds already. It is later than what it takes the place of,
    /// whatever the clocks of those who gave the two say.
    #[must_use]
    pub fn with(&self, task: &TaskId, drained: bool, now: Timestamp) -> Option<Self> {
        if self.drains(task) == drained {
            return None;
        }
        let before = self.0.get(task);
        let after = before.map_or(0, |order| order.at.0.saturating_add(1));
        let at = Timestamp(now.0.max(after));
        let mut next = self.clone();
        next.0.insert(task.clone(), Order { at, drained });
        Some(next)
    }

    /// The same with what another process knows; none where that is nothing new.
    #[must_use]
    pub fn merged(&self, other: &Self) -> Option<Self> {
        let is_news = |(task, order): &(&TaskId, &Order)| self.0.get(*task) < Some(*order);
        let mut news = other.0.iter().filter(is_news).peekable();
        news.peek()?;
        let mut next = self.clone();
        next.0
            .extend(news.map(|(task, order)| (task.clone(), *order)));
        Some(next)
    }

    /// The same without orders on tasks that have ended. Where there is no snapshot, all may still run.
    #[must_use]
    pub fn without_ended(mut self, snapshot: Option<&Snapshot>, now: Timestamp) -> Self {
        if let Some(snapshot) = snapshot {
            let kept = u64::try_from(UNKNOWN.as_millis()).unwrap_or(u64::MAX);
            self.0.retain(|task, order| {
                now.0.saturating_sub(order.at.0) < kept || snapshot.knows(task)
            });
        }
        if self.0.len() > MOST {
            let mut all: Vec<_> = self.0.into_iter().collect();
            all.sort_by_key(|(_, order)| std::cmp::Reverse(*order));
            all.truncate(MOST);
            self.0 = all.into_iter().collect();
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn orders(all: &[(&str, u64, bool)]) -> ManualDrains {
        let all = all.iter().map(|(task, at, drained)| {
            let (at, drained) = (Timestamp(*at), *drained);
            (TaskId::from(*task), Order { at, drained })
        });
        ManualDrains(all.collect())
    }

    fn drained(orders: &ManualDrains) -> Vec<String> {
        orders.drained().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_last_word_holds_whatever_the_clocks_say() {
        let (a, none) = (TaskId::from("a"), ManualDrains::default());
        assert_eq!(none.with(&a, false, Timestamp(5)), None);
        let drain = none.with(&a, true, Timestamp(1_000)).expect("new");
        assert_eq!(drain.with(&a, true, Timestamp(2_000)), None);
        // The one who ends it has a clock that is behind.
        let undrain = drain.with(&a, false, Timestamp(10)).expect("new");
        assert_eq!(drained(&undrain), Vec::<String>::new());
        assert_eq!(drain.merged(&undrain), Some(undrain.clone()));
        assert_eq!(undrain.merged(&drain), None);
    }

    #[test]
    fn drain_is_forgotten_after_its_task_and_not_relearned() {
        let old = orders(&[("a", 1_000, true), ("b", 500_000, true)]);
        let now = Timestamp(700_000);
        let none = Snapshot::default();
        assert_eq!(drained(&old.clone().without_ended(None, now)), ["a", "b"]);
        let kept = old.clone().without_ended(Some(&none), now);
        assert_eq!(drained(&kept), ["b"]);
        let again = kept.merged(&old).expect("news");
        assert_eq!(again.without_ended(Some(&none), now), kept);
    }

    #[test]
    fn so_many_at_most_are_kept_the_latest() {
        let many = (0..MOST as u64 + 7).map(|it| {
            let (at, drained) = (Timestamp(it), true);
            (TaskId::from(&*format!("t{it}")), Order { at, drained })
        });
        let kept = ManualDrains(many.collect()).without_ended(None, Timestamp(0));
        assert_eq!(kept.0.len(), MOST);
        assert!(!kept.drains(&"t6".into()) && kept.drains(&"t7".into()));
    }

    proptest! {
        #[test]
        fn all_come_to_know_the_same_however_they_hear_of_it(
            a in proptest::collection::btree_map("[a-d]", (0u64..3, any::<bool>()), 0..5),
            b in proptest::collection::btree_map("[a-d]", (0u64..3, any::<bool>()), 0..5),
            c in proptest::collection::btree_map("[a-d]", (0u64..3, any::<bool>()), 0..5),
        ) {
            let read = |all: &BTreeMap<String, (u64, bool)>| {
                let all: Vec<_> = all.iter().map(|(task, (at, on))| (&**task, *at, *on)).collect();
                orders(&all)
            };
            let join = |a: &ManualDrains, b: &ManualDrains| a.merged(b).unwrap_or_else(|| a.clone());
            let (a, b, c) = (read(&a), read(&b), read(&c));
            prop_assert_eq!(join(&a, &b), join(&b, &a));
            prop_assert_eq!(join(&join(&a, &b), &c), join(&a, &join(&b, &c)));
            prop_assert_eq!(join(&a, &b).merged(&b), None);
        }
    }
}
