//! The part of its share that an endpoint gets while it is new.

use std::time::Duration;

use super::hash::mix;

/// The part of one that is warm.
pub const FULL: u32 = 1000;

/// The part that one gets from its first moment on. Of nothing, nothing would become warm.
const LEAST: u32 = FULL / 10;

/// The part, of [`FULL`], for an endpoint of this age where the slow start lasts so long: from a tenth, in proportion to its
/// age, to all.
#[must_use]
pub fn part(age: Duration, lasts: Duration) -> u32 {
    if age >= lasts {
        return FULL;
    }
    let grown = (age.as_secs_f64() / lasts.as_secs_f64() * f64::from(FULL)) as u32;
    grown.clamp(LEAST, FULL)
}

/// Whether an endpoint is a candidate for a draw or a key, which it is for its part of them. For a key that is admitted
/// once, it stays so while the part grows: each key moves to a new endpoint at most once.
#[must_use]
pub fn admits(draw: u64, id: u64, part: u32) -> bool {
    // Told apart from the score by which the same key chooses an endpoint.
    part >= FULL || mix(mix(draw) ^ id) % u64::from(FULL) < u64::from(part)
}
