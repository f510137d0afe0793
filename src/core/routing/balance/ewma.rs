//! How long an endpoint takes to answer, as a moving average that remembers peaks.
//!
//! # Design notes
//!
//! As in Finagle and Linkerd: a time above the average replaces it at once, one below draws it down slowly, and without any
//! it fades, so that an endpoint that was slow is asked again. One that has not answered yet is taken for as fast as the
//! one that it is compared with: a new endpoint is judged by what it works on alone, not by a time of nothing, which
//! would draw every request to it.

use std::cmp::Ordering;
use std::time::Duration;

/// Time in which what was measured fades to a third.
const FADE: Duration = Duration::from_secs(10);

/// An average, and when it was made. Fits into 64 bits, so that it is read and written at once.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Ewma {
    /// In microseconds; 0 before the first.
    micros: f32,
    /// In milliseconds since the caller's fixed moment; wraps after 49 days.
    at: u32,
}

impl Ewma {
    /// Reads one from its bits.
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self {
            micros: f32::from_bits((bits >> 32) as u32),
            at: bits as u32,
        }
    }

    /// Its bits.
    #[must_use]
    pub fn to_bits(self) -> u64 {
        u64::from(self.micros.to_bits()) << 32 | u64::from(self.at)
    }

    /// With another answer that took so long.
    #[must_use]
    pub fn observed(self, took: Duration, now: Duration) -> Self {
        // An answer in less than a microsecond is still an answer.
        let took = (took.as_secs_f32() * 1e6).max(1.0);
        let kept = self.kept(now);
        let micros = if took >= self.micros {
            took
        } else {
            self.micros * kept + took * (1.0 - kept)
        };
        Self {
            micros,
            at: milliseconds(now),
        }
    }

    /// In microseconds; none before the first answer.
    #[must_use]
    pub fn cost(self, now: Duration) -> Option<f32> {
        (self.micros > 0.0).then(|| self.micros * self.kept(now))
    }

    /// The part that has not faded yet.
    fn kept(self, now: Duration) -> f32 {
        let since = milliseconds(now).wrapping_sub(self.at);
        // Two threads that measure at once may write in the wrong order: what lies in the future is from now.
        let since = if since > u32::MAX / 2 { 0 } else { since };
        (-(since as f32) / FADE.as_millis() as f32).exp()
    }
}

/// Orders two endpoints by what another request would cost there: the time that each takes, as often as it has requests
/// already and this one.
#[must_use]
pub fn compare(first: (Option<f32>, u32), second: (Option<f32>, u32)) -> Ordering {
    let known = first.0.or(second.0).unwrap_or(1.0);
    let load = |(cost, in_flight): (Option<f32>, u32)| {
        cost.unwrap_or(known) * (in_flight.saturating_add(1)) as f32
    };
    load(first).total_cmp(&load(second))
}

fn milliseconds(since: Duration) -> u32 {
    // The truncation is the wrap.
    since.as_millis() as u32
}
