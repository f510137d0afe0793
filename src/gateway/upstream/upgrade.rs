//! Requests that ask for an upgrade to WebSocket, and the answer that they get.

use http::StatusCode;
use http::header::UPGRADE;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::{Error, ErrorType, Result};

/// Whether a request asks to become a WebSocket. Other upgrades are not offered to tasks, so they ask in vain.
pub(crate) fn asked(request: &RequestHeader) -> bool {
    let asked = request.headers.get(UPGRADE);
    asked.is_some_and(|protocol| protocol.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// Fails where a task takes over a connection that nobody has offered it: whatever comes on it next, such as the request of
/// another client of a proxy in front, would go to that task unread.
pub(crate) fn check(request: &RequestHeader, response: &ResponseHeader) -> Result<()> {
    if response.status == StatusCode::SWITCHING_PROTOCOLS && !asked(request) {
        let why = "the task switches protocols, which nobody has asked it for";
        let mut error = Error::explain(ErrorType::InvalidHTTPHeader, why);
        error.as_up();
        return Err(error);
    }
    Ok(())
}
