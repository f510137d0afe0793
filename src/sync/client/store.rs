//! The last good snapshot, kept on disk: a gateway that starts while every controller is away begins with it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::core::event::Event;
use crate::core::model::snapshot::{Generation, Snapshot};
use crate::observe::event_log::Emitter;
use crate::state::state_file::{KeptError, KeptFile};

/// What the file holds; the number counts formats.
const FORMAT: &str = "hiveway-snapshot 1";
/// The file's name in the folder.
const NAME: &str = "snapshot.json";
/// The least time between two writes, so that a rolling update is not written down task by task.
const PAUSE: Duration = Duration::from_secs(1);

/// The folder that the snapshot is kept in.
#[derive(Clone, Debug)]
pub struct Store {
    file: KeptFile,
    /// What the file holds, as far as this process knows.
    kept: Option<Generation>,
}

impl Store {
    /// One in this folder, which is made where it is missing when something is kept.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            file: KeptFile::new(folder, NAME, FORMAT),
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
                    path: self.file.path(),
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
        self.file.close().await;
    }

    async fn read(&self) -> Result<Option<Snapshot>, KeptError> {
        let body = self.file.read().await?;
        let snapshot = body.map(|it| serde_json::from_slice(&it));
        snapshot.transpose().map_err(|_| KeptError::Recognise)
    }

    /// It holds the hashes of passwords, so that nobody else may read it.
    async fn write(&self, snapshot: &Snapshot) -> Result<(), KeptError> {
        let body = serde_json::to_vec(snapshot).expect("a snapshot is plain data");
        self.file.write(&body).await
    }

    fn complain(&self, emitter: &Emitter, error: &KeptError) {
        emitter.emit(Event::SnapshotNotKept {
            path: self.file.path(),
            reason: error.to_string().into(),
        });
    }
}
