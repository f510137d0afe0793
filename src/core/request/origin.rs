//! The address of the client that a request comes from, as far as the trusted proxies in front report it.
//!
//! # Design notes
//!
//! A trusted proxy that reports a client which cannot be read (`unknown`, `_hidden`, an empty item, garbage) has *another*
//! client than itself. To take the request for the proxy's own would let it through every list of addresses that names the
//! proxy's network, and would give all such clients the proxy's share of a rate limit. So it is an [`Origin::Unknown`]: no
//! list of addresses contains it. All unknown clients behind one proxy have one key, which is the key of no address: a key
//! for each text would let a client choose a new one for every request, and no key at all would leave them unlimited.

use std::net::{IpAddr, Ipv6Addr};

use crate::core::routing::balance::stable_hash;

/// The longest port number in decimal digits (65535).
const PORT_DIGITS: usize = 5;

/// Where a request comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// The client's address; never an IPv4 address in the form of IPv6.
    Known(IpAddr),
    /// A client of this proxy that the proxy does not name, or not in a form that can be read.
    Unknown {
        /// The proxy's address.
        behind: IpAddr,
    },
}

impl Origin {
    /// The nearest address that is not a trusted proxy's, or else the farthest that one reports, with the number of hops
    /// that were read. `hops` begins with what the nearest proxy reports; `None` is an item that cannot be read.
    pub fn through(
        peer: IpAddr,
        trusts: impl Fn(&IpAddr) -> bool,
        hops: impl Iterator<Item = Option<IpAddr>>,
    ) -> (Self, usize) {
        let mut nearest = peer.to_canonical();
        let mut read = 0;

        for hop in hops {
            if !trusts(&nearest) {
                break;
            }
            read += 1;
            match hop.map(Self::from) {
                Some(Self::Known(address)) => nearest = address,
                _ => return (Self::Unknown { behind: nearest }, read),
            }
        }

        (Self::Known(nearest), read)
    }

    /// The client's address; `None` if it is unknown.
    #[must_use]
    pub fn address(self) -> Option<IpAddr> {
        match self {
            Self::Known(address) => Some(address),
            Self::Unknown { .. } => None,
        }
    }

    /// A stable key for `hash:source`. The unknown clients of a proxy share one that no address has.
    #[must_use]
    pub fn key(self) -> u64 {
        let of = |address: IpAddr, prefix: &[u8]| match address {
            IpAddr::V4(address) => stable_hash(&[prefix, &address.octets()].concat()),
            IpAddr::V6(address) => stable_hash(&[prefix, &address.octets()].concat()),
        };
        match self {
            // The plain case needs no copy.
            Self::Known(IpAddr::V4(address)) => stable_hash(&address.octets()),
            Self::Known(IpAddr::V6(address)) => stable_hash(&address.octets()),
            Self::Unknown { behind } => of(behind, b"unknown"),
        }
    }

    /// The same with an IPv6 address reduced to its /64 network: a subscriber has one at least, and could use another
    /// address of it for every request.
    #[must_use]
    pub fn subscriber(self) -> Self {
        match self {
            Self::Known(IpAddr::V6(address)) => {
                let network = address.to_bits() & !u128::from(u64::MAX);
                Self::Known(Ipv6Addr::from_bits(network).into())
            }
            other => other,
        }
    }
}

/// The unspecified address (`0.0.0.0`, `::`) is no client's.
impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            behind if behind.is_unspecified() => Self::Unknown { behind },
            address => Self::Known(address),
        }
    }
}

/// Reads an item of `X-Forwarded-For`: an address, or a [`node`], since some proxies append the client's port.
#[must_use]
pub fn item(bytes: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(bytes).ok()?.trim_matches([' ', '\t']);
    text.parse().ok().or_else(|| node(text))
}

/// Reads a node of RFC 7239, section 6: an IPv4 address or an IPv6 address in brackets, perhaps with a port, which may be
/// obfuscated. `None` for all else, `unknown` and obfuscated identifiers included.
#[must_use]
pub fn node(text: &str) -> Option<IpAddr> {
    if let Some(rest) = text.strip_prefix('[') {
        let (address, port) = rest.split_once(']')?;
        let address: Ipv6Addr = address.parse().ok()?;
        let whole = port.is_empty() || port.strip_prefix(':').is_some_and(is_port);
        return whole.then_some(address.into());
    }
    let (address, port) = match text.split_once(':') {
        Some((address, port)) => (address, Some(port)),
        None => (text, None),
    };
    let address: std::net::Ipv4Addr = address.parse().ok()?;
    port.is_none_or(is_port).then_some(address.into())
}

/// Whether this is a `node-port` of RFC 7239, section 6.
fn is_port(port: &str) -> bool {
    match port.strip_prefix('_') {
        Some(hidden) => {
            let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            !hidden.is_empty() && hidden.bytes().all(allowed)
        }
        None => {
            (1..=PORT_DIGITS).contains(&port.len()) && port.bytes().all(|it| it.is_ascii_digit())
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn an_address_is_read_with_and_without_its_port() {
        for (text, expected) in [
            ("203.0.113.9", Some("203.0.113.9")),
            (" 203.0.113.9\t", Some("203.0.113.9")),
            // Azure Application Gateway and Front Door append the client's port.
            ("203.0.113.9:4711", Some("203.0.113.9")),
            ("203.0.113.9:0", Some("203.0.113.9")),
            // RFC 7239, section 6.3: ports may be obfuscated.
            ("203.0.113.9:_a.b-c_d", Some("203.0.113.9")),
            ("[2001:db8::1]", Some("2001:db8::1")),
            ("[2001:db8::1]:80", Some("2001:db8::1")),
            ("[2001:db8::1]:_port", Some("2001:db8::1")),
            ("2001:db8::1", Some("2001:db8::1")),
            ("::ffff:203.0.113.9", Some("::ffff:203.0.113.9")),
            // RFC 7239, sections 6.2 and 6.3.
            ("unknown", None),
            ("unknown:80", None),
            ("_hidden", None),
            ("_SEVKISEK", None),
            ("_hidden:80", None),
            ("", None),
            (" ", None),
            ("-", None),
            // What nginx writes for a client on a Unix socket.
            ("unix:", None),
            ("localhost", None),
            ("203.0.113.9:", None),
            ("203.0.113.9:http", None),
            ("203.0.113.9:123456", None),
            ("203.0.113.9:_", None),
            ("203.0.113.9:80:80", None),
            ("203.0.113", None),
            ("203.0.113.09", None),
            ("0xcb.0.113.9", None),
            ("[203.0.113.9]:80", None),
            ("[2001:db8::1", None),
            ("[2001:db8::1]80", None),
            ("[]", None),
            ("2001:db8::1%eth0", None),
            ("\"203.0.113.9\"", None),
            ("203.0.113.9 10.0.0.1", None),
        ] {
            assert_eq!(item(text.as_bytes()), expected.map(address), "{text:?}");
        }
        assert_eq!(item(b"203.0.113.9\xff"), None);
    }

    #[test]
    fn the_origin_is_the_nearest_untrusted_or_unknown_client() {
        let trusts = |address: &IpAddr| address.to_string().starts_with("10.");
        let known = |text: &str| Origin::Known(address(text));
        let unknown = |text: &str| Origin::Unknown {
            behind: address(text),
        };
        for (peer, hops, expected) in [
            ("192.0.2.1", &[][..], (known("192.0.2.1"), 0)),
            ("192.0.2.1", &[None], (known("192.0.2.1"), 0)),
            ("::ffff:10.0.0.1", &[], (known("10.0.0.1"), 0)),
            ("10.0.0.1", &[Some("1.1.1.1"), None], (known("1.1.1.1"), 1)),
            ("10.0.0.1", &[Some("::ffff:1.1.1.1")], (known("1.1.1.1"), 1)),
            ("10.0.0.1", &[Some("10.0.0.2")], (known("10.0.0.2"), 1)),
            ("10.0.0.1", &[None], (unknown("10.0.0.1"), 1)),
            ("10.0.0.1", &[Some("0.0.0.0")], (unknown("10.0.0.1"), 1)),
            ("10.0.0.1", &[Some("::")], (unknown("10.0.0.1"), 1)),
            (
                "10.0.0.1",
                &[Some("10.0.0.2"), None],
                (unknown("10.0.0.2"), 2),
            ),
            (
                "10.0.0.1",
                &[Some("10.0.0.2"), Some("1.1.1.1"), Some("10.0.0.3")],
                (known("1.1.1.1"), 2),
            ),
        ] {
            let read = hops.iter().map(|hop| hop.map(address));
            let found = Origin::through(address(peer), trusts, read);
            assert_eq!(found, expected, "{peer} {hops:?}");
        }
    }

    #[test]
    fn unknown_clients_share_a_key_that_no_address_has() {
        let proxy = address("10.0.0.1");
        let unknown = Origin::Unknown { behind: proxy };
        assert_ne!(unknown.key(), Origin::from(proxy).key());
        assert_ne!(unknown.subscriber(), Origin::from(proxy).subscriber());
        let other = Origin::Unknown {
            behind: address("10.0.0.2"),
        };
        assert_ne!(unknown.key(), other.key());
        let key = stable_hash(&[10, 0, 0, 1]);
        assert_eq!(Origin::from(proxy).key(), key, "keys outlive updates");
    }

    proptest! {
        #[test]
        fn a_node_with_a_port_is_its_address(v4: [u8; 4], v6: [u8; 16], port: u16) {
            let (v4, v6) = (std::net::Ipv4Addr::from(v4), Ipv6Addr::from(v6));
            prop_assert_eq!(item(format!("{v4}:{port}").as_bytes()), Some(v4.into()));
            prop_assert_eq!(item(format!("[{v6}]:{port}").as_bytes()), Some(v6.into()));
            prop_assert_eq!(item(format!("{v6}").as_bytes()), Some(v6.into()));
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = item(&bytes);
        }
    }
}
