//! What a task says of its own connection stays there: `Keep-Alive: timeout=5` is about the connection that the gateway
//! holds to it, and a client that took it for its own would be wrong.
//!
//! Pingora does this for requests, and writes the `Connection` header of answers; the rest of an answer's is done here.

use http::header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderName, StatusCode};
use pingora::http::ResponseHeader;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Takes the headers that concern one hop out of an answer, and those that its `Connection` header names.
pub(crate) fn strip(response: &mut ResponseHeader) {
    if response.status == StatusCode::SWITCHING_PROTOCOLS {
        return;
    }
    // Most answers have none of them: one pass over their few headers costs less than four look-ups.
    if !response.headers.keys().any(is_of_one_hop) {
        return;
    }
    let nominated: Vec<HeaderName> = response
        .headers
        .get_all(CONNECTION)
        .iter()
        .flat_map(|names| names.as_bytes().split(|byte| *byte == b','))
        .map(<[u8]>::trim_ascii)
        // What nearly every answer names says nothing of other headers.
        .filter(|name| {
            !name.eq_ignore_ascii_case(b"close") && !name.eq_ignore_ascii_case(b"keep-alive")
        })
        .filter_map(|name| HeaderName::from_bytes(name).ok())
        // The framing cannot be named away.
        .filter(|name| ![CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION].contains(name))
        .collect();
    for name in nominated {
        response.remove_header(&name);
    }
    response.remove_header(&KEEP_ALIVE);
    response.remove_header(&PROXY_CONNECTION);
    // 426 has to say which protocol would do.
    if response.status != StatusCode::UPGRADE_REQUIRED {
        response.remove_header(&UPGRADE);
    }
}

/// Whether a header says something of one hop, or of which others do.
fn is_of_one_hop(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection" | "keep-alive" | "proxy-connection" | "upgrade"
    )
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn what_concerns_one_hop_is_taken_out() {
        let connection = ("Connection", "close, X-Mine, Content-Length");
        let all = [
            connection,
            ("X-Mine", "1"),
            ("Keep-Alive", "timeout=5"),
            ("Upgrade", "h2c"),
            ("Content-Length", "2"),
            ("X-Yours", "2"),
        ];
        for (status, left) in [
            (200, vec!["connection", "content-length", "x-yours"]),
            (
                426,
                vec!["connection", "content-length", "upgrade", "x-yours"],
            ),
            (
                101,
                vec![
                    "connection",
                    "content-length",
                    "keep-alive",
                    "upgrade",
                    "x-mine",
                    "x-yours",
                ],
            ),
        ] {
            let mut response = ResponseHeader::build(status, None).expect("a status");
            for (name, value) in all {
                response.append_header(name, value).expect("a header");
            }
            strip(&mut response);
            let mut names: Vec<_> = response.headers.keys().map(HeaderName::as_str).collect();
            names.sort_unstable();
            assert_eq!(names, left, "{status}");
        }
    }

    #[test]
    fn an_answer_that_names_nothing_is_left_as_it_is() {
        let mut response = ResponseHeader::build(200, None).expect("a status");
        response.append_header("Server", "x").expect("a header");
        strip(&mut response);
        let left: Vec<_> = response.headers.iter().collect();
        assert_eq!(
            left,
            [(&http::header::SERVER, &HeaderValue::from_static("x"))]
        );
    }
}
