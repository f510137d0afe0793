//! What clients are allowed.

pub(crate) mod alarm;
pub(crate) mod clients;
pub(crate) mod connection_limits;
pub(crate) mod kernel_buffers;
pub(crate) mod open_files;
pub(crate) mod task_connections;
pub(crate) mod tcp_probes;

use std::num::{NonZeroU32, NonZeroUsize};
use std::time::Duration;

use self::tcp_probes::TcpProbes;

/// How long a task may take to accept more of a request, and a client more of an answer where no rate is asked of it.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// What clients are allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many connections may be open; `None`: a third of the files that the process may open, at most 65 536.
    pub connections: Option<NonZeroUsize>,
    /// How many one client's address may have open, or one /64 network of IPv6; `None`: as many as it leaves free. Trusted
    /// proxies are exempt.
    pub connections_per_client: Option<NonZeroUsize>,
    /// How many connections to tasks requests may use at once; `None`: as many as there may be connections.
    pub task_connections: Option<NonZeroUsize>,
    /// How many of them those of one client may use; `None`: as many as it leaves free. Trusted proxies are exempt.
    pub task_connections_per_client: Option<NonZeroUsize>,
    /// On each connection: from the first bytes of a request's head to the last. A head is a few hundred bytes: who needs
    /// longer is stuck, or holds connections open on purpose.
    pub head: Duration,
    /// On each connection: between requests. Longer than the idle time-outs of common clients' pools would be kind, but costs
    /// memory; this is what nginx has.
    pub keep_alive: Duration,
    /// How many bytes a second a request's body has to bring in the long run, and a client to take of an answer that waits for
    /// it; none: any number. What calls of `grpc://` routes and WebSockets bring may come as slowly as it likes.
    pub min_body_rate: Option<NonZeroU32>,
    /// By how much time a body may fall behind that, either way. On a stream of HTTP/2: for how long each piece of an answer may
    /// wait for the client to give it room.
    pub body_patience: Duration,
    /// Requests of one service that may wait for an endpoint at once (`routing.hold_seconds`); more are refused. Each
    /// costs some 45 KB.
    pub held: usize,
    /// On each connection: how a client that has vanished is found out.
    pub tcp_probes: TcpProbes,
}

impl Limits {
    /// How long a client may leave what is sent to it unread.
    pub(super) fn unread(&self) -> Duration {
        match self.min_body_rate {
            Some(_) => self.body_patience,
            None => WRITE_TIMEOUT,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: None,
            connections_per_client: None,
            task_connections: None,
            task_connections_per_client: None,
            head: Duration::from_secs(10),
            keep_alive: Duration::from_secs(75),
            min_body_rate: NonZeroU32::new(100),
            body_patience: Duration::from_secs(60),
            held: 1024,
            tcp_probes: TcpProbes::default(),
        }
    }
}
