//! So many a second for each client: who may, decided from the time alone, in bounded memory.
//!
//! # Design notes
//!
//! A client's bucket of tokens is kept as one number, the time at which it is full again. Who takes a token moves it on
//! by the time that one takes to come back. A client whose bucket is full is as good as one never seen, so it can be
//! forgotten: two maps take turns, and what was not touched for a whole turn, which is as long as the emptiest
//! bucket takes to fill, goes with the older one. No sweep, and nobody's tokens come back early.
//!
//! When there are more clients at once than there is room for, which honest ones are not, those without a place of
//! their own share one bucket.

use std::collections::HashMap;
use std::hash::Hash;
use std::mem;
use std::time::Duration;

/// How much one client is allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many a second, in the long run; at least 1.
    pub per_second: u32,
    /// How many at once; at least 1.
    pub burst: u32,
}

impl Rate {
    /// The time in which one token comes back.
    fn token(self) -> Duration {
        Duration::from_secs(1) / self.per_second.max(1)
    }

    /// The time in which an empty bucket fills.
    fn fill(self) -> Duration {
        self.token() * self.burst.max(1)
    }

    /// Takes a token from the bucket that is full again at this time: when it is full after that, or none when the
    /// bucket is empty. Times are counted from any fixed moment.
    #[must_use]
    pub fn take(self, full: Duration, now: Duration) -> Option<Duration> {
        let full = full.max(now) + self.token();
        (full <= now + self.fill()).then_some(full)
    }
}

/// Every client's bucket.
#[derive(Debug)]
pub struct RateLimit<K> {
    rate: Rate,
    /// The most clients in both maps together.
    room: usize,
    recent: HashMap<K, Duration>,
    older: HashMap<K, Duration>,
    turned: Duration,
    /// The bucket of those without a place.
    shared: Duration,
}

impl<K: Eq + Hash> RateLimit<K> {
    /// Full buckets for everybody; at most `room` of them are kept.
    #[must_use]
    pub fn new(rate: Rate, room: usize) -> Self {
        Self {
            rate,
            room,
            recent: HashMap::new(),
            older: HashMap::new(),
            turned: Duration::ZERO,
            shared: Duration::ZERO,
        }
    }

    /// Whether the client may, now. The time must not run backwards.
    pub fn admit(&mut self, client: K, now: Duration) -> bool {
        if now.saturating_sub(self.turned) >= self.rate.fill() {
            self.older = mem::take(&mut self.recent);
            self.turned = now;
        }
        let known = self.older.remove(&client);
        let known = known.or_else(|| self.recent.get(&client).copied());
        let has_place = known.is_some() || self.recent.len() + self.older.len() < self.room;
        let full = if has_place {
            known.unwrap_or(Duration::ZERO)
        } else {
            self.shared
        };
        let taken = self.rate.take(full, now);
        let full = taken.unwrap_or(full);
        if has_place {
            self.recent.insert(client, full);
        } else {
            self.shared = full;
        }
        taken.is_some()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RATE: Rate = Rate {
        per_second: 10,
        burst: 3,
    };

    fn at(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_what_comes_back() {
        for (full, now, expected) in [
            (0, 0, Some(100)),
            (100, 0, Some(200)),
            (200, 0, Some(300)),
            (300, 0, None),
            (300, 99, None),
            (300, 100, Some(400)),
            (300, 5000, Some(5100)),
        ] {
            let taken = RATE.take(at(full), at(now));
            assert_eq!(taken, expected.map(at), "{full} at {now}");
        }
    }

    #[test]
    fn clients_do_not_take_from_each_other() {
        let mut limit = RateLimit::new(RATE, 10);
        let mut admitted = |client, now| limit.admit(client, at(now));
        assert_eq!([0; 4].map(|_| admitted("a", 0)), [true, true, true, false]);
        assert!(admitted("b", 0));
        assert!(!admitted("a", 50));
        assert!(admitted("a", 100));
        assert!(!admitted("a", 100));
    }

    #[test]
    fn memory_is_bounded_and_those_without_a_place_share_one_bucket() {
        let mut limit = RateLimit::new(RATE, 100);
        assert!((0..100).all(|client| limit.admit(client, at(0))));
        let strangers = (100..100_000).filter(|client| limit.admit(*client, at(0)));
        assert_eq!(strangers.count(), 3);
        assert!(limit.admit(7, at(0)), "who has a place keeps it");
        assert_eq!(limit.recent.len() + limit.older.len(), 100);
        // Those who are not heard of for two turns give their places up.
        assert!(limit.admit(7, at(300)));
        assert_eq!((limit.recent.len(), limit.older.len()), (1, 99));
        assert!((0..3).all(|_| limit.admit(200, at(600))));
        assert!(!limit.admit(200, at(600)));
        assert_eq!((limit.recent.len(), limit.older.len()), (1, 1));
    }

    #[test]
    fn an_empty_bucket_is_not_forgotten_in_a_turn() {
        let mut limit = RateLimit::new(RATE, 10);
        assert!((0..3).all(|_| limit.admit("a", at(299))));
        assert!(!limit.admit("a", at(300)), "the maps have taken turns");
        assert!(!limit.admit("a", at(301)));
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn no_client_exceeds_burst_and_rate_in_any_period(
            steps in proptest::collection::vec((0u8..4, 0u64..120), 1..300),
            room in 4usize..6,
        ) {
            let mut limit = RateLimit::new(RATE, room);
            let mut now = 0;
            let mut admitted: [Vec<u64>; 4] = Default::default();
            for (client, step) in steps {
                now += step;
                if limit.admit(client, at(now)) {
                    admitted[usize::from(client)].push(now);
                }
            }
            for times in admitted {
                for (first, start) in times.iter().enumerate() {
                    for (count, end) in (1..).zip(&times[first..]) {
                        let most = 3 + (end - start) / 100;
                        prop_assert!(count <= most, "{count} from {start} to {end}");
                    }
                }
            }
        }
    }
}
