//! A client's connection: the stream that Pingora accepted, with what all its requests share, and a deadline for heads.
//!
//! # Design notes
//!
//! Pingora's time-out for request heads runs anew with every read, so a client that drips one byte a second is never cut
//! off. Here the clock starts when a head is still incomplete after its first bytes. The common case, a head that arrives in
//! one piece, costs neither a timer nor a look at the clock.

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use async_trait::async_trait;
use http::HeaderValue;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    Stream, TimingDigest, UniqueID, UniqueIDType, raw_connect::ProxyDigest, tls::SslDigest,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

use super::listener::Side;

/// How long a request's head may take from its first bytes to its last.
const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// A connection from a client.
pub(super) struct Connection {
    stream: Stream,
    /// Who the listener is for.
    pub(super) side: Side,
    /// The address of whoever connected.
    pub(super) peer: IpAddr,
    /// The same as a header's value, made once for all requests.
    pub(super) forwarded_for: HeaderValue,
    /// Counts up when a head is complete and again when its request is over: even while a head is awaited.
    phase: AtomicU32,
    head: Head,
}

/// How far the head that is awaited has come.
#[derive(Default)]
struct Head {
    /// The phase that this is about.
    phase: u32,
    /// Whether any of it has arrived.
    begun: bool,
    /// Runs once it had to be waited for.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Connection {
    pub(super) fn new(stream: Stream, side: Side) -> Self {
        let peer = stream
            .get_socket_digest()
            .and_then(|digest| {
                digest
                    .peer_addr()
                    .and_then(|address| address.as_inet().copied())
            })
            .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |address| {
                address.ip().to_canonical()
            });
        let forwarded_for = HeaderValue::try_from(peer.to_string())
            .expect("an address is made of digits, letters, dots and colons");
        Self {
            stream,
            side,
            peer,
            forwarded_for,
            phase: AtomicU32::new(0),
            head: Head::default(),
        }
    }

    /// The connection under a request; none when it came by another way than a listener of ours.
    pub(super) fn of(stream: Option<&Stream>) -> Option<&Self> {
        stream?.as_any().downcast_ref()
    }

    /// A head is complete: its deadline is off.
    pub(super) fn begin_request(&self) {
        if self.phase.load(Ordering::Relaxed).is_multiple_of(2) {
            self.phase.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A request is over: the next bytes are a head's.
    pub(super) fn end_request(&self) {
        if !self.phase.load(Ordering::Relaxed).is_multiple_of(2) {
            self.phase.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Head {
    /// Called after a read while a head is awaited: notes what came, and gives up once the deadline has passed.
    fn watch(
        &mut self,
        phase: u32,
        received: bool,
        pending: bool,
        context: &mut Context<'_>,
    ) -> Poll<io::Error> {
        if self.phase != phase {
            *self = Self {
                phase,
                ..Self::default()
            };
        }
        self.begun |= received;
        if !pending || !self.begun {
            return Poll::Pending;
        }
        let deadline = self
            .deadline
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(HEAD_DEADLINE)));
        ready!(deadline.as_mut().poll(context));
        Poll::Ready(io::Error::new(
            io::ErrorKind::TimedOut,
            "the request's head took too long",
        ))
    }
}

use std::future::Future as _;

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let phase = *self.phase.get_mut();
        if !phase.is_multiple_of(2) {
            return read;
        }
        let received = buffer.filled().len() > before;
        match self.head.watch(phase, received, read.is_pending(), context) {
            Poll::Ready(late) => Poll::Ready(Err(late)),
            Poll::Pending => read,
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("side", &self.side)
            .field("peer", &self.peer)
            .finish()
    }
}

// What follows only passes Pingora's questions on to the stream below.

#[async_trait]
impl Shutdown for Connection {
    async fn shutdown(&mut self) {
        self.stream.shutdown().await;
    }
}

impl UniqueID for Connection {
    fn id(&self) -> UniqueIDType {
        self.stream.id()
    }
}

impl Ssl for Connection {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.stream.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.stream.selected_alpn_proto()
    }
}

impl GetTimingDigest for Connection {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.stream.get_timing_digest()
    }
}

impl GetProxyDigest for Connection {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.stream.get_proxy_digest()
    }
}

impl GetSocketDigest for Connection {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.stream.get_socket_digest()
    }
}

#[async_trait]
impl Peek for Connection {
    async fn try_peek(&mut self, buffer: &mut [u8]) -> io::Result<bool> {
        self.stream.try_peek(buffer).await
    }
}
