//! What the requests to one endpoint came to, and how fast.

use serde::{Deserialize, Serialize};

/// What the requests to one endpoint add up to since this process knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointCounts {
    /// All that have ended.
    pub total: u64,
    /// Those that were answered with a 5xx, or not in time.
    pub failed: u64,
    /// Those that met no connection, or a broken one.
    pub broken: u64,
    /// Those that ended before their answer was whole, and not by the endpoint's fault: mostly the
    /// client left.
    pub aborted: u64,
    /// Requests that it works on now.
    pub in_flight: u32,
    /// Those that waited for an answer: all but the broken ones, and those whose body was never
    /// whole.
    pub waits: u64,
    /// How long these waited for the head of the answer, added up.
    pub waited_seconds: f64,
    /// The mean over the latest; `None` before the first.
    pub recent_wait_seconds: Option<f64>,
}

impl EndpointCounts {
    /// Those that were answered to their end, with anything but a 5xx.
    #[must_use]
    pub fn answered(&self) -> u64 {
        let others = self.failed + self.broken + self.aborted;
        self.total.saturating_sub(others)
    }

    /// Those that it is to blame for.
    #[must_use]
    pub fn errors(&self) -> u64 {
        self.failed + self.broken
    }
}

/// How fast requests come to an endpoint, and how they go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct EndpointRates {
    /// Requests a second.
    pub requests: f64,
    /// Those among them that failed or broke, a second.
    pub errors: f64,
    /// The mean time to the head of an answer; of the latest ones where there were none in between.
    pub wait_seconds: Option<f64>,
}

impl EndpointRates {
    /// Between two counts that are this many seconds apart. A count that has started again counts
    /// from nothing.
    #[must_use]
    pub fn between(before: &EndpointCounts, after: &EndpointCounts, seconds: f64) -> Self {
        let nothing = EndpointCounts::default();
        let before = if after.total < before.total {
            &nothing
        } else {
            before
        };
        let per_second = |before: u64, after: u64| {
            let count = after.saturating_sub(before) as f64;
            if seconds > 0.0 { count / seconds } else { 0.0 }
        };
        let waits = after.waits.saturating_sub(before.waits);
        let waited = (after.waited_seconds - before.waited_seconds).max(0.0);
        Self {
            requests: per_second(before.total, after.total),
            errors: per_second(before.errors(), after.errors()),
            wait_seconds: match waits {
                0 => after.recent_wait_seconds,
                waits => Some(waited / waits as f64),
            },
        }
    }
}

/// Whether a wait stands out among those of the same service's endpoints: at least three times
/// their median, and longer than anybody would notice. Of two endpoints the faster one is the
/// median.
#[must_use]
pub fn stands_out(wait: f64, all: &[f64]) -> bool {
    /// In seconds. Below it, a busy processor makes such differences.
    const NOTICED: f64 = 0.01;

    let mut sorted: Vec<f64> = all.to_vec();
    sorted.sort_by(f64::total_cmp);
    let median = sorted.get(sorted.len().saturating_sub(1) / 2);
    median.is_some_and(|median| wait >= NOTICED && wait >= 3.0 * median)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(total: u64, failed: u64, waits: u64, waited_seconds: f64) -> EndpointCounts {
        EndpointCounts {
            total,
            failed,
            waits,
            waited_seconds,
            recent_wait_seconds: Some(0.5),
            ..EndpointCounts::default()
        }
    }

    #[test]
    fn rates_of_an_endpoint_are_what_came_between_two_counts() {
        let before = counts(100, 10, 90, 9.0);
        for (after, expected) in [
            (before, (0.0, 0.0, Some(0.5))),
            (counts(120, 14, 110, 10.0), (10.0, 2.0, Some(0.05))),
            // It has started again.
            (counts(10, 4, 10, 1.0), (5.0, 2.0, Some(0.1))),
        ] {
            let rates = EndpointRates::between(&before, &after, 2.0);
            let told = (rates.requests, rates.errors, rates.wait_seconds);
            assert_eq!(told, expected);
        }
        let nothing = EndpointCounts::default();
        let rates = EndpointRates::between(&nothing, &nothing, 0.0);
        assert_eq!(rates, EndpointRates::default());
    }

    #[test]
    fn a_wait_stands_out_by_far_and_not_by_microseconds() {
        for (wait, all, expected) in [
            (0.9, &[0.01, 0.01, 0.9][..], true),
            (0.9, &[0.01, 0.9], true),
            (0.9, &[0.9], false),
            (0.9, &[0.8, 0.9], false),
            (0.009, &[0.001, 0.009], false),
            (0.9, &[], false),
        ] {
            assert_eq!(stands_out(wait, all), expected, "{wait} of {all:?}");
        }
    }
}
