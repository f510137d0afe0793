//! The better of two that are drawn at random.
//!
//! # Design notes
//!
//! To take the best of all would send every request to the endpoint that looks best for a moment, from all gateways at
//! once. Of two at random, the better gets it, and an endpoint that has just come gets no more than the requests that it is
//! drawn for: with n endpoints, two in n.

use std::cmp::Ordering;

use super::round_robin;

/// The index of the less loaded of two; when `usable` refuses one of them the other, and when it refuses both, any that it
/// does not refuse. `compare` orders two endpoints by their load.
pub fn two_choices(
    draw: u64,
    count: usize,
    usable: impl Fn(usize) -> bool,
    compare: impl Fn(usize, usize) -> Ordering,
) -> Option<usize> {
    if count < 2 {
        return round_robin(0, count, usable);
    }
    let first = scale(draw as u32, count);
    let second = (first + 1 + scale((draw >> 32) as u32, count - 1)) % count;
    match (usable(first), usable(second)) {
        (true, true) if compare(first, second) == Ordering::Greater => Some(second),
        (true, _) => Some(first),
        (false, true) => Some(second),
        (false, false) => round_robin(second, count, usable),
    }
}

/// An even draw below `count`.
fn scale(draw: u32, count: usize) -> usize {
    ((u64::from(draw) * count as u64) >> 32) as usize
}
