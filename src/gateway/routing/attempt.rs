//! One try at an endpoint: how long the request waits for an answer, and what the try comes to.
//!
//! # Design notes
//!
//! The wait begins when the whole request is on its way and ends with the head of the answer, so
//! that neither a client that sends slowly nor one that reads slowly makes its endpoint look slow.

use std::time::Duration;

use tokio::time::Instant;

use crate::observe::metrics::EndpointMetrics;

/// A try. The default is one that has not begun.
#[derive(Default)]
pub(crate) struct Attempt {
    /// Since when the request waits; `None` if it does not.
    began: Option<Instant>,
    /// How long it waited for the head of the answer.
    waited: Option<Duration>,
    /// Whether what it came to is counted.
    counted: bool,
}

impl Attempt {
    /// One that began at this time.
    pub(crate) fn begun(at: Instant) -> Self {
        Self {
            began: Some(at),
            ..Self::default()
        }
    }

    /// The wait begins now, unless it is over.
    pub(crate) fn begin_again(&mut self) {
        if let Some(began) = &mut self.began {
            *began = Instant::now();
        }
    }

    /// Whether the answer has not begun.
    pub(crate) fn is_waiting(&self) -> bool {
        self.began.is_some()
    }

    /// The answer has begun. Returns how long that took; `None` if the try had not begun.
    pub(crate) fn answered(&mut self) -> Option<Duration> {
        self.waited = Some(self.began.take()?.elapsed());
        self.waited
    }

    /// The endpoint broke it, which is counted. Returns how long that took.
    pub(crate) fn broke(&mut self) -> Duration {
        self.counted = true;
        self.began.take().map_or(Duration::ZERO, |it| it.elapsed())
    }

    /// The endpoint did not answer in time, or stopped in the middle. Returns how long its answer's
    /// head was waited for.
    pub(crate) fn timed_out(&mut self, metrics: &EndpointMetrics) -> Duration {
        self.counted = true;
        let waited = self.begun_answer();
        metrics.timed_out();
        metrics.waited(waited);
        waited
    }

    /// Whether what it came to is counted.
    pub(crate) fn is_counted(&self) -> bool {
        self.counted
    }

    /// Counts the wait of a request that has ended, and one that was not answered whole as aborted.
    /// `uploaded` if all of its body had come; otherwise the endpoint may have waited for the
    /// client.
    pub(crate) fn ended(&mut self, metrics: &EndpointMetrics, whole: bool, uploaded: bool) {
        let waited = match self.waited {
            None if whole || uploaded => Some(self.begun_answer()),
            waited => waited,
        };
        if !whole {
            metrics.aborted(waited.is_some());
        }
        if let Some(waited) = waited {
            metrics.waited(waited);
        }
    }

    fn begun_answer(&mut self) -> Duration {
        let waiting = self.began.take().map(|it| it.elapsed());
        waiting.or(self.waited).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A try that began this long ago.
    fn attempt(ago: u64) -> Attempt {
        Attempt::begun(Instant::now() - Duration::from_secs(ago))
    }

    #[test]
    fn the_wait_ends_with_the_head_and_counts_once() {
        let metrics = EndpointMetrics::default();
        let mut attempt = attempt(100);
        attempt.begin_again();
        let waited = attempt.answered().expect("it has begun");
        assert!(waited < Duration::from_secs(50));
        assert_eq!(attempt.answered(), None);
        metrics.answered(200);
        attempt.ended(&metrics, true, true);
        let counts = metrics.counts();
        assert_eq!((counts.total, counts.waits, counts.aborted), (1, 1, 0));
        assert!(counts.waited_seconds < 50.0);
    }

    #[test]
    fn a_client_that_leaves_before_the_answer_shows_the_wait() {
        for (uploaded, waits) in [(true, 1), (false, 0)] {
            let metrics = EndpointMetrics::default();
            attempt(100).ended(&metrics, false, uploaded);
            let counts = metrics.counts();
            let told = (counts.total, counts.aborted, counts.waits);
            assert_eq!(told, (1, 1, waits));
            assert_eq!(counts.waited_seconds >= 100.0, uploaded);
        }
    }

    #[test]
    fn what_timed_out_shows_the_wait_and_what_broke_does_not() {
        let metrics = EndpointMetrics::default();
        let mut slow = attempt(100);
        assert!(slow.timed_out(&metrics) >= Duration::from_secs(100));
        assert!(slow.is_counted());
        let mut broken = attempt(100);
        metrics.broke();
        assert!(broken.broke() >= Duration::from_secs(100));
        assert!(broken.is_counted());
        let counts = metrics.counts();
        assert_eq!((counts.failed, counts.broken, counts.waits), (1, 1, 1));
    }
}
