//! What holds for keys: each has its endpoint, and few move.

use proptest::prelude::*;

use super::super::*;
use super::unevenness;

fn id(task: usize) -> u64 {
    stable_hash(format!("task-{task}").as_bytes())
}

fn key(client: u32) -> u64 {
    stable_hash(format!("10.1.{}.{}", client / 256, client % 256).as_bytes())
}

/// The endpoint for a key among these tasks.
fn owner(key: u64, tasks: &[usize]) -> usize {
    let place = rendezvous(key, tasks.len(), |index| id(tasks[index]), |_| true);
    tasks[place.expect("some task")]
}

#[test]
fn a_key_has_the_same_endpoint_in_every_version() {
    assert_eq!(stable_hash(b""), 0xcbf2_9ce4_8422_2325);
    assert_eq!(stable_hash(b"foobar"), 0x8594_4171_f739_67e8);
    // The first numbers of SplitMix64 from the seed 0.
    assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
    assert_eq!(mix(0x9E37_79B9_7F4A_7C15), 0x6e78_9e6a_a1b9_65f4);
    let owners: Vec<_> = (0..12).map(|it| owner(key(it), &[0, 1, 2, 3])).collect();
    assert_eq!(owners, [3, 3, 3, 2, 2, 1, 0, 3, 1, 3, 1, 2]);
}

#[test]
fn keys_are_spread_evenly_whatever_the_number_of_endpoints() {
    for count in [3, 4, 10, 50] {
        let tasks: Vec<usize> = (0..count).collect();
        let mut met = vec![0; count];
        for client in 0..20_000 {
            met[owner(key(client), &tasks)] += 1;
        }
        let unevenness = unevenness(&met, &vec![1.0; count]);
        assert!(unevenness < 4.0, "{count}: {unevenness} {met:?}");
    }
}

#[test]
fn keys_of_a_removed_endpoint_spread_out_and_return() {
    let all: Vec<usize> = (0..5).collect();
    let without: Vec<usize> = vec![0, 1, 3, 4];
    let mut heirs = [0; 5];
    for client in 0..20_000 {
        let (before, after) = (owner(key(client), &all), owner(key(client), &without));
        if before == 2 {
            heirs[after] += 1;
        } else {
            assert_eq!(before, after);
        }
    }
    let heirs = [heirs[0], heirs[1], heirs[3], heirs[4]];
    assert!(unevenness(&heirs, &[1.0; 4]) < 4.0, "{heirs:?}");
}

#[test]
fn a_new_endpoint_takes_its_keys_over_little_by_little() {
    let old = [0, 1, 2];
    let all = [0, 1, 2, 3];
    let mut before = 0;
    for part in [100, 300, 600, 1000] {
        let mut taken = 0;
        for client in 0..10_000 {
            let key = key(client);
            let admitted = |index: usize| all[index] != 3 || admits(key, id(3), part);
            let place = rendezvous(key, 4, |index| id(all[index]), admitted).expect("some");
            taken += usize::from(place == 3);
            if place != 3 {
                assert_eq!(all[place], owner(key, &old), "only its own keys move");
            }
        }
        let expected = 10_000 / 4 * part as usize / 1000;
        assert!(
            taken.abs_diff(expected) < 150 && taken > before,
            "{taken} of {expected}"
        );
        before = taken;
    }
}

#[test]
fn endpoint_load_is_bounded_by_its_share_and_a_minimum() {
    for (total, count, most) in [
        (0, 1, 16),
        (20, 3, 16),
        (99, 1, 125),
        (99, 5, 25),
        (1_000, 10, 126),
        (u64::MAX, 2, u64::MAX.div_ceil(8)),
        (5, 0, 16),
    ] {
        assert_eq!(bound(total, count), most, "{total} over {count}");
    }
}

proptest! {
    #[test]
    fn a_key_moves_only_when_its_own_endpoint_leaves(
        tasks in proptest::collection::btree_set(0_usize..1000, 2..40),
        leaver in any::<proptest::sample::Index>(),
        keys in proptest::collection::vec(any::<u64>(), 1..50),
    ) {
        let tasks: Vec<usize> = tasks.into_iter().collect();
        let leaver = tasks[leaver.index(tasks.len())];
        let left: Vec<usize> = tasks.iter().copied().filter(|it| *it != leaver).collect();
        for key in keys {
            let (before, after) = (owner(key, &tasks), owner(key, &left));
            prop_assert!(before == after || before == leaver, "{before} became {after}");
            // In whatever order endpoints are listed.
            let turned: Vec<usize> = tasks.iter().rev().copied().collect();
            prop_assert_eq!(owner(key, &turned), before);
        }
    }

    #[test]
    fn under_any_keys_no_endpoint_has_more_than_its_bound(
        count in 1_usize..12,
        keys in proptest::collection::vec(0_u64..4, 1..400),
    ) {
        // A few keys, so that without a bound a few endpoints would get everything.
        let mut loads = vec![0_u64; count];
        for (total, key) in keys.into_iter().enumerate() {
            let most = bound(total as u64, count);
            let chosen = rendezvous(mix(key), count, |index| index as u64, |index| loads[index] < most);
            loads[chosen.expect("not all are above the mean")] += 1;
        }
        let most = bound(loads.iter().sum(), count);
        prop_assert!(loads.iter().all(|it| *it <= most), "{loads:?} within {most}");
    }
}
