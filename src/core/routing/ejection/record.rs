//! What is known of one endpoint: its counters, since when they count, and what they say.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::term::EjectionInterval;
use super::{ENOUGH_REQUESTS, LATELY, Policy, Seen};

/// How far apart marks of the counters are kept. Together they span [`LATELY`].
const MARK: Duration = Duration::from_secs(1);

/// One endpoint's record.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct RequestStats {
    pub(super) term: EjectionInterval,
    /// Its counters at the latest look.
    latest: Seen,
    /// Its counters when they began to count anew.
    base: Seen,
    /// When a look last found other counters than the one before.
    moved: Option<Duration>,
    /// It was ejected, and nothing has been answered since.
    probation: bool,
    /// Its counters at some looks of late, the oldest first; kept only where a share of 5xx ejects.
    marks: VecDeque<(Duration, Seen)>,
}

impl RequestStats {
    /// Takes in its counters. True when requests failed since the look before.
    pub(super) fn look(&mut self, seen: Seen, policy: &Policy, now: Duration) -> bool {
        let before = std::mem::replace(&mut self.latest, seen);
        if seen != before {
            self.moved = Some(now);
        }
        if seen.answered > self.base.answered {
            self.probation = false;
        }
        if policy.failed_percent.is_some() {
            self.mark(before, now);
        }
        (seen.broken, seen.failed) != (before.broken, before.failed)
    }

    fn mark(&mut self, before: Seen, now: Duration) {
        let due = |(at, _): &(Duration, Seen)| now.saturating_sub(*at) >= MARK;
        if self.marks.back().is_none_or(due) {
            // What came since the look before must count, so the first mark is of that one.
            let first = self.marks.is_empty();
            let mark = if first { before } else { self.latest };
            self.marks.push_back((now, mark));
        }
        // The newest that is old enough is the one to compare with; those before it have served.
        let old = |(at, _): &(Duration, Seen)| now.saturating_sub(*at) >= LATELY;
        while self.marks.get(1).is_some_and(old) {
            self.marks.pop_front();
        }
    }

    /// Ends an ejection: its counters start anew, and the next broken request ejects at once.
    pub(super) fn start_anew(&mut self, now: Duration) {
        self.term.end(now);
        self.count_anew();
        self.probation = true;
    }

    /// It is out of rotation. An ejection is over without a word, since it gets no requests anyway, and when it comes back
    /// what was seen before is older than the word of whoever brought it back.
    pub(super) fn leave(&mut self, now: Duration) {
        if self.term.is_running() {
            self.start_anew(now);
        }
        self.count_anew();
    }

    fn count_anew(&mut self) {
        self.base = self.latest;
        self.moved = None;
        self.marks.clear();
    }

    pub(super) fn had_requests(&self, now: Duration) -> bool {
        self.moved.is_some_and(|at| now.saturating_sub(at) < LATELY)
    }

    /// How many requests in a row it broke up to now. What it broke while it was ejected is not held against it.
    pub(super) fn streak(&self) -> u64 {
        let since = self.latest.broken.saturating_sub(self.base.broken);
        self.latest.streak.min(since)
    }

    /// It breaks requests.
    pub(super) fn is_broken(&self, policy: &Policy) -> bool {
        let after = if self.probation { 1 } else { policy.after };
        self.streak() >= u64::from(after.max(1))
    }

    /// It breaks requests, or fails too many.
    pub(super) fn is_bad(&self, policy: &Policy, now: Duration) -> bool {
        self.is_broken(policy) || self.too_many_failed(policy, now).is_some()
    }

    /// Why it is bad, for people.
    pub(super) fn reason(&self, policy: &Policy, now: Duration) -> Arc<str> {
        let share = || self.too_many_failed(policy, now);
        let reason = match (self.is_broken(policy), self.probation, self.streak()) {
            (true, true, _) => "the first request since it was reinstated broke".to_owned(),
            (true, false, 1) => "a request broke".to_owned(),
            (true, false, streak) => format!("{streak} requests in a row broke"),
            (false, ..) => {
                let (failed, answered) = share().unwrap_or_default();
                format!("{failed} of {answered} requests were answered 5xx or not in time")
            }
        };
        reason.into()
    }

    /// How many of how many requests failed lately, where these are too many.
    fn too_many_failed(&self, policy: &Policy, now: Duration) -> Option<(u64, u64)> {
        let percent = u64::from(policy.failed_percent?);
        let recent = |(at, _): &&(Duration, Seen)| now.saturating_sub(*at) <= LATELY + MARK;
        let (_, since) = self.marks.iter().find(recent)?;
        let failed = self.latest.failed.saturating_sub(since.failed);
        let answered = self.latest.answered.saturating_sub(since.answered);
        let many = answered >= ENOUGH_REQUESTS && failed * 100 >= percent * answered;
        many.then_some((failed, answered))
    }
}
