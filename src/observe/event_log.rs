//! The way of an event: one bounded channel in, one log line, one count, and a memory of the latest.
//!
//! Whoever decides something holds an [`Emitter`]; the [`Journal`] is the only consumer. Emitting never waits: when the
//! channel is full the event is dropped and counted, because a slow log must not hold up a decision.
//!
//! # Design notes
//!
//! An event enters the memory and goes to the followers under one lock, and [`Journal::follow`] takes the memory and its
//! place among the followers under the same lock. A follower therefore sees every event once, with neither gap nor
//! repetition between what it is given first and what comes live.

mod line;
mod place;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{SystemTime, UNIX_EPOCH};

use prometheus::IntCounter;
use serde::{Deserialize, Serialize};
use tokio::sync::{broadcast, mpsc};

use super::metrics::Metrics;
use crate::core::event::{Event, Severity};
use crate::core::model::Timestamp;

pub use place::{EventCursor, ParseCursorError};

/// How many events may wait for the journal: the first snapshot of ten thousand endpoints and their routes is told at once.
/// Room that is not used takes no memory.
const CAPACITY: usize = 32 * 1024;

/// How many of the latest events are kept, and how far a live follower may fall behind.
pub const KEPT: usize = 1000;

/// Hands events to the journal. Cheap to clone; held by every component that decides something.
#[derive(Clone, Debug)]
pub struct Emitter {
    events: mpsc::Sender<Event>,
    dropped: IntCounter,
}

impl Emitter {
    /// Hands over one event, or counts it as dropped when the journal is too far behind.
    pub fn emit(&self, event: Event) {
        if self.events.try_send(event).is_err() {
            self.dropped.inc();
        }
    }

    /// How many events were dropped so far.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.get()
    }

    /// The counter behind [`dropped`](Self::dropped). It keeps no sender alive.
    #[must_use]
    pub fn drop_counter(&self) -> IntCounter {
        self.dropped.clone()
    }
}

/// Makes the channel of a process: the side that decides, and the side that the journal reads.
#[must_use]
pub fn channel() -> (Emitter, mpsc::Receiver<Event>) {
    let (events, receiver) = mpsc::channel(CAPACITY);
    let dropped = IntCounter::new(
        "hiveway_events_dropped_total",
        "Events that were neither logged nor kept, because the journal was too far behind.",
    )
    .expect("the name is a valid metric name");
    (Emitter { events, dropped }, receiver)
}

/// Remembers the latest events and shows them to followers as they come. Cheap to clone: all clones are one journal.
/// [`run`](Self::run) writes it; the admin listener reads it.
#[derive(Clone, Debug)]
pub struct Journal(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    epoch: Timestamp,
    memory: Mutex<Memory>,
    live: broadcast::Sender<Arc<Recorded>>,
}

#[derive(Debug, Default)]
struct Memory {
    latest: u64,
    events: VecDeque<Arc<Recorded>>,
}

/// An event as the journal keeps it. In JSON the event's own fields stand beside these.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recorded {
    /// Counts the journal's events, from 1.
    pub sequence: u64,
    /// When the journal received it.
    pub at: Timestamp,
    /// How much it matters.
    pub severity: Severity,
    /// What happened.
    #[serde(flatten)]
    pub event: Event,
    /// The same as a sentence.
    pub message: String,
}

/// What a new follower is given.
#[derive(Debug)]
pub struct Following {
    /// Events after the follower's place that are no longer kept.
    pub missed: u64,
    /// The kept ones after its place, oldest first.
    pub replay: Vec<Arc<Recorded>>,
    /// Those that come from now on.
    pub live: broadcast::Receiver<Arc<Recorded>>,
}

impl Default for Journal {
    fn default() -> Self {
        Self(Arc::new(Shared {
            epoch: now(),
            memory: Mutex::default(),
            live: broadcast::Sender::new(KEPT),
        }))
    }
}

impl Journal {
    /// Logs, counts, keeps and shows every event once, until all emitters are gone and nothing is queued.
    pub async fn run(self, mut receiver: mpsc::Receiver<Event>, metrics: Metrics) {
        let mut told = 0;
        while let Some(event) = receiver.recv().await {
            metrics.count(&event);
            line::write(&self.record(event));
            let dropped = metrics.dropped();
            // While the journal is behind, a further line would put it further behind.
            if dropped > told && receiver.is_empty() {
                line::write_dropped(dropped - told);
                told = dropped;
            }
        }
    }

    /// The kept events, oldest first.
    #[must_use]
    pub fn recent(&self) -> Vec<Arc<Recorded>> {
        self.memory().events.iter().cloned().collect()
    }

    /// Joins the followers. With a place of this journal it resumes after it; without one, or with the place of a
    /// process that is gone, it starts with all that is kept.
    #[must_use]
    pub fn follow(&self, after: Option<EventCursor>) -> Following {
        let memory = self.memory();
        let seen = after
            .filter(|place| place.epoch == self.0.epoch)
            .map(|place| place.sequence.min(memory.latest));
        let oldest = memory.latest + 1 - memory.events.len() as u64;
        let from = seen.map_or(oldest, |seen| seen + 1);
        Following {
            missed: oldest.saturating_sub(from),
            replay: memory
                .events
                .iter()
                .filter(|recorded| recorded.sequence >= from)
                .cloned()
                .collect(),
            live: self.0.live.subscribe(),
        }
    }

    /// The place of a follower that has seen everything up to this event.
    #[must_use]
    pub fn place(&self, recorded: &Recorded) -> EventCursor {
        EventCursor {
            epoch: self.0.epoch,
            sequence: recorded.sequence,
        }
    }

    fn record(&self, event: Event) -> Arc<Recorded> {
        let mut memory = self.memory();
        memory.latest += 1;
        let recorded = Arc::new(Recorded {
            sequence: memory.latest,
            at: now(),
            severity: event.severity(),
            message: event.to_string(),
            event,
        });
        if memory.events.len() == KEPT {
            memory.events.pop_front();
        }
        memory.events.push_back(Arc::clone(&recorded));
        // An error says that nobody follows just now.
        let _ = self.0.live.send(Arc::clone(&recorded));
        recorded
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0
            .memory
            .lock()
            .expect("nothing panics while it holds the journal's memory")
    }
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::logging::LogFormat;
    use crate::observe::logging::tests::logged;

    fn scaled(to: u64) -> Event {
        Event::ServiceScaled {
            service: "restserver".into(),
            from: 1,
            to,
        }
    }

    fn sequences(events: &[Arc<Recorded>]) -> Vec<u64> {
        events.iter().map(|recorded| recorded.sequence).collect()
    }

    #[test]
    fn a_full_channel_drops_and_counts() {
        let (emitter, _receiver) = channel();
        for to in 0..CAPACITY as u64 + 3 {
            emitter.emit(scaled(to));
        }
        assert_eq!(emitter.dropped(), 3);
    }

    #[test]
    fn dropped_events_are_logged_once_the_journal_catches_up() {
        let (emitter, receiver) = channel();
        let metrics = Metrics::new(emitter.drop_counter());
        for to in 0..CAPACITY as u64 + 3 {
            emitter.emit(scaled(to));
        }
        drop(emitter);
        let log = logged(LogFormat::Human, || {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            let runtime = runtime.expect("a runtime without drivers");
            runtime.block_on(Journal::default().run(receiver, metrics));
        });
        let told: Vec<&str> = log
            .lines()
            .filter(|it| it.contains("were neither"))
            .collect();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("TIME WARN  3 events were neither logged nor kept"));
        assert_eq!(log.lines().last(), Some(told[0]));
    }

    #[tokio::test]
    async fn what_is_queued_is_recorded_after_the_last_emitter_is_gone() {
        let (emitter, receiver) = channel();
        let metrics = Metrics::new(emitter.drop_counter());
        emitter.emit(scaled(2));
        emitter.emit(Event::LeadershipLost);
        drop(emitter);
        let journal = Journal::default();
        journal.clone().run(receiver, metrics.clone()).await;

        let kept = journal.recent();
        assert_eq!(sequences(&kept), [1, 2]);
        assert_eq!(kept[0].event, scaled(2));
        assert_eq!(kept[1].message, Event::LeadershipLost.to_string());
        assert!(
            metrics
                .render(None)
                .contains(r#"hiveway_events_total{kind="service_scaled",severity="info"} 1"#)
        );
    }

    #[tokio::test]
    async fn a_follower_sees_each_event_once() {
        let journal = Journal::default();
        journal.record(scaled(1));
        journal.record(scaled(2));
        let mut following = journal.follow(None);
        journal.record(scaled(3));
        assert_eq!(sequences(&following.replay), [1, 2]);
        assert_eq!(following.live.recv().await.expect("live").sequence, 3);

        let place = journal.place(&following.replay[0]);
        let resumed = journal.follow(Some(place));
        assert_eq!(
            (resumed.missed, sequences(&resumed.replay)),
            (0, vec![2, 3])
        );
    }

    #[test]
    fn journal_is_bounded_and_reports_missed_events() {
        let journal = Journal::default();
        let first = journal.record(scaled(0));
        for to in 1..KEPT as u64 + 10 {
            journal.record(scaled(to));
        }
        let kept = journal.recent();
        assert_eq!((kept.len(), kept[0].sequence), (KEPT, 11));
        assert_eq!(journal.follow(Some(journal.place(&first))).missed, 9);
        assert_eq!(journal.follow(None).missed, 0);
    }

    #[test]
    fn a_place_before_a_restart_or_ahead_of_the_journal_is_harmless() {
        let journal = Journal::default();
        let recorded = journal.record(scaled(1));
        let place = journal.place(&recorded);
        let before = EventCursor {
            epoch: Timestamp(7),
            sequence: 500,
        };
        assert_eq!(sequences(&journal.follow(Some(before)).replay), [1]);
        let ahead = EventCursor {
            sequence: u64::MAX,
            ..place
        };
        assert_eq!(sequences(&journal.follow(Some(ahead)).replay), [0_u64; 0]);
    }
}
