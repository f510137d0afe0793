//! What a service asks for: the routes, the policy, the probe and the scale that its labels declare, once parsed.
//!
//! Written by [`labels`](crate::core::labels), read by everything that decides. Defaults are those of the label reference.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::middleware::Middleware;

/// Everything that a service's labels declare.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ServiceSpec {
    /// The routes it claims, sorted, without repetitions. Empty: the service is none of Hiveway's business.
    pub routes: Vec<RouteSpec>,
    /// How its traffic is steered.
    pub policy: RoutingPolicy,
    /// The network whose addresses are used (`routing.network`); none: the first that both sides share.
    pub network: Option<Arc<str>>,
    /// How its tasks are probed.
    pub probe: ProbeSpec,
    /// The number of replicas that the leading controller keeps (`scale`).
    pub scale: Option<u64>,
}

impl ServiceSpec {
    /// Its routes of HTTP.
    pub fn http_routes(&self) -> impl Iterator<Item = &RouteSpec> {
        let routes = self.routes.iter();
        routes.filter(|route| route.scheme != Scheme::Tcp)
    }

    /// Its TCP routes.
    pub fn tcp_routes(&self) -> impl Iterator<Item = &RouteSpec> {
        let routes = self.routes.iter();
        routes.filter(|route| route.scheme == Scheme::Tcp)
    }
}

/// One item of a `routing.port_N` label.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RouteSpec {
    /// The host names it matches.
    pub host: HostPattern,
    /// The paths it matches.
    pub path: PathPrefix,
    /// By which protocol it is reached.
    pub scheme: Scheme,
    /// The container's port.
    pub port: u16,
}

impl fmt::Display for RouteSpec {
    /// Writes the item as a label would; its port is the key's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            host,
            path,
            scheme,
            port: _,
        } = self;
        match scheme {
            Scheme::Any => write!(f, "{host}{path}"),
            Scheme::Http => write!(f, "http://{host}{path}"),
            Scheme::Https => write!(f, "https://{host}{path}"),
            Scheme::Grpc => write!(f, "grpc://{host}{path}"),
            Scheme::Tcp => write!(f, "tcp://{host}"),
        }
    }
}

/// By which protocol clients reach a route.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Scheme {
    /// No scheme was written: plain, and TLS where a certificate is at hand.
    #[default]
    Any,
    /// `http://` or `ws://`: plain only.
    Http,
    /// `https://` or `wss://`: TLS only; a plain request is sent there by a 308.
    Https,
    /// `grpc://`: HTTP/2 from the client, and with prior knowledge to the task.
    Grpc,
    /// `tcp://`: connections by TLS are passed on undecrypted, by the name that they ask for. See
    /// [`tcp_route`](crate::core::routing::tcp_route).
    Tcp,
}

/// A host name, or all names under one. Lower case, without a trailing dot.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostPattern {
    /// Just this name.
    Exact(Arc<str>),
    /// Every name that ends in a dot and this one (`*.example.com` holds `example.com`).
    Under(Arc<str>),
}

impl HostPattern {
    /// Whether the name exists inside the cluster only (`.local`).
    #[must_use]
    pub fn is_local(&self) -> bool {
        let (Self::Exact(name) | Self::Under(name)) = self;
        is_local(name)
    }
}

/// Whether a normalised host name exists inside the cluster only.
#[must_use]
pub fn is_local(host: &str) -> bool {
    host == "local" || host.ends_with(".local")
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(name) => f.write_str(name),
            Self::Under(name) => write!(f, "*.{name}"),
        }
    }
}

/// A path prefix that matches at segment borders: `/api` matches `/api` and `/api/x`, not `/apix`. Never ends in a
/// slash, but for the root, which is `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PathPrefix(pub Arc<str>);

impl PathPrefix {
    /// The prefix of every path.
    #[must_use]
    pub fn root() -> Self {
        Self("/".into())
    }

    /// Whether a request's path, without its query, lies under this prefix.
    #[must_use]
    pub fn matches(&self, path: &str) -> bool {
        if &*self.0 == "/" {
            return true;
        }
        path.strip_prefix(&*self.0)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for PathPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How a service's traffic is steered (the `routing.*` labels).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoutingPolicy {
    /// Whether clients stay with their container by cookie (`session_sticky`).
    pub sticky: bool,
    /// How an endpoint is chosen for a client without a valid cookie.
    pub balance: Balance,
    /// The share, 0-100, where several services claim one route.
    pub weight: u8,
    /// Whether the route's path is cut off before the request reaches the service.
    pub strip_prefix: bool,
    /// Further endpoints tried, 0-5.
    pub retries: u8,
    /// To connect.
    pub connect_timeout: Duration,
    /// To the first byte of the answer.
    pub response_timeout: Duration,
    /// Between bytes, WebSockets included.
    pub idle_timeout: Duration,
    /// Requests at once per endpoint, of each gateway; none: no limit.
    pub max_in_flight: Option<u32>,
    /// How long a request waits for an endpoint in rotation, or with room, before the 503.
    pub hold: Duration,
    /// How long the share of a new endpoint grows; zero: it gets all of it at once.
    #[serde(default)]
    pub slow_start: Duration,
    /// For how many seconds browsers that came by TLS come by nothing else; none: that is not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hsts_seconds: Option<u32>,
    /// What is done to requests and answers on their way; none: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub middleware: Option<Arc<Middleware>>,
}

impl RoutingPolicy {
    /// The middleware, created empty if there is none.
    pub(crate) fn middleware_mut(&mut self) -> &mut Middleware {
        Arc::make_mut(self.middleware.get_or_insert_default())
    }
}

impl Default for RoutingPolicy {
    fn default() -> Self {
        Self {
            sticky: true,
            balance: Balance::RoundRobin,
            weight: 100,
            strip_prefix: false,
            retries: 2,
            connect_timeout: Duration::from_secs(1),
            response_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(600),
            max_in_flight: None,
            hold: Duration::ZERO,
            slow_start: Duration::ZERO,
            hsts_seconds: None,
            middleware: None,
        }
    }
}

/// How an endpoint is chosen.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Balance {
    /// Each in turn.
    #[default]
    RoundRobin,
    /// The less loaded of two picked at random.
    LeastRequest,
    /// The one with the lower moving average of latency and load.
    PeakEwma,
    /// Any.
    Random,
    /// By a hash of the client's address.
    HashSource,
    /// By a hash of this request header.
    HashHeader(Arc<str>),
    /// By a hash of this cookie.
    HashCookie(Arc<str>),
}

impl Balance {
    /// Whether a request's key decides, so that the same key has the same endpoint.
    #[must_use]
    pub fn is_keyed(&self) -> bool {
        matches!(
            self,
            Self::HashSource | Self::HashHeader(_) | Self::HashCookie(_)
        )
    }
}

/// How a service's tasks are probed (the `probe.*` labels).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProbeSpec {
    /// What is asked.
    pub check: Check,
    /// From the task's start to the first probe.
    pub initial_delay: Duration,
    /// No answer in this time fails the probe.
    pub timeout: Duration,
    /// Between probes; jitter is added by who probes.
    pub interval: Duration,
    /// So many passes in a row bring an endpoint in, 1-10.
    pub rise: u8,
    /// So many failures in a row take it out, 1-10.
    pub fall: u8,
}

impl ProbeSpec {
    /// Whether an agent has to run it in the container; all other checks are made over the network.
    #[must_use]
    pub fn is_command(&self) -> bool {
        matches!(self.check, Check::Command(_))
    }
}

impl Default for ProbeSpec {
    fn default() -> Self {
        Self {
            check: Check::Connect,
            initial_delay: Duration::ZERO,
            timeout: Duration::from_secs(2),
            interval: Duration::from_secs(2),
            rise: 1,
            fall: 2,
        }
    }
}

/// What a probe asks of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Check {
    /// No probe label: a TCP connection to the lowest routed port.
    Connect,
    /// `probe.url: "none"`: every running task passes.
    None,
    /// `tcp://container:PORT`.
    Tcp {
        /// The port.
        port: u16,
    },
    /// `http://container[:PORT][/path]`: a GET that is answered 2xx or 3xx.
    Http {
        /// The port.
        port: u16,
        /// Path and query, starting with a slash.
        path: Arc<str>,
    },
    /// `probe.cmd`, run inside the container.
    Command(Arc<str>),
}

/// What is wrong, or worth knowing, about one label. User mistakes are data: they are shown and stop nothing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Diagnostic {
    /// How bad it is.
    pub level: Level,
    /// The service's name.
    pub service: Arc<str>,
    /// The label's key as written.
    pub key: Arc<str>,
    /// The value, or the one item of it, as written.
    pub value: Arc<str>,
    /// What is wrong.
    pub reason: String,
    /// What to do about it.
    pub remedy: String,
    /// The nearest thing that would have been right ("did you mean").
    pub suggestion: Option<String>,
}

/// How bad a diagnostic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The label does what it says; something should be known about it.
    Notice,
    /// The label has no effect, or less than it says.
    #[serde(rename = "warn")]
    Warning,
    /// The label is wrong and was dropped.
    Error,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            level: _,
            service,
            key,
            value,
            reason,
            remedy,
            suggestion,
        } = self;
        write!(
            f,
            "service {service}: label {key}: {value:?}: {reason}; {remedy}"
        )?;
        match suggestion {
            Some(suggestion) => write!(f, " (did you mean {suggestion:?}?)"),
            None => Ok(()),
        }
    }
}

/// The labels of one service, by key; what the parser reads.
pub type Labels = BTreeMap<String, String>;
