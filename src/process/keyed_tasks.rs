//! One piece of work for each member of a watched map: begun when the member comes, ended when it goes.
//!
//! # Design notes
//!
//! One small task a member instead of one wheel for all: a member that hangs delays nobody else, and one that goes takes
//! its timer with it. A member that changes is a new one.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

use crate::core::model::TaskId;

/// Keeps the work going until nobody can change the map any more, or until it is dropped. Panics are passed on.
pub(crate) async fn keep<T, F>(
    mut members: watch::Receiver<Arc<BTreeMap<TaskId, T>>>,
    mut begin: impl FnMut(&TaskId, &T) -> F,
) where
    T: Clone + PartialEq,
    F: Future<Output = ()> + Send + 'static,
{
    let mut working: BTreeMap<TaskId, (T, AbortHandle)> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    loop {
        let wanted = members.borrow_and_update().clone();
        working.retain(|task, (member, handle)| {
            let kept = wanted.get(task) == Some(member);
            if !kept {
                handle.abort();
            }
            kept
        });
        for (task, member) in wanted.iter() {
            if !working.contains_key(task) {
                let handle = tasks.spawn(begin(task, member));
                working.insert(task.clone(), (member.clone(), handle));
            }
        }
        loop {
            tokio::select! {
                changed = members.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                Some(ended) = tasks.join_next() => if let Err(error) = ended
                    && error.is_panic()
                {
                    std::panic::resume_unwind(error.into_panic());
                },
            }
        }
    }
}
