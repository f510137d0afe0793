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
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::metrics::Metrics;

use super::connection;
use super::proxy::Proxy;
use super::{Error, Limits};

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

/// No read buffer: heads are read by the connection and bodies in large pieces, so that one would only cost a copy and, for
/// each idle connection, its size.
const READ_BUFFER: usize = 0;

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

/// What Pingora calls for every connection: counts it, and gives it a task of its own. Pingora's task for accepting is large
/// and ends here.
pub(super) struct Acceptor {
    pub(super) side: Side,
    pub(super) limits: Limits,
    pub(super) proxy: Arc<HttpProxy<Proxy>>,
    pub(super) metrics: Metrics,
    /// Knows every connection's task, so that the end can wait for them.
    pub(super) connections: TaskTracker,
    /// How many are open, for the metrics.
    pub(super) gauge: IntGauge,
    /// Ends the wait for further requests.
    pub(super) stop: CancellationToken,
}

#[async_trait]
impl ServerApp for Acceptor {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let counted = Counted::new(self.gauge.clone());
        let served = connection::serve(stream, self.clone(), shutdown.clone());
        self.connections.spawn(async move {
            let _counted = counted;
            served.await;
        });
        None
    }
}

/// Keeps a gauge one higher while it lives, also when the connection's task is cancelled or panics.
struct Counted(IntGauge);

impl Counted {
    fn new(gauge: IntGauge) -> Self {
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.dec();
    }
}
