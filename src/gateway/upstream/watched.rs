//! Connections that find out for themselves whether the task at the other end is still there.
//!
//! # Design notes
//!
//! While anything that was written may be under way, the kernel is asked at some distance what it has heard of the peer. A
//! peer that takes nothing more still answers the kernel's questions whether it has room again; one that has vanished
//! answers nothing, and the kernel counts how often it has asked. On kernels before 6.2 there is no answer in the form that
//! Pingora reads; such a connection is then ended by the time-outs only.
//!
//! # Upgrades
//!
//! Pingora (0.9.1) sends a request on and reads its answer in two halves of one future, and tells the reading half through
//! a queue that the request's body, of no length here, is over. Where the task has answered `101` before the reading half
//! looks for the first time, it takes either, by lot; and the end of the body, read after the upgrade, counts as the end of
//! the whole connection. With a task on the same machine that broke one WebSocket in eight.
//!
//! So a connection that is made for an upgrade is not readable at the first look after it was written to. The queue is, so
//! the order is the right one. It costs one turn of the scheduler per change of direction, and nothing to other requests.

use std::io;
use std::net;
use std::os::fd::AsRawFd as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use pingora::connectors::L4Connect;
use pingora::protocols::l4::ext::{TCP_INFO, get_tcp_info, set_tcp_keepalive};
use pingora::protocols::l4::socket::SocketAddr;
use pingora::protocols::l4::stream::Stream;
use pingora::protocols::l4::virt::{VirtualSockOpt, VirtualSocket, VirtualSocketStream};
use pingora::{Error, ErrorType, OrErr as _, Result};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, Sleep, sleep_until};

use crate::gateway::limits::kernel_buffers;

/// A task whose kernel has acknowledged nothing for so long is gone. Long enough for four retransmissions in a data centre,
/// the last after 1.4 s; short enough that a person waits for it.
pub(crate) const VANISHED: Duration = Duration::from_millis(2_500);

/// How often the kernel is asked.
const ASK: Duration = Duration::from_secs(1);

/// So many times in a row the kernel must have sent something again without an answer. Three of them take 1.4 s at least.
const ASKED_IN_VAIN: u8 = 3;

/// Makes such connections.
#[derive(Debug)]
pub(crate) struct Connector {
    /// How long one may take.
    pub(crate) timeout: Duration,
    /// Whether it is made for an upgrade.
    pub(crate) upgrade: bool,
}

#[async_trait]
impl L4Connect for Connector {
    async fn connect(&self, address: &SocketAddr) -> Result<Stream> {
        let Some(address) = address.as_inet() else {
            return Error::e_explain(ErrorType::InternalError, "a task without an address");
        };
        let socket = self.reach(*address).await?;
        Ok(VirtualSocketStream::new(Box::new(socket)).into())
    }
}

impl Connector {
    /// Makes one that Pingora knows nothing of.
    pub(crate) async fn reach(&self, address: net::SocketAddr) -> Result<Socket> {
        let socket = socket(address)
            .map_err(|error| Error::because(ErrorType::InternalError, "making a socket", error))?;
        let connected = tokio::time::timeout(self.timeout, socket.connect(address));
        let stream = connected
            .await
            .or_err(ErrorType::ConnectTimedout, "connecting")?
            .map_err(|error| Error::because(kind(&error), "connecting", error))?;
        Ok(Socket {
            stream,
            upgrade: self.upgrade,
            written: false,
            alarm: None,
        })
    }
}

fn socket(address: net::SocketAddr) -> io::Result<TcpSocket> {
    let socket = match address {
        net::SocketAddr::V4(_) => TcpSocket::new_v4()?,
        net::SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    kernel_buffers::bound_unsent(&socket);
    Ok(socket)
}

/// As Pingora sorts them. Other errors, such as a want of ports or files, are this machine's own.
fn kind(error: &io::Error) -> ErrorType {
    use io::ErrorKind::{
        ConnectionRefused, ConnectionReset, HostUnreachable, NetworkUnreachable, TimedOut,
    };
    match error.kind() {
        ConnectionRefused => ErrorType::ConnectRefused,
        TimedOut => ErrorType::ConnectTimedout,
        HostUnreachable | NetworkUnreachable => ErrorType::ConnectNoRoute,
        ConnectionReset => ErrorType::ConnectError,
        _ => ErrorType::InternalError,
    }
}

/// A connection to a task.
#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    upgrade: bool,
    /// It was written to and not looked at since.
    written: bool,
    /// When the kernel is asked next; none while all is acknowledged that was written.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Socket {
    /// To be called when there is nothing else to do: fails once the peer has vanished.
    fn watch(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        while let Some(alarm) = &mut self.alarm {
            if alarm.as_mut().poll(context).is_pending() {
                return Ok(());
            }
            match get_tcp_info(self.stream.as_raw_fd()) {
                Ok(info) if has_vanished(&info) => {
                    return Err(rustix::io::Errno::TIMEDOUT.into());
                }
                Ok(info) if info.tcpi_unacked > 0 || info.tcpi_notsent_bytes > 0 => {
                    alarm.as_mut().reset(Instant::now() + ASK);
                }
                Ok(_) | Err(_) => self.alarm = None,
            }
        }
        Ok(())
    }
}

fn has_vanished(info: &TCP_INFO) -> bool {
    let silent = Duration::from_millis(info.tcpi_last_ack_recv.into());
    silent >= VANISHED && info.tcpi_retransmits.max(info.tcpi_probes) >= ASKED_IN_VAIN
}

impl VirtualSocket for Socket {
    fn set_socket_option(&self, option: VirtualSockOpt) -> io::Result<()> {
        match option {
            VirtualSockOpt::NoDelay => self.stream.set_nodelay(true),
            VirtualSockOpt::KeepAlive(keep_alive) => {
                set_tcp_keepalive(&self.stream, &keep_alive).map_err(io::Error::other)
            }
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
        if std::mem::take(&mut self.written) && self.upgrade {
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        if read.is_pending() {
            self.watch(context)?;
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.written = true;
        let alarm = &mut self.alarm;
        alarm.get_or_insert_with(|| Box::pin(sleep_until(Instant::now() + ASK)));
        let written = Pin::new(&mut self.stream).poll_write(context, bytes);
        if written.is_pending() {
            self.watch(context)?;
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
