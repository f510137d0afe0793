//! How many further tries a service's requests may have in all, so that an outage is not made worse by asking again.
//!
//! # Design notes
//!
//! It is about requests that a task may be working on already. One that met no connection is not made twice by going
//! elsewhere; and where a node is cut off from all but itself, every request may have to.
//!
//! As in Finagle and Linkerd, each request deposits a fifth of a retry and each retry withdraws a whole one, and what lies
//! there fades. So in the long run there are at most 20 % more requests, and after a time without trouble there are enough
//! for the moment in which a broken endpoint is found out and ejected: where one of two breaks, half of all requests are
//! tried again until then, for a quarter of a second. The deposits of half a second bear that, and those of ten bear it
//! for five.
//!
//! Deposits are not made one by one, which would cost every request. The requests are counted anyway; a withdrawal
//! reads how many there were since the last, and works out what would lie there had they come evenly.

use std::time::Duration;

/// Retries per request in the long run.
const SHARE: f64 = 0.2;

/// Time in which a deposit fades to a third.
const FADE: f64 = 10.0;

/// What lies there without any request: enough for one that is made by hand, and the next.
const RESERVE: f64 = 10.0;

/// Retries that a service has left.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryBudget {
    left: f64,
    /// The requests that were made until the last withdrawal.
    requests: u64,
    /// When that was.
    at: Duration,
}

impl RetryBudget {
    /// One that nothing was withdrawn from, at this moment after any fixed one.
    #[must_use]
    pub fn new(now: Duration) -> Self {
        Self {
            left: RESERVE,
            requests: 0,
            at: now,
        }
    }

    /// Takes one retry out; false when there is none left. `requests`: how many the service has had in all.
    pub fn withdraw(&mut self, requests: u64, now: Duration) -> bool {
        let gap = now.saturating_sub(self.at).as_secs_f64() / FADE;
        let kept = (-gap).exp();
        // The mean of what is kept of deposits that come evenly through the gap: (1 - e^-x) / x, which is 1 at 0.
        let mean = if gap > 1e-9 { (1.0 - kept) / gap } else { 1.0 };
        let made = requests.saturating_sub(self.requests) as f64;
        self.left = self.left * kept + RESERVE * (1.0 - kept) + SHARE * made * mean;
        self.requests = self.requests.max(requests);
        self.at = self.at.max(now);
        let enough = self.left >= 1.0;
        if enough {
            self.left -= 1.0;
        }
        enough
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn taken(budget: &mut RetryBudget, asked: u32, requests: u64, now: Duration) -> u32 {
        (0..asked)
            .map(|_| u32::from(budget.withdraw(requests, now)))
            .sum()
    }

    #[test]
    fn rare_requests_have_a_reserve_that_comes_back() {
        let mut budget = RetryBudget::new(Duration::ZERO);
        assert_eq!(taken(&mut budget, 100, 0, Duration::ZERO), 10);
        assert_eq!(taken(&mut budget, 100, 0, Duration::from_millis(500)), 0);
        assert_eq!(taken(&mut budget, 100, 1, Duration::from_secs(3)), 2);
        assert_eq!(taken(&mut budget, 100, 1, Duration::from_secs(103)), 9);
    }

    #[test]
    fn healthy_service_can_retry_half_of_its_requests_briefly() {
        let mut budget = RetryBudget::new(Duration::ZERO);
        let rate = 1_000;
        let mut requests = 60 * rate;
        let mut refused_after = None;
        // One of two endpoints is dead from the 60th second on.
        for step in 0..20_000_u64 {
            let now = Duration::from_secs(60) + Duration::from_millis(step);
            requests += 1;
            if step % 2 == 0 && !budget.withdraw(requests, now) {
                refused_after = Some(step);
                break;
            }
        }
        let after = refused_after.expect("half is more than a fifth");
        assert!((4_000..10_000).contains(&after), "{after} ms");
    }

    #[test]
    fn what_lies_there_does_not_grow_without_end() {
        let mut budget = RetryBudget::new(Duration::ZERO);
        let day = Duration::from_secs(86_400);
        // A hundred a second: two hundred, and the reserve.
        assert_eq!(taken(&mut budget, 10_000, 8_640_000, day), 210);
    }

    proptest! {
        #[test]
        fn in_the_long_run_there_are_a_fifth_more_requests_at_most(
            gaps in proptest::collection::vec((0_u64..2_000, 0_u64..500), 1..300),
        ) {
            let mut budget = RetryBudget::new(Duration::ZERO);
            let (mut now, mut requests, mut retries) = (Duration::ZERO, 0_u64, 0_u64);
            for (milliseconds, more) in gaps {
                now += Duration::from_millis(milliseconds);
                requests += more;
                retries += u64::from(taken(&mut budget, 1_000, requests, now));
            }
            let most = 0.2 * requests as f64 + 10.0 + now.as_secs_f64() + 1.0;
            prop_assert!(retries as f64 <= most, "{retries} of {most}");
        }

        #[test]
        fn a_clock_or_counter_that_stands_or_jumps_back_gives_nothing(
            looks in proptest::collection::vec((0_u64..100, 0_u64..100), 1..50),
        ) {
            let mut budget = RetryBudget::new(Duration::from_secs(100));
            let most = taken(&mut budget, 1_000, 100, Duration::from_secs(100));
            prop_assert_eq!(most, 30);
            for (seconds, requests) in looks {
                prop_assert!(!budget.withdraw(requests, Duration::from_secs(seconds)));
            }
        }
    }
}
