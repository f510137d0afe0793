//! Which services have series of their own, where there are too many for that.
//!
//! # Design notes
//!
//! One service is some 45 series and 2 KB of a scrape; a hundred thousand of them were 193 MB, which
//! Prometheus cannot take and the process cannot spare. So only so many have series of their own,
//! and the others add up in the series of [`OTHERS`]: `sum()` over all services stays right.
//!
//! A counter must not fall, since Prometheus takes that for a restart and counts what is left once
//! more. That decides who is kept:
//!
//! * Services that have counted something come first, in the order in which that was seen.
//! * Those that have counted nothing fill the rest, in the order of their names, and make room for
//!   one that has. No figure changes by that, since theirs are all 0.
//! * A service that was added up once stays so for as long as it exists. What it has counted stays
//!   in the sum when it is gone.
//! * A service that is gone makes room for one that has not been added up yet.
//!
//! A family of series by service is bounded by making it of the figures that [`Room::share`]
//! returns, or by naming its service by [`Share::name`] and adding up what has the same labels.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use prometheus::proto::{MetricFamily, MetricType};

use super::ClusterMetrics;
use super::family::{family, gauge};

/// What the services together are called that have no series of their own. No service of Docker can
/// have this name.
pub(super) const OTHERS: &str = "(others)";

/// The number of services that have series of their own unless configured otherwise: 90 000 series
/// and 4 MB a scrape, which Prometheus reads in a fraction of a second, and twice the largest swarm
/// that Hiveway is designed for.
pub const SERVICES: usize = 2000;

/// Gives the services their places.
#[derive(Debug)]
pub(super) struct Room {
    /// The number of services with series of their own.
    most: usize,
    /// Those that have counted something and have series of their own.
    own: BTreeSet<Arc<str>>,
    /// Those that have counted something and are added up.
    summed: BTreeSet<Arc<str>>,
    /// What services had counted that were added up and are gone.
    gone: ClusterMetrics,
}

/// The figures of one scrape.
#[derive(Debug)]
pub(super) struct Share {
    /// By service; where some are left out, those together are [`OTHERS`].
    pub(super) clusters: BTreeMap<Arc<str>, Arc<ClusterMetrics>>,
    /// The number of services without series of their own.
    pub(super) left_out: usize,
    /// The number of services that had series of their own on offer.
    most: usize,
}

impl Room {
    pub(super) fn new(most: usize) -> Self {
        Self {
            most,
            own: BTreeSet::new(),
            summed: BTreeSet::new(),
            gone: ClusterMetrics::default(),
        }
    }

    pub(super) fn set_most(&mut self, most: usize) {
        self.most = most;
    }

    /// Forgets a service that is gone.
    pub(super) fn forget(&mut self, service: &str, figures: &ClusterMetrics) {
        self.own.remove(service);
        if self.summed.remove(service) {
            self.gone.add_counters(figures);
        }
    }

    /// Divides the services of this moment up.
    pub(super) fn share(&mut self, clusters: &BTreeMap<Arc<str>, Arc<ClusterMetrics>>) -> Share {
        for (service, figures) in clusters {
            let placed = self.own.contains(service) || self.summed.contains(service);
            if !placed && !figures.is_idle() {
                let place = match self.own.len() < self.most {
                    true => &mut self.own,
                    false => &mut self.summed,
                };
                place.insert(service.clone());
            }
        }

        let mut free = self.most - self.own.len().min(self.most);
        let mut shown = BTreeMap::new();
        let others = ClusterMetrics::default();
        let mut left_out = 0;
        for (service, figures) in clusters {
            let own = self.own.contains(service);
            let fills = !own && free > 0 && !self.summed.contains(service);
            free -= usize::from(fills);
            if own || fills {
                shown.insert(service.clone(), figures.clone());
            } else {
                left_out += 1;
                // One that was idle above may get its place at the next scrape, and must not be in the sum before.
                if self.summed.contains(service) {
                    others.add_counters(figures);
                }
                others.add_gauges(figures);
            }
        }

        // Once there, it stays: what is gone is part of the sum.
        if left_out > 0 || !self.gone.is_idle() {
            others.add_counters(&self.gone);
            shown.insert(OTHERS.into(), Arc::new(others));
        }
        Share {
            clusters: shown,
            left_out,
            most: self.most,
        }
    }
}

impl Share {
    /// What a service is called in the series of its own, or of all without.
    pub(super) fn name<'a>(&self, service: &'a str) -> &'a str {
        // The figures of requests begin with the snapshot, so a service that has none is new.
        let known = self.clusters.contains_key(service);
        match known || (self.left_out == 0 && self.clusters.len() < self.most) {
            true => service,
            false => OTHERS,
        }
    }
}

/// How many services have no series of their own.
pub(super) fn left_out(share: &Share) -> MetricFamily {
    family(
        "hiveway_metrics_services_left_out",
        "Services without series of their own, which add up as service=\"(others)\"; --metrics-services bounds the others.",
        MetricType::GAUGE,
        std::iter::once(gauge(&[], share.left_out as f64)),
    )
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::MethodLabel;
    use super::*;

    #[derive(Default)]
    struct Services(BTreeMap<Arc<str>, Arc<ClusterMetrics>>);

    impl Services {
        fn with(names: &[&str]) -> Self {
            let mut services = Self::default();
            for name in names {
                services.add(name);
            }
            services
        }

        fn add(&mut self, name: &str) {
            self.0.insert(name.into(), Arc::default());
        }

        fn asked(&self, name: &str, times: u64) {
            for _ in 0..times {
                self.0[name].observe(MethodLabel::Get, 200, Duration::from_millis(2));
            }
        }

        fn remove(&mut self, name: &str, room: &mut Room) {
            let figures = self.0.remove(name).unwrap();
            room.forget(name, &figures);
        }
    }

    /// The services that are shown, with the number of their requests.
    fn shown(share: &Share) -> Vec<(&str, u64)> {
        let all = share.clusters.iter();
        all.map(|(name, it)| (&**name, it.counts().total)).collect()
    }

    #[test]
    fn all_are_shown_while_there_is_room() {
        let services = Services::with(&["a", "b"]);
        let share = Room::new(2).share(&services.0);
        assert_eq!(shown(&share), [("a", 0), ("b", 0)]);
        assert_eq!(share.left_out, 0);
    }

    #[test]
    fn those_with_traffic_come_first_and_stay() {
        let mut room = Room::new(2);
        let mut services = Services::with(&["a", "b", "c", "d"]);
        let share = room.share(&services.0);
        assert_eq!(shown(&share), [(OTHERS, 0), ("a", 0), ("b", 0)]);
        assert_eq!(share.left_out, 2);
        services.asked("d", 3);
        let expected = [(OTHERS, 0), ("a", 0), ("d", 3)];
        assert_eq!(shown(&room.share(&services.0)), expected);
        services.asked("c", 5);
        let expected = [(OTHERS, 0), ("c", 5), ("d", 3)];
        assert_eq!(shown(&room.share(&services.0)), expected);
        // Too late, and for good, even where its name comes first.
        services.asked("a", 7);
        services.add("0");
        let expected = [(OTHERS, 7), ("c", 5), ("d", 3)];
        assert_eq!(shown(&room.share(&services.0)), expected);
    }

    #[test]
    fn one_that_is_gone_makes_room_and_no_sum_falls() {
        let mut room = Room::new(1);
        let mut services = Services::with(&["a", "b", "c"]);
        for (name, times) in [("a", 1), ("b", 2), ("c", 4)] {
            services.asked(name, times);
        }
        let expected = [(OTHERS, 6), ("a", 1)];
        assert_eq!(shown(&room.share(&services.0)), expected);
        services.remove("a", &mut room);
        services.add("new");
        assert_eq!(
            shown(&room.share(&services.0)),
            [(OTHERS, 6), ("new", 0)],
            "those that were added up stay so"
        );
        services.remove("b", &mut room);
        services.remove("c", &mut room);
        let expected = [(OTHERS, 6), ("new", 0)];
        assert_eq!(shown(&room.share(&services.0)), expected);
    }

    #[test]
    fn what_goes_up_and_down_leaves_with_its_service() {
        let mut room = Room::new(0);
        let mut services = Services::with(&["a", "b"]);
        services.0["a"].held();
        services.0["b"].held();
        let held = |share: &Share| share.clusters[OTHERS].held_now();
        assert_eq!(held(&room.share(&services.0)), 2);
        services.remove("a", &mut room);
        assert_eq!(held(&room.share(&services.0)), 1);
    }

    #[test]
    fn a_service_is_named_as_its_figures_are() {
        let mut room = Room::new(1);
        let services = Services::with(&["a", "b"]);
        let share = room.share(&services.0);
        assert_eq!(
            ["a", "b", "new"].map(|it| share.name(it)),
            ["a", OTHERS, OTHERS]
        );
        let share = Room::new(3).share(&services.0);
        assert_eq!(share.name("new"), "new");
    }
}
