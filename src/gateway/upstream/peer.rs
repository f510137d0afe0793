//! How a task is connected to: time-outs, the pool, and how a task that has vanished is told from one that is slow.
//!
//! # Design notes
//!
//! A node that loses its power or its cable says nothing, so what was sent to it is sent again and again, and a request
//! would hang until its response time-out. The kernel is told to give such a connection up after [`VANISHED`]
//! (`TCP_USER_TIMEOUT`, and keep-alive probes for when nothing is under way). That is an option of the socket, set once a
//! connection: no request pays for it, and a task that takes its time to answer is not touched, since its kernel goes on
//! acknowledging.
//!
//! But the option has a second meaning: a task that reads nothing for so long, because all its workers are busy, is given up
//! as well, although its kernel says every time that it is there. (Seen: cut off after 3.0 s.) That can happen only to
//! what does not fit into a receive buffer: a large body, or a WebSocket. These go by connections of their own
//! ([`watched`](super::watched)), which ask the kernel what it heard. They are not pooled, which a large body can bear.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;
use http::header::{ACCEPT, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use pingora::http::RequestHeader;
use pingora::protocols::{ALPN, TcpKeepalive};
use pingora::upstreams::peer::HttpPeer;

use crate::core::model::route::RoutingPolicy;

use super::upgrade;
use super::watched::{Connector, VANISHED};
use crate::gateway::limits::WRITE_TIMEOUT;
use crate::gateway::routing::pool::Target;

/// How long a connection to a task is kept for the next request. Shorter than the shortest keep-alive in common use
/// (Node's 5 s), because a POST that meets a closing connection cannot be retried.
const POOL_IDLE: Duration = Duration::from_secs(4);

/// The largest body that certainly fits into the receive buffer of a task that reads nothing, together with the head: half
/// of the window that Linux opens with.
const SMALL_BODY: u64 = 32 * 1024;

/// How many requests share one connection of HTTP/2; what servers allow as a rule.
const SHARED_BY: usize = 100;

/// By what kind of connection a request goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpstreamMode {
    /// One of the pool.
    Pooled,
    /// One of its own that is watched, because of its body. The task is told so, and does not wait for another request.
    Alone,
    /// One that it may upgrade.
    Upgrade,
    /// One of HTTP/2 that many requests share. Such tasks read all the time, since their windows hold the client up and
    /// not the connection: what a large body needs watching for cannot happen.
    Shared,
}

impl UpstreamMode {
    /// For a request to a task that speaks HTTP/2, or to one that does not.
    pub(crate) fn of(request: &RequestHeader, http2: bool, has_body: bool) -> Self {
        if http2 {
            Self::Shared
        } else if !has_body && !request.headers.keys().any(is_telling) {
            // Most requests: one pass over their few headers costs less than three look-ups.
            Self::Pooled
        } else if upgrade::asked(request) {
            Self::Upgrade
        } else if has_large_body(request, has_body) {
            Self::Alone
        } else {
            Self::Pooled
        }
    }

    /// How the target is connected to. `events`: the answer may be a stream of events, in which silence is no fault.
    pub(crate) fn peer(self, target: &Target, policy: &RoutingPolicy, events: bool) -> HttpPeer {
        let mut peer = HttpPeer::new(target.address, false, String::new());
        peer.group_key = target.group_key;
        let options = &mut peer.options;
        options.connection_timeout = Some(policy.connect_timeout);
        options.idle_timeout = Some(POOL_IDLE);
        options.write_timeout = Some(WRITE_TIMEOUT);
        options.read_timeout = Some(match events {
            true => policy.idle_timeout,
            false => policy.response_timeout,
        });
        options.tcp_keepalive = Some(KEEP_ALIVE);
        if self == Self::Shared {
            options.alpn = ALPN::H2;
            options.max_h2_streams = SHARED_BY;
            // A call may send for as long as it likes before it is answered, and be silent for as long as a WebSocket.
            options.read_timeout = Some(policy.idle_timeout);
        }
        if matches!(self, Self::Pooled | Self::Shared) {
            return peer;
        }
        options.tcp_keepalive = Some(TcpKeepalive {
            user_timeout: Duration::ZERO,
            ..KEEP_ALIVE
        });
        if self == Self::Upgrade {
            options.read_timeout = Some(policy.idle_timeout);
            options.tcp_keepalive = Some(IDLE_KEEP_ALIVE);
        }
        options.custom_l4 = Some(Arc::new(Connector {
            timeout: policy.connect_timeout,
            upgrade: self == Self::Upgrade,
        }));
        // Such a connection serves one request only, whatever comes of it.
        options.idle_timeout = Some(Duration::ZERO);
        peer.group_key = !target.group_key;
        peer
    }
}

/// For connections that requests use: probed after a second of silence, given up when [`VANISHED`] is over.
const KEEP_ALIVE: TcpKeepalive = TcpKeepalive {
    idle: Duration::from_secs(1),
    interval: Duration::from_secs(1),
    count: 2,
    user_timeout: VANISHED,
};

/// For WebSockets and connections that are passed on, of which there may be many thousands and all idle: probed less often,
/// given up after 7 s of silence.
pub(crate) const IDLE_KEEP_ALIVE: TcpKeepalive = TcpKeepalive {
    idle: Duration::from_secs(5),
    interval: Duration::from_secs(1),
    count: 2,
    user_timeout: Duration::ZERO,
};

/// Whether a header tells of an upgrade, or of a body.
fn is_telling(name: &HeaderName) -> bool {
    *name == UPGRADE || *name == CONTENT_LENGTH || *name == TRANSFER_ENCODING
}

/// Whether a client asks for server-sent events, perhaps beside other things. Browsers do so for every such stream.
pub(crate) fn asks_for_events(request: &RequestHeader) -> bool {
    const EVENTS: &[u8] = b"text/event-stream";
    request.headers.get(ACCEPT).is_some_and(|accepted| {
        let mut kinds = accepted.as_bytes().split(|byte| *byte == b',');
        kinds.any(|kind| {
            let kind = kind.trim_ascii_start().get(..EVENTS.len());
            kind.is_some_and(|kind| kind.eq_ignore_ascii_case(EVENTS))
        })
    })
}

/// Whether a body may be too large to be sent without the task's reading it. One of unknown length may.
fn has_large_body(request: &RequestHeader, has_body: bool) -> bool {
    if request.headers.contains_key(TRANSFER_ENCODING) {
        return true;
    }
    let Some(length) = request.headers.get(CONTENT_LENGTH) else {
        // HTTP/2 needs no header for that.
        return has_body;
    };
    let length = length.to_str().ok().and_then(|it| it.parse::<u64>().ok());
    length.is_some_and(|length| length > SMALL_BODY)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_task_that_reads_nothing_may_not_take_goes_alone() {
        for (method, headers, way) in [
            ("GET", &[][..], UpstreamMode::Pooled),
            ("POST", &[("Content-Length", "0")], UpstreamMode::Pooled),
            ("POST", &[("Content-Length", "32768")], UpstreamMode::Pooled),
            ("POST", &[("Content-Length", "32769")], UpstreamMode::Alone),
            (
                "POST",
                &[("Transfer-Encoding", "chunked")],
                UpstreamMode::Alone,
            ),
            ("GET", &[("Upgrade", "websocket")], UpstreamMode::Upgrade),
            ("GET", &[("Upgrade", "h2c")], UpstreamMode::Pooled),
        ] {
            let mut request = RequestHeader::build(method, b"/", None).expect("a request");
            for (name, value) in headers {
                request.append_header(*name, *value).expect("a header");
            }
            assert_eq!(
                UpstreamMode::of(&request, false, false),
                way,
                "{method} {headers:?}"
            );
            assert_eq!(UpstreamMode::of(&request, true, true), UpstreamMode::Shared);
        }
        let of_unknown_length = RequestHeader::build("POST", b"/", None).expect("a request");
        assert_eq!(
            UpstreamMode::of(&of_unknown_length, false, true),
            UpstreamMode::Alone
        );
    }

    #[test]
    fn events_are_asked_for_by_name() {
        for (accepted, expected) in [
            ("text/event-stream", true),
            ("Text/Event-Stream;q=0.9", true),
            ("application/json, text/event-stream", true),
            ("text/html,application/xml;q=0.9,*/*;q=0.8", false),
            ("text/event", false),
            ("", false),
        ] {
            let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
            assert!(!asks_for_events(&request));
            request.append_header("Accept", accepted).expect("a header");
            assert_eq!(asks_for_events(&request), expected, "{accepted}");
        }
    }
}
