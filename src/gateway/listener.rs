//! One listening socket: bound by us, accepted on by Pingora, every connection counted.
//!
//! # Design notes
//!
//! Pingora binds lazily, retries a taken port for half a minute and then panics. So the socket is bound here, where the
//! error can be told, and handed over as an inherited descriptor. Pingora still accepts, because only its own accept path
//! can set the buffers of a connection: a foreign one costs a system call more per answer.

use std::net::{SocketAddr, TcpListener};
use std::os::fd::IntoRawFd;
use std::sync::Arc;

use async_trait::async_trait;
use pingora::apps::ServerApp;
use pingora::listeners::{L4BufferSettings, ListenerConfig, Listeners};
use pingora::protocols::Stream;
use pingora::proxy::HttpProxy;
use pingora::server::{Fds, ListenFds, ShutdownWatch};
use pingora::services::Service as _;
use pingora::services::listening::Service;
use prometheus::IntGauge;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::Error;
use super::connection::Connection;
use super::proxy::Proxy;

/// Who a listener is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// The containers of the cluster.
    Internal,
    /// The outside: `.local` hosts do not exist.
    Public,
}

impl Side {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Internal => "internal",
            Self::Public => "public",
        }
    }
}

/// Bytes read at once from a client. Pingora's default of 64 KiB is what an idle connection costs; request heads are a few
/// hundred bytes, and larger bodies are read past the buffer.
const READ_BUFFER: usize = 8 * 1024;

/// Bytes gathered before they are written to a client, Pingora's own default: one TCP segment.
const WRITE_BUFFER: usize = 1460;

/// A bound socket that nobody accepts on yet.
pub(super) struct Listener {
    pub(super) side: Side,
    pub(super) address: SocketAddr,
    socket: TcpListener,
}

impl Listener {
    pub(super) fn bind(side: Side, address: SocketAddr) -> Result<Self, Error> {
        let fail = |source: std::io::Error| Error::Bind {
            address,
            side: side.name(),
            remedy: match source.kind() {
                std::io::ErrorKind::AddrInUse => {
                    "stop what listens there, or choose another address"
                }
                std::io::ErrorKind::PermissionDenied => {
                    "ports below 1024 need root or CAP_NET_BIND_SERVICE"
                }
                std::io::ErrorKind::AddrNotAvailable => {
                    "choose an address of this machine, or 0.0.0.0"
                }
                _ => "choose another address",
            },
            source,
        };
        let socket = TcpListener::bind(address).map_err(fail)?;
        socket.set_nonblocking(true).map_err(fail)?;
        let address = socket.local_addr().map_err(fail)?;
        Ok(Self {
            side,
            address,
            socket,
        })
    }

    /// Accepts connections until `closing` turns true. Returns the address, for whoever asks which listener ended.
    pub(super) async fn serve(
        self,
        proxy: Arc<HttpProxy<Proxy>>,
        connections: TaskTracker,
        gauge: IntGauge,
        closing: watch::Receiver<bool>,
    ) -> SocketAddr {
        let name = self.address.to_string();
        let fds: ListenFds = Arc::new(Fds::new().into());
        fds.lock().add(name.clone(), self.socket.into_raw_fd());
        let buffers = L4BufferSettings::new(READ_BUFFER, WRITE_BUFFER);
        let mut listeners = Listeners::new();
        listeners.add_listener(ListenerConfig::tcp(name.clone()).l4_buffer(buffers));
        let app = App {
            side: self.side,
            proxy,
            connections,
            gauge,
        };
        let mut service = Service::with_listeners(name, listeners, app);
        service.start_service(Some(fds), closing, 1).await;
        self.address
    }
}

/// What Pingora calls for every connection: marks it with its side, counts it, and passes it to the shared proxy.
struct App {
    side: Side,
    proxy: Arc<HttpProxy<Proxy>>,
    connections: TaskTracker,
    gauge: IntGauge,
}

#[async_trait]
impl ServerApp for App {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let _open = self.connections.token();
        let _counted = Counted::new(&self.gauge);
        let connection: Stream = Box::new(Connection::new(stream, self.side));
        self.proxy.process_new(connection, shutdown).await
    }

    // The shared proxy is told of the stop once, by the gateway: it serves other listeners too.
    async fn cleanup(&self) {}
}

/// Keeps a gauge one higher while it lives, also when the connection's task is cancelled.
struct Counted<'a>(&'a IntGauge);

impl<'a> Counted<'a> {
    fn new(gauge: &'a IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
