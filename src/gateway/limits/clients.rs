//! Who is connected, by address, and what each has of what all share.
//!
//! # Design notes
//!
//! A client is an address, or a network of 64 bits where that is of IPv6, since who has one address of such a network has
//! all. It is looked up once for each connection; requests count by what the connection then holds, without a lock.
//!
//! By default a client may take as many places as it leaves free: one alone gets half of all, a second one half of what
//! is left. So a newcomer finds a place whatever others do, and no number has to be chosen that is too small for a client
//! that stands for many (Swarm's ingress gives all clients the address of the node) and too large for an attacker.

use std::collections::HashMap;
use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use ipnet::IpNet;

use crate::core::request::origin::Origin;

/// The clients that have a connection.
pub(crate) struct Clients {
    /// Proxies stand for many clients.
    exempt: Vec<IpNet>,
    connected: Mutex<Connected>,
}

/// What each has, and how many shares of it there are.
type Connected = HashMap<IpAddr, (usize, Arc<Counts>)>;

/// What one client has.
#[derive(Debug, Default)]
struct Counts {
    connections: AtomicUsize,
    tasks: AtomicUsize,
    waiting: AtomicUsize,
}

/// One client, for as long as anything of it is left.
pub(crate) struct ClientShare {
    address: IpAddr,
    exempt: bool,
    counts: Arc<Counts>,
    clients: Arc<Clients>,
}

impl Clients {
    /// Knows none, and lets those in these networks have any number.
    pub(crate) fn new(exempt: &[IpNet]) -> Arc<Self> {
        Arc::new(Self {
            exempt: exempt.to_vec(),
            connected: Mutex::default(),
        })
    }

    /// The client at this address.
    pub(crate) fn of(self: &Arc<Self>, peer: IpAddr) -> Arc<ClientShare> {
        let address = key(peer);
        let counts = {
            let mut connected = self.connected();
            let (shares, counts) = connected.entry(address).or_default();
            *shares += 1;
            counts.clone()
        };
        Arc::new(ClientShare {
            address,
            exempt: self.exempt.iter().any(|network| network.contains(&peer)),
            counts,
            clients: self.clone(),
        })
    }

    fn connected(&self) -> MutexGuard<'_, Connected> {
        self.connected
            .lock()
            .expect("nothing panics while it holds the clients")
    }

    #[cfg(test)]
    pub(crate) fn is_empty(&self) -> bool {
        self.connected().is_empty()
    }
}

impl ClientShare {
    /// Who it is: an address, or the first of its network.
    pub(crate) fn address(&self) -> IpAddr {
        self.address
    }

    /// Counts one more connection, unless it has as many as it may; `free` are left for all.
    pub(crate) fn connects(&self, most: Option<NonZeroUsize>, free: usize) -> bool {
        self.takes(&self.counts.connections, most, free)
    }

    /// Counts one less.
    pub(crate) fn disconnects(&self) {
        self.counts.connections.fetch_sub(1, Ordering::Relaxed);
    }

    /// The same of connections to tasks.
    pub(crate) fn takes_task(&self, most: Option<NonZeroUsize>, free: usize) -> bool {
        self.takes(&self.counts.tasks, most, free)
    }

    pub(crate) fn leaves_task(&self) {
        self.counts.tasks.fetch_sub(1, Ordering::SeqCst);
    }

    /// The same of places in the line for them.
    pub(crate) fn waits(&self, free: usize) -> bool {
        self.takes(&self.counts.waiting, None, free)
    }

    pub(crate) fn waited(&self) {
        self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    fn takes(&self, own: &AtomicUsize, most: Option<NonZeroUsize>, free: usize) -> bool {
        if self.exempt {
            own.fetch_add(1, Ordering::SeqCst);
            return true;
        }
        let most = most.map_or(free, NonZeroUsize::get);
        let more = |own: usize| (own < most).then_some(own + 1);
        // Ordered against the line, which is joined before this is tried for the last time.
        own.fetch_update(Ordering::SeqCst, Ordering::SeqCst, more)
            .is_ok()
    }
}

impl Drop for ClientShare {
    fn drop(&mut self) {
        let mut connected = self.clients.connected();
        if let Some((shares, _)) = connected.get_mut(&self.address) {
            *shares -= 1;
            if *shares == 0 {
                connected.remove(&self.address);
            }
        }
    }
}

impl std::fmt::Debug for ClientShare {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ClientShare").field(&self.address).finish()
    }
}

/// The address that stands for a client: its own, or its /64 network of IPv6.
fn key(peer: IpAddr) -> IpAddr {
    Origin::from(peer).subscriber().address().unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn a_network_of_64_bits_is_one_client() {
        let clients = Clients::new(&[]);
        for (one, other, same) in [
            ("10.0.0.1", "10.0.0.1", true),
            ("10.0.0.1", "10.0.0.2", false),
            ("10.0.0.1", "::ffff:10.0.0.1", true),
            ("2001:db8::1", "2001:db8::ffff:2", true),
            ("2001:db8::1", "2001:db8:0:1::1", false),
        ] {
            let (first, second) = (clients.of(address(one)), clients.of(address(other)));
            assert_eq!(
                Arc::ptr_eq(&first.counts, &second.counts),
                same,
                "{one} {other}"
            );
        }
        assert!(clients.is_empty(), "a client that is gone is forgotten");
    }

    #[test]
    fn a_client_gets_as_many_as_it_leaves_free() {
        let clients = Clients::new(&["10.9.0.0/16".parse().expect("a network")]);
        let mut free = 100_usize;
        for (from, most, expected) in [
            ("10.0.0.1", None, 50),
            ("10.0.0.2", None, 25),
            ("10.0.0.3", None, 13),
            ("10.0.0.4", NonZeroUsize::new(5), 5),
            // Proxies stand for many.
            ("10.9.0.1", None, 7),
        ] {
            let client = clients.of(address(from));
            let mut got = 0;
            while free > 0 && client.takes_task(most, free) {
                (got, free) = (got + 1, free - 1);
            }
            assert_eq!(got, expected, "{from}");
        }
    }
}
