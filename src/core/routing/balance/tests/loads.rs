//! What holds for loads: the slow get less, the new are neither flooded nor starved.

use std::cmp::Ordering;
use std::time::Duration;

use proptest::prelude::*;

use super::super::*;
use super::unevenness;

/// Endpoints that each take their time, at requests that come at an even rate.
struct Simulation {
    /// How long each endpoint takes for a request, in ticks.
    takes: Vec<u64>,
    /// When the requests end that each works on.
    at_work: Vec<Vec<u64>>,
    averages: Vec<Ewma>,
    given: Vec<u32>,
    now: u64,
    draw: u64,
}

impl Simulation {
    fn new(takes: &[u64]) -> Self {
        Self {
            takes: takes.to_vec(),
            at_work: vec![Vec::new(); takes.len()],
            averages: vec![Ewma::default(); takes.len()],
            given: vec![0; takes.len()],
            now: 0,
            draw: 0,
        }
    }

    /// Another endpoint comes.
    fn join(&mut self, takes: u64) {
        self.takes.push(takes);
        self.at_work.push(Vec::new());
        self.averages.push(Ewma::default());
        self.given = vec![0; self.takes.len()];
    }

    fn time(&self) -> Duration {
        Duration::from_millis(self.now)
    }

    /// A tick, in which some requests come; none where `choose` finds no endpoint.
    fn tick(&mut self, requests: u32, choose: impl Fn(&Self, u64) -> Option<usize>) {
        self.now += 1;
        for index in 0..self.takes.len() {
            let before = self.at_work[index].len();
            let now = self.now;
            self.at_work[index].retain(|end| *end > now);
            if self.at_work[index].len() < before {
                let took = Duration::from_millis(self.takes[index]);
                self.averages[index] = self.averages[index].observed(took, self.time());
            }
        }
        for _ in 0..requests {
            self.draw += 1;
            let chosen = choose(self, mix(self.draw)).expect("an endpoint");
            self.given[chosen] += 1;
            let end = self.now + self.takes[chosen];
            self.at_work[chosen].push(end);
        }
    }

    fn in_flight(&self, index: usize) -> u32 {
        self.at_work[index].len() as u32
    }

    fn least_request(&self, draw: u64) -> Option<usize> {
        let order = |a: usize, b: usize| self.in_flight(a).cmp(&self.in_flight(b));
        two_choices(draw, self.takes.len(), |_| true, order)
    }

    fn peak_ewma(&self, draw: u64) -> Option<usize> {
        let load = |index: usize| {
            let average: Ewma = self.averages[index];
            (average.cost(self.time()), self.in_flight(index))
        };
        two_choices(
            draw,
            self.takes.len(),
            |_| true,
            |a, b| compare(load(a), load(b)),
        )
    }
}

#[test]
fn of_equals_each_gets_the_same() {
    for count in [3, 5, 20] {
        let mut given = vec![0; count];
        for draw in 0..20_000 {
            let chosen = two_choices(mix(draw), count, |_| true, |_, _| Ordering::Equal);
            given[chosen.expect("some")] += 1;
        }
        let unevenness = unevenness(&given, &vec![1.0; count]);
        assert!(unevenness < 4.0, "{unevenness}: {given:?}");
    }
}

#[test]
fn the_refused_are_passed_over_and_one_is_enough() {
    for draw in (0..200).map(mix) {
        let only = |index: usize| two_choices(draw, 5, |it| it == index, |_, _| Ordering::Equal);
        assert_eq!(
            (0..5).map(only).collect::<Vec<_>>(),
            [0, 1, 2, 3, 4].map(Some)
        );
        assert_eq!(two_choices(draw, 5, |_| false, |_, _| Ordering::Less), None);
        assert_eq!(
            two_choices(draw, 1, |_| true, |_, _| Ordering::Less),
            Some(0)
        );
        assert_eq!(two_choices(draw, 0, |_| true, |_, _| Ordering::Less), None);
    }
}

#[test]
fn slow_endpoint_gets_less_by_in_flight_and_by_latency() {
    for choose in [Simulation::least_request, Simulation::peak_ewma] {
        let mut simulation = Simulation::new(&[10, 10, 10, 200]);
        for _ in 0..5_000 {
            simulation.tick(1, choose);
        }
        let [.., slow] = simulation.given[..] else {
            unreachable!("four endpoints")
        };
        assert!((3..600).contains(&slow), "{:?}", simulation.given);
        let fast = &simulation.given[..3];
        assert!(unevenness(fast, &[1.0; 3]) < 4.0, "{fast:?}");
    }
}

#[test]
fn an_endpoint_that_comes_is_neither_flooded_nor_starved() {
    for choose in [Simulation::least_request, Simulation::peak_ewma] {
        // So busy that every endpoint has forty requests in flight.
        let mut simulation = Simulation::new(&[20; 5]);
        for _ in 0..200 {
            simulation.tick(10, choose);
        }
        let busiest = (0..5).map(|it| simulation.in_flight(it)).max();
        simulation.join(20);
        // Before it has answered anything: it is drawn for two requests in six.
        for _ in 0..10 {
            simulation.tick(10, choose);
        }
        let newest = simulation.given[5];
        assert!((15..45).contains(&newest), "{:?}", simulation.given);
        for _ in 0..10 {
            simulation.tick(10, choose);
        }
        assert!(Some(simulation.in_flight(5)) <= busiest);
        simulation.given = vec![0; 6];
        for _ in 0..2_000 {
            simulation.tick(10, choose);
        }
        let given = &simulation.given;
        assert!(
            given.iter().all(|it| (3_000..3_700).contains(it)),
            "{given:?}"
        );
    }
}

#[test]
fn when_one_leaves_the_others_share_its_part() {
    let mut simulation = Simulation::new(&[10; 4]);
    let without = |it: &Simulation, draw| {
        let order = |a: usize, b: usize| it.in_flight(a).cmp(&it.in_flight(b));
        two_choices(draw, 4, |index| index != 2, order)
    };
    for _ in 0..3_000 {
        simulation.tick(2, without);
    }
    let [a, b, gone, c] = simulation.given[..] else {
        unreachable!("four endpoints")
    };
    assert_eq!(gone, 0);
    assert!(
        [a, b, c].iter().all(|it| (1_850..2_150).contains(it)),
        "{a} {b} {c}"
    );
}

#[test]
fn a_peak_is_taken_at_once_and_forgotten_slowly() {
    let at = Duration::from_secs;
    let slow = Ewma::default()
        .observed(Duration::from_millis(2), at(1))
        .observed(Duration::from_millis(900), at(1));
    assert_eq!(slow.cost(at(1)), Some(900_000.0));
    let better = slow.observed(Duration::from_millis(2), at(2));
    let cost = better.cost(at(2)).expect("known");
    assert!((814_000.0..815_000.0).contains(&cost), "{cost}");
    let faded = better.cost(at(62)).expect("known");
    assert!((1_900.0..2_100.0).contains(&faded), "{faded}");
    assert_eq!(Ewma::default().cost(at(1)), None);
    assert_eq!(Ewma::from_bits(0), Ewma::default());
}

#[test]
fn one_that_has_not_answered_is_judged_by_what_it_works_on() {
    let known = Some(500.0);
    for (first, second, order) in [
        ((None, 0), (known, 0), Ordering::Equal),
        ((None, 3), (known, 2), Ordering::Greater),
        ((known, 2), (None, 3), Ordering::Less),
        ((None, 1), (None, 0), Ordering::Greater),
        ((Some(100.0), 4), (known, 0), Ordering::Equal),
        ((Some(100.0), 5), (known, 0), Ordering::Greater),
    ] {
        assert_eq!(compare(first, second), order, "{first:?} {second:?}");
    }
}

proptest! {
    #[test]
    fn an_average_keeps_its_bits_and_stays_within_what_was_seen(
        times in proptest::collection::vec((0_u64..60_000_000, 0_u64..100_000), 1..50),
    ) {
        let mut average = Ewma::default();
        let mut now = Duration::ZERO;
        let most = times.iter().map(|it| it.0).max().unwrap_or_default().max(1) as f32;
        for (micros, later) in times {
            now += Duration::from_millis(later);
            average = average.observed(Duration::from_micros(micros), now);
            prop_assert_eq!(Ewma::from_bits(average.to_bits()), average);
            let cost = average.cost(now).expect("it was observed");
            prop_assert!(cost > 0.0 && cost <= most * 1.001, "{cost} of {most}");
        }
    }
}
