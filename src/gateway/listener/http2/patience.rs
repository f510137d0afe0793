//! How many requests a client may take back on one connection.
//!
//! Clients do take requests back: a person leaves a page, a deadline passes. None does so with most of what it asks for, and
//! by the hundred: that is an attack ("rapid reset", CVE-2023-44487), since each costs us more than the client.

use std::time::Duration;

use tokio::time::Instant;

/// So many may be taken back in one [`SPELL`], whatever else was asked for.
const ALLOWED: u32 = 200;

/// After so long the past is forgotten.
const SPELL: Duration = Duration::from_secs(10);

/// What one connection's requests came to of late.
pub(super) struct Patience {
    since: Instant,
    opened: u32,
    /// How many had been taken back when the spell began.
    before: u32,
}

impl Patience {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            opened: 0,
            before: 0,
        }
    }

    /// Counts one more request, of a client that has taken back so many up to now; true when that is too much.
    pub(super) fn is_worn(&mut self, given_up: u32, now: Instant) -> bool {
        if now.duration_since(self.since) >= SPELL {
            *self = Self {
                before: given_up,
                ..Self::new(now)
            };
        }
        self.opened += 1;
        let given_up = given_up.wrapping_sub(self.before);
        given_up > ALLOWED && given_up > self.opened / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After how many requests, sent one each `pause`, of which every `nth` is taken back, patience ends.
    fn ends(nth: u32, pause: Duration) -> Option<u32> {
        let start = Instant::now();
        let mut patience = Patience::new(start);
        (0..100_000).find(|sent| patience.is_worn(sent / nth, start + pause * *sent))
    }

    #[test]
    fn only_those_who_take_back_most_and_fast_wear_it_out() {
        let at_once = Duration::from_micros(10);
        for (nth, pause, expected) in [
            (1, at_once, Some(201)),
            // A third of all, or fewer than twenty a second, is a client in a hurry.
            (3, at_once, None),
            (1, Duration::from_millis(51), None),
            (1, Duration::from_millis(49), Some(201)),
        ] {
            assert_eq!(ends(nth, pause), expected, "every {nth} in {pause:?}");
        }
    }
}
