//! Who sends requests: from where, and by which listener.

pub(crate) mod pace;
pub(crate) mod paced;
pub(crate) mod tls_info;
pub(crate) mod tls_stream;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use http::HeaderValue;
use ipnet::IpNet;
use pingora::protocols::Stream;

use super::limits::clients::ClientShare;
use crate::core::request::origin::Origin;

use self::tls_info::TlsInfo;
use self::tls_stream::TlsStream;

/// Who is at the other end of a connection. Made once and shared by all its requests.
#[derive(Debug)]
pub(super) struct Client {
    /// Which listener it came to.
    pub(super) side: Side,
    /// The address that it connected from, by itself or to a proxy that speaks the PROXY protocol.
    pub(super) peer: Origin,
    /// The same as a header's value.
    pub(super) forwarded_for: HeaderValue,
    /// What TLS was opened with; none where it came plain.
    pub(super) tls: Option<TlsInfo>,
    /// What it has of what all clients share; `None` where that is not counted: it gets nothing of it.
    pub(super) share: Option<Arc<ClientShare>>,
    /// How many of its requests it did not wait for the end of.
    given_up: AtomicU32,
    /// Whether its connection was ended because it took too long to read what it had asked for.
    lags: AtomicBool,
    /// Whether it has sent too many frames of HTTP/2 that bring no request forward.
    floods: AtomicBool,
}

impl Client {
    /// Who is at the other end of a connection, or of the proxy's in front that has told who is there.
    pub(super) fn of(
        stream: &Stream,
        told: Option<Origin>,
        side: Side,
        share: Arc<ClientShare>,
    ) -> Self {
        let peer = told.unwrap_or_else(|| Self::peer(stream).into());
        Self {
            share: Some(share),
            ..Self::new(side, peer, TlsStream::secured(stream))
        }
    }

    pub(super) fn new(side: Side, peer: Origin, tls: Option<TlsInfo>) -> Self {
        let forwarded_for = match peer.address() {
            Some(address) => HeaderValue::try_from(address.to_string())
                .expect("an address is made of digits, letters, dots and colons"),
            // As RFC 7239, section 6.2 names a client that is not known.
            None => HeaderValue::from_static("unknown"),
        };
        Self {
            side,
            peer,
            forwarded_for,
            tls,
            share: None,
            given_up: AtomicU32::new(0),
            lags: AtomicBool::new(false),
            floods: AtomicBool::new(false),
        }
    }

    /// Whether its connection comes from one of these networks.
    pub(super) fn is_in(&self, networks: &[IpNet]) -> bool {
        let address = self.peer.address();
        address.is_some_and(|it| networks.iter().any(|network| network.contains(&it)))
    }

    /// The address that a connection comes from.
    pub(super) fn peer(stream: &Stream) -> IpAddr {
        let digest = stream.get_socket_digest();
        let address = digest
            .as_ref()
            .and_then(|digest| digest.peer_addr()?.as_inet().copied());
        let unknown = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
        address.map_or(unknown, |address| address.ip().to_canonical())
    }

    /// It did not wait for the end of a request.
    pub(super) fn gives_up(&self) {
        self.given_up.fetch_add(1, Ordering::Relaxed);
    }

    /// How many requests it did not wait for the end of, up to now.
    pub(super) fn given_up(&self) -> u32 {
        self.given_up.load(Ordering::Relaxed)
    }

    /// Its connection ends because it takes too long to read what it has asked for. True for the first to say so.
    pub(super) fn lags_behind(&self) -> bool {
        !self.lags.swap(true, Ordering::Relaxed)
    }

    /// Whether its connection was ended for that.
    pub(super) fn lagged_behind(&self) -> bool {
        self.lags.load(Ordering::Relaxed)
    }

    /// It has sent too many frames of HTTP/2 that bring no request forward.
    pub(super) fn floods(&self) {
        self.floods.store(true, Ordering::Relaxed);
    }

    /// Whether it has.
    pub(super) fn has_flooded(&self) -> bool {
        self.floods.load(Ordering::Relaxed)
    }
}

/// Who a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The containers of the cluster.
    Internal,
    /// The outside: `.local` hosts do not exist.
    Public,
}
