//! What all connections of a listener share.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use pingora::proxy::HttpProxy;
use prometheus::IntGauge;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::metrics::Metrics;

use super::Limits;
use super::admission::Admission;
use super::client::Side;
use super::proxy::Proxy;
use super::tls::Terminator;

/// Accepts the connections of one listener; [`connection`](super::connection) serves them.
pub(super) struct Acceptor {
    pub(super) side: Side,
    /// Makes TLS of connections; none: they are plain.
    pub(super) terminator: Option<Arc<Terminator>>,
    /// Who says in front of each connection whose it is.
    pub(super) proxies: Arc<[IpNet]>,
    pub(super) limits: Limits,
    pub(super) proxy: Arc<HttpProxy<Proxy>>,
    pub(super) metrics: Metrics,
    /// Knows every connection's task, so that the end can wait for them.
    pub(super) connections: TaskTracker,
    /// Who may connect at all; shared by the listeners.
    pub(super) admission: Arc<Admission>,
    /// How many are open, for the metrics.
    pub(super) gauge: IntGauge,
    /// Ends the wait for further requests.
    pub(super) stop: CancellationToken,
    /// How long after that a request that is on its way is still waited for. It is answered with `Connection: close`, which is
    /// the only way to take leave of a client of HTTP/1 that may be sending at this moment.
    pub(super) farewell: Duration,
}
