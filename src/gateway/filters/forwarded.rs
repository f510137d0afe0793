//! What trusted proxies report of a client, and what its task gets: `X-Forwarded-For`, `-Proto` and `-Host`.
//!
//! A client's own values are dropped, since anyone can write them; only those of a peer in `--trusted-proxies` are kept and
//! added to. That goes for every `X-Forwarded-*`, whether it is written here or not: a task believes what its framework does.
//!
//! Tasks that get headers as variables (CGI, WSGI, PHP and their like) cannot tell `X_Forwarded_For` from `X-Forwarded-For`, so
//! that the former would be taken for ours, or for what frames the request. No proxy writes it so, and nobody is believed.
//!
//! # Design notes
//!
//! Envoy, HAProxy, nginx and Traefik read and write `X-Forwarded-*` and pass a client's `Forwarded` on as it is; a proxy that
//! writes `Forwarded` alone passes a client's `X-Forwarded-For` on. So neither header can be preferred: where both are there, one
//! of them may be the client's own. Where they name one client, nothing has to be decided. Where they do not, the client is
//! unknown, or came without TLS, which lets it in nowhere; the task then gets `X-Forwarded-*` alone. A `Forwarded` without any
//! `for` names no client and contradicts nothing.

use std::net::IpAddr;

use http::header::{CONTENT_LENGTH, FORWARDED, HOST, TRANSFER_ENCODING};
use http::{HeaderName, HeaderValue};
use ipnet::IpNet;
use pingora::Result;
use pingora::http::RequestHeader;

use crate::core::request::forwarded::{self, Hop, is_secure_scheme};
use crate::core::request::origin::{self, Origin};

use crate::gateway::client::Client;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const REAL_IP: HeaderName = HeaderName::from_static("x-real-ip");

/// What the headers begin with that tell of the client.
const FORWARDED_ANY: &str = "x-forwarded-";

/// Where a request comes from: the nearest client that is not a trusted proxy.
pub(crate) fn origin(request: &RequestHeader, client: &Client, trusted: &[IpNet]) -> Origin {
    let Some(proxy) = trusted_peer(client, trusted) else {
        return client.peer;
    };
    let plain = request.headers.contains_key(FORWARDED_FOR);
    match Forwarded::of(request, proxy, trusted) {
        None => plain_origin(request, proxy, trusted),
        Some(forwarded) if !plain => forwarded.origin,
        Some(forwarded) => {
            let origin = plain_origin(request, proxy, trusted);
            match forwarded.agrees_on(origin) {
                true => origin,
                false => Origin::Unknown { behind: proxy },
            }
        }
    }
}

/// Whether the client came by TLS, to us or to a trusted proxy in front. Where several hops report it, the first counts.
pub(crate) fn is_secure(request: &RequestHeader, client: &Client, trusted: &[IpNet]) -> bool {
    let Some(proxy) = trusted_peer(client, trusted) else {
        return client.tls.is_some();
    };
    let forwarded = Forwarded::of(request, proxy, trusted).and_then(|it| it.secure);
    match (plain_secure(request), forwarded) {
        (None, None) => client.tls.is_some(),
        (Some(said), None) | (None, Some(said)) => said,
        (Some(plain), Some(forwarded)) => plain && forwarded,
    }
}

/// What `Forwarded` reports of a trusted proxy's client.
struct Forwarded {
    /// The farthest hop first.
    hops: Vec<Hop>,
    origin: Origin,
    /// Whether the hop that names the client reports TLS.
    secure: Option<bool>,
}

impl Forwarded {
    /// `None` without the header, which is nearly always.
    fn of(request: &RequestHeader, proxy: IpAddr, trusted: &[IpNet]) -> Option<Self> {
        if !request.headers.contains_key(FORWARDED) {
            return None;
        }
        let lines = request.headers.get_all(FORWARDED).iter();
        // A malformed line stands for a hop that names a client which cannot be read.
        let unreadable = || Hop {
            names_client: true,
            ..Hop::default()
        };
        let read = |line: &HeaderValue| {
            let hops = forwarded::hops(line.as_bytes());
            hops.unwrap_or_else(|| vec![unreadable()])
        };
        let hops: Vec<Hop> = lines.flat_map(read).collect();

        let clients = hops.iter().rev().map(|hop| hop.client);
        let (origin, read) = Origin::through(proxy, |it| trusts(trusted, it), clients);
        let named_by = hops.len().checked_sub(read).and_then(|at| hops.get(at));
        Some(Self {
            origin,
            secure: named_by.and_then(|hop| hop.secure),
            hops,
        })
    }

    /// Whether it names the same client, or none.
    fn agrees_on(&self, origin: Origin) -> bool {
        let silent = !self.hops.iter().any(|hop| hop.names_client);
        silent || self.origin.address() == origin.address()
    }
}

/// The address of a peer that is believed; `None` for others.
fn trusted_peer(client: &Client, trusted: &[IpNet]) -> Option<IpAddr> {
    let peer = client.peer.address();
    peer.filter(|_| client.is_in(trusted))
}

fn trusts(trusted: &[IpNet], address: &IpAddr) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

/// Where a request comes from by `X-Forwarded-For`.
fn plain_origin(request: &RequestHeader, proxy: IpAddr, trusted: &[IpNet]) -> Origin {
    let headers = request.headers.get_all(FORWARDED_FOR).iter().rev();
    let items = headers.flat_map(|header| header.as_bytes().rsplit(|byte| *byte == b','));
    Origin::through(proxy, |it| trusts(trusted, it), items.map(origin::item)).0
}

/// Whether `X-Forwarded-Proto` names TLS; `None` without it.
fn plain_secure(request: &RequestHeader) -> Option<bool> {
    let line = request.headers.get(FORWARDED_PROTO)?.as_bytes();
    let first = line.split(|byte| *byte == b',').next()?;
    Some(is_secure_scheme(first.trim_ascii()))
}

/// Writes the headers into the request that a task gets.
pub(crate) fn set(
    request: &mut RequestHeader,
    client: &Client,
    trusted: &[IpNet],
    secure: bool,
) -> Result<()> {
    let proxy = trusted_peer(client, trusted);
    let forwarded = proxy.and_then(|proxy| Forwarded::of(request, proxy, trusted));

    let peer = &client.forwarded_for;
    let chain = if proxy.is_some() && request.headers.contains_key(FORWARDED_FOR) {
        let before = request.headers.get_all(FORWARDED_FOR).iter();
        let chain: Vec<_> = before.chain([peer]).map(HeaderValue::as_bytes).collect();
        HeaderValue::try_from(chain.join(&b", "[..]))
            .expect("header values joined by commas make a header value")
    } else if let Some(forwarded) = &forwarded {
        converted(&forwarded.hops, peer)
    } else {
        peer.clone()
    };

    // A task is not left to choose between two stories.
    if let (Some(proxy), Some(forwarded)) = (proxy, forwarded) {
        let plain = plain_origin(request, proxy, trusted);
        let contradicts = request.headers.contains_key(FORWARDED_FOR)
            && !forwarded.agrees_on(plain)
            || forwarded.secure.is_some_and(|said| said != secure);
        if contradicts {
            request.remove_header(&FORWARDED);
        }
    }

    request.insert_header("X-Forwarded-For", chain)?;
    let proto = HeaderValue::from_static(if secure { "https" } else { "http" });
    request.insert_header("X-Forwarded-Proto", proto)?;

    // Most requests have none of them: one pass over their few headers costs less than a look-up for each.
    let unwanted = |name: &&HeaderName| is_disguised(name) || (proxy.is_none() && is_hearsay(name));
    if request.headers.keys().any(|name| unwanted(&name)) {
        let names: Vec<_> = request.headers.keys().filter(unwanted).cloned().collect();
        for name in names {
            request.remove_header(&name);
        }
    }

    if !(proxy.is_some() && request.headers.contains_key(FORWARDED_HOST))
        && let Some(host) = request.headers.get(HOST).cloned()
    {
        request.insert_header("X-Forwarded-Host", host)?;
    }
    Ok(())
}

/// `X-Forwarded-For` as RFC 7239, section 7.4 makes it of `Forwarded`, for tasks that read the former alone.
fn converted(hops: &[Hop], peer: &HeaderValue) -> HeaderValue {
    let client = |hop: &Hop| match hop.client {
        Some(address) => address.to_string(),
        None => "unknown".to_owned(),
    };
    let mut chain: Vec<u8> = hops
        .iter()
        .map(client)
        .collect::<Vec<_>>()
        .join(", ")
        .into();
    chain.extend_from_slice(b", ");
    chain.extend_from_slice(peer.as_bytes());
    HeaderValue::try_from(chain).expect("addresses and words joined by commas make a header value")
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
mod tests;
