//! The order in which services are shown: those in trouble first.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use crate::core::reconcile::status::ServiceStatus;
use crate::core::routing::rates::Rates;

/// Those whose requests fail now first, by how many a second; then those that nothing serves, the
/// most asked for first; then those of which a part is out; then the others. By name where that is
/// the same.
pub(super) fn by_trouble<'a>(
    services: &'a [ServiceStatus],
    rates: &BTreeMap<String, Rates>,
) -> Vec<&'a ServiceStatus> {
    let failing = |service: &ServiceStatus| {
        let rates = rates.get(&*service.service);
        rates.map_or(0.0, |rates| rates.failed)
    };
    let key = |service: &ServiceStatus| {
        let partly = service.ready < service.total || service.ejected > 0;
        let (rank, unserved) = match (service.ready, partly) {
            (0, _) => (0, service.requests.failed),
            (_, true) => (1, 0),
            (_, false) => (2, 0),
        };
        (rank, Reverse(unserved), service.service.clone())
    };
    let mut ordered: Vec<&ServiceStatus> = services.iter().collect();
    ordered.sort_by(|a, b| {
        let errors = failing(b).total_cmp(&failing(a));
        errors.then_with(|| key(a).cmp(&key(b)))
    });
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::routing::rates::RequestCounts;

    fn service(name: &str, ready: usize, total: usize, failed: u64) -> ServiceStatus {
        ServiceStatus {
            service: name.into(),
            routes: Vec::new(),
            ready,
            total,
            states: BTreeMap::new(),
            ejected: 0,
            probes_disbelieved: false,
            probe: None,
            requests: RequestCounts {
                failed,
                ..RequestCounts::default()
            },
            endpoints: None,
        }
    }

    #[test]
    fn services_whose_requests_fail_come_first() {
        let services = [
            service("a-fine", 2, 2, 900),
            service("b-partly", 1, 2, 0),
            service("c-idle", 0, 0, 0),
            service("d-down", 0, 2, 7),
            service("e-failing", 2, 2, 50),
            service("f-worse", 2, 2, 60),
            service("g-fine", 1, 1, 0),
        ];
        let failing = |failed| Rates {
            failed,
            ..Rates::default()
        };
        let rates = [("e-failing", 1.5), ("f-worse", 20.0), ("a-fine", 0.0)];
        let rates = rates.map(|(name, failed)| (name.to_owned(), failing(failed)));
        let ordered = by_trouble(&services, &rates.into());
        let names: Vec<&str> = ordered.iter().map(|it| &*it.service).collect();
        let expected = [
            "f-worse",
            "e-failing",
            "d-down",
            "c-idle",
            "b-partly",
            "a-fine",
            "g-fine",
        ];
        assert_eq!(names, expected);
    }
}
