//! What finding a route costs with few and with many routes, side by side in one run.

use std::hint::black_box;
use tokio::time::Instant;

use hiveway::core::model::route::{HostPattern, PathPrefix};
use hiveway::core::model::snapshot::RouteKey;
use hiveway::core::routing::lookup::RouteIndex;

use super::objects::scramble;
use crate::report::median;

/// How many routes there are.
pub(super) const ROUTES: [usize; 3] = [10, 1_000, 100_000];

const ROUNDS: usize = 41;
const FINDS: usize = 20_000;

/// So many hosts are asked for, where they are few.
pub(super) const FEW: usize = 10;

/// The medians of all rounds.
pub(super) struct Finding {
    pub(super) routes: usize,
    /// Nanoseconds, of hosts in no order out of all.
    pub(super) any: f64,
    /// The same, of the same few hosts again and again, which the processor's cache holds.
    pub(super) few: f64,
    /// The medians of the rounds' ratios to the smallest index.
    pub(super) any_ratio: f64,
    pub(super) few_ratio: f64,
}

/// Every index is asked in every round.
pub(super) fn measure() -> Vec<Finding> {
    let indices: Vec<(RouteIndex<usize>, Vec<String>)> =
        ROUTES.iter().map(|&it| index(it)).collect();
    let mut rounds: Vec<Vec<[f64; 2]>> = Vec::new();
    for round in 0..ROUNDS {
        let times = indices.iter().map(|(index, hosts)| {
            let few = &hosts[..FEW.min(hosts.len())];
            [hosts, few].map(|hosts| nanos_a_find(index, hosts, round as u64))
        });
        rounds.push(times.collect());
    }
    let middle = |figure: &dyn Fn(&[[f64; 2]]) -> f64| {
        median(rounds.iter().map(|round| figure(round))).unwrap_or_default()
    };
    let finding = |(place, &routes): (usize, &usize)| Finding {
        routes,
        any: middle(&|round| round[place][0]),
        few: middle(&|round| round[place][1]),
        any_ratio: middle(&|round| round[place][0] / round[0][0]),
        few_ratio: middle(&|round| round[place][1] / round[0][1]),
    };
    ROUTES.iter().enumerate().map(finding).collect()
}

fn index(routes: usize) -> (RouteIndex<usize>, Vec<String>) {
    let hosts: Vec<String> = (0..routes)
        .map(|number| format!("svc-{number:06}.local"))
        .collect();
    let keys = hosts.iter().enumerate().map(|(number, host)| {
        let host = HostPattern::Exact(host.as_str().into());
        let path = PathPrefix::root();
        (RouteKey { host, path }, number)
    });
    (keys.collect(), hosts)
}

fn nanos_a_find(index: &RouteIndex<usize>, hosts: &[String], seed: u64) -> f64 {
    let mut seed = seed;
    // Drawn before, so that drawing is not timed; and side by side, as the host of a request that was just read is at hand.
    let mut asked = String::new();
    let ends: Vec<usize> = (0..FINDS)
        .map(|_| {
            asked += &hosts[(scramble(&mut seed) % hosts.len() as u64) as usize];
            asked.len()
        })
        .collect();
    let began = Instant::now();
    let mut from = 0;
    for end in ends {
        black_box(index.find(black_box(&asked[from..end]), black_box("/")));
        from = end;
    }
    began.elapsed().as_secs_f64() * 1e9 / FINDS as f64
}
