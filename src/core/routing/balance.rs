//! Chooses: the service that a request goes to by weight, and the endpoint by the method that its label names.
//!
//! Every choice is a function of a ticket, a draw or a key: a number that the caller takes from a counter, one a request,
//! or makes of the request. Two gateways that draw the same choose the same.
//!
//! # Design notes
//!
//! What an endpoint may be given is the caller's to say (`usable`): it has room, it was not tried before, it is warm. A
//! method only says in which order endpoints are asked, so that all of them treat a full or a new endpoint alike.

mod ewma;
mod hash;
mod slow_start;
mod two_choices;

pub use ewma::{Ewma, compare};
pub use hash::{bound, mix, rendezvous, stable_hash};
pub use slow_start::{FULL, admits, part};
pub use two_choices::two_choices;

/// The index of the endpoint whose turn it is, passing over those that `usable` refuses (tried before, most often). None
/// when it refuses all.
pub fn round_robin(ticket: usize, count: usize, usable: impl Fn(usize) -> bool) -> Option<usize> {
    (0..count)
        .map(|step| (ticket % count).wrapping_add(step) % count)
        .find(|index| usable(*index))
}

/// The index of one of several shares, as often as its weight says; none when all weigh nothing.
///
/// Tickets are spread by the golden ratio, so that a share of 1 % is met once in about a hundred requests at even
/// distances, not in one burst per round.
#[must_use]
pub fn by_weight(ticket: usize, count: usize, weight: impl Fn(usize) -> u32) -> Option<usize> {
    // 2^32 divided by the golden ratio; the truncation to 32 bits is the fractional part.
    at((ticket as u32).wrapping_mul(0x9E37_79B9), count, weight)
}

/// The index of one of several shares for a key, always the same for the same key, and over all keys as often as its weight
/// says. Where weights change, only the keys move that their difference is made of.
#[must_use]
pub fn by_key(key: u64, count: usize, weight: impl Fn(usize) -> u32) -> Option<usize> {
    // Told apart from the choice of an endpoint by the same key, which would otherwise see a part of the keys only.
    let apart = mix(key ^ 0x7368_6172_6573_0000);
    at((apart >> 32) as u32, count, weight)
}

/// The share in which a point lies, of 2^32 points in all.
fn at(point: u32, count: usize, weight: impl Fn(usize) -> u32) -> Option<usize> {
    let total: u64 = (0..count).map(|index| u64::from(weight(index))).sum();
    if total == 0 {
        return None;
    }
    let mut point = (u64::from(point) * total) >> 32;
    (0..count).find(|index| {
        let weight = u64::from(weight(*index));
        let inside = point < weight;
        point = point.saturating_sub(weight);
        inside
    })
}

#[cfg(test)]
mod tests;
