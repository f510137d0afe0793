//! A snapshot as it is sent: whole, or as the delta from one that the peer has.

use std::collections::VecDeque;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::core::model::snapshot::{Delta, Generation, Snapshot};
use crate::core::protocol::ToNode;
use crate::sync::transport::encode;

/// How many earlier snapshots are remembered, for peers that come back after a short while. They share what did not
/// change, so each costs little more than its change.
const REMEMBERED: usize = 32;

/// A snapshot, with what brings peers up to it.
pub(super) struct EncodedSnapshot {
    snapshot: Arc<Snapshot>,
    /// The last ones before it, the latest first.
    earlier: VecDeque<Arc<Snapshot>>,
    /// From the one before it, which is what nearly all peers have.
    step: OnceLock<Bytes>,
    whole: OnceLock<Bytes>,
}

impl EncodedSnapshot {
    /// The edition of a snapshot that follows another.
    pub(super) fn after(before: Option<&Self>, snapshot: Arc<Snapshot>) -> Self {
        let mut earlier = VecDeque::new();
        if let Some(before) = before {
            earlier.push_back(before.snapshot.clone());
            earlier.extend(before.earlier.iter().take(REMEMBERED - 1).cloned());
        }
        Self {
            snapshot,
            earlier,
            step: OnceLock::new(),
            whole: OnceLock::new(),
        }
    }

    pub(super) fn generation(&self) -> Generation {
        self.snapshot.generation
    }

    /// The message that brings a peer with this snapshot up to date; none where it is.
    pub(super) fn bring(&self, have: Option<Generation>) -> Option<Bytes> {
        if have == Some(self.generation()) {
            return None;
        }
        let known = |snapshot: &&Arc<Snapshot>| Some(snapshot.generation) == have;
        let Some(place) = self.earlier.iter().position(|it| known(&it)) else {
            let whole = || {
                let snapshot = self.snapshot.clone();
                encode(&ToNode::Snapshot { snapshot })
            };
            return Some(self.whole.get_or_init(whole).clone());
        };
        let delta = || {
            let delta = Arc::new(Delta::between(&self.earlier[place], &self.snapshot));
            encode(&ToNode::Delta { delta })
        };
        Some(match place {
            0 => self.step.get_or_init(delta).clone(),
            _ => delta(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(sequence: u64) -> Arc<Snapshot> {
        let generation = Generation { epoch: 1, sequence };
        Arc::new(Snapshot {
            generation,
            ..Snapshot::default()
        })
    }

    fn edition(latest: u64) -> EncodedSnapshot {
        (2..=latest).fold(
            EncodedSnapshot::after(None, snapshot(1)),
            |before, sequence| EncodedSnapshot::after(Some(&before), snapshot(sequence)),
        )
    }

    fn kind(edition: &EncodedSnapshot, epoch: u64, sequence: u64) -> Option<String> {
        let bytes = edition.bring(Some(Generation { epoch, sequence }))?;
        match serde_json::from_slice(&bytes).expect("a message") {
            ToNode::Snapshot { .. } => Some("whole".into()),
            ToNode::Delta { delta } => {
                Some(format!("{}-{}", delta.from.sequence, delta.to.sequence))
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_peer_is_sent_what_it_lacks_and_no_more() {
        let edition = edition(50);
        assert_eq!(kind(&edition, 1, 50), None);
        assert_eq!(kind(&edition, 1, 49).as_deref(), Some("49-50"));
        assert_eq!(kind(&edition, 1, 18).as_deref(), Some("18-50"));
        // Not remembered, never known, and another controller's.
        for (epoch, sequence) in [(1, 17), (1, 99), (2, 49)] {
            assert_eq!(kind(&edition, epoch, sequence).as_deref(), Some("whole"));
        }
        let whole = edition.bring(None).expect("the whole");
        assert!(whole.starts_with(b"{\"say\":\"snapshot\""), "{whole:?}");
    }
}
