//! Who follows this controller, and what each was sent last.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use crate::core::model::NodeId;
use crate::core::model::snapshot::Generation;
use crate::core::reconcile::status::Follower;

/// The gateways on other nodes that follow this controller. Written by the connection of each, read by the admin listener.
#[derive(Clone, Debug, Default)]
pub struct Followers(Arc<Mutex<List>>);

#[derive(Debug, Default)]
struct List {
    next: u64,
    all: BTreeMap<u64, Follower>,
    /// How many connected gateways have a public listener, whomever they follow.
    public: usize,
}

/// A connected gateway that has a public listener; it counts until this is dropped.
pub(super) struct Outward(Followers);

/// A place in the list; it is given up when dropped.
pub(super) struct Listed {
    followers: Followers,
    number: u64,
}

impl Followers {
    /// All of them, in the order in which they came.
    #[must_use]
    pub fn all(&self) -> Vec<Follower> {
        self.list_mut().all.values().cloned().collect()
    }

    pub(super) fn list(&self, node: Option<NodeId>, generation: Option<Generation>) -> Listed {
        let mut list = self.list_mut();
        let number = list.next;
        list.next += 1;
        list.all.insert(number, Follower { node, generation });
        Listed {
            followers: self.clone(),
            number,
        }
    }

    /// Whether any connected gateway has a public listener.
    #[must_use]
    pub fn any_faces_outside(&self) -> bool {
        self.list_mut().public > 0
    }

    pub(super) fn face_outside(&self) -> Outward {
        self.list_mut().public += 1;
        Outward(self.clone())
    }

    fn list_mut(&self) -> MutexGuard<'_, List> {
        let list = self.0.lock();
        list.expect("nothing panics while it holds the list")
    }
}

impl Listed {
    /// It was sent this.
    pub(super) fn has(&self, generation: Option<Generation>) {
        if let Some(follower) = self.followers.list_mut().all.get_mut(&self.number) {
            follower.generation = generation;
        }
    }
}

impl Drop for Outward {
    fn drop(&mut self) {
        self.0.list_mut().public -= 1;
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        self.followers.list_mut().all.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_faces_the_outside_while_it_is_connected() {
        let followers = Followers::default();
        assert!(!followers.any_faces_outside());
        let both = [followers.face_outside(), followers.face_outside()];
        let [first, second] = both;
        drop(first);
        assert!(followers.any_faces_outside());
        drop(second);
        assert!(!followers.any_faces_outside());
    }

    #[test]
    fn a_follower_is_listed_for_as_long_as_it_follows() {
        let generation = |sequence| Some(Generation { epoch: 1, sequence });
        let followers = Followers::default();
        let first = followers.list(Some("n1".into()), None);
        let second = followers.list(None, generation(1));
        first.has(generation(2));
        let follower = |node: Option<&str>, sequence| Follower {
            node: node.map(NodeId::from),
            generation: generation(sequence),
        };
        assert_eq!(
            followers.all(),
            [follower(Some("n1"), 2), follower(None, 1)]
        );
        drop(first);
        assert_eq!(followers.all(), [follower(None, 1)]);
        drop(second);
        assert_eq!(followers.all(), []);
    }
}
