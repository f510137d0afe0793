//! Who may connect: so many connections in all, and so many from one client's address.
//!
//! # Design notes
//!
//! A connection too many is closed before anything is read from it, so that what is open already goes on. Without a bound
//! the process would run out of files, and then of memory, and everybody would lose.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use prometheus::IntCounter;

use crate::observe::metrics::Metrics;

use super::alarm::{Alarm, Alarms};
use super::clients::{ClientShare, Clients};
use super::open_files::Division;
use crate::gateway::Limits;

/// The flags' names, which are the reasons in the metric.
const ALL: &str = "max-connections";
const CLIENT: &str = "max-connections-per-client";

/// Counts connections, and says which is one too many. Shared by the listeners.
pub(crate) struct ConnectionLimits {
    most: usize,
    open: AtomicUsize,
    full: Bound,
    /// `None`: as many as the client leaves free.
    per_client: Option<NonZeroUsize>,
    client_full: Bound,
    clients: Arc<Clients>,
}

/// What is counted and reported when a bound is reached.
struct Bound {
    refused: IntCounter,
    alarm: Arc<Alarm>,
}

/// The right to be connected; it is given back when it is dropped.
pub(crate) struct ConnectionPermit {
    admission: Arc<ConnectionLimits>,
    /// Who is connected.
    pub(crate) client: Arc<ClientShare>,
}

impl ConnectionLimits {
    pub(crate) fn new(
        division: &Division,
        limits: &Limits,
        clients: Arc<Clients>,
        metrics: &Metrics,
        alarms: &mut Alarms,
    ) -> Arc<Self> {
        let mut bound = |reason| Bound {
            refused: metrics.refused_connections(reason),
            alarm: alarms.add(reason),
        };
        Arc::new(Self {
            most: division.connections,
            open: AtomicUsize::new(0),
            full: bound(ALL),
            per_client: limits.connections_per_client,
            client_full: bound(CLIENT),
            clients,
        })
    }

    /// A place for a client that connects from there; none when there is none left.
    pub(crate) fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<ConnectionPermit> {
        let more = |open: usize| (open < self.most).then_some(open + 1);
        let entered = self
            .open
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        let Ok(open) = entered else {
            let most = self.most;
            self.full.refuse(|| {
                format!(
                    "{most} connections are open, and further ones are closed; raise --{ALL}, and the limit of \
                     open files with it, or find out who holds them"
                )
            });
            return None;
        };

        let client = self.clients.of(peer);
        if !client.connects(self.per_client, self.most - open) {
            self.open.fetch_sub(1, Ordering::Relaxed);
            self.client_full.refuse(|| {
                let bound = self.per_client.map_or_else(
                    || format!("as many of {} connections as it leaves free", self.most),
                    |most| format!("{most} connections"),
                );
                format!(
                    "client {} has {bound}, and further ones are closed; raise --{CLIENT}, or name it in \
                     --trusted-proxies if it is a proxy that stands for many",
                    client.address()
                )
            });
            return None;
        }
        Some(ConnectionPermit {
            admission: self.clone(),
            client,
        })
    }

    /// The client at an address that a trusted proxy has reported.
    pub(crate) fn client(&self, address: IpAddr) -> Arc<ClientShare> {
        self.clients.of(address)
    }
}

impl Bound {
    fn refuse(&self, reason: impl FnOnce() -> String) {
        self.refused.inc();
        self.alarm.refuse(reason);
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        self.client.disconnects();
        self.admission.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::event_log;

    fn admission(
        connections: usize,
        per_client: Option<usize>,
        trusted: &[&str],
    ) -> Arc<ConnectionLimits> {
        let limits = Limits {
            connections: NonZeroUsize::new(connections),
            connections_per_client: per_client.and_then(NonZeroUsize::new),
            ..Limits::default()
        };
        let trusted: Vec<_> = trusted
            .iter()
            .map(|it| it.parse().expect("a net"))
            .collect();
        ConnectionLimits::new(
            &Division::new(1_024, &limits, 1),
            &limits,
            Clients::new(&trusted),
            &Metrics::new(event_log::channel().0.drop_counter()),
            &mut Alarms::default(),
        )
    }

    fn from(address: &str) -> IpAddr {
        address.parse().expect("an address")
    }

    #[test]
    fn a_place_is_free_again_when_its_holder_is_gone() {
        let admission = admission(8, Some(8), &[]);
        let mut held: Vec<ConnectionPermit> = Vec::new();
        for _ in 0..8 {
            held.extend(admission.admit(from("10.0.0.1")));
        }
        assert_eq!(held.len(), 8);
        assert!(admission.admit(from("10.0.0.2")).is_none());
        assert!(admission.admit(from("10.0.0.2")).is_none());
        held.pop();
        assert!(admission.admit(from("10.0.0.2")).is_some());
    }

    #[test]
    fn one_client_does_not_take_the_places_of_others() {
        let admission = admission(100, Some(2), &["10.9.0.0/16"]);
        let mut held: Vec<ConnectionPermit> = Vec::new();
        for (address, admitted) in [
            ("10.0.0.1", true),
            ("10.0.0.1", true),
            ("10.0.0.1", false),
            ("10.0.0.2", true),
            // One network of IPv6 is one client.
            ("2001:db8::1", true),
            ("2001:db8::2", true),
            ("2001:db8::ffff:3", false),
            ("2001:db8:0:1::1", true),
            // Proxies stand for many.
            ("10.9.0.1", true),
            ("10.9.0.1", true),
            ("10.9.0.1", true),
        ] {
            let place = admission.admit(from(address));
            assert_eq!(place.is_some(), admitted, "{address}");
            held.extend(place);
        }
        held.clear();
        assert!(
            admission.clients.is_empty(),
            "no client is remembered after it has left"
        );
        assert_eq!(admission.open.load(Ordering::Relaxed), 0);
        assert!(admission.admit(from("10.0.0.1")).is_some());
    }

    #[test]
    fn by_default_a_client_gets_as_many_as_it_leaves_free() {
        let admission = admission(100, None, &[]);
        let mut held: Vec<ConnectionPermit> = Vec::new();
        for (address, expected) in [("10.0.0.1", 50), ("10.0.0.2", 75), ("10.0.0.3", 88)] {
            while let Some(place) = admission.admit(from(address)) {
                held.push(place);
            }
            assert_eq!(held.len(), expected, "{address}");
        }
    }
}
