//! What a task is told of the client: `X-Forwarded-For`, `-Proto` and `-Host`, set from the connection.
//!
//! A client's own values are dropped, since anyone can write them; only those of a peer in `--trusted-proxies` are kept and
//! added to.

use std::net::IpAddr;

use http::header::{FORWARDED, HOST};
use http::{HeaderName, HeaderValue};
use pingora::Result;
use pingora::http::RequestHeader;

use super::client::Client;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

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
    if !trusted {
        request.remove_header(&FORWARDED);
        request.remove_header(&REAL_IP);
    }
    if !(trusted && request.headers.contains_key(FORWARDED_HOST))
        && let Some(host) = request.headers.get(HOST).cloned()
    {
        request.insert_header("X-Forwarded-Host", host)?;
    }
    Ok(())
}
