//! Requests that ask for an upgrade to WebSocket.

use http::header::UPGRADE;
use pingora::http::RequestHeader;

/// Whether a request asks to become a WebSocket. Other upgrades are not offered to tasks, so they ask in vain.
pub(super) fn asked(request: &RequestHeader) -> bool {
    let asked = request.headers.get(UPGRADE);
    asked.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}
