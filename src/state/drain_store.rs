//! The orders that this process knows of: what operators drained by hand, here or anywhere in the swarm.
//!
//! The admin listener writes into it what it is asked for; the follower and the control channel tell it to others and take in
//! what others tell; the reconciler is woken by it, and the store keeps it. Why that makes all controllers of one mind is told in
//! `core/by_hand/orders.rs`.

mod store;

use std::sync::Arc;

use tokio::sync::watch;

use crate::core::model::TaskId;
use crate::core::model::snapshot::Snapshot;
use crate::core::reconcile::by_hand::ManualDrains;
use crate::process::clock;

pub use self::store::Store;

/// The orders of this process. Clones are the same book.
#[derive(Clone, Debug)]
pub struct OrderBook {
    orders: watch::Sender<Arc<ManualDrains>>,
    /// What tells which tasks still run.
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
}

impl OrderBook {
    /// An empty one of a process that steers by these snapshots.
    #[must_use]
    pub fn new(snapshots: watch::Receiver<Option<Arc<Snapshot>>>) -> Self {
        Self {
            orders: watch::Sender::new(Arc::default()),
            snapshots,
        }
    }

    /// What holds now.
    #[must_use]
    pub fn latest(&self) -> Arc<ManualDrains> {
        self.orders.borrow().clone()
    }

    /// Tells of every change.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<Arc<ManualDrains>> {
        self.orders.subscribe()
    }

    /// Has a task be drained from now on, or no longer. True when that is new.
    pub fn order(&self, task: &TaskId, drained: bool) -> bool {
        self.change(|orders| orders.with(task, drained, clock::now()))
    }

    /// Takes in what another process knows. True when it was news.
    pub fn take_in(&self, told: &ManualDrains) -> bool {
        self.change(|orders| orders.merged(told))
    }

    fn change(&self, change: impl FnOnce(&ManualDrains) -> Option<ManualDrains>) -> bool {
        let snapshot = self.snapshots.borrow().clone();
        self.orders.send_if_modified(|orders| {
            let Some(next) = change(orders) else {
                return false;
            };
            let next = next.without_ended(snapshot.as_deref(), clock::now());
            let differs = **orders != next;
            *orders = Arc::new(next);
            differs
        })
    }
}

impl Default for OrderBook {
    fn default() -> Self {
        Self::new(watch::channel(None).1)
    }
}
