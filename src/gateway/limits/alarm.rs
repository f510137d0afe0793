//! Reports that a limit is reached: once for each episode, however often something is refused for it.
//!
//! # Design notes
//!
//! Who refuses something is on the way of a request or a connection. It adds to a counter and looks at one flag; what is
//! reported is reported by the gateway's loop.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

use crate::core::event::Event;
use crate::observe::event_log::Emitter;

/// An episode is over when nothing was refused for this time. Long enough that a client that tries again every half minute
/// makes one episode, not many.
const QUIET: Duration = Duration::from_secs(60);

/// One limit.
pub(crate) struct Alarm {
    /// Its name: the flag's that sets it.
    limit: &'static str,
    refused: AtomicU64,
    /// Whether an episode has begun.
    on: AtomicBool,
    /// What the loop has to report; `None` where it has done so.
    reason: Mutex<Option<String>>,
    rung: Arc<Notify>,
}

impl Alarm {
    /// Counts a refusal; the reason is asked for by the first of an episode.
    pub(crate) fn refuse(&self, reason: impl FnOnce() -> String) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        if self.on.load(Ordering::Relaxed) || self.on.swap(true, Ordering::Relaxed) {
            return;
        }
        *self.reason() = Some(reason());
        self.rung.notify_one();
    }

    fn reason(&self) -> std::sync::MutexGuard<'_, Option<String>> {
        self.reason
            .lock()
            .expect("nothing panics while it holds the reason")
    }
}

impl std::fmt::Debug for Alarm {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Alarm").field(&self.limit).finish()
    }
}

/// All limits of a gateway. Owned by its loop.
#[derive(Default)]
pub(crate) struct Alarms {
    rung: Arc<Notify>,
    alarms: Vec<Known>,
}

struct Known {
    alarm: Arc<Alarm>,
    /// How often it had refused something when the last episode ended.
    before: u64,
    episode: Option<Episode>,
}

struct Episode {
    began: Instant,
    /// The same at the last look, and when the next is due.
    seen: u64,
    next: Instant,
}

impl Alarms {
    /// Adds a limit.
    pub(crate) fn add(&mut self, limit: &'static str) -> Arc<Alarm> {
        let alarm = Arc::new(Alarm {
            limit,
            refused: AtomicU64::new(0),
            on: AtomicBool::new(false),
            reason: Mutex::default(),
            rung: self.rung.clone(),
        });
        self.alarms.push(Known {
            alarm: alarm.clone(),
            before: 0,
            episode: None,
        });
        alarm
    }

    /// Waits until there may be something to report.
    pub(crate) async fn due(&self) {
        let episodes = self
            .alarms
            .iter()
            .filter_map(|known| known.episode.as_ref());
        let next = episodes.map(|episode| episode.next).min();
        let quiet = async {
            match next {
                Some(next) => sleep_until(next).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = self.rung.notified() => {}
            () = quiet => {}
        }
    }

    /// Reports the episodes that have begun, and those that are over.
    pub(crate) fn report(&mut self, emitter: &Emitter) {
        let now = Instant::now();
        for Known {
            alarm,
            before,
            episode,
        } in &mut self.alarms
        {
            let refused = alarm.refused.load(Ordering::Relaxed);
            if let Some(reason) = alarm.reason().take() {
                *episode = Some(Episode {
                    began: now,
                    seen: refused,
                    next: now + QUIET,
                });
                emitter.emit(Event::LimitReached {
                    limit: alarm.limit.into(),
                    reason: reason.into(),
                });
                continue;
            }
            let Some(going) = episode.as_mut().filter(|episode| episode.next <= now) else {
                continue;
            };
            if going.seen != refused {
                (going.seen, going.next) = (refused, now + QUIET);
                continue;
            }
            emitter.emit(Event::LimitRelieved {
                limit: alarm.limit.into(),
                refused: refused - *before,
                seconds: going.began.elapsed().as_secs(),
            });
            (*before, *episode) = (refused, None);
            alarm.on.store(false, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::event_log;

    #[tokio::test(start_paused = true)]
    async fn an_episode_is_reported_when_it_begins_and_ends() {
        let (emitter, mut events) = event_log::channel();
        let mut alarms = Alarms::default();
        let alarm = alarms.add("max-connections");
        let _other = alarms.add("max-task-connections");
        for _ in 0..2 {
            for _ in 0..1_000 {
                alarm.refuse(|| "full".into());
            }
            alarms.due().await;
            alarms.report(&emitter);
            let event = events.try_recv().expect("an event");
            assert_eq!(
                event.to_string(),
                "the limit max-connections is reached: full"
            );

            // It goes on, and that is not reported.
            tokio::time::advance(QUIET / 2).await;
            alarm.refuse(|| unreachable!("it is on"));
            alarms.due().await;
            alarms.report(&emitter);
            assert!(events.try_recv().is_err());

            alarms.due().await;
            alarms.report(&emitter);
            let event = events.try_recv().expect("an event");
            let expected = "the limit max-connections is no longer reached; refused in 120 s: 1001";
            assert_eq!(event.to_string(), expected);
        }
    }
}
