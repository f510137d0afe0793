//! Chooses: the service that a request goes to by weight, and the endpoint by turn.
//!
//! Every choice is a function of a ticket, a number that the caller draws from a counter, one a request. Two gateways that
//! draw the same tickets choose the same.

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
pub fn by_weight(ticket: usize, weights: &[u32]) -> Option<usize> {
    let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
    if total == 0 {
        return None;
    }
    // 2^32 divided by the golden ratio; the truncation to 32 bits is the fractional part.
    let spread = (ticket as u32).wrapping_mul(0x9E37_79B9);
    let mut point = (u64::from(spread) * total) >> 32;
    weights.iter().position(|weight| {
        let weight = u64::from(*weight);
        let inside = point < weight;
        point = point.saturating_sub(weight);
        inside
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn round_robin_gives_each_its_turn_and_passes_over_the_refused() {
        let turns: Vec<_> = (0..6)
            .map(|ticket| round_robin(ticket, 3, |_| true))
            .collect();
        assert_eq!(
            turns,
            [Some(0), Some(1), Some(2), Some(0), Some(1), Some(2)]
        );
        assert_eq!(round_robin(1, 3, |index| index != 1), Some(2));
        assert_eq!(round_robin(2, 3, |index| index == 1), Some(1));
        assert_eq!(round_robin(7, 3, |_| false), None);
        assert_eq!(round_robin(7, 0, |_| true), None);
        assert_eq!(round_robin(usize::MAX, 3, |_| true), Some(usize::MAX % 3));
    }

    #[test]
    fn a_weight_of_nothing_is_never_chosen() {
        assert_eq!(by_weight(5, &[]), None);
        assert_eq!(by_weight(5, &[0, 0]), None);
        assert!((0..1000).all(|ticket| by_weight(ticket, &[0, 100, 0]) == Some(1)));
    }

    proptest! {
        #[test]
        fn shares_are_met_as_often_as_they_weigh(
            weights in proptest::collection::vec(0u32..=100, 1..5),
            first in any::<u32>(),
        ) {
            let total: u32 = weights.iter().sum();
            prop_assume!(total > 0);
            let mut met = vec![0u32; weights.len()];
            for ticket in 0..1000usize {
                met[by_weight(first as usize + ticket, &weights).expect("some weight")] += 1;
            }
            for (met, weight) in met.iter().zip(&weights) {
                let expected = 1000.0 * f64::from(*weight) / f64::from(total);
                prop_assert!((f64::from(*met) - expected).abs() <= 10.0, "{met} of {expected}");
            }
        }
    }
}
