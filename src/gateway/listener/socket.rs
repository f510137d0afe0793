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

use ipnet::IpNet;
use pingora::listeners::{L4BufferSettings, ListenerConfig, Listeners};
use pingora::server::{Fds, ListenFds};
use pingora::services::Service as _;
use pingora::services::listening::Service;
use tokio::sync::watch;

use crate::process::bind_remedy;

use super::acceptor::Acceptor;
use super::tls::Terminator;
use crate::gateway::Error;
use crate::gateway::client::Side;
use crate::gateway::limits::Limits;
use crate::gateway::limits::kernel_buffers;

/// No read buffer: heads are read by the connection and bodies in large pieces, so that one would only cost a copy and, for
/// each idle connection, its size.
const READ_BUFFER: usize = 0;

/// Bytes gathered before they are written to a client, Pingora's own default: one TCP segment.
const WRITE_BUFFER: usize = 1460;

/// A bound socket that nobody accepts on yet.
pub(crate) struct Listener {
    pub(crate) side: Side,
    pub(crate) address: SocketAddr,
    /// Makes TLS of its connections; none: they are plain.
    pub(crate) terminator: Option<Arc<Terminator>>,
    /// Who says in front of each connection whose it is.
    pub(crate) proxies: Arc<[IpNet]>,
    socket: TcpListener,
}

/// A listener's name in flags, metrics and messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerName {
    /// Where the containers of the cluster connect.
    Internal,
    /// Where the outside connects.
    Public,
    /// Where the outside connects by TLS.
    PublicTls,
}

impl ListenerName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Internal, Self::Public, Self::PublicTls];

    /// The name as it is written.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Public => "public",
            Self::PublicTls => "public-tls",
        }
    }
}

impl Listener {
    pub(crate) fn bind(
        side: Side,
        address: SocketAddr,
        terminator: Option<Arc<Terminator>>,
        limits: Limits,
    ) -> Result<Self, Error> {
        let fail = |source: std::io::Error| Error::Bind {
            address,
            side: name(side, terminator.is_some()).as_str(),
            remedy: bind_remedy::of(&source),
            source,
        };
        let socket = TcpListener::bind(address).map_err(fail)?;
        socket.set_nonblocking(true).map_err(fail)?;
        kernel_buffers::bound_unsent(&socket);
        let address = socket.local_addr().map_err(fail)?;
        // Without it clients that vanish are found out later, which is no reason not to serve.
        if let Err(error) = limits.tcp_probes.watch(&socket, limits.unread()) {
            tracing::debug!(%address, %error, "the kernel will not probe silent clients");
        }
        Ok(Self {
            side,
            address,
            terminator,
            proxies: Arc::default(),
            socket,
        })
    }

    /// What it is called in metrics and messages.
    pub(crate) fn name(&self) -> ListenerName {
        name(self.side, self.terminator.is_some())
    }

    /// Accepts connections until `closing` turns true. Returns the address, for whoever asks which listener ended.
    pub(crate) async fn serve(
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

fn name(side: Side, tls: bool) -> ListenerName {
    match (side, tls) {
        (Side::Internal, _) => ListenerName::Internal,
        (Side::Public, false) => ListenerName::Public,
        (Side::Public, true) => ListenerName::PublicTls,
    }
}
