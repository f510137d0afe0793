//! The name server: tells clients the gateways' addresses for `.local` hosts, on UDP and TCP, and asks other resolvers for
//! everything else where it is told to.
//!
//! [`NameServer::bind`] takes the sockets, so that a taken port is known before anything runs; [`NameServer::run`] serves
//! until it is told to stop.
//!
//! # Design notes
//!
//! Packets are read and written by Hickory's codec; the sockets are ours. Hickory's own server starts a task for every
//! datagram and every connection, as many as come, and reads a packet before anyone can ask whether its sender is
//! still welcome. Here one loop answers what it knows at once, and everything that waits is bounded: questions that are
//! forwarded, connections, clients that are remembered.

mod forward;
mod framing;
mod message;
mod question;
mod reply;
mod resolver;
mod tcp;
mod udp;

use std::io;
use std::net::{SocketAddr, TcpListener, UdpSocket};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::core::model::NodeId;
use crate::core::model::snapshot::Snapshot;
use crate::core::routing::names::Names;
use crate::core::routing::rate_limit::Rate;
use crate::observe::metrics::Metrics;
use crate::process::bind_remedy;

use self::forward::Forwarder;
use self::resolver::Resolver;

/// The pause after an error of a socket that the system may repeat at once.
const PAUSE: Duration = Duration::from_millis(100);

/// So often a free UDP port is asked for, until the TCP port of the same number is free as well.
const PORT_TRIES: usize = 16;

/// What a name server needs to know; filled in by the command line.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients ask, by UDP and TCP.
    pub address: SocketAddr,
    /// Who is asked for names that are not ours, the preferred first; nobody: they are refused.
    pub forward: Vec<SocketAddr>,
    /// The node that this process runs on: its gateway's address comes first. None where it is not known.
    pub node: Option<NodeId>,
    /// What clients are allowed.
    pub limits: Limits,
}

/// What clients are allowed, and how long others may keep them waiting.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Questions of one client's address. A busy container that caches nothing asks a few dozen times a second.
    pub rate: Rate,
    /// Clients whose questions are counted apart, at some 50 bytes each.
    pub clients: usize,
    /// TCP connections at once. Further ones wait.
    pub connections: usize,
    /// From the end of one question on a TCP connection to the end of the next.
    pub idle: Duration,
    /// Questions that wait for other resolvers at once; each holds a socket.
    pub forwards: usize,
    /// How long one other resolver may take. Below the five seconds after which common clients ask again, so that the
    /// next one has its chance before.
    pub forward_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rate: Rate {
                per_second: 200,
                burst: 400,
            },
            clients: 16_384,
            connections: 128,
            idle: Duration::from_secs(5),
            forwards: 256,
            forward_timeout: Duration::from_millis(1500),
        }
    }
}

/// Why a name server could not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address could not be taken.
    #[error("cannot listen on {address} for the name server ({transport}): {source}; {remedy}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// UDP or TCP.
        transport: &'static str,
        /// What the system said.
        source: io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// It would ask itself, for ever.
    #[error(
        "the name server on {0} would forward questions to itself; name another resolver with --dns-forward"
    )]
    ForwardToItself(SocketAddr),
    /// A socket cannot be used.
    #[error("the name server cannot use its sockets on {address}: {source}; start hiveway again")]
    Serve {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// A socket's loop stopped although nobody asked it to.
    #[error("the name server's {transport} side ended")]
    Ended {
        /// UDP or TCP.
        transport: &'static str,
    },
}

/// How a question came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    Udp,
    Tcp,
}

/// A name server whose sockets are bound and that answers nothing yet.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    udp: UdpSocket,
    tcp: TcpListener,
    node: Option<NodeId>,
    limits: Limits,
    resolver: Arc<Resolver>,
}

impl NameServer {
    /// Binds both sockets, on one port where port 0 is asked for.
    ///
    /// # Errors
    ///
    /// [`Error::Bind`] when the address is taken, not allowed or not this machine's; [`Error::ForwardToItself`].
    pub fn bind(config: &Config, metrics: &Metrics) -> Result<Self, Error> {
        let Config {
            address,
            forward,
            node,
            limits,
        } = config;
        let (udp, tcp, address) = bind_pair(*address)?;
        if forward.contains(&address) {
            return Err(Error::ForwardToItself(address));
        }
        let forwarder = (!forward.is_empty())
            .then(|| Forwarder::new(forward.clone(), limits.forward_timeout, limits.forwards));
        Ok(Self {
            address,
            udp,
            tcp,
            node: node.clone(),
            limits: *limits,
            resolver: Arc::new(Resolver::new(forwarder, limits, metrics)),
        })
    }

    /// Where both sockets are bound; tells the port when 0 was asked for.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers by the latest snapshot until `stop`. Before the first one, clients are told to try again.
    ///
    /// # Errors
    ///
    /// [`Error::Serve`] when the sockets cannot be used, [`Error::Ended`] when one ends by itself.
    pub async fn run(
        self,
        mut snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
        stop: CancellationToken,
    ) -> Result<(), Error> {
        let Self {
            address,
            udp,
            tcp,
            node,
            limits,
            resolver,
        } = self;
        let unusable = |source| Error::Serve { address, source };
        let udp = tokio::net::UdpSocket::from_std(udp).map_err(unusable)?;
        let tcp = tokio::net::TcpListener::from_std(tcp).map_err(unusable)?;
        // Dropped at the end, which cuts off what still waits: every client asks again, and elsewhere.
        let mut serving = JoinSet::new();
        serving.spawn({
            let resolver = resolver.clone();
            async move {
                udp::serve(udp, resolver).await;
                "UDP"
            }
        });
        serving.spawn({
            let resolver = resolver.clone();
            async move {
                tcp::serve(tcp, resolver, limits).await;
                "TCP"
            }
        });
        loop {
            let snapshot = snapshots.borrow_and_update().clone();
            if let Some(snapshot) = snapshot {
                let serial = snapshot.generation.sequence;
                resolver.learn(Names::new(&snapshot, node.as_ref()), serial);
            }
            tokio::select! {
                () = stop.cancelled() => return Ok(()),
                Some(ended) = serving.join_next() => return match ended {
                    Ok(transport) => Err(Error::Ended { transport }),
                    Err(panicked) => std::panic::resume_unwind(panicked.into_panic()),
                },
                changed = snapshots.changed() => if changed.is_err() {
                    // Nobody makes snapshots any more, which ends the process elsewhere; the last one still serves.
                    stop.cancelled().await;
                    return Ok(());
                },
            }
        }
    }
}

fn bind_pair(wanted: SocketAddr) -> Result<(UdpSocket, TcpListener, SocketAddr), Error> {
    let fail = |transport| {
        move |source: io::Error| Error::Bind {
            address: wanted,
            transport,
            remedy: bind_remedy::of(&source),
            source,
        }
    };
    let mut tries = 0;
    loop {
        let udp = UdpSocket::bind(wanted).map_err(fail("UDP"))?;
        udp.set_nonblocking(true).map_err(fail("UDP"))?;
        let address = udp.local_addr().map_err(fail("UDP"))?;
        tries += 1;
        match TcpListener::bind(address) {
            Ok(tcp) => {
                tcp.set_nonblocking(true).map_err(fail("TCP"))?;
                return Ok((udp, tcp, address));
            }
            // The port was only free for UDP.
            Err(_) if wanted.port() == 0 && tries < PORT_TRIES => {}
            Err(source) => return Err(fail("TCP")(source)),
        }
    }
}
