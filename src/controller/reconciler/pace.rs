//! When to reconcile: at once after quiet, and never for more than a share of the time.

use tokio::time::Instant;

/// So many times as long as a reconciliation took is the pause behind it, at least: the processor is there for the requests
/// that this process serves as well.
const PAUSE: u32 = 3;

/// What decides about the time of the next reconciliation.
#[derive(Debug, Default)]
pub(super) struct Pace {
    /// Whether there is anything to reconcile.
    pub(super) pending: bool,
    /// The end of the pause; none before the first reconciliation.
    earliest: Option<Instant>,
}

impl Pace {
    /// When to wake up at the latest, where there is something to do at `due` whatever comes in.
    pub(super) fn wake(&self, due: Option<Instant>) -> Option<Instant> {
        match self.pending {
            true => self.earliest.or(due),
            false => due.map(|due| self.earliest.map_or(due, |earliest| due.max(earliest))),
        }
    }

    /// Whether to reconcile now.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.pending && self.earliest.is_none_or(|earliest| now >= earliest)
    }

    /// Takes note of a reconciliation.
    pub(super) fn ran(&mut self, started: Instant, ended: Instant) {
        self.pending = false;
        self.earliest = Some(ended + (ended - started) * PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn change_after_quiet_is_immediate_and_the_next_one_waits() {
        let began = Instant::now();
        let at = |millis| began + Duration::from_millis(millis);
        let mut pace = Pace::default();
        assert!(!pace.is_due(began));
        assert_eq!(
            (pace.wake(None), pace.wake(Some(at(5)))),
            (None, Some(at(5)))
        );
        pace.pending = true;
        assert!(pace.is_due(began));

        pace.ran(at(0), at(10));
        assert_eq!((pace.pending, pace.wake(None)), (false, None));
        // What is due within the pause waits for its end, so that nobody spins.
        assert_eq!(pace.wake(Some(at(20))), Some(at(40)));
        assert_eq!(pace.wake(Some(at(50))), Some(at(50)));
        pace.pending = true;
        assert!(!pace.is_due(at(39)));
        assert_eq!(pace.wake(Some(at(20))), Some(at(40)));
        assert!(pace.is_due(at(40)));
    }

    #[test]
    fn however_much_comes_in_a_quarter_of_the_time_is_the_most() {
        let began = Instant::now();
        let cost = Duration::from_millis(7);
        let (mut pace, mut now, mut busy) = (Pace::default(), began, Duration::ZERO);
        for _ in 0..100 {
            pace.pending = true;
            now = pace.wake(None).unwrap_or(now).max(now);
            assert!(pace.is_due(now));
            pace.ran(now, now + cost);
            now += cost;
            busy += cost;
        }
        assert!(busy * 4 <= now - began + cost * PAUSE);
    }
}
