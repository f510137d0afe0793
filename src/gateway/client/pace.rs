//! How fast a request's body comes, and how fast an answer is taken: what drips for long is ended.
//!
//! # Design notes
//!
//! A client that sends a byte now and then holds a connection, a request and a place at its task for as long as it likes; each
//! silence is bounded, and begins anew with every byte. So a body has a credit of time. Silence uses it up, what arrives earns
//! of it by a floor of bytes a second, and it never grows above what it was at first: an attacker cannot pay ahead. The other way
//! it is the same with the time that an answer waits for its client ([`paced`](super::paced)).
//!
//! A request's body is looked at when something arrives, so no request pays for a timer. That a client which says nothing at all
//! is cut off is the read time-out's part.
//!
//! A task that does not read holds its client up, and that silence is not the client's fault. No single one uses up more than
//! the whole credit, and a client that was held up has the room of a socket's buffer to send at once. What has arrived
//! whole is never judged, nor is what comes once the task has answered: from then on the two talk as they like. Calls of
//! `grpc://` routes and WebSockets have no floor at all.

use std::num::NonZeroU32;
use std::time::Duration;

use tokio::time::Instant;

use crate::gateway::Limits;

/// What a body has earned and used up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateCredit {
    /// When something arrived last.
    last: Instant,
    credit: Duration,
}

/// How fast bodies have to come, and answers to be taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MinRate {
    /// So many bytes a second, in the long run.
    pub(crate) rate: NonZeroU32,
    /// By how much a body may fall behind, which is its whole credit.
    pub(crate) patience: Duration,
}

impl MinRate {
    /// What clients are held to; none where they may be as slow as they like.
    pub(crate) fn of(limits: Limits) -> Option<Self> {
        let patience = limits.body_patience;
        limits.min_body_rate.map(|rate| Self { rate, patience })
    }

    /// The pace of a body whose first bytes arrive now.
    pub(crate) fn begin(self, now: Instant) -> RateCredit {
        RateCredit {
            last: now,
            credit: self.patience,
        }
    }

    /// Takes down that so many bytes arrived; false when the body is too slow.
    pub(crate) fn is_kept(self, pace: &mut RateCredit, bytes: usize, now: Instant) -> bool {
        let silence = now.duration_since(pace.last).min(self.patience);
        pace.last = now;
        self.covers(&mut pace.credit, bytes as u64, silence)
    }

    /// Takes down that so many bytes passed while somebody waited for so long; false when the credit is used up.
    pub(crate) fn covers(self, credit: &mut Duration, bytes: u64, waited: Duration) -> bool {
        let earned = Duration::from_secs(bytes) / self.rate.get();
        let left = (*credit + earned).checked_sub(waited);
        *credit = left.unwrap_or_default().min(self.patience);
        left.is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(60);

    fn floor(rate: u32) -> MinRate {
        MinRate {
            rate: NonZeroU32::new(rate).expect("above zero"),
            patience: PATIENCE,
        }
    }

    /// After how long a body ends of which so many bytes come after every pause; none: it lives for a day.
    fn ends(bytes: usize, pause: Duration) -> Option<Duration> {
        let floor = floor(100);
        let start = Instant::now();
        let mut pace = floor.begin(start);
        let mut passed = Duration::ZERO;
        while passed < Duration::from_secs(86_400) {
            passed += pause;
            if !floor.is_kept(&mut pace, bytes, start + passed) {
                return Some(passed);
            }
        }
        None
    }

    #[test]
    fn a_body_that_drips_ends_and_one_that_is_only_slow_does_not() {
        let seconds = Duration::from_secs;
        for (bytes, pause, end) in [
            (1, seconds(59), Some(seconds(118))),
            (1, seconds(1), Some(seconds(61))),
            (50, seconds(1), Some(seconds(121))),
            (99, seconds(1), Some(seconds(6_001))),
            (100, seconds(1), None),
            (3_000, seconds(30), None),
            // Held up by a task that reads once in an hour.
            (6_000, seconds(3_600), None),
        ] {
            assert_eq!(ends(bytes, pause), end, "{bytes} bytes every {pause:?}");
        }
    }

    #[test]
    fn nothing_can_be_paid_ahead() {
        let floor = floor(100);
        let start = Instant::now();
        let mut pace = floor.begin(start);
        assert!(floor.is_kept(&mut pace, 1_000_000_000, start));
        assert!(floor.is_kept(&mut pace, 1, start + PATIENCE));
        assert!(!floor.is_kept(&mut pace, 1, start + PATIENCE + Duration::from_secs(1)));
    }

    proptest! {
        #[test]
        fn whoever_keeps_to_the_floor_in_every_piece_is_never_ended(
            rate in 1u32..10_000,
            pauses in proptest::collection::vec(0u64..200, 1..100),
        ) {
            let floor = floor(rate);
            let mut now = Instant::now();
            let mut pace = floor.begin(now);
            for pause in pauses {
                now += Duration::from_secs(pause);
                let bytes = usize::try_from(pause).expect("small") * rate as usize;
                prop_assert!(floor.is_kept(&mut pace, bytes, now));
            }
        }
    }
}
