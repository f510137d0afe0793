//! The orders on disk, so that what was drained by hand stays so where every process starts again at once.
//!
//! # Design notes
//!
//! What is read is merged with what others tell, as any other word is: an order that was given while this process was away is
//! later and wins, and one on a task that has ended meanwhile is forgotten.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::core::event::Event;
use crate::core::reconcile::by_hand::ManualDrains;
use crate::observe::event_log::Emitter;
use crate::state::state_file::{KeptError, KeptFile};

/// What the file holds; the number counts formats.
const FORMAT: &str = "hiveway-orders 1";
/// The file's name in the folder.
const NAME: &str = "orders.json";

/// The folder that orders are kept in.
#[derive(Clone, Debug)]
pub struct Store {
    file: KeptFile,
    /// What the file holds, as far as this process knows.
    kept: ManualDrains,
}

impl Store {
    /// One in this folder, which is made where it is missing when something is kept.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self {
            file: KeptFile::new(folder, NAME, FORMAT),
            kept: ManualDrains::default(),
        }
    }

    /// The orders that were kept; none where there are none, or none that can be used, which is told.
    pub async fn restore(&mut self, emitter: &Emitter) -> ManualDrains {
        match self.read().await {
            Ok(orders) => self.kept = orders,
            Err(error) => self.complain(emitter, &error),
        }
        self.kept.clone()
    }

    /// Keeps the latest orders until `stop`. A failure is told once, and tried again with the next order.
    pub async fn run(
        mut self,
        mut orders: watch::Receiver<Arc<ManualDrains>>,
        emitter: Emitter,
        stop: CancellationToken,
    ) {
        let mut complained = false;
        loop {
            // Known before the last write, so that nothing which came before the end is left out.
            let ends = stop.is_cancelled() || orders.has_changed().is_err();
            let latest = orders.borrow_and_update().clone();
            if *latest != self.kept {
                let body = serde_json::to_vec(&*latest).expect("orders are plain data");
                match self.file.write(&body).await {
                    Ok(()) => {
                        self.kept = (*latest).clone();
                        complained = false;
                    }
                    Err(error) if !std::mem::replace(&mut complained, true) => {
                        self.complain(&emitter, &error);
                    }
                    Err(_) => {}
                }
            }
            if ends {
                break;
            }
            stop.run_until_cancelled(orders.changed()).await;
        }
        self.file.close().await;
    }

    async fn read(&self) -> Result<ManualDrains, KeptError> {
        let body = self.file.read().await?;
        let orders = body.map(|it| serde_json::from_slice(&it));
        let orders = orders.transpose().map_err(|_| KeptError::Recognise)?;
        Ok(orders.unwrap_or_default())
    }

    fn complain(&self, emitter: &Emitter, error: &KeptError) {
        emitter.emit(Event::OrdersNotKept {
            path: self.file.path(),
            reason: error.to_string().into(),
        });
    }
}
