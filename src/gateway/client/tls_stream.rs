//! A connection by TLS, as Pingora wants to see any connection.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::l4::stream::Stream as Plain;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    Stream, TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::time::timeout;
use tokio_rustls::server::TlsStream as Inner;

use super::tls_info::TlsInfo;

/// How long a client may take to be told that the connection ends.
const FAREWELL: Duration = Duration::from_secs(5);

/// A connection whose handshake is done.
pub(in crate::gateway) struct TlsStream {
    inner: Inner<Plain>,
    secured: TlsInfo,
    /// Whether the client was told that nothing more comes, or that cannot be told it.
    ended: bool,
}

impl TlsStream {
    pub(crate) fn new(inner: Inner<Plain>, secured: TlsInfo) -> Self {
        Self {
            inner,
            secured,
            ended: false,
        }
    }

    /// How a client's connection was opened; `None` for a plain one.
    pub(in crate::gateway) fn secured(stream: &Stream) -> Option<TlsInfo> {
        let stream = stream.as_any().downcast_ref::<Self>()?;
        Some(stream.secured.clone())
    }

    fn plain(&self) -> &Plain {
        self.inner.get_ref().0
    }

    fn inner(self: Pin<&mut Self>) -> Pin<&mut Inner<Plain>> {
        Pin::new(&mut self.get_mut().inner)
    }
}

/// Tells the client that the connection ends here, where it can be told without waiting: one that is cut off without a word
/// looks like an attack.
impl Drop for TlsStream {
    fn drop(&mut self) {
        if !self.ended {
            let mut context = Context::from_waker(Waker::noop());
            let _ = Pin::new(&mut self.inner).poll_shutdown(&mut context);
        }
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("TlsStream").field(&self.secured).finish()
    }
}

impl AsyncRead for TlsStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.inner().poll_read(context, buffer)
    }
}

impl AsyncWrite for TlsStream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.inner().poll_write(context, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.inner().poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let done = Pin::new(&mut self.inner).poll_shutdown(context);
        self.ended = self.ended || done.is_ready();
        done
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.inner().poll_write_vectored(context, parts)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for TlsStream {
    async fn shutdown(&mut self) {
        // A client that is gone, or does not read, cannot be told.
        let _ = timeout(FAREWELL, AsyncWriteExt::shutdown(self)).await;
    }
}

impl Ssl for TlsStream {
    fn selected_alpn_proto(&self) -> Option<ALPN> {
        match self.inner.get_ref().1.alpn_protocol()? {
            b"h2" => Some(ALPN::H2),
            b"http/1.1" | b"http/1.0" => Some(ALPN::H1),
            _ => None,
        }
    }
}

#[async_trait]
impl Peek for TlsStream {}

impl UniqueID for TlsStream {
    fn id(&self) -> UniqueIDType {
        self.plain().id()
    }
}

impl GetTimingDigest for TlsStream {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.plain().get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.plain().get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.plain().get_write_pending_time()
    }
}

impl GetProxyDigest for TlsStream {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.plain().get_proxy_digest()
    }
}

impl GetSocketDigest for TlsStream {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.plain().get_socket_digest()
    }

    fn set_socket_digest(&mut self, digest: SocketDigest) {
        self.inner.get_mut().0.set_socket_digest(digest);
    }
}
