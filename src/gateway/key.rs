//! The key of a request, by which a hash chooses its endpoint.

use std::net::IpAddr;

use http::HeaderValue;
use ipnet::IpNet;
use pingora::http::RequestHeader;

use crate::core::balance::stable_hash;
use crate::core::route::Balance;

use super::client::Client;
use super::{cookie, forwarded};

/// The key; none when the request has not got what it would be made of, and its endpoint is chosen in turn.
pub(super) fn of(
    method: &Balance,
    request: &RequestHeader,
    client: &Client,
    trusted: &[IpNet],
) -> Option<u64> {
    let value = match method {
        Balance::HashSource => return Some(of_address(source(request, client.peer, trusted))),
        Balance::HashHeader(name) => request.headers.get(&**name).map(HeaderValue::as_bytes),
        Balance::HashCookie(name) => cookie::named(request, name.as_bytes()),
        Balance::RoundRobin | Balance::LeastRequest | Balance::PeakEwma | Balance::Random => None,
    };
    value.filter(|value| !value.is_empty()).map(stable_hash)
}

/// The key of a connection that is passed on: only its client's address is known.
pub(super) fn of_connection(method: &Balance, client: IpAddr) -> Option<u64> {
    (*method == Balance::HashSource).then(|| of_address(client))
}

fn of_address(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => stable_hash(&address.octets()),
        IpAddr::V6(address) => stable_hash(&address.octets()),
    }
}

/// Where a client is, seen through the proxies that are trusted: otherwise all that come by one would have one endpoint.
fn source(request: &RequestHeader, peer: IpAddr, trusted: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut source = peer;
    let mut before = forwarded::chain(request);
    while is_trusted(&source) {
        match before.next() {
            Some(address) => source = address,
            None => break,
        }
    }
    source
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(headers: &[(&'static str, &str)]) -> RequestHeader {
        let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
        for (name, value) in headers {
            request.append_header(*name, *value).expect("a header");
        }
        request
    }

    #[test]
    fn the_source_is_the_last_that_no_trusted_proxy_vouches_for() {
        let trusted: Vec<IpNet> = vec!["10.0.0.0/8".parse().unwrap()];
        let forwarded_for = |value| vec![("X-Forwarded-For", value)];
        for (peer, headers, expected) in [
            ("192.0.2.1", vec![], "192.0.2.1"),
            ("192.0.2.1", forwarded_for("198.51.100.7"), "192.0.2.1"),
            ("10.0.0.1", vec![], "10.0.0.1"),
            ("10.0.0.1", forwarded_for("198.51.100.7"), "198.51.100.7"),
            (
                "10.0.0.1",
                forwarded_for("1.1.1.1, 198.51.100.7,10.2.2.2"),
                "198.51.100.7",
            ),
            ("10.0.0.1", forwarded_for("nobody, 10.2.2.2"), "10.2.2.2"),
            (
                "10.0.0.1",
                vec![
                    ("X-Forwarded-For", "1.1.1.1"),
                    ("X-Forwarded-For", "2001:db8::1"),
                ],
                "2001:db8::1",
            ),
        ] {
            let found = source(&request(&headers), peer.parse().unwrap(), &trusted);
            assert_eq!(found, expected.parse::<IpAddr>().unwrap(), "{headers:?}");
        }
    }
}
