//! The key of a request, by which a hash chooses its endpoint.

use http::HeaderValue;
use ipnet::IpNet;
use pingora::http::RequestHeader;

use crate::core::model::route::Balance;
use crate::core::request::origin::Origin;
use crate::core::routing::balance::stable_hash;

use super::cookie;
use crate::gateway::client::Client;
use crate::gateway::filters::forwarded;

/// The key; none when the request has not got what it would be made of, and its endpoint is chosen in turn.
pub(crate) fn of(
    method: &Balance,
    request: &RequestHeader,
    client: &Client,
    trusted: &[IpNet],
) -> Option<u64> {
    let value = match method {
        Balance::HashSource => return Some(forwarded::origin(request, client, trusted).key()),
        Balance::HashHeader(name) => request.headers.get(&**name).map(HeaderValue::as_bytes),
        Balance::HashCookie(name) => cookie::named(request, name.as_bytes()),
        Balance::RoundRobin | Balance::LeastRequest | Balance::PeakEwma | Balance::Random => None,
    };
    value.filter(|value| !value.is_empty()).map(stable_hash)
}

/// The key of a connection that is passed on: only its client is known.
pub(crate) fn of_connection(method: &Balance, client: Origin) -> Option<u64> {
    (*method == Balance::HashSource).then(|| client.key())
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;
    use crate::gateway::client::Side;

    #[test]
    fn the_key_of_a_source_is_the_clients_and_not_the_proxys() {
        let trusted = ["10.0.0.0/8".parse().expect("a network")];
        let key = |peer: &str, said: Option<&str>| {
            let peer: IpAddr = peer.parse().expect("an address");
            let client = Client::new(Side::Internal, peer.into(), None);
            let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
            if let Some(said) = said {
                request
                    .insert_header("X-Forwarded-For", said)
                    .expect("a header");
            }
            of(&Balance::HashSource, &request, &client, &trusted)
        };
        let direct = key("198.51.100.7", None);
        assert_eq!(key("198.51.100.7", Some("1.1.1.1")), direct);
        for items in ["198.51.100.7", "198.51.100.7:80", "x, ::ffff:198.51.100.7"] {
            assert_eq!(key("10.0.0.1", Some(items)), direct, "{items}");
        }
        let unknown = key("10.0.0.1", Some("unknown"));
        assert_eq!(key("10.0.0.1", Some("_hidden")), unknown);
        assert_ne!(key("10.0.0.1", None), unknown);
        assert_ne!(key("10.0.0.2", Some("unknown")), unknown);
    }
}
