//! The endpoints of services, the slowest of each first.

use std::collections::BTreeMap;
use std::time::Duration;

use super::super::paint::Colour;
use super::super::table::{Cell, Table};
use crate::core::model::snapshot::EndpointState;
use crate::core::reconcile::status::{EndpointStatus, ServiceStatus, Status};
use crate::core::routing::rates::{EndpointCounts, EndpointRates, stands_out};

/// What came to each task's endpoint between two looks.
pub(super) fn rates(
    before: &Status,
    after: &Status,
    between: Duration,
) -> BTreeMap<String, EndpointRates> {
    let all = |status| Status::endpoints(status).map(|it| (&it.task, &it.requests));
    let earlier: BTreeMap<_, _> = all(before).collect();
    let rates = all(after).map(|(task, now)| {
        let nothing = EndpointCounts::default();
        let before = earlier.get(task).copied().unwrap_or(&nothing);
        let rates = EndpointRates::between(before, now, between.as_secs_f64());
        (task.to_string(), rates)
    });
    rates.collect()
}

/// The endpoints of these services; `None` if they were not asked for.
pub(super) fn table<'a>(
    services: impl IntoIterator<Item = &'a ServiceStatus>,
    rates: &BTreeMap<String, EndpointRates>,
) -> Option<Table> {
    let heads = [
        "SERVICE",
        "CONTAINER",
        "NODE",
        "STATE",
        "REQ/S",
        "ERR/S",
        "WAIT",
        "IN FLIGHT",
        "REQUESTS",
        "FAILED",
        "BROKEN",
        "ABORTED",
    ];
    let mut table = None;
    for service in services {
        let Some(endpoints) = &service.endpoints else {
            continue;
        };
        let table = table.get_or_insert_with(|| Table::of_names(&heads, &[0]));
        let wait = |it: &EndpointStatus| {
            let now = rates.get(it.task.as_str());
            let recent = it.requests.recent_wait_seconds;
            now.and_then(|it| it.wait_seconds).or(recent)
        };
        let waits: Vec<f64> = endpoints.iter().filter_map(wait).collect();
        let mut slowest: Vec<_> = endpoints.iter().map(|it| (wait(it), it)).collect();
        slowest.sort_by(|(a, _), (b, _)| b.unwrap_or(-1.0).total_cmp(&a.unwrap_or(-1.0)));

        for (wait, endpoint) in slowest {
            let slow = wait.is_some_and(|it| stands_out(it, &waits));
            let rates = rates.get(endpoint.task.as_str());
            table.add(row(&service.service, endpoint, rates, wait, slow));
        }
    }
    table
}

fn row(
    service: &str,
    endpoint: &EndpointStatus,
    rates: Option<&EndpointRates>,
    wait: Option<f64>,
    slow: bool,
) -> [Cell; 12] {
    let EndpointStatus {
        state, requests, ..
    } = endpoint;
    let rate = |pick: fn(&EndpointRates) -> f64| {
        rates.map_or("-".to_owned(), |it| format!("{:.1}", pick(it)))
    };
    let errors = match rates {
        Some(rates) if rates.errors > 0.0 => Cell::coloured(rate(|it| it.errors), Colour::Bad),
        _ => Cell::new(rate(|it| it.errors)),
    };
    let wait = wait.map_or("-".to_owned(), |it| format!("{:.1} ms", it * 1e3));
    let wait = match slow {
        true => Cell::coloured(format!("{wait} SLOW"), Colour::Bad),
        false => Cell::new(wait),
    };
    let state = match (state, endpoint.ejected) {
        (state, true) => Cell::coloured(format!("{}, ejected", state.as_str()), Colour::Worse),
        (EndpointState::Ready, _) => Cell::coloured(state.as_str(), Colour::Good),
        (EndpointState::Starting | EndpointState::Draining, _) => {
            Cell::coloured(state.as_str(), Colour::Worse)
        }
        _ => Cell::coloured(state.as_str(), Colour::Bad),
    };
    [
        Cell::new(service),
        Cell::new(endpoint.container.short()),
        Cell::new(endpoint.node.short()),
        state,
        Cell::new(rate(|it| it.requests)),
        errors,
        wait,
        Cell::new(requests.in_flight.to_string()),
        Cell::new(requests.total.to_string()),
        Cell::new(requests.failed.to_string()),
        Cell::new(requests.broken.to_string()),
        Cell::new(requests.aborted.to_string()),
    ]
}
