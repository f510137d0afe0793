//! TCP keep-alive and `TCP_USER_TIMEOUT` of clients' connections, which detect a vanished client.
//!
//! # Design notes
//!
//! A client that loses power or network sends neither a reset nor an end. Without probes, its
//! WebSocket holds a connection here and one to a task until `idle_timeout_seconds`.
//!
//! The options are set on the listening socket. Linux copies them to every socket accepted from
//! it, so that a connection costs no system call.
//!
//! Keep-alive alone is not enough: the kernel sends no probes while data is unacknowledged, and
//! retransmits such data for about 15 minutes (`tcp_retries2`). `TCP_USER_TIMEOUT` bounds that. It
//! also ends the connection of a client that acknowledges and does not read, so it is never
//! shorter than the time that the gateway itself grants such a client. Passed-on TLS connections
//! are granted `idle_timeout_seconds`, so the option is cleared on them.

use std::net::TcpListener;
use std::time::Duration;

use pingora::protocols::TcpKeepalive;
use pingora::protocols::l4::stream::Stream;
use rustix::io::Errno;
use rustix::net::sockopt::{
    set_socket_keepalive, set_tcp_keepcnt, set_tcp_keepidle, set_tcp_keepintvl,
    set_tcp_user_timeout,
};

/// When the kernel probes a silent client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpProbes {
    /// The silence before the first probe.
    pub idle: Duration,
    /// The time between two probes.
    pub interval: Duration,
    /// The number of unanswered probes after which the connection is closed.
    pub count: u32,
}

impl Default for TcpProbes {
    /// Detects a vanished client within two minutes. The first probe is sent before NAT gateways
    /// and cloud load balancers drop a silent connection (Azure: 4 minutes, AWS: 350 seconds). It
    /// is rarer than the 15 seconds of Go's servers, which keep the radio of a phone awake.
    fn default() -> Self {
        Self {
            idle: Duration::from_secs(60),
            interval: Duration::from_secs(15),
            count: 4,
        }
    }
}

impl TcpProbes {
    /// The time from the last received segment to the end of the connection.
    fn patience(self) -> Duration {
        self.idle + self.interval * self.count
    }

    /// Sets the options on a listening socket, for all connections accepted from it. `unread` is
    /// the time that the gateway grants a client that does not read.
    pub(crate) fn watch(self, listener: &TcpListener, unread: Duration) -> Result<(), Errno> {
        let unacknowledged = self.patience().max(unread).as_millis();
        let unacknowledged = u32::try_from(unacknowledged).unwrap_or(u32::MAX);

        set_socket_keepalive(listener, true)?;
        set_tcp_keepidle(listener, self.idle)?;
        set_tcp_keepintvl(listener, self.interval)?;
        set_tcp_keepcnt(listener, self.count)?;
        set_tcp_user_timeout(listener, unacknowledged)
    }

    /// Clears `TCP_USER_TIMEOUT` of an accepted connection, and leaves its probes.
    pub(crate) fn watch_silence_only(self, stream: &mut Stream) {
        let options = TcpKeepalive {
            idle: self.idle,
            interval: self.interval,
            count: self.count as usize,
            user_timeout: Duration::ZERO,
        };

        // It fails only on a closed connection, which the next read reports.
        let _ = stream.set_keepalive(&options);
    }
}
