//! The bytes of a connection by HTTP/2, on their way between it and h2: its frames are counted.

use std::fmt;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    Stream, TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::frame_budget::FrameBudget;
use crate::gateway::client::Client;

/// A connection whose client is held to a [`FrameBudget`].
pub(super) struct CountedFrames {
    inner: Stream,
    budget: FrameBudget,
    client: Arc<Client>,
}

impl CountedFrames {
    /// For a connection of which nothing was read yet.
    pub(super) fn on(stream: Stream, client: &Arc<Client>) -> Stream {
        Box::new(Self {
            inner: stream,
            budget: FrameBudget::new(Instant::now()),
            client: client.clone(),
        })
    }
}

impl fmt::Debug for CountedFrames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CountedFrames").field(&self.inner).finish()
    }
}

impl AsyncRead for CountedFrames {
    /// Fails once the client has sent too much, so that h2 reads no more. What it has read until
    /// then stays with it, and a farewell can still be written.
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.inner).poll_read(context, buffer);
        if self.budget.receives(&buffer.filled()[before..]) {
            return read;
        }

        self.client.floods();
        let error = "the client sends too many frames that bring no request forward";
        Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, error)))
    }
}

impl AsyncWrite for CountedFrames {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write(context, bytes);
        if let Poll::Ready(Ok(count)) = written {
            self.budget.sends(&bytes[..count]);
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.inner).poll_write_vectored(context, parts);
        if let Poll::Ready(Ok(mut count)) = written {
            for part in parts {
                let taken = count.min(part.len());
                self.budget.sends(&part[..taken]);
                count -= taken;
            }
        }
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for CountedFrames {
    async fn shutdown(&mut self) {
        self.inner.shutdown().await;
    }
}

impl Ssl for CountedFrames {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.selected_alpn_proto()
    }
}

#[async_trait]
impl Peek for CountedFrames {}

impl UniqueID for CountedFrames {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl GetTimingDigest for CountedFrames {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.inner.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.inner.get_write_pending_time()
    }
}

impl GetProxyDigest for CountedFrames {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }
}

impl GetSocketDigest for CountedFrames {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }
}
