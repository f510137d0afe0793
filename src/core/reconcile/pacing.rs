//! When a task is probed: the pace of probes over the network and of commands in containers alike.

use std::time::Duration;

use crate::core::model::{TaskId, Timestamp};

/// What is left of the initial delay, which counts from the task's start. A start that lies in the future, by a clock that
/// is ahead of ours, is now.
#[must_use]
pub fn first_delay(delay: Duration, since: Option<Timestamp>, now: Timestamp) -> Duration {
    let age = since.map_or(0, |since| now.0.saturating_sub(since.0));
    delay.saturating_sub(Duration::from_millis(age))
}

/// The interval, up to a tenth shorter or longer: probes that start together drift apart. Derived from the task and the
/// round, so that nothing random is needed.
#[must_use]
pub fn jittered(interval: Duration, task: &TaskId, round: u64) -> Duration {
    let seed = task.as_str().bytes().fold(round, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    // 0 to 255 of the hash's upper bits, as 0.9 to 1.1.
    interval.mul_f64(0.9 + 0.2 * f64::from((seed >> 32) as u8) / 255.0)
}

/// Probes are done at whole multiples of this, together.
const TOGETHER: Duration = Duration::from_millis(10);

/// When what is due is done: at the next of the moments that all share. Both count from the same beginning.
#[must_use]
pub fn together(due: Duration) -> Duration {
    let moments = due.as_nanos().div_ceil(TOGETHER.as_nanos());
    let millis = moments * TOGETHER.as_millis();
    Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_initial_delay_counts_from_the_start_of_the_task() {
        let delay = Duration::from_secs(5);
        for (since, now, expected) in [
            (None, 9_000, delay),
            (Some(10_000), 10_000, delay),
            (Some(10_000), 12_000, Duration::from_secs(3)),
            (Some(10_000), 60_000, Duration::ZERO),
            (Some(10_000), 9_000, delay),
        ] {
            assert_eq!(
                first_delay(delay, since.map(Timestamp), Timestamp(now)),
                expected
            );
        }
    }

    #[test]
    fn jitter_stays_within_a_tenth_and_differs() {
        let interval = Duration::from_secs(2);
        let delays: Vec<_> = (0..100)
            .map(|round| jittered(interval, &TaskId::from("task"), round))
            .collect();
        let bounds = Duration::from_millis(1_799)..=Duration::from_millis(2_201);
        assert!(delays.iter().all(|delay| bounds.contains(delay)));
        let (least, most) = (
            delays.iter().min().expect("some"),
            delays.iter().max().expect("some"),
        );
        assert!(
            *most - *least > Duration::from_millis(200),
            "{least:?} {most:?}"
        );
    }

    #[test]
    fn work_due_close_together_is_batched_and_never_early() {
        for (due, done) in [
            (0, 0),
            (1, 10),
            (9, 10),
            (10, 10),
            (11, 20),
            // Two years.
            (63_072_000_001, 63_072_000_010),
        ] {
            let done = Duration::from_millis(done);
            assert_eq!(together(Duration::from_millis(due)), done);
        }
    }
}
