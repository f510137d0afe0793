//! For which hosts the gateway answered 404 or 503 itself, of a bounded number of hosts.
//!
//! # Design notes
//!
//! Anybody can invent hosts. Where there is no room for another, the one with the fewest answers
//! makes room and is counted as other, so that a flood of invented hosts, each of which is asked
//! for a few times, does not push out those that many ask for.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// How many hosts have a count of their own. A page shows some dozens, and looking through all of them takes
/// less than a microsecond.
const MOST: usize = 100;

/// The longest name of a host (RFC 1035, section 2.3.4).
const LONGEST: usize = 253;

/// The counts of all hosts.
#[derive(Debug, Default)]
pub struct MissCounts {
    hosts: BTreeMap<Box<str>, Missed>,
    other: Missed,
}

/// Answers of the gateway's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Missed {
    /// With status 404.
    pub not_found: u64,
    /// With status 503.
    pub unavailable: u64,
}

/// The counts, those of the most answers first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Misses {
    /// By host.
    pub hosts: Vec<MissedHost>,
    /// Of all hosts without a count of their own.
    pub other: Missed,
}

/// One host's answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MissedHost {
    /// The host, as it was asked for.
    pub host: String,
    /// The answers.
    #[serde(flatten)]
    pub missed: Missed,
}

impl Missed {
    fn total(self) -> u64 {
        self.not_found + self.unavailable
    }

    /// Adds the answers of another host.
    pub fn add(&mut self, more: Self) {
        self.not_found += more.not_found;
        self.unavailable += more.unavailable;
    }
}

impl MissCounts {
    /// Counts an answer for a normalised host; other statuses than 404 and 503 are not counted.
    pub fn count(&mut self, host: &str, status: u16) {
        let one = match status {
            404 => Missed {
                not_found: 1,
                unavailable: 0,
            },
            503 => Missed {
                not_found: 0,
                unavailable: 1,
            },
            _ => return,
        };
        if !is_name(host) {
            self.other.add(one);
            return;
        }
        if let Some(known) = self.hosts.get_mut(host) {
            known.add(one);
            return;
        }

        if self.hosts.len() >= MOST {
            self.make_room();
        }
        self.hosts.insert(host.into(), one);
    }

    /// What was counted.
    #[must_use]
    pub fn all(&self) -> Misses {
        let hosts = self.hosts.iter().map(|(host, missed)| MissedHost {
            host: host.to_string(),
            missed: *missed,
        });
        let mut hosts: Vec<MissedHost> = hosts.collect();
        // Those of as many answers stay in the order of their names.
        hosts.sort_by_key(|it| std::cmp::Reverse(it.missed.total()));
        Misses {
            hosts,
            other: self.other,
        }
    }

    fn make_room(&mut self) {
        let fewest = self.hosts.iter().min_by_key(|(_, missed)| missed.total());
        let fewest = fewest.map(|(host, _)| host.clone());
        if let Some(missed) = fewest.and_then(|host| self.hosts.remove(&host)) {
            self.other.add(missed);
        }
    }
}

/// Whether it may be shown as the name of a host.
fn is_name(host: &str) -> bool {
    let plain = |it: u8| it.is_ascii_alphanumeric() || b"-._:[]".contains(&it);
    (1..=LONGEST).contains(&host.len()) && host.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_clients_invent_do_not_grow_memory() {
        let mut misses = MissCounts::default();
        for _ in 0..3 {
            misses.count("shop.test", 404);
            misses.count("down.test", 503);
        }
        for number in 0..10_000 {
            misses.count(&format!("invented-{number}.test"), 404);
        }
        for strange in ["", "a b", "<b>", &"x".repeat(254)] {
            misses.count(strange, 503);
        }
        misses.count("shop.test", 200);
        let all = misses.all();
        assert_eq!(all.hosts.len(), MOST);
        let first: Vec<_> = all.hosts[..2].iter().map(|it| &*it.host).collect();
        assert_eq!(first, ["down.test", "shop.test"]);
        let down = Missed {
            not_found: 0,
            unavailable: 3,
        };
        assert_eq!(all.hosts[0].missed, down);

        // Nothing is lost.
        let told = all.hosts.iter().map(|it| it.missed.total());
        assert_eq!(told.sum::<u64>() + all.other.total(), 6 + 10_000 + 4);
        assert_eq!(all.other.unavailable, 4);
    }
}
