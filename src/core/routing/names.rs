//! The names that the resolver answers for: which `.local` hosts exist, and the gateways' addresses that they have.
//!
//! # Design notes
//!
//! Every host has the same addresses, those of the gateways: which service answers is decided by the request, not by the
//! name. So the index holds names only, and costs one hash look-up a label, however many routes there are.
//!
//! A name above a host (`shop.local` above `cart.shop.local`) exists without addresses. Said not to exist, it would take
//! the hosts below with it in caches that believe RFC 8020.
//!
//! An answer holds a few addresses of many, so that it fits a packet of 512 bytes and needs no second try by TCP; whose
//! turn it is goes round.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::core::model::NodeId;
use crate::core::model::route::{self, HostPattern};
use crate::core::model::snapshot::Snapshot;

/// The most addresses in one answer: eight of IPv6 with the longest name fit 512 bytes.
pub const MOST_ADDRESSES: usize = 8;

/// Everything that the resolver knows. Made once a snapshot, never changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    hosts: HashMap<Arc<str>, Claimed>,
    v4: Gateways,
    v6: Gateways,
}

/// How a name came into the index; neither, where it only lies above others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Claimed {
    exact: bool,
    under: bool,
}

/// The gateways' addresses of one family.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Gateways {
    own: Vec<IpAddr>,
    others: Vec<IpAddr>,
}

/// Which records a question asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordKind {
    /// Addresses of IPv4.
    A,
    /// Addresses of IPv6.
    Aaaa,
    /// Anything else; no name has it.
    Other,
}

/// What there is to say about a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// These addresses, the preferred first; never none.
    Addresses(Vec<IpAddr>),
    /// The name exists, and has nothing of the kind.
    NoData,
    /// Nobody claims the name, nor one below it.
    NoSuchName,
    /// Not a `.local` name: others answer for it.
    NotOurs,
}

impl Names {
    /// The names of a snapshot, as a gateway on this node tells them.
    #[must_use]
    pub fn new(snapshot: &Snapshot, own: Option<&NodeId>) -> Self {
        let mut names = Self::default();
        for key in snapshot.routes.keys() {
            if !key.host.is_local() {
                continue;
            }
            let (HostPattern::Exact(host) | HostPattern::Under(host)) = &key.host;
            let claimed = names.hosts.entry(host.clone()).or_default();
            match key.host {
                HostPattern::Exact(_) => claimed.exact = true,
                HostPattern::Under(_) => claimed.under = true,
            }
            for above in suffixes(host) {
                if !names.hosts.contains_key(above) {
                    names.hosts.insert(above.into(), Claimed::default());
                }
            }
        }
        for gateway in &*snapshot.gateways {
            let family = match gateway.address {
                IpAddr::V4(_) => &mut names.v4,
                IpAddr::V6(_) => &mut names.v6,
            };
            let list = match own {
                Some(own) if *own == gateway.node => &mut family.own,
                _ => &mut family.others,
            };
            if !list.contains(&gateway.address) {
                list.push(gateway.address);
            }
        }
        names
    }

    /// What to say about a name in lower case, without a trailing dot. The ticket, drawn from a counter, decides which of
    /// the other nodes' gateways comes first.
    #[must_use]
    pub fn answer(&self, name: &str, kind: RecordKind, ticket: usize) -> Answer {
        if !route::is_local(name) {
            return Answer::NotOurs;
        }
        let known = self.hosts.get(name);
        let claimed = known.is_some_and(|it| it.exact)
            || suffixes(name).any(|above| self.hosts.get(above).is_some_and(|it| it.under));
        if !claimed {
            // The domain itself always exists.
            return if known.is_some() || name == "local" {
                Answer::NoData
            } else {
                Answer::NoSuchName
            };
        }
        let addresses = match kind {
            RecordKind::A => self.v4.in_turn(ticket),
            RecordKind::Aaaa => self.v6.in_turn(ticket),
            RecordKind::Other => Vec::new(),
        };
        if addresses.is_empty() {
            Answer::NoData
        } else {
            Answer::Addresses(addresses)
        }
    }
}

impl Gateways {
    /// The own node's, then the others from the one whose turn it is.
    fn in_turn(&self, ticket: usize) -> Vec<IpAddr> {
        let first = ticket.checked_rem(self.others.len()).unwrap_or(0);
        let (before, after) = self.others.split_at(first);
        let all = self.own.iter().chain(after).chain(before);
        all.take(MOST_ADDRESSES).copied().collect()
    }
}

/// What follows each dot of a name, the longest first.
fn suffixes(name: &str) -> impl Iterator<Item = &str> {
    name.match_indices('.').map(|(dot, _)| &name[dot + 1..])
}

#[cfg(test)]
mod tests;
