//! Which controller a gateway takes its snapshots from, and which snapshots it takes.
//!
//! # Design notes
//!
//! Generations order the snapshots of one controller. Those of two say nothing about each other: each counts for itself, from
//! the time of its own start. What tells a controller that is behind from one that is not, is whether it can read the swarm at
//! all: every manager answers a list from the leader's state, or not at all where there is no quorum. So a controller says
//! whether it is frozen, a gateway goes to one that is not, and stays there for as long as that holds. That it stays is what
//! keeps two controllers that live side by side from making it waver between their views.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use super::Standing;
use crate::core::model::snapshot::{Generation, Snapshot};

/// Where snapshots can come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// The controller in this process.
    Own,
    /// One on another node.
    Remote(SocketAddr),
}

/// The controller to follow: of those that are heard, the own one or else the current one if they know the swarm as it is,
/// or else another that does. Where none does, the current one goes on being listened to, and a frozen one is taken only by
/// a gateway that has nothing yet.
///
/// `ticket` spreads the gateways of a swarm over its controllers.
#[must_use]
pub fn choose(
    heard: &BTreeMap<Source, Standing>,
    current: Option<Source>,
    has_snapshot: bool,
    ticket: usize,
) -> Option<Source> {
    let warm = |source: &Source| {
        let standing = heard.get(source)?;
        standing.generation.map(|_| standing.frozen.is_none())
    };
    let fresh = |source: &Source| warm(source) == Some(true);
    let preferred = [Some(Source::Own), current].into_iter().flatten();
    if let Some(source) = preferred.into_iter().find(&fresh) {
        return Some(source);
    }
    let candidates: Vec<Source> = heard.keys().copied().filter(&fresh).collect();
    if !candidates.is_empty() {
        return Some(candidates[ticket % candidates.len()]);
    }
    let stays = current.filter(|source| warm(source).is_some());
    stays.or_else(|| {
        let frozen = || heard.keys().copied().find(|source| warm(source).is_some());
        if has_snapshot { None } else { frozen() }
    })
}

/// Whether a snapshot that the followed controller offers takes the place of the one in hand: it is of another controller, or
/// newer.
#[must_use]
pub fn is_news(offered: Generation, in_hand: Option<Generation>) -> bool {
    in_hand.is_none_or(|have| have.epoch != offered.epoch || have.sequence < offered.sequence)
}

/// The addresses to keep a link to: those that the names resolve to and those of the controllers that the snapshot names,
/// without Hiveway's other tasks, which a name like `tasks.hiveway` resolves to as well.
///
/// Where that leaves none, all that the names resolve to are tried: the snapshot may be an old one.
#[must_use]
pub fn candidates(
    resolved: &BTreeSet<SocketAddr>,
    snapshot: Option<&Snapshot>,
    port: u16,
) -> BTreeSet<SocketAddr> {
    let known: BTreeMap<IpAddr, bool> = snapshot
        .iter()
        .flat_map(|snapshot| snapshot.gateways.iter())
        .map(|gateway| (gateway.address, gateway.controller))
        .collect();
    let named = known.iter().filter(|(_, controller)| **controller);
    let named = named.map(|(address, _)| SocketAddr::new(*address, port));
    let others = resolved
        .iter()
        .copied()
        .filter(|address| known.get(&address.ip()) != Some(&false));
    let candidates: BTreeSet<SocketAddr> = named.chain(others).collect();
    match candidates.is_empty() {
        true => resolved.clone(),
        false => candidates,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::core::model::snapshot::{Delta, GatewayTask};

    const COLD: Standing = Standing {
        generation: None,
        frozen: None,
    };

    fn standing(frozen: bool) -> Standing {
        Standing {
            generation: Some(Generation::default()),
            frozen: frozen.then(|| "no quorum".into()),
        }
    }

    fn remote(number: u8) -> Source {
        Source::Remote(SocketAddr::from(([10, 0, 0, number], 9901)))
    }

    #[test]
    fn own_controller_is_followed_while_fresh_then_the_current() {
        let (fresh, frozen) = (standing(false), standing(true));
        let (a, b) = (remote(1), remote(2));
        for (heard, current, has_snapshot, expected) in [
            (vec![], None, false, None),
            (vec![], Some(a), true, None),
            (vec![(Source::Own, &COLD), (a, &COLD)], None, false, None),
            (
                vec![(Source::Own, &fresh), (a, &fresh)],
                Some(a),
                true,
                Some(Source::Own),
            ),
            (
                vec![(Source::Own, &frozen), (a, &fresh)],
                Some(Source::Own),
                true,
                Some(a),
            ),
            (vec![(Source::Own, &COLD), (a, &fresh)], None, true, Some(a)),
            (vec![(a, &fresh), (b, &fresh)], Some(b), true, Some(b)),
            (vec![(a, &fresh), (b, &frozen)], Some(b), true, Some(a)),
            (vec![(a, &fresh)], Some(b), true, Some(a)),
            // Nobody knows better: a frozen one is listened to, but not gone to.
            (vec![(a, &frozen), (b, &frozen)], Some(b), true, Some(b)),
            (vec![(a, &frozen)], Some(b), true, None),
            (vec![(a, &frozen)], None, false, Some(a)),
        ] {
            let map = heard
                .iter()
                .map(|(source, standing)| (*source, (*standing).clone()))
                .collect();
            assert_eq!(
                choose(&map, current, has_snapshot, 0),
                expected,
                "{heard:?} {current:?}"
            );
        }
    }

    proptest! {
        #[test]
        fn a_choice_is_kept_for_as_long_as_the_same_is_heard(
            heard in proptest::collection::btree_map(0u8..5, 0u8..3, 0..5),
            has_snapshot: bool,
            ticket: usize,
            other: usize,
        ) {
            let heard: BTreeMap<Source, Standing> = heard
                .into_iter()
                .map(|(number, kind)| {
                    let source = if number == 0 { Source::Own } else { remote(number) };
                    (source, match kind { 0 => COLD, kind => standing(kind == 1) })
                })
                .collect();
            let first = choose(&heard, None, has_snapshot, ticket);
            prop_assert_eq!(choose(&heard, first, has_snapshot, other), first);
            let anybody = heard.values().any(|it| it.generation.is_some() && it.frozen.is_none());
            let chosen = first.map(|source| heard[&source].frozen.is_none());
            prop_assert_eq!(chosen == Some(true), anybody);
        }
    }

    #[test]
    fn an_older_snapshot_of_the_same_controller_is_no_news() {
        let generation = |epoch, sequence| Generation { epoch, sequence };
        let have = Some(generation(5, 7));
        assert!(is_news(generation(5, 8), have));
        assert!(!is_news(generation(5, 7), have));
        assert!(!is_news(generation(5, 6), have));
        assert!(is_news(generation(4, 1), have));
        assert!(is_news(generation(5, 0), None));
    }

    /// What a controller publishes: each differs from the one before, and some go back to what was.
    fn published(addresses: &[u8]) -> Vec<Snapshot> {
        let snapshot = |(sequence, address): (u64, &u8)| Snapshot {
            generation: Generation { epoch: 5, sequence },
            gateways: Arc::new([GatewayTask {
                node: "n".into(),
                address: [10, 0, 0, *address].into(),
                controller: true,
            }]),
            ..Snapshot::default()
        };
        (0..).zip(addresses).map(snapshot).collect()
    }

    proptest! {
        #[test]
        fn deltas_in_any_order_yield_newer_published_snapshots(
            addresses in proptest::collection::vec(0u8..3, 2..8),
            deltas in proptest::collection::vec(any::<[proptest::sample::Index; 2]>(), 0..20),
        ) {
            let published = published(&addresses);
            let mut held = published[0].clone();
            for delta in deltas {
                let [from, to] = delta.map(|it| it.get(&published));
                let Some(offered) = Delta::between(from, to).apply(&held) else {
                    prop_assert_ne!(from.generation, held.generation);
                    continue;
                };
                prop_assert_eq!(&offered, to);
                if is_news(offered.generation, Some(held.generation)) {
                    prop_assert!(offered.generation.sequence > held.generation.sequence);
                    held = offered;
                }
                let sequence = usize::try_from(held.generation.sequence).expect("a short story");
                prop_assert_eq!(&held, &published[sequence]);
            }
        }
    }

    #[test]
    fn links_are_kept_to_controllers_and_to_whoever_may_be_one() {
        let address = |number: u8| SocketAddr::from(([10, 0, 0, number], 9901));
        let gateway = |number: u8, controller| GatewayTask {
            node: "n".into(),
            address: address(number).ip(),
            controller,
        };
        let snapshot = Snapshot {
            gateways: Arc::new([gateway(1, true), gateway(2, false), gateway(4, true)]),
            ..Snapshot::default()
        };
        let resolved = BTreeSet::from([1, 2, 3].map(address));
        let of = |resolved: &BTreeSet<_>, snapshot| candidates(resolved, snapshot, 9901);
        assert_eq!(
            of(&resolved, Some(&snapshot)),
            BTreeSet::from([1, 3, 4].map(address))
        );
        assert_eq!(of(&resolved, None), resolved);
        let workers = Snapshot {
            gateways: Arc::new([gateway(2, false)]),
            ..Snapshot::default()
        };
        let resolved = BTreeSet::from([address(2)]);
        assert_eq!(of(&resolved, Some(&workers)), resolved);
    }
}
