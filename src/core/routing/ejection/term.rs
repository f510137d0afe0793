//! For how long something is ejected: longer each time, and less again after it has been well.

use std::time::Duration;

use super::Policy;

/// The ejections of one endpoint or one node.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct EjectionInterval {
    /// How many ejections lately; decides the length of the next.
    count: u32,
    /// From when to when it is ejected.
    running: Option<(Duration, Duration)>,
    /// When the latest ended, or the count last fell.
    well: Duration,
}

impl EjectionInterval {
    pub(super) fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// When the ejection that runs began.
    pub(super) fn since(&self) -> Option<Duration> {
        self.running.map(|(since, _)| since)
    }

    /// When the ejection that runs ends.
    pub(super) fn until(&self) -> Option<Duration> {
        self.running.map(|(_, until)| until)
    }

    pub(super) fn is_over(&self, now: Duration) -> bool {
        self.running.is_some_and(|(_, until)| until <= now)
    }

    /// Nothing is left of earlier ejections.
    pub(super) fn is_forgotten(&self) -> bool {
        self.count == 0 && self.running.is_none()
    }

    /// Begins an ejection, and says how long it will be.
    pub(super) fn begin(&mut self, policy: &Policy, now: Duration) -> Duration {
        self.count = self.count.saturating_add(1);
        let length = length(self.count, policy);
        self.running = Some((now, now + length));
        length
    }

    /// Makes an ejection that runs last until then at least.
    pub(super) fn extend(&mut self, end: Duration) {
        if let Some((_, until)) = &mut self.running {
            *until = end.max(*until);
        }
    }

    pub(super) fn end(&mut self, now: Duration) {
        self.running = None;
        self.well = now;
    }

    /// Takes one off the count for each time that it has been well for as long as its latest ejection.
    pub(super) fn ease(&mut self, policy: &Policy, now: Duration) {
        while self.count > 0 && self.running.is_none() {
            let eased = self.well + length(self.count, policy);
            if now < eased {
                return;
            }
            self.well = eased;
            // What is longer than the longest is as long, so nothing is gained by counting it down first.
            self.count -= 1;
        }
    }
}

fn length(count: u32, policy: &Policy) -> Duration {
    let doubled = 2u32.saturating_pow(count.saturating_sub(1));
    policy.first.saturating_mul(doubled).min(policy.longest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn ejections_double_up_to_the_longest() {
        let policy = Policy::default();
        let mut term = EjectionInterval::default();
        let lengths: Vec<u64> = (0..9)
            .map(|_| term.begin(&policy, seconds(0)).as_secs())
            .collect();
        assert_eq!(lengths, [5, 10, 20, 40, 80, 160, 300, 300, 300]);
        term.count = u32::MAX;
        assert_eq!(term.begin(&policy, seconds(0)), seconds(300));
    }

    #[test]
    fn a_time_of_wellness_as_long_as_the_ejection_takes_one_off() {
        let policy = Policy::default();
        let mut term = EjectionInterval::default();
        term.begin(&policy, seconds(0));
        term.begin(&policy, seconds(5));
        assert!(!term.is_over(seconds(14)) && term.is_over(seconds(15)));
        term.ease(&policy, seconds(100));
        assert_eq!(term.count, 2, "it is not well while it is ejected");
        term.end(seconds(15));
        for (now, count) in [(24, 2), (25, 1), (29, 1), (30, 0), (1000, 0)] {
            term.ease(&policy, seconds(now));
            assert_eq!(term.count, count, "after {now} s");
        }
        assert!(term.is_forgotten());
    }

    #[test]
    fn an_ejection_that_does_not_run_cannot_be_extended() {
        let mut term = EjectionInterval::default();
        term.extend(seconds(60));
        assert_eq!(term, EjectionInterval::default());
        term.begin(&Policy::default(), seconds(0));
        term.extend(seconds(3));
        assert!(term.is_over(seconds(5)), "it is never made shorter");
        term.extend(seconds(60));
        assert!(!term.is_over(seconds(59)) && term.is_over(seconds(60)));
    }
}
