//! How many requests of a service there were by status and method.
//!
//! # Design notes
//!
//! A dense table of 500 codes and 10 methods is 40 KB for each service, nearly all of it zeros.
//! This one has 64 slots of eight bytes, each with its pair in the upper bits and its count in the
//! lower ones, so that a request costs one look and one addition to 64 bits. A pair takes the
//! first free slot when it comes for the first time and keeps it. REST services need some 20 slots.
//! Pairs that find none (a client can write any method, a task any code) are counted by class only,
//! so that the sum stays right and the memory bounded.

use std::sync::atomic::{AtomicU64, Ordering};

use http::Method;

/// Slots for one service: 512 bytes. See above for how many are needed.
const SLOTS: usize = 64;

/// Slots that are tried for a pair. With three quarters in use, 16 in a row are taken about once
/// in a hundred pairs.
const TRIED: usize = 16;

/// Bits of a slot that count: enough for a million requests a second over nine years.
const COUNT_BITS: u32 = 48;

/// Codes from 100 to 599, and one for all that are none.
const CODES: u64 = 501;

/// The classes of status, as labels.
pub(super) const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Server errors that gateways and tasks answer most. Their series are there from the start, so
/// that rates see the first.
const AWAITED: [u16; 4] = [500, 502, 503, 504];

/// What stands for codes and methods that have no series of their own.
const OTHER: &str = "other";

/// A method as it is counted: one of those that RFC 9110 and RFC 5789 define, or any other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MethodLabel {
    /// `GET`.
    Get,
    /// `HEAD`.
    Head,
    /// `POST`.
    Post,
    /// `PUT`.
    Put,
    /// `DELETE`.
    Delete,
    /// `CONNECT`.
    Connect,
    /// `OPTIONS`.
    Options,
    /// `TRACE`.
    Trace,
    /// `PATCH`.
    Patch,
    /// A method that a client made up, or that is rare.
    Other,
}

impl MethodLabel {
    const ALL: [Self; 10] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Delete,
        Self::Connect,
        Self::Options,
        Self::Trace,
        Self::Patch,
        Self::Other,
    ];

    /// The value of the label.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            Self::Other => OTHER,
        }
    }
}

impl From<&Method> for MethodLabel {
    fn from(method: &Method) -> Self {
        match *method {
            Method::GET => Self::Get,
            Method::HEAD => Self::Head,
            Method::POST => Self::Post,
            Method::PUT => Self::Put,
            Method::DELETE => Self::Delete,
            Method::CONNECT => Self::Connect,
            Method::OPTIONS => Self::Options,
            Method::TRACE => Self::Trace,
            Method::PATCH => Self::Patch,
            _ => Self::Other,
        }
    }
}

/// The table of one service. Written for each request, read when Prometheus asks.
#[derive(Debug)]
pub(super) struct Outcomes {
    slots: [AtomicU64; SLOTS],
    unlisted: [AtomicU64; CLASSES.len()],
}

impl Default for Outcomes {
    fn default() -> Self {
        Self {
            slots: [const { AtomicU64::new(0) }; SLOTS],
            unlisted: [const { AtomicU64::new(0) }; CLASSES.len()],
        }
    }
}

/// One series of the request counter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Outcome {
    pub(super) class: &'static str,
    pub(super) code: String,
    pub(super) method: &'static str,
    pub(super) count: u64,
}

impl Outcomes {
    /// Counts a request. No look-up, no allocation, no lock.
    pub(super) fn count(&self, method: MethodLabel, status: u16) {
        let key = key(method, status);
        let first = place(key);
        for step in 0..TRIED {
            let slot = &self.slots[(first + step) % SLOTS];
            let mut held = slot.load(Ordering::Relaxed);
            if held == 0 {
                let taken = key << COUNT_BITS | 1;
                let free = slot.compare_exchange(0, taken, Ordering::Relaxed, Ordering::Relaxed);
                match free {
                    Ok(_) => return,
                    Err(other) => held = other,
                }
            }
            if held >> COUNT_BITS == key {
                slot.fetch_add(1, Ordering::Relaxed);
                return;
            }
        }
        self.unlisted[class(status)].fetch_add(1, Ordering::Relaxed);
    }

    /// Adds the requests of another service, by their class alone. A sum of many services would run out of slots, and a pair
    /// could lose its slot from one scrape to the next, so that its counter would fall.
    pub(super) fn add(&self, other: &Self) {
        for (_, code, count) in other.listed() {
            self.unlisted[class(code)].fetch_add(count, Ordering::Relaxed);
        }
        for (sum, part) in self.unlisted.iter().zip(&other.unlisted) {
            sum.fetch_add(part.load(Ordering::Relaxed), Ordering::Relaxed);
        }
    }

    /// How many requests were answered with a 5xx.
    pub(super) fn failed(&self) -> u64 {
        let server_errors = CLASSES.len() - 1;
        let listed = self.listed().filter(|it| class(it.1) == server_errors);
        let listed: u64 = listed.map(|(.., count)| count).sum();
        listed + self.unlisted[server_errors].load(Ordering::Relaxed)
    }

    /// Every series, in order, with those that should be there from the start.
    pub(super) fn read(&self) -> Vec<Outcome> {
        let mut listed: Vec<_> = self.listed().collect();
        let mut methods: Vec<_> = listed.iter().map(|(method, ..)| *method).collect();
        methods.push(MethodLabel::Get);
        methods.sort_unstable();
        methods.dedup();
        for method in methods {
            for code in AWAITED {
                if !listed.iter().any(|it| (it.0, it.1) == (method, code)) {
                    listed.push((method, code, 0));
                }
            }
        }
        listed.sort_unstable();

        let listed = listed.into_iter().map(|(method, code, count)| Outcome {
            class: CLASSES[class(code)],
            code: match code {
                NO_STATUS => OTHER.to_owned(),
                code => code.to_string(),
            },
            method: method.as_str(),
            count,
        });
        let unlisted = CLASSES.into_iter().zip(&self.unlisted);
        let unlisted = unlisted.map(|(class, count)| Outcome {
            class,
            code: OTHER.to_owned(),
            method: "any",
            count: count.load(Ordering::Relaxed),
        });
        listed.chain(unlisted.filter(|it| it.count > 0)).collect()
    }

    /// The pairs that have a slot, each with its count.
    fn listed(&self) -> impl Iterator<Item = (MethodLabel, u16, u64)> {
        let held = self.slots.iter().map(|slot| slot.load(Ordering::Relaxed));
        held.filter(|held| *held != 0).map(|held| {
            let (method, code) = pair(held >> COUNT_BITS);
            (method, code, held & ((1 << COUNT_BITS) - 1))
        })
    }
}

/// What a status that is none is kept as.
const NO_STATUS: u16 = 600;

/// The class of a status. One outside of 100-599 is an error of the service and counts as 5xx.
pub(super) fn class(status: u16) -> usize {
    match status {
        100..600 => usize::from(status / 100) - 1,
        _ => CLASSES.len() - 1,
    }
}

/// A number for a pair, never 0, of fewer bits than a slot has beside its count.
fn key(method: MethodLabel, status: u16) -> u64 {
    let code = match status {
        100..600 => status,
        _ => NO_STATUS,
    };
    1 + method as u64 * CODES + u64::from(code - 100)
}

fn pair(key: u64) -> (MethodLabel, u16) {
    let (method, code) = ((key - 1) / CODES, (key - 1) % CODES);
    (MethodLabel::ALL[method as usize], code as u16 + 100)
}

/// The slot that is tried first: Fibonacci hashing, by the upper six bits of a product with 2^64
/// divided by the golden ratio.
fn place(key: u64) -> usize {
    (key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 58) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The counts that are not 0.
    fn counted(outcomes: &Outcomes) -> Vec<(&'static str, String, &'static str, u64)> {
        let all = outcomes.read().into_iter().filter(|it| it.count > 0);
        all.map(|it| (it.class, it.code, it.method, it.count))
            .collect()
    }

    #[test]
    fn every_pair_has_a_key_of_its_own_that_fits_a_slot() {
        for method in MethodLabel::ALL {
            for code in 100..=NO_STATUS {
                let key = key(method, code);
                assert!(key > 0 && key < 1 << (64 - COUNT_BITS));
                assert_eq!(pair(key), (method, code));
            }
        }
    }

    #[test]
    fn requests_are_counted_by_status_and_method() {
        let outcomes = Outcomes::default();
        for (method, status) in [
            (Method::GET, 200),
            (Method::GET, 200),
            (Method::POST, 200),
            (Method::from_bytes(b"get").expect("a method"), 404),
            (Method::from_bytes(b"PURGE").expect("a method"), 404),
            (Method::GET, 0),
            (Method::GET, 600),
            (Method::GET, 599),
        ] {
            outcomes.count(MethodLabel::from(&method), status);
        }
        let expected = [
            ("2xx", "200", "GET", 2),
            ("5xx", "599", "GET", 1),
            ("5xx", "other", "GET", 2),
            ("2xx", "200", "POST", 1),
            ("4xx", "404", "other", 2),
        ];
        let expected =
            expected.map(|(class, code, method, count)| (class, code.to_owned(), method, count));
        assert_eq!(counted(&outcomes), expected);
        assert_eq!(outcomes.failed(), 3);
    }

    #[test]
    fn awaited_errors_of_a_method_are_there_before_the_first() {
        let outcomes = Outcomes::default();
        outcomes.count(MethodLabel::Put, 204);
        outcomes.count(MethodLabel::Put, 503);
        let read = outcomes.read();
        for method in ["GET", "PUT"] {
            let of_method = read.iter().filter(|it| it.method == method);
            let codes: Vec<_> = of_method.map(|it| (&*it.code, it.count)).collect();
            let expected = match method {
                "GET" => vec![("500", 0), ("502", 0), ("503", 0), ("504", 0)],
                _ => vec![("204", 1), ("500", 0), ("502", 0), ("503", 1), ("504", 0)],
            };
            assert_eq!(codes, expected);
        }
    }

    #[test]
    fn more_pairs_than_slots_are_counted_by_class() {
        let outcomes = Outcomes::default();
        for method in MethodLabel::ALL {
            for status in 100..600 {
                outcomes.count(method, status);
            }
        }
        let read = outcomes.read();
        let all: u64 = read.iter().map(|it| it.count).sum();
        assert_eq!(all, 5_000);
        assert_eq!(outcomes.failed(), 1_000);
        let listed = read.iter().filter(|it| it.count > 0 && it.code != OTHER);
        assert!(listed.count() <= SLOTS);
    }
}
