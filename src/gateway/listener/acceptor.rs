//! What all connections of a listener share.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use pingora::proxy::HttpProxy;
use prometheus::IntGauge;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::observe::metrics::Metrics;

use super::tls::Terminator;
use crate::gateway::Limits;
use crate::gateway::client::Side;
use crate::gateway::exchange::proxy::Proxy;
use crate::gateway::limits::connection_limits::ConnectionLimits;

/// Accepts the connections of one listener; [`connection`](super::connection) serves them.
pub(crate) struct Acceptor {
    pub(crate) side: Side,
    /// Makes TLS of connections; none: they are plain.
    pub(crate) terminator: Option<Arc<Terminator>>,
    /// Who says in front of each connection whose it is.
    pub(crate) proxies: Arc<[IpNet]>,
    pub(crate) limits: Limits,
    pub(crate) proxy: Arc<HttpProxy<Proxy>>,
    pub(crate) metrics: Metrics,
    /// Knows every connection's task, so that the end can wait for them.
    pub(crate) connections: TaskTracker,
    /// Who may connect at all; shared by the listeners.
    pub(crate) admission: Arc<ConnectionLimits>,
    /// How many are open, for the metrics.
    pub(crate) gauge: IntGauge,
    /// Ends the wait for further requests.
    pub(crate) stop: CancellationToken,
    /// How long after that a request that is on its way is still waited for. It is answered with `Connection: close`, which is
    /// the only way to take leave of a client of HTTP/1 that may be sending at this moment.
    pub(crate) farewell: Duration,
}
