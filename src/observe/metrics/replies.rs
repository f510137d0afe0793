//! How often the gateway itself answered requests for one service, by reason.
//!
//! # Design notes
//!
//! A service without trouble has none of these, so the table is made when the first comes. The
//! reasons are a few fixed words of the gateway's. Each takes a place for good when it is first
//! given, so that none has to be listed here.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Places for reasons. The gateway knows some twenty; what finds no place is counted as another.
const PLACES: usize = 32;

/// What stands for reasons that found no place.
const OTHER: &str = "other";

/// The counts of one service.
#[derive(Debug, Default)]
pub(super) struct Replies(OnceLock<Box<Places>>);

#[derive(Debug)]
struct Places {
    named: [(OnceLock<&'static str>, AtomicU64); PLACES],
    other: AtomicU64,
}

impl Replies {
    /// Counts a reply that was given for this reason.
    pub(super) fn count(&self, reason: &'static str) {
        self.count_more(reason, 1);
    }

    /// Adds the replies for another service.
    pub(super) fn add(&self, other: &Self) {
        for (reason, count) in other.read() {
            self.count_more(reason, count);
        }
    }

    fn count_more(&self, reason: &'static str, more: u64) {
        let places = self.0.get_or_init(|| Box::new(Places::new()));
        let own = |(name, _): &&(OnceLock<_>, _)| *name.get_or_init(|| reason) == reason;
        let count = match places.named.iter().find(own) {
            Some((_, count)) => count,
            None => &places.other,
        };
        count.fetch_add(more, Ordering::Relaxed);
    }

    /// The reasons that were given, in the order of their first time, each with its count.
    pub(super) fn read(&self) -> Vec<(&'static str, u64)> {
        let Some(places) = self.0.get() else {
            return Vec::new();
        };
        let named = places.named.iter();
        let named = named.filter_map(|(name, count)| Some((*name.get()?, count)));
        let all = named.chain([(OTHER, &places.other)]);
        let read = all.map(|(reason, count)| (reason, count.load(Ordering::Relaxed)));
        read.filter(|(_, count)| *count > 0).collect()
    }
}

impl Places {
    fn new() -> Self {
        Self {
            named: [const { (OnceLock::new(), AtomicU64::new(0)) }; PLACES],
            other: AtomicU64::new(0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_a_place_and_those_too_many_share_one() {
        let replies = Replies::default();
        assert_eq!(replies.read(), []);
        for reason in ["no-endpoint", "rate-limit", "no-endpoint"] {
            replies.count(reason);
        }
        assert_eq!(replies.read(), [("no-endpoint", 2), ("rate-limit", 1)]);
        for number in 0..PLACES {
            replies.count(Box::leak(format!("reason-{number}").into_boxed_str()));
        }
        let read = replies.read();
        assert_eq!(read.len(), PLACES + 1);
        assert_eq!(read[PLACES], (OTHER, 2));
    }
}
