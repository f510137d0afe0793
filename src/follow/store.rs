//! The last good snapshot, kept on disk: a gateway that starts while every controller is away begins with it.
//!
//! # Design notes
//!
//! The file is one line that says what follows, and the snapshot as JSON. The line carries a digest, so that a file that was
//! cut off or changed is told from a good one. It is written beside the old one and moved over it, so there is always a
//! whole one; the name that it is written under is this process's own, because two instances share the folder while one
//! replaces the other.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ring::digest::{SHA256, digest};
use tokio::io::AsyncWriteExt as _;
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::core::event::Event;
use crate::core::snapshot::{Generation, Snapshot};
use crate::journal::Emitter;

/// What the first line begins with; the number counts formats.
const FORMAT: &str = "hiveway-snapshot 1 sha256:";
/// The file's name in the folder.
const NAME: &str = "snapshot.json";
/// The least time between two writes, so that a rolling update is not written down task by task.
const PAUSE: Duration = Duration::from_secs(1);

/// Why what was kept cannot be used, or nothing can be kept.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The folder cannot be used.
    #[error(
        "the last good snapshot cannot be read or kept here: {0}; give a folder that may be written to with --state-dir"
    )]
    Access(std::io::Error),
    /// The file is of another version of Hiveway, or was never ours.
    #[error("what is kept here is not in a form that this version reads, so it is not used")]
    Recognise,
    /// The file was cut off or changed.
    #[error("what is kept here was cut off or changed, so it is not used")]
    Verify,
}

/// The folder that the snapshot is kept in.
#[derive(Clone, Debug)]
pub struct Store {
    file: PathBuf,
    draft: PathBuf,
    /// What the file holds, as far as this process knows.
    kept: Option<Generation>,
}

impl Store {
    /// One in this folder, which is made where it is missing when something is kept.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        let own = std::process::id();
        // In a container every process is the first; the host name is the container's.
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        Self {
            file: folder.join(NAME),
            draft: folder.join(format!("{NAME}.{host}.{own}")),
            kept: None,
        }
    }

    /// The snapshot that was kept; none where there is none, or none that can be used, which is told.
    pub async fn restore(&mut self, emitter: &Emitter) -> Option<Arc<Snapshot>> {
        match self.read().await {
            Ok(snapshot) => {
                let snapshot = snapshot?;
                self.kept = Some(snapshot.generation);
                emitter.emit(Event::SnapshotRestored {
                    generation: snapshot.generation,
                    path: self.path(),
                });
                Some(Arc::new(snapshot))
            }
            Err(error) => {
                self.complain(emitter, &error);
                None
            }
        }
    }

    /// Keeps the latest snapshot until `stop`. A failure is told once, and tried again with the next snapshot.
    pub async fn run(
        mut self,
        mut snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
        emitter: Emitter,
        stop: CancellationToken,
    ) {
        let mut complained = false;
        loop {
            // Known before the last write, so that nothing which came before the end is left out.
            let ends = stop.is_cancelled() || snapshots.has_changed().is_err();
            let latest = snapshots.borrow_and_update().clone();
            if let Some(snapshot) = latest.filter(|it| Some(it.generation) != self.kept) {
                match self.write(&snapshot).await {
                    Ok(()) => {
                        self.kept = Some(snapshot.generation);
                        complained = false;
                    }
                    Err(error) if !std::mem::replace(&mut complained, true) => {
                        self.complain(&emitter, &error);
                    }
                    Err(_) => {}
                }
                stop.run_until_cancelled(sleep(PAUSE)).await;
            }
            if ends {
                break;
            }
            stop.run_until_cancelled(snapshots.changed()).await;
        }
        let _ = tokio::fs::remove_file(&self.draft).await;
    }

    async fn read(&self) -> Result<Option<Snapshot>, StoreError> {
        let text = match tokio::fs::read(&self.file).await {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::Access(error)),
        };
        decode(&text).map(Some)
    }

    async fn write(&self, snapshot: &Snapshot) -> Result<(), StoreError> {
        let text = encode(snapshot);
        let write = async {
            if let Some(folder) = self.file.parent() {
                tokio::fs::create_dir_all(folder).await?;
            }
            // It holds the hashes of passwords.
            let mut options = tokio::fs::OpenOptions::new();
            let options = options.write(true).create(true).truncate(true).mode(0o600);
            let mut draft = options.open(&self.draft).await?;
            draft.write_all(&text).await?;
            draft.sync_all().await?;
            tokio::fs::rename(&self.draft, &self.file).await
        };
        write.await.map_err(StoreError::Access)
    }

    fn path(&self) -> Arc<str> {
        self.file.display().to_string().into()
    }

    fn complain(&self, emitter: &Emitter, error: &StoreError) {
        emitter.emit(Event::SnapshotNotKept {
            path: self.path(),
            reason: error.to_string().into(),
        });
    }
}

fn encode(snapshot: &Snapshot) -> Vec<u8> {
    let body = serde_json::to_vec(snapshot).expect("a snapshot is plain data");
    let mut text = format!("{FORMAT}{}\n", sum_of(&body)).into_bytes();
    text.extend(body);
    text
}

fn decode(text: &[u8]) -> Result<Snapshot, StoreError> {
    let end = text.iter().position(|&byte| byte == b'\n');
    let (line, body) = text.split_at(end.ok_or(StoreError::Recognise)?);
    let body = &body[1..];
    let sum = line.strip_prefix(FORMAT.as_bytes());
    if sum.ok_or(StoreError::Recognise)? != sum_of(body).as_bytes() {
        return Err(StoreError::Verify);
    }
    serde_json::from_slice(body).map_err(|_| StoreError::Recognise)
}

fn sum_of(body: &[u8]) -> String {
    let digest = digest(&SHA256, body);
    let hexadecimal = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    hexadecimal.collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::core::snapshot::GatewayTask;

    fn snapshot(epoch: u64, sequence: u64, addresses: &[[u8; 4]]) -> Snapshot {
        let gateway = |address: &[u8; 4]| GatewayTask {
            node: "n".into(),
            address: (*address).into(),
            controller: address[0] > 127,
        };
        Snapshot {
            generation: Generation { epoch, sequence },
            gateways: addresses.iter().map(gateway).collect(),
            ..Snapshot::default()
        }
    }

    proptest! {
        #[test]
        fn what_is_kept_comes_back_whole_or_not_at_all(
            epoch: u64,
            sequence: u64,
            addresses in prop::collection::vec(any::<[u8; 4]>(), 0..4),
            changes in prop::collection::vec((any::<Index>(), any::<u8>()), 0..3),
            (begin, end) in any::<(Index, Index)>(),
            cut in 0..4,
        ) {
            let snapshot = snapshot(epoch, sequence, &addresses);
            let good = encode(&snapshot);
            prop_assert_eq!(decode(&good).expect("it was encoded here"), snapshot);
            let mut text = good.clone();
            for (place, byte) in changes {
                let place = place.index(text.len());
                text[place] = byte;
            }
            let (begin, end) = (begin.index(text.len()), end.index(text.len()));
            match cut {
                0 => text.truncate(begin),
                1 => drop(text.drain(begin.min(end)..begin.max(end))),
                2 => text.extend_from_within(begin..),
                _ => {}
            }
            prop_assert_eq!(decode(&text).is_ok(), text == good);
        }

        #[test]
        fn what_was_never_kept_is_not_used(
            line in prop::sample::select(vec!["", "\n", FORMAT, "hiveway-snapshot 2 sha256:"]),
            rest in prop::collection::vec(any::<u8>(), 0..200),
        ) {
            let text = [line.as_bytes(), &rest].concat();
            prop_assert!(decode(&text).is_err());
        }

        #[test]
        fn a_good_sum_makes_no_snapshot_of_what_is_none(body in prop::collection::vec(any::<u8>(), 0..200)) {
            let text = [format!("{FORMAT}{}\n", sum_of(&body)).as_bytes(), &body].concat();
            prop_assert!(matches!(decode(&text), Err(StoreError::Recognise)));
        }
    }
}
