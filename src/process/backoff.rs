//! How long to wait before an engine that failed is asked again.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// The wait after the first failure. An engine that restarts is away for seconds, so it is found again at once.
const SHORTEST: Duration = Duration::from_millis(250);
/// The longest wait: an operator who mends the engine should not have to wait for Hiveway.
const LONGEST: Duration = Duration::from_secs(10);

/// The wait after `failures` failures in a row (at least one), with fresh jitter.
pub(crate) fn after(failures: u32) -> Duration {
    wait(failures, RandomState::new().hash_one(failures))
}

/// Doubles from [`SHORTEST`] to [`LONGEST`]; `random` takes off up to a half, so that the controllers of many managers
/// do not ask in step.
fn wait(failures: u32, random: u64) -> Duration {
    let doublings = failures.saturating_sub(1).min(16);
    let whole = SHORTEST.saturating_mul(1 << doublings).min(LONGEST);
    let share = (random >> 32) as f64 / f64::from(u32::MAX);
    whole.mul_f64(1.0 - share / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let longest: Vec<u128> = (0..9)
            .map(|failures| wait(failures, 0).as_millis())
            .collect();
        assert_eq!(
            longest,
            [250, 250, 500, 1000, 2000, 4000, 8000, 10_000, 10_000]
        );
        assert_eq!(wait(u32::MAX, 0), LONGEST);
    }

    #[test]
    fn jitter_takes_off_at_most_a_half() {
        assert_eq!(wait(1, u64::MAX), SHORTEST / 2);
        assert_eq!(wait(3, u64::MAX / 2).as_millis(), 750);
    }
}
