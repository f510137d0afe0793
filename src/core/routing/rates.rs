//! What the requests of a service came to, and how fast: the difference between two counts.

mod endpoint;

use serde::{Deserialize, Serialize};

pub use self::endpoint::{EndpointCounts, EndpointRates, stands_out};

/// What the requests of one service add up to since this process knows it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RequestCounts {
    /// All of them, answered by an endpoint or by the gateway itself. A connection that is passed
    /// on is one.
    pub total: u64,
    /// Those that were answered with a 5xx, and connections that were not served.
    pub failed: u64,
    /// Further endpoints tried.
    pub retries: u64,
    /// How many took no longer than so many seconds, each bound including those below it; the last has no bound.
    pub within: Vec<Bucket>,
}

/// A bucket of a cumulative histogram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bucket {
    /// The upper bound in seconds; none for the last.
    pub seconds: Option<f64>,
    /// Requests that took no longer.
    pub count: u64,
}

/// How fast requests come, and how they go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Rates {
    /// Requests a second.
    pub requests: f64,
    /// Those among them that were answered with a 5xx, a second.
    pub failed: f64,
    /// 99 of 100 took no longer than so many seconds; none where there were none, or it lies beyond the greatest bound.
    pub p99_seconds: Option<f64>,
}

impl Rates {
    /// Between two counts that are so many seconds apart. A count that began anew in between counts from nothing.
    #[must_use]
    pub fn between(before: &RequestCounts, after: &RequestCounts, seconds: f64) -> Self {
        let anew = RequestCounts::default();
        let before = if after.total < before.total {
            &anew
        } else {
            before
        };
        let per_second = |before: u64, after: u64| {
            let count = after.saturating_sub(before) as f64;
            if seconds > 0.0 { count / seconds } else { 0.0 }
        };
        Self {
            requests: per_second(before.total, after.total),
            failed: per_second(before.failed, after.failed),
            p99_seconds: percentile(before, after, 0.99),
        }
    }
}

/// The time within which such a part of the requests was answered, straight between the bounds of a bucket.
fn percentile(before: &RequestCounts, after: &RequestCounts, part: f64) -> Option<f64> {
    let earlier = |index: usize| before.within.get(index).map_or(0, |it| it.count);
    let counts = after.within.iter().enumerate();
    let counts: Vec<(Option<f64>, f64)> = counts
        .map(|(index, it)| (it.seconds, it.count.saturating_sub(earlier(index)) as f64))
        .collect();
    let total = counts.last().map(|(_, count)| *count)?;
    if total == 0.0 {
        return None;
    }
    let wanted = total * part;
    let place = counts.iter().position(|(_, count)| *count >= wanted)?;
    let upper = counts[place].0?;
    let below = place
        .checked_sub(1)
        .map_or((Some(0.0), 0.0), |it| counts[it]);
    let lower = below.0.unwrap_or_default();
    let within = (wanted - below.1) / (counts[place].1 - below.1);
    Some(lower + (upper - lower) * within)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(total: u64, failed: u64, within: &[(f64, u64)]) -> RequestCounts {
        let bounded = within.iter().map(|(seconds, count)| Bucket {
            seconds: Some(*seconds),
            count: *count,
        });
        let all = Bucket {
            seconds: None,
            count: total,
        };
        RequestCounts {
            total,
            failed,
            retries: 0,
            within: bounded.chain([all]).collect(),
        }
    }

    #[test]
    fn rates_are_what_came_between_two_counts() {
        let before = counts(1000, 10, &[(0.01, 1000), (0.1, 1000)]);
        for (after, expected) in [
            (before.clone(), (0.0, 0.0, None)),
            // 100 in two seconds, all within 10 ms.
            (
                counts(1100, 12, &[(0.01, 1100), (0.1, 1100)]),
                (50.0, 1.0, Some(0.0099)),
            ),
            // Half of them within 100 ms.
            (
                counts(1100, 10, &[(0.01, 1050), (0.1, 1100)]),
                (50.0, 0.0, Some(0.0982)),
            ),
            // The slowest lie beyond every bound.
            (
                counts(1100, 10, &[(0.01, 1050), (0.1, 1090)]),
                (50.0, 0.0, None),
            ),
            // The service came anew.
            (
                counts(10, 10, &[(0.01, 10), (0.1, 10)]),
                (5.0, 5.0, Some(0.0099)),
            ),
        ] {
            let rates = Rates::between(&before, &after, 2.0);
            assert_eq!((rates.requests, rates.failed), (expected.0, expected.1));
            let round = |seconds: f64| (seconds * 1e6).round() as i64;
            assert_eq!(
                rates.p99_seconds.map(round),
                expected.2.map(round),
                "{after:?}"
            );
        }
        let none = RequestCounts::default();
        assert_eq!(Rates::between(&none, &none, 0.0), Rates::default());
    }
}
