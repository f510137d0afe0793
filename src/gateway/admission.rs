//! Who may connect: so many connections in all, and so many from one client's address.
//!
//! # Design notes
//!
//! A connection too many is closed before anything is read from it, so that what is open already goes on. Without a bound
//! the process would run out of files, and then of memory, and everybody would lose.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use ipnet::IpNet;
use prometheus::IntCounter;
use rustix::process::{Resource, getrlimit};
use tokio::time::Instant;

use crate::metrics::Metrics;

use super::Limits;

/// The most connections where nothing else is said, if there are files enough for them.
const MOST: usize = 65_536;

/// Files that are kept for everything but clients and tasks.
const OWN_FILES: u64 = 128;

/// Seconds between two log lines about one bound.
const TELL_EVERY: u64 = 60;

/// Counts connections, and says which is one too many. Shared by the listeners.
pub(super) struct Admission {
    most: usize,
    open: AtomicUsize,
    full: Bound,
    /// None where clients are not told apart.
    clients: Option<Clients>,
    started: Instant,
}

struct Clients {
    most: usize,
    /// Proxies stand for many clients.
    exempt: Vec<IpNet>,
    open: Mutex<HashMap<IpAddr, usize>>,
    full: Bound,
}

/// What is counted and told when a bound is reached.
struct Bound {
    refused: IntCounter,
    /// The second at which it is told again.
    tell_at: AtomicU64,
}

/// The right to be connected; it is given back when it is dropped.
pub(super) struct Place {
    admission: Arc<Admission>,
    client: Option<IpAddr>,
}

impl Admission {
    pub(super) fn new(limits: Limits, trusted: &[IpNet], metrics: &Metrics) -> Arc<Self> {
        let most = limits
            .connections
            .map_or_else(affordable, NonZeroUsize::get);
        let bound = |reason| Bound {
            refused: metrics.refused_connections(reason),
            tell_at: AtomicU64::new(0),
        };
        let clients = limits.connections_per_client.map(|most| Clients {
            most: most.get(),
            exempt: trusted.to_vec(),
            open: Mutex::default(),
            full: bound("max-connections-per-client"),
        });
        Arc::new(Self {
            most,
            open: AtomicUsize::new(0),
            full: bound("max-connections"),
            clients,
            started: Instant::now(),
        })
    }

    /// A place for a client that connects from there; none when there is none left.
    pub(super) fn admit(self: &Arc<Self>, peer: IpAddr) -> Option<Place> {
        let open = self.open.fetch_add(1, Ordering::Relaxed);
        let mut place = Place {
            admission: self.clone(),
            client: None,
        };
        if open >= self.most {
            if self.full.refuse(self.started) {
                tracing::warn!(
                    "{} connections are open, and no more are taken; raise --max-connections, and the limit of open files \
                     to twice as many, or find out who holds them",
                    self.most
                );
            }
            return None;
        }
        let Some(clients) = &self.clients else {
            return Some(place);
        };
        let client = client(peer);
        if clients.exempt.iter().any(|network| network.contains(&peer)) {
            return Some(place);
        }
        let admitted = {
            let mut open = clients.open();
            let open = open.entry(client).or_default();
            let admitted = *open < clients.most;
            *open += usize::from(admitted);
            admitted
        };
        if !admitted {
            if clients.full.refuse(self.started) {
                tracing::warn!(
                    client = %client,
                    "a client has {} connections open and gets no more; raise --max-connections-per-client, or name it in \
                     --trusted-proxies if it stands for many",
                    clients.most
                );
            }
            return None;
        }
        place.client = Some(client);
        Some(place)
    }
}

impl Clients {
    fn open(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.open
            .lock()
            .expect("nothing panics while it holds the clients")
    }
}

impl Bound {
    /// Counts a refusal; true when it is time to tell of it.
    fn refuse(&self, started: Instant) -> bool {
        self.refused.inc();
        let now = started.elapsed().as_secs();
        let due = self.tell_at.load(Ordering::Relaxed);
        let next = now + TELL_EVERY;
        now >= due
            && self
                .tell_at
                .compare_exchange(due, next, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok()
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.admission.open.fetch_sub(1, Ordering::Relaxed);
        let (Some(client), Some(clients)) = (self.client, &self.admission.clients) else {
            return;
        };
        let mut open = clients.open();
        if let Some(count) = open.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                open.remove(&client);
            }
        }
    }
}

/// Who an address stands for. One who has an address of IPv6 has the 2⁶⁴ of its network.
fn client(peer: IpAddr) -> IpAddr {
    match peer {
        IpAddr::V4(_) => peer,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

/// How many connections there are files for, two each: the client's and the task's.
fn affordable() -> usize {
    let files = getrlimit(Resource::Nofile).current;
    files.map_or(MOST, affordable_by)
}

fn affordable_by(files: u64) -> usize {
    let affordable = files.saturating_sub(OWN_FILES) / 2;
    usize::try_from(affordable).unwrap_or(MOST).clamp(16, MOST)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal;

    fn admission(
        connections: usize,
        per_client: Option<usize>,
        trusted: &[&str],
    ) -> Arc<Admission> {
        let limits = Limits {
            connections: NonZeroUsize::new(connections),
            connections_per_client: per_client.and_then(NonZeroUsize::new),
            ..Limits::default()
        };
        let trusted: Vec<IpNet> = trusted
            .iter()
            .map(|it| it.parse().expect("a net"))
            .collect();
        Admission::new(
            limits,
            &trusted,
            &Metrics::new(journal::channel().0.drop_counter()),
        )
    }

    fn from(address: &str) -> IpAddr {
        address.parse().expect("an address")
    }

    #[test]
    fn a_place_is_free_again_when_its_holder_is_gone() {
        let admission = admission(2, None, &[]);
        let first = admission.admit(from("10.0.0.1"));
        let second = admission.admit(from("10.0.0.1"));
        assert!(first.is_some() && second.is_some());
        assert!(admission.admit(from("10.0.0.2")).is_none());
        assert!(admission.admit(from("10.0.0.2")).is_none());
        drop(first);
        assert!(admission.admit(from("10.0.0.2")).is_some());
    }

    #[test]
    fn one_client_does_not_take_the_places_of_others() {
        let admission = admission(100, Some(2), &["10.9.0.0/16"]);
        let mut held: Vec<Place> = Vec::new();
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
        let clients = admission.clients.as_ref().expect("a bound");
        assert!(clients.open().is_empty(), "nobody is remembered for ever");
        assert_eq!(admission.open.load(Ordering::Relaxed), 0);
        assert!(admission.admit(from("10.0.0.1")).is_some());
    }

    #[test]
    fn there_are_two_files_for_each_connection() {
        for (files, connections) in [
            (64, 16),
            (1024, 448),
            (20_000, 9_936),
            (1_048_576, 65_536),
            (u64::MAX, 65_536),
        ] {
            assert_eq!(affordable_by(files), connections, "{files}");
        }
    }

    #[test]
    fn a_bound_is_told_of_once_a_minute() {
        let metrics = Metrics::new(journal::channel().0.drop_counter());
        let bound = Bound {
            refused: metrics.refused_connections("max-connections"),
            tell_at: AtomicU64::new(0),
        };
        let now = Instant::now();
        assert_eq!([0; 3].map(|_| bound.refuse(now)), [true, false, false]);
        assert_eq!(bound.refused.get(), 3);
    }
}
