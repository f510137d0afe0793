//! Tests of turns and weights; below, those of each other method.

use proptest::prelude::*;

use super::*;

mod hashing;
mod loads;

/// How far counts are from what was expected, as chi-square over its degrees of freedom. About 1 is chance; what is more
/// than 4 is none, for three categories or more.
fn unevenness(counts: &[u32], shares: &[f64]) -> f64 {
    let total: f64 = counts.iter().copied().map(f64::from).sum();
    let all: f64 = shares.iter().sum();
    let terms = counts.iter().zip(shares).map(|(count, share)| {
        let expected = total * share / all;
        (f64::from(*count) - expected).powi(2) / expected
    });
    terms.sum::<f64>() / (counts.len() - 1) as f64
}

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
    let weights = [0, 100, 0];
    assert_eq!(by_weight(5, 0, |_| 1), None);
    assert_eq!(by_weight(5, 2, |_| 0), None);
    assert_eq!(by_key(5, 2, |_| 0), None);
    for ticket in 0..1000 {
        assert_eq!(by_weight(ticket, 3, |index| weights[index]), Some(1));
        assert_eq!(by_key(ticket as u64, 3, |index| weights[index]), Some(1));
    }
}

#[test]
fn keys_are_shared_by_weight_and_few_move_when_weights_do() {
    let keys: Vec<u64> = (0..10_000_u32)
        .map(|key| stable_hash(&key.to_be_bytes()))
        .collect();
    let places = |weights: [u32; 2]| -> Vec<usize> {
        let place = |key: &u64| by_key(*key, 2, |index| weights[index]).expect("some weight");
        keys.iter().map(place).collect()
    };
    let mut before = places([100, 0]);
    for canary in [1, 5, 10, 50] {
        let now = places([100 - canary, canary]);
        let on_canary = now.iter().filter(|it| **it == 1).count() as f64;
        let expected = 100.0 * f64::from(canary);
        assert!(
            (on_canary - expected).abs() < 150.0,
            "{on_canary} of {expected}"
        );
        assert!(
            before.iter().zip(&now).all(|(before, now)| before <= now),
            "who is on the canary stays there while it grows"
        );
        before = now;
    }
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
            let chosen = by_weight(first as usize + ticket, weights.len(), |index| weights[index]);
            met[chosen.expect("some weight")] += 1;
        }
        for (met, weight) in met.iter().zip(&weights) {
            let expected = 1000.0 * f64::from(*weight) / f64::from(total);
            prop_assert!((f64::from(*met) - expected).abs() <= 10.0, "{met} of {expected}");
        }
    }
}

#[test]
fn a_new_endpoint_gets_a_part_that_grows_with_its_age() {
    use std::time::Duration;
    let lasts = Duration::from_secs(60);
    let parts: Vec<_> = [0, 3, 6, 30, 59, 60, 600]
        .map(|age| part(Duration::from_secs(age), lasts))
        .into();
    assert_eq!(parts, [100, 100, 100, 500, 983, 1000, 1000]);
    assert_eq!(part(Duration::ZERO, Duration::ZERO), FULL, "none is wanted");
    for part in [100, 500, 983] {
        let admitted = (0..10_000).filter(|draw| admits(*draw, 7, part)).count();
        let expected = 10 * part as usize;
        assert!(
            admitted.abs_diff(expected) < 200,
            "{admitted} of {expected}"
        );
    }
    for draw in 0..1000 {
        let once = (0..=FULL)
            .find(|part| admits(draw, 7, *part))
            .expect("full");
        assert!((once..=FULL).all(|part| admits(draw, 7, part)), "and stays");
    }
}
