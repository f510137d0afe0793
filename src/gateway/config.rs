//! What a gateway needs to know.

use std::net::SocketAddr;
use std::time::Duration;

use ipnet::IpNet;

use crate::core::model::NodeId;
use crate::core::routing::ejection;
use crate::core::routing::tls_access::TlsAccess;
use crate::observe::access_log::AccessLog;
use crate::observe::otlp::Spans;

use super::exchange::challenge::Challenges;
use super::limits::Limits;
use super::listener::socket::ListenerName;
use super::listener::tls::TlsConfig;

/// What a gateway needs to know; filled in by the command line.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where clients inside the cluster connect; none: no such listener.
    pub internal: Option<SocketAddr>,
    /// Where the outside connects; none: no such listener. `.local` hosts do not exist there.
    pub public: Option<SocketAddr>,
    /// Where the outside connects by TLS; none: no such listener.
    pub tls: Option<TlsConfig>,
    /// Peers whose forwarding headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The listeners to which trusted proxies say in front of each connection whose it is (the PROXY protocol).
    pub proxy_protocol: Vec<ListenerName>,
    /// How long requests in flight may take to end once a stop was asked for.
    pub grace: Duration,
    /// What clients are allowed.
    pub limits: Limits,
    /// How many threads the runtime has; it decides the size of the pool of idle connections.
    pub threads: usize,
    /// The node that this gateway runs on; none where it is not known.
    pub node: Option<NodeId>,
    /// Whether endpoints on this gateway's own node are preferred while any of them is well.
    pub prefer_local: bool,
    /// When endpoints are ejected; none: never.
    pub ejection: Option<ejection::Policy>,
    /// How often it is judged who is ejected, while there is anything to judge.
    pub judged_every: Duration,
    /// Where requests are written down; none: nowhere.
    pub access_log: Option<AccessLog>,
    /// Where requests are told of by spans; none: nowhere.
    pub spans: Option<Spans>,
    /// Whether requests are given ids for those who come with none; spans need them, too.
    pub trace_headers: bool,
    /// What ACME servers are about to ask.
    pub challenges: Challenges,
}

impl Config {
    /// Whether there is a listener for the outside.
    #[must_use]
    pub fn faces_outside(&self) -> bool {
        self.public.is_some() || self.tls.is_some()
    }

    /// What terminates TLS for its clients.
    #[must_use]
    pub fn tls_access(&self) -> TlsAccess {
        TlsAccess {
            listener: self.tls.is_some(),
            proxy: !self.trusted_proxies.is_empty(),
        }
    }
}
