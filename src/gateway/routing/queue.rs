//! The line in which requests wait for an endpoint of one service: first come, first served, and so long and no longer.
//!
//! # Design notes
//!
//! The first in line is woken when an endpoint has room again, and all queues' first when another table is in force. Who
//! was woken tries for itself, and stays in its place until it has succeeded, so that nobody overtakes it: who comes
//! while there is a line joins its end. Who joins or leaves the line wakes the first, which may be itself: there may be
//! room by now, or room for more. Who cannot use what woke it wakes the next.
//!
//! No wake-up is lost: a place is taken before the endpoints are tried once more, and a request that ends looks at the
//! line after it has made room.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::sync::Notify;

use crate::observe::metrics::ClusterMetrics;

/// The requests of one service that wait.
#[derive(Debug)]
pub(crate) struct Queue {
    waiting: AtomicUsize,
    line: Mutex<Line>,
    metrics: Arc<ClusterMetrics>,
}

#[derive(Debug, Default)]
struct Line {
    next: u64,
    places: VecDeque<(u64, Arc<Notify>)>,
}

impl Queue {
    pub(crate) fn new(metrics: Arc<ClusterMetrics>) -> Self {
        Self {
            waiting: AtomicUsize::new(0),
            line: Mutex::default(),
            metrics,
        }
    }

    /// Whether nobody waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.load(Ordering::SeqCst) == 0
    }

    /// A place at the end; none when so many wait already. Who is first is woken at once.
    pub(crate) fn join(self: &Arc<Self>, most: usize) -> Option<QueueTicket> {
        let mut line = self.line();
        if line.places.len() >= most {
            return None;
        }
        let number = line.next;
        line.next += 1;
        let woken = Arc::new(Notify::new());
        line.places.push_back((number, woken.clone()));
        self.waiting.fetch_add(1, Ordering::SeqCst);
        self.metrics.held();
        line.wake();
        Some(QueueTicket {
            queue: self.clone(),
            number,
            woken,
        })
    }

    /// Wakes the first.
    pub(crate) fn wake(&self) {
        self.line().wake();
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.line
            .lock()
            .expect("nothing panics while it holds the line")
    }
}

impl Line {
    fn wake(&self) {
        if let Some((_, woken)) = self.places.front() {
            woken.notify_one();
        }
    }
}

/// A request's place in line; dropped, it is left.
#[derive(Debug)]
pub(crate) struct QueueTicket {
    queue: Arc<Queue>,
    number: u64,
    woken: Arc<Notify>,
}

impl QueueTicket {
    /// Waits until it is worth another try.
    pub(crate) async fn woken(&self) {
        self.woken.notified().await;
    }

    /// Wakes the one behind, who may be able to use what this one cannot.
    pub(crate) fn pass_on(&self) {
        let line = self.queue.line();
        let behind = line.places.partition_point(|(it, _)| *it <= self.number);
        if let Some((_, woken)) = line.places.get(behind) {
            woken.notify_one();
        }
    }
}

impl Drop for QueueTicket {
    fn drop(&mut self) {
        let mut line = self.queue.line();
        if let Ok(at) = line.places.binary_search_by_key(&self.number, |it| it.0) {
            line.places.remove(at);
        }
        self.queue.waiting.fetch_sub(1, Ordering::SeqCst);
        self.queue.metrics.released();
        line.wake();
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    fn queue() -> Arc<Queue> {
        Arc::new(Queue::new(Arc::default()))
    }

    fn is_woken(place: &QueueTicket) -> bool {
        place.woken().now_or_never().is_some()
    }

    #[test]
    fn the_first_is_woken_and_whoever_leaves_wakes_the_next() {
        let queue = queue();
        assert!(queue.is_empty());
        let [first, second, third] = [(); 3].map(|()| queue.join(3).expect("room"));
        assert!(queue.join(3).is_none(), "it is full");
        assert!(
            is_woken(&first),
            "who joins tries at once, or has the first do so"
        );
        queue.wake();
        queue.wake();
        assert!(!is_woken(&second) && is_woken(&first));
        assert!(!is_woken(&first), "once");
        drop(second);
        assert!(is_woken(&first) && !is_woken(&third));
        drop(first);
        assert!(is_woken(&third));
        let fourth = queue.join(3).expect("room again");
        assert!(is_woken(&third) && !is_woken(&fourth));
        drop(third);
        assert!(is_woken(&fourth));
        drop(fourth);
        assert!(queue.is_empty());
        queue.wake();
    }

    #[test]
    fn what_one_cannot_use_is_passed_on() {
        let queue = queue();
        let [first, second, third] = [(); 3].map(|()| queue.join(9).expect("room"));
        assert!(is_woken(&first));
        first.pass_on();
        assert!(is_woken(&second) && !is_woken(&third));
        drop(second);
        assert!(is_woken(&first), "who leaves wakes the first");
        first.pass_on();
        assert!(is_woken(&third));
        third.pass_on();
    }
}
