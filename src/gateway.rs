//! The data plane: listeners in front, one shared Pingora proxy, and the route table that every request reads.
//!
//! [`Gateway::bind`] takes the sockets, so that a taken port is known before anything runs; [`Gateway::run`] serves until it
//! is told to stop, and then lets what is in flight end in peace.
//!
//! # Design notes
//!
//! Pingora runs inside our own runtime, not under its `Server`: that one forks, waits for five minutes on SIGTERM and ends
//! the process itself. Here one [`HttpProxy`] is shared by all listeners, so that they share one pool of connections to
//! the tasks, and each listener is one owned task.

mod client;
mod config;
mod exchange;
mod filters;
mod limits;
mod listener;
mod local_reply;
mod passthrough;
mod routing;
mod upstream;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use pingora::proxy::{HttpProxy, http_proxy};
use pingora::server::configuration::ServerConf;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::core::model::TaskId;
use crate::core::model::snapshot::Snapshot;
use crate::observe::event_log::Emitter;
use crate::observe::metrics::Metrics;
use crate::tls::certificates::ActiveCertificates;

use self::client::Side;
pub use self::config::Config;
pub use self::exchange::challenge::Challenges;
use self::exchange::proxy::Proxy;
pub use self::limits::Limits;
use self::limits::alarm::Alarms;
use self::limits::clients::Clients;
use self::limits::connection_limits::ConnectionLimits;
use self::limits::open_files::Division;
use self::limits::task_connections::TaskConnections;
pub use self::limits::tcp_probes::TcpProbes;
use self::listener::acceptor::Acceptor;
use self::listener::socket::Listener;
pub use self::listener::socket::ListenerName;
use self::listener::tls::Serving;
pub use self::listener::tls::{TlsConfig, TlsError, TlsLimits};
use self::passthrough::Passthrough;
use self::routing::hold::PendingRequests;
use self::routing::steering::RouteTableUpdater;
use self::routing::table::RouteTable;

/// How often it is judged who is ejected. At a hundred requests a second, some thirty more meet a broken endpoint before
/// it is ejected, and are retried; a judgement of ten thousand endpoints takes some milliseconds.
pub const JUDGED_EVERY: Duration = Duration::from_millis(250);

/// The endpoints that a gateway leaves out, and until when. Written by its loop, read by the admin listener.
pub type Ejected = BTreeMap<TaskId, Instant>;

/// How long after a stop a client's next request is waited for on a connection that it keeps. Longer than the pause between two
/// requests of a client that is at work; short beside the grace.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why a gateway could not start, or ended.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A listener's address could not be taken.
    #[error("cannot listen on {address} for the {side} side: {source}; {remedy}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Which listener.
        side: &'static str,
        /// What the system said.
        source: std::io::Error,
        /// What to do.
        remedy: &'static str,
    },
    /// TLS cannot be served.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// A listener stopped although nobody asked it to.
    #[error("the listener on {0} ended")]
    Ended(SocketAddr),
}

/// A gateway whose sockets are bound and that serves nothing yet.
pub struct Gateway {
    listeners: Vec<Listener>,
    tls: Option<Serving>,
    proxy: Arc<HttpProxy<Proxy>>,
    steering: RouteTableUpdater,
    admission: Arc<ConnectionLimits>,
    alarms: Alarms,
    limits: Limits,
    grace: Duration,
    /// Ends the waits of requests for an endpoint.
    release: CancellationToken,
}

impl Gateway {
    /// Binds the listeners.
    ///
    /// # Errors
    ///
    /// [`Error::Bind`] when an address is taken, not allowed or not this machine's; [`Error::Tls`] when the file of the
    /// clients' authorities cannot be used.
    pub fn bind(config: &Config, metrics: &Metrics) -> Result<Self, Error> {
        let sides = [
            (Side::Internal, config.internal),
            (Side::Public, config.public),
        ];
        let mut listeners = sides
            .into_iter()
            .filter_map(|(side, address)| Some(Listener::bind(side, address?, None, config.limits)))
            .collect::<Result<Vec<_>, _>>()?;
        let table = Arc::new(ArcSwap::from_pointee(RouteTable::default()));
        let release = CancellationToken::new();
        let holding = Arc::new(PendingRequests {
            most: config.limits.held,
            stop: release.clone(),
        });
        let files = limits::open_files::limit();
        let division = Division::new(files, &config.limits, config.threads);
        division.warn(files);
        let mut alarms = Alarms::default();
        let figures = metrics.task_connections();
        let tasks = TaskConnections::new(&division, &config.limits, files, figures, &mut alarms);
        let clients = Clients::new(&config.trusted_proxies);
        let limits = &config.limits;
        let admission = ConnectionLimits::new(&division, limits, clients, metrics, &mut alarms);

        let mut tls = None;
        if let Some(settings) = &config.tls {
            let passages = Passthrough {
                table: table.clone(),
                holding: holding.clone(),
                tasks: tasks.clone(),
                access_log: config.access_log.clone(),
                probes: config.limits.tcp_probes,
            };
            let serving = Serving::new(settings, &config.challenges, passages, metrics)?;
            let terminator = Some(serving.terminator.clone());
            let address = settings.address;
            let bound = Listener::bind(Side::Public, address, terminator, config.limits)?;
            listeners.push(bound);
            tls = Some(serving);
        }
        for listener in &mut listeners {
            if config.proxy_protocol.contains(&listener.name()) {
                listener.proxies = config.trusted_proxies.as_slice().into();
            }
        }
        let proxy = Proxy::new(config, table.clone(), holding, tasks, metrics.clone());
        let conf = ServerConf {
            threads: config.threads,
            // Tries are bounded by the retries label; this bound only has to lie above the greatest.
            max_retries: 8,
            upstream_keepalive_pool_size: division.idle_of_a_thread,
            ..ServerConf::default()
        };
        Ok(Self {
            listeners,
            tls,
            proxy: Arc::new(http_proxy(&Arc::new(conf), proxy)),
            steering: RouteTableUpdater::new(config, table, metrics),
            admission,
            alarms,
            limits: config.limits,
            grace: config.grace,
            release,
        })
    }

    /// Where the internal listener is bound; tells the port when 0 was asked for.
    #[must_use]
    pub fn internal(&self) -> Option<SocketAddr> {
        self.address(Side::Internal, false)
    }

    /// Where the public listener is bound.
    #[must_use]
    pub fn public(&self) -> Option<SocketAddr> {
        self.address(Side::Public, false)
    }

    /// Where the public listener for TLS is bound.
    #[must_use]
    pub fn public_tls(&self) -> Option<SocketAddr> {
        self.address(Side::Public, true)
    }

    /// Who is ejected, and until when at least.
    #[must_use]
    pub fn ejected(&self) -> watch::Receiver<Arc<Ejected>> {
        self.steering.ejected()
    }

    fn address(&self, side: Side, tls: bool) -> Option<SocketAddr> {
        self.listeners
            .iter()
            .find(|listener| listener.side == side && listener.terminator.is_some() == tls)
            .map(|it| it.address)
    }

    /// Serves TLS with the certificates that are told here. Until this is called, and while there are none, every handshake is
    /// refused.
    #[must_use]
    pub fn with_certificates(mut self, in_use: watch::Receiver<ActiveCertificates>) -> Self {
        if let Some(tls) = &mut self.tls {
            tls.follow(in_use);
        }
        self
    }

    /// Serves by the latest snapshot until `stop`; then refuses new connections, closes idle ones after a second, and returns
    /// when the last request has ended or the grace is over. `ready` is called once, when the first snapshot is in force.
    /// Tells the emitter which endpoints it ejects.
    ///
    /// # Errors
    ///
    /// [`Error::Ended`] when a listener ends by itself.
    pub async fn run(
        self,
        mut snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
        metrics: Metrics,
        emitter: Emitter,
        ready: impl FnOnce() + Send,
        stop: CancellationToken,
    ) -> Result<(), Error> {
        let Self {
            listeners,
            mut tls,
            proxy,
            mut steering,
            admission,
            mut alarms,
            limits,
            grace,
            release,
        } = self;
        let (close, closing) = watch::channel(false);
        let connections = TaskTracker::new();
        let mut serving = JoinSet::new();
        // Told apart from `stop`, which ends the gateway's own loop: connections go on until the listeners are closed.
        let idle = CancellationToken::new();
        for listener in listeners {
            let acceptor = Acceptor {
                side: listener.side,
                terminator: listener.terminator.clone(),
                limits,
                proxy: proxy.clone(),
                metrics: metrics.clone(),
                connections: connections.clone(),
                admission: admission.clone(),
                proxies: listener.proxies.clone(),
                gauge: metrics.connections(listener.name().as_str()),
                stop: idle.clone(),
                farewell: FAREWELL.min(grace / 2),
            };
            serving.spawn(listener.serve(acceptor, closing.clone()));
        }
        let mut ready = Some(ready);
        let mut published = true;
        snapshots.mark_changed();
        let ended = loop {
            tokio::select! {
                () = stop.cancelled() => break None,
                Some(ended) = serving.join_next() => break Some(ended),
                changed = snapshots.changed(), if published => {
                    // Without a publisher, whose end ends the process elsewhere, what was published still serves.
                    published = changed.is_ok();
                    let snapshot = snapshots.borrow_and_update().clone();
                    if let Some(snapshot) = snapshot {
                        steering.steer_by(snapshot, &emitter);
                        if let Some(ready) = ready.take() {
                            ready();
                        }
                    }
                }
                () = steering.due() => steering.judge(&emitter),
                () = alarms.due() => alarms.report(&emitter),
                () = Serving::renew(tls.as_mut(), &emitter) => {}
            }
        };
        close.send_replace(true);
        // No endpoint comes any more.
        release.cancel();
        while serving.join_next().await.is_some() {}
        idle.cancel();
        connections.close();
        let left = tokio::time::timeout(grace, connections.wait()).await;
        if left.is_err() {
            tracing::warn!(
                left = connections.len(),
                "the grace of {grace:?} is over, requests that are still in flight are cut off; raise --grace, and \
                 stop_grace_period above it, if they need longer"
            );
        }
        match ended {
            None => Ok(()),
            Some(Ok(address)) => Err(Error::Ended(address)),
            Some(Err(panicked)) => std::panic::resume_unwind(panicked.into_panic()),
        }
    }
}
