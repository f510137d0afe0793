//! What a task is told of the client: `X-Forwarded-For`, `-Proto` and `-Host`, set from the connection.
//!
//! A client's own values are dropped, since anyone can write them; only those of a peer in `--trusted-proxies` are kept and
//! added to. That goes for every `X-Forwarded-*`, whether it is written here or not: a task believes what its framework does.
//!
//! Tasks that get headers as variables (CGI, WSGI, PHP and their like) cannot tell `X_Forwarded_For` from `X-Forwarded-For`, so
//! that the former would be taken for ours, or for what frames the request. No proxy writes it so, and nobody is believed.

use std::net::IpAddr;

use http::header::{CONTENT_LENGTH, FORWARDED, HOST, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use pingora::Result;
use pingora::http::RequestHeader;

use super::client::Client;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// What the headers begin with that tell of the client.
const FORWARDED_ANY: &str = "x-forwarded-";

/// Whether a proxy says that its client came by TLS; none where it does not say.
pub(super) fn says_tls(request: &RequestHeader) -> Option<bool> {
    let proto = request.headers.get(FORWARDED_PROTO)?;
    Some(proto.as_bytes().eq_ignore_ascii_case(b"https"))
}

/// The addresses that the proxies in front wrote down, the nearest first, up to one that is none.
pub(super) fn chain(request: &RequestHeader) -> impl Iterator<Item = IpAddr> {
    let headers = request.headers.get_all(FORWARDED_FOR).iter().rev();
    headers
        .flat_map(|header| header.as_bytes().rsplit(|byte| *byte == b','))
        .map_while(|item| std::str::from_utf8(item).ok()?.trim().parse().ok())
}

/// The address of the client itself: the nearest that is no trusted proxy's, or else the farthest that one wrote down.
pub(super) fn origin(request: &RequestHeader, client: &Client, trusted: &[IpNet]) -> IpAddr {
    let trusts = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    let mut nearest = client.peer;
    for address in chain(request) {
        if !trusts(&nearest) {
            break;
        }
        nearest = address.to_canonical();
    }
    nearest
}

/// Writes the headers into the request that a task gets.
pub(super) fn set(
    request: &mut RequestHeader,
    client: &Client,
    trusted: bool,
    secure: bool,
) -> Result<()> {
    let peer = &client.forwarded_for;
    let chain = if trusted && request.headers.contains_key(FORWARDED_FOR) {
        let before = request.headers.get_all(FORWARDED_FOR).iter();
        let chain: Vec<_> = before.chain([peer]).map(HeaderValue::as_bytes).collect();
        HeaderValue::try_from(chain.join(&b", "[..]))
            .expect("header values joined by commas make a header value")
    } else {
        peer.clone()
    };
    request.insert_header("X-Forwarded-For", chain)?;
    let proto = HeaderValue::from_static(if secure { "https" } else { "http" });
    request.insert_header("X-Forwarded-Proto", proto)?;
    // Most requests have none of them: one pass over their few headers costs less than a look-up for each.
    let unwanted = |name: &&HeaderName| is_disguised(name) || (!trusted && is_hearsay(name));
    if request.headers.keys().any(|name| unwanted(&name)) {
        let names: Vec<_> = request.headers.keys().filter(unwanted).cloned().collect();
        for name in names {
            request.remove_header(&name);
        }
    }
    if !(trusted && request.headers.contains_key(FORWARDED_HOST))
        && let Some(host) = request.headers.get(HOST).cloned()
    {
        request.insert_header("X-Forwarded-Host", host)?;
    }
    Ok(())
}

/// Whether a header is what anyone may say of the client, and is not written anew here.
fn is_hearsay(name: &HeaderName) -> bool {
    match name.as_str().strip_prefix(FORWARDED_ANY) {
        Some(rest) => !matches!(rest, "for" | "proto" | "host"),
        None => *name == REAL_IP || *name == FORWARDED,
    }
}

/// Whether a header's name becomes one that tells of the client, or frames the request, where underscores and hyphens are one.
fn is_disguised(name: &HeaderName) -> bool {
    let name = name.as_str();
    if !name.starts_with(['x', 'c', 't']) || !name.contains('_') {
        return false;
    }
    let plain = name.replace('_', "-");
    let ours = [REAL_IP, CONTENT_LENGTH, TRANSFER_ENCODING];
    plain.starts_with(FORWARDED_ANY) || ours.iter().any(|ours| *ours == *plain)
}

#[cfg(test)]
mod tests {
    use super::super::client::Side;
    use super::*;

    #[test]
    fn the_client_is_the_nearest_address_that_no_trusted_proxy_has() {
        let trusted = ["10.0.0.0/8", "::1/128"].map(|it| it.parse().expect("a network"));
        for (peer, lines, expected) in [
            ("192.0.2.1", &[][..], "192.0.2.1"),
            ("192.0.2.1", &["198.51.100.1"], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            (
                "10.0.0.1",
                &["203.0.113.9, 198.51.100.1,10.0.0.2"],
                "198.51.100.1",
            ),
            ("10.0.0.1", &["203.0.113.9", "198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &["198.51.100.1, unknown"], "10.0.0.1"),
            ("::1", &["::ffff:198.51.100.1"], "198.51.100.1"),
        ] {
            let peer_address = peer.parse().expect("an address");
            let client = Client::new(Side::Internal, peer_address, None);
            let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
            for line in lines {
                request
                    .append_header("X-Forwarded-For", *line)
                    .expect("a header");
            }
            let found = origin(&request, &client, &trusted).to_string();
            assert_eq!(found, expected, "{peer} {lines:?}");
        }
    }
}
