//! Reads lists of tasks: each task is reduced to what decides as soon as its text is there.
//!
//! # Design notes
//!
//! Nearly every task is at one look what it was at the look before, to the last byte of its three thousand. So a text that
//! was there before is known by its digest, and its task is taken from the inventory that it led to: what did not change
//! is neither parsed nor held twice. The digest has 64 bits and a random key, so that two texts of a swarm of ten thousand
//! tasks share one in a look out of 10^11, and nobody can choose such texts; a look later that is over.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};

use super::objects::{OwnTask, TaskObject};
use crate::core::model::{Inventory, ServiceId, Task, TaskId};

/// The digests of the texts that led to an inventory.
#[derive(Default)]
pub(super) struct Digests {
    key: RandomState,
    tasks: HashMap<u64, TaskId>,
}

impl Digests {
    /// Forgets the texts that led to these tasks, and adds those of others.
    pub(super) fn replace<'a>(&mut self, tasks: impl Iterator<Item = &'a Task>, by: Self) {
        let forgotten: HashSet<&TaskId> = tasks.map(|task| &task.id).collect();
        self.tasks.retain(|_, task| !forgotten.contains(task));
        self.tasks.extend(by.tasks);
    }
}

/// Which tasks are looked at more closely.
#[derive(Clone, Copy, Debug)]
pub(super) enum Own<'a> {
    /// None: this process is no container of Docker's.
    Nowhere,
    /// All: this process is a container, and it is not known yet of which service.
    Unknown,
    /// Those of Hiveway's own service.
    Service(&'a ServiceId),
}

/// What was read so far.
pub(super) struct Listing<'a> {
    /// The tasks that belong to services, in the order in which they came.
    pub(super) tasks: Vec<Task>,
    /// What more is known of those that may be Hiveway's own.
    pub(super) own_tasks: Vec<OwnTask>,
    /// What these lists leave behind for the next look, should this one succeed.
    pub(super) digests: Digests,
    own: Own<'a>,
    previous: &'a [Task],
    before: &'a Digests,
}

impl<'a> Listing<'a> {
    /// An empty one. `before` are the digests of the texts that led to the `previous` inventory.
    pub(super) fn new(previous: Option<&'a Inventory>, before: &'a Digests, own: Own<'a>) -> Self {
        let previous = previous.map_or(&[][..], |inventory| &inventory.tasks);
        Self {
            tasks: Vec::new(),
            own_tasks: Vec::new(),
            digests: Digests {
                key: before.key.clone(),
                tasks: HashMap::new(),
            },
            own,
            previous,
            before,
        }
    }

    /// Takes in the text of one task.
    pub(super) fn take(&mut self, text: &[u8]) -> serde_json::Result<()> {
        let digest = self.digests.key.hash_one(text);
        let task = match self.recall(digest) {
            Some(task) => task.clone(),
            None => {
                let mut object: TaskObject = serde_json::from_slice(text)?;
                if self.may_be_own(&object) {
                    self.own_tasks.extend(object.own());
                }
                let Some(task) = object.reduce() else {
                    return Ok(());
                };
                task
            }
        };
        self.digests.tasks.insert(digest, task.id.clone());
        self.tasks.push(task);
        Ok(())
    }

    /// The task that a text with this digest led to at the look before.
    fn recall(&self, digest: u64) -> Option<&'a Task> {
        let id = self.before.tasks.get(&digest)?;
        let place = self.previous.binary_search_by(|task| task.id.cmp(id));
        let task = &self.previous[place.ok()?];
        // Of these more is wanted than an inventory holds.
        match self.own {
            Own::Nowhere => Some(task),
            Own::Unknown => None,
            Own::Service(own) => (task.service != *own).then_some(task),
        }
    }

    fn may_be_own(&self, object: &TaskObject) -> bool {
        match self.own {
            Own::Nowhere => false,
            Own::Unknown => true,
            Own::Service(own) => own.as_str() == object.service,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(id: &str, state: &str) -> Vec<u8> {
        let task = json!({"ID": id, "ServiceID": "s", "DesiredState": "running", "Status": {"State": state}});
        task.to_string().into_bytes()
    }

    /// What a look sees, with what the look before left behind.
    fn look(
        before: &(Inventory, Digests),
        own: Own<'_>,
        texts: &[Vec<u8>],
    ) -> (Inventory, Digests, usize) {
        let mut listing = Listing::new(Some(&before.0), &before.1, own);
        for text in texts {
            listing.take(text).expect("a task");
        }
        let inventory = Inventory {
            tasks: listing.tasks,
            ..Inventory::default()
        };
        let closely = listing.own_tasks.len();
        (inventory.sorted(), listing.digests, closely)
    }

    #[test]
    fn unchanged_text_reuses_the_task_of_the_previous_sync() {
        let texts = [text("b", "running"), text("a", "running")];
        let (first, digests, _) = look(&Default::default(), Own::Nowhere, &texts);
        let before = (first, digests);
        let changed = [text("b", "failed"), text("a", "running")];
        let (second, _, _) = look(&before, Own::Nowhere, &changed);
        let (anew, _, _) = look(&Default::default(), Own::Nowhere, &changed);
        assert_eq!(second, anew);
        let shares = |place: usize| {
            let ids = [&before.0, &second].map(|it| it.tasks[place].service.as_str().as_ptr());
            ids[0] == ids[1]
        };
        assert!(shares(0) && !shares(1));
        // A text that comes back is one that was not there at the look before.
        let (_, digests, _) = look(&before, Own::Nowhere, &changed);
        let (third, _, _) = look(&(second, digests), Own::Nowhere, &texts);
        assert_eq!(third, before.0);
    }

    #[test]
    fn tasks_that_may_be_the_own_are_read_at_every_look() {
        let texts = [text("a", "running"), text("b", "running")];
        let (own, other) = (ServiceId::from("s"), ServiceId::from("t"));
        for (own, closely) in [
            (Own::Nowhere, 0),
            (Own::Unknown, 2),
            (Own::Service(&own), 2),
            (Own::Service(&other), 0),
        ] {
            let (first, digests, first_time) = look(&Default::default(), own, &texts);
            let (second, _, second_time) = look(&(first.clone(), digests), own, &texts);
            assert_eq!(second, first);
            assert_eq!((first_time, second_time), (closely, closely), "{own:?}");
        }
    }

    #[test]
    fn what_is_no_task_is_refused_and_leaves_what_was_read() {
        let digests = Digests::default();
        let mut listing = Listing::new(None, &digests, Own::Nowhere);
        listing.take(&text("a", "running")).expect("a task");
        listing.take(br#"{"ID": 7}"#).expect_err("no id");
        // One that attaches a plain container to a network belongs to no service.
        listing.take(br#"{"ID": "c"}"#).expect("a task");
        assert_eq!(listing.tasks.len(), 1);
    }
}
