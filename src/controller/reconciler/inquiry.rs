//! What operators want to know of the reconciler: the health that it believes in.
//!
//! # Design notes
//!
//! Health changes with every probe, thousands of times a second in a large swarm, and is asked for now and then by a person.
//! So it is told on request, instead of being published.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::core::model::TaskId;
use crate::core::reconcile::observed::{Health, Observed};

/// How long an answer is waited for. The reconciler is busy for milliseconds at a time.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks for the health of some tasks.
#[derive(Debug)]
pub struct Inquiry {
    tasks: Vec<TaskId>,
    answer: oneshot::Sender<BTreeMap<TaskId, Health>>,
}

impl Inquiry {
    /// The health of those among the tasks that are probed; none where the reconciler gives no answer, as before its first
    /// inventory.
    pub async fn ask(
        reconciler: &mpsc::Sender<Self>,
        tasks: Vec<TaskId>,
    ) -> Option<BTreeMap<TaskId, Health>> {
        let (answer, answered) = oneshot::channel();
        let ask = async {
            reconciler.send(Self { tasks, answer }).await.ok()?;
            answered.await.ok()
        };
        timeout(PATIENCE, ask).await.ok()?
    }

    pub(super) fn answer_from(self, observed: &Observed) {
        let health = self.tasks.into_iter().filter_map(|task| {
            let health = observed.health(&task)?.clone();
            Some((task, health))
        });
        // Who asked may have gone away.
        let _ = self.answer.send(health.collect());
    }
}
