//! Connections to tasks for requests that ask for an upgrade to WebSocket.
//!
//! # Design notes
//!
//! Pingora (0.9.1) sends a request on and reads its answer in two halves of one future, and tells the reading half through
//! a queue that the request's body, of no length here, is over. Where the task has answered `101` before the reading half
//! looks for the first time, it takes either, by lot; and the end of the body, read after the upgrade, counts as the end of
//! the whole connection. With a task on the same machine that broke one WebSocket in eight.
//!
//! So a connection that is made for an upgrade is not readable at the first look after it was written to. The queue is, so
//! the order is the right one. It costs one turn of the scheduler per change of direction, and nothing to other requests.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use http::header::UPGRADE;
use pingora::connectors::L4Connect;
use pingora::http::RequestHeader;
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::{Error, ErrorType, OrErr as _, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Whether a request asks to become a WebSocket. Other upgrades are not offered to tasks, so they ask in vain.
pub(super) fn asked(request: &RequestHeader) -> bool {
    let asked = request.headers.get(UPGRADE);
    asked.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Makes such connections.
#[derive(Debug)]
pub(super) struct Connector {
    /// How long one may take.
    pub(super) timeout: Duration,
}

#[async_trait]
impl L4Connect for Connector {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let Some(address) = address.as_inet() else {
            return Error::e_explain(ErrorType::InternalError, "a task without an address");
        };
        let connected = tokio::time::timeout(self.timeout, TcpStream::connect(address));
        let stream = connected
            .await
            .or_err(ErrorType::ConnectTimedout, "connecting for an upgrade")?
            .or_err(ErrorType::ConnectRefused, "connecting for an upgrade")?;
        let socket = Socket {
            stream,
            written: false,
        };
        Ok(VirtualSocketStream::new(Box::new(socket)).into())
    }
}

/// A connection that is read in its turn.
#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    /// It was written to and not looked at since.
    written: bool,
}

impl VirtualSocket for Socket {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.stream.set_nodelay(true),
            // Idle connections are ended by a time-out of ours.
            _ => Ok(()),
        }
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if std::mem::take(&mut self.written) {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written = true;
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
