//! One listening socket: bound by us, accepted on by Pingora.
//!
//! # Design notes
//!
//! Pingora binds lazily, retries a taken port for half a minute and then panics. So the socket is bound here, where the
//! error can be told, and handed over as an inherited descriptor. Pingora still accepts, because only its own accept path
//! can set the buffers of a connection: a foreign one costs a system call more per answer.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::sync::Arc;

use pingora::listeners::{L4BufferSettings, ListenerConfig, Listeners};
use pingora::server::{Fds, ListenFds};
use pingora::services::Service as _;
use pingora::services::listening::Service;
use tokio::sync::watch;

use super::Error;
use super::client::Side;
use super::connection::Acceptor;
use super::tls::Terminator;

/// No read buffer: heads are read by the connection and bodies in large pieces, so that one would only cost a copy and, for
/// each idle connection, its size.
const READ_BUFFER: usize = 0;

/// Bytes gathered before they are written to a client, Pingora's own default: one TCP segment.
const WRITE_BUFFER: usize = 1460;

/// A bound socket that nobody accepts on yet.
pub(super) struct Listener {
    pub(super) side: Side,
    pub(super) address: SocketAddr,
    /// Makes TLS of its connections; none: they are plain.
    pub(super) terminator: Option<Arc<Terminator>>,
    socket: TcpListener,
}

impl Listener {
    pub(super) fn bind(
        side: Side,
        address: SocketAddr,
        terminator: Option<Arc<Terminator>>,
    ) -> Result<Self, Error> {
        let fail = |source: std::io::Error| Error::Bind {
            address,
            side: name(side, terminator.is_some()),
            remedy: remedy(&source),
            source,
        };
        let socket = TcpListener::bind(address).map_err(fail)?;
        socket.set_nonblocking(true).map_err(fail)?;
        let address = socket.local_addr().map_err(fail)?;
        Ok(Self {
            side,
            address,
            terminator,
            socket,
        })
    }

    /// What it is called in metrics and messages.
    pub(super) fn name(&self) -> &'static str {
        name(self.side, self.terminator.is_some())
    }

    /// Accepts connections until `closing` turns true. Returns the address, for whoever asks which listener ended.
    pub(super) async fn serve(
        self,
        acceptor: Acceptor,
        closing: watch::Receiver<bool>,
    ) -> SocketAddr {
        let name = self.address.to_string();
        let fds: ListenFds = Arc::new(Fds::new().into());
        fds.lock().add(name.clone(), self.socket.into_raw_fd());
        let buffers = L4BufferSettings::new(READ_BUFFER, WRITE_BUFFER);
        let mut listeners = Listeners::new();
        listeners.add_listener(ListenerConfig::tcp(name.clone()).l4_buffer(buffers));
        let mut service = Service::with_listeners(name, listeners, acceptor);
        service.start_service(Some(fds), closing, 1).await;
        self.address
    }
}

fn name(side: Side, tls: bool) -> &'static str {
    match (side, tls) {
        (Side::Internal, _) => "internal",
        (Side::Public, false) => "public",
        (Side::Public, true) => "public-tls",
    }
}

/// What to do about an address that cannot be listened on.
pub(super) fn remedy(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => "stop what listens there, or choose another address",
        std::io::ErrorKind::PermissionDenied => {
            "ports below 1024 need root or CAP_NET_BIND_SERVICE"
        }
        std::io::ErrorKind::AddrNotAvailable => "choose an address of this machine, or 0.0.0.0",
        _ => "choose another address",
    }
}
