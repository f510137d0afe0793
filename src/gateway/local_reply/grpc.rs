//! Requests of gRPC: how they are told, and how an answer of the gateway's own looks to them. Their clients look for a status
//! of gRPC, and make "unknown" of everything else.

use std::fmt::Write as _;

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Version};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};

/// Whether a request is a call of gRPC, which exists over HTTP/2 alone. gRPC-Web is not meant: it has no trailers.
pub(crate) fn is_call(request: &RequestHeader) -> bool {
    request.version == Version::HTTP_2
        && request
            .headers
            .get(CONTENT_TYPE)
            .map(HeaderValue::as_bytes)
            .and_then(|kind| kind.strip_prefix(b"application/grpc"))
            .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// The head of an answer that is a status alone ("Trailers-Only" in gRPC's words).
pub(crate) fn status_only(status: u16, line: &str) -> Result<ResponseHeader> {
    let mut header = ResponseHeader::build(200, Some(6))?;
    header.insert_header("Content-Type", "application/grpc")?;
    header.insert_header("grpc-status", code(status).to_string())?;
    header.insert_header("grpc-message", escaped(line))?;
    Ok(header)
}

/// gRPC's own table, but for a time-out: "unavailable" would invite clients to call again, and the task may be at work.
fn code(status: u16) -> u8 {
    const UNKNOWN: u8 = 2;
    const DEADLINE_EXCEEDED: u8 = 4;
    const PERMISSION_DENIED: u8 = 7;
    const UNIMPLEMENTED: u8 = 12;
    const INTERNAL: u8 = 13;
    const UNAVAILABLE: u8 = 14;
    const UNAUTHENTICATED: u8 = 16;
    match status {
        400 | 414 | 431 | 500 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        408 | 504 => DEADLINE_EXCEEDED,
        429 | 502 | 503 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

/// Messages are printable ASCII, and all else in per cent.
fn escaped(line: &str) -> String {
    line.bytes().fold(String::new(), |mut text, byte| {
        match byte {
            b' '..=b'~' if byte != b'%' => text.push(byte.into()),
            _ => write!(text, "%{byte:02X}").expect("a string takes any length"),
        }
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_told_by_its_version_and_kind() {
        for (version, kind, expected) in [
            (Version::HTTP_2, "application/grpc", true),
            (Version::HTTP_2, "application/grpc+proto", true),
            (Version::HTTP_2, "application/grpc;charset=utf-8", true),
            (Version::HTTP_2, "application/grpc-web", false),
            (Version::HTTP_2, "application/json", false),
            (Version::HTTP_11, "application/grpc", false),
        ] {
            let mut request = RequestHeader::build("POST", b"/", None).expect("a request");
            request.set_version(version);
            request
                .append_header("Content-Type", kind)
                .expect("a header");
            assert_eq!(is_call(&request), expected, "{version:?} {kind}");
        }
    }

    #[test]
    fn an_answer_is_a_status_and_an_escaped_message() {
        for (status, line, code, message) in [
            (
                404,
                "no service claims a/ü",
                "12",
                "no service claims a/%C3%BC",
            ),
            (503, "100 %\n", "14", "100 %25%0A"),
            (504, "slow", "4", "slow"),
            (400, "odd", "13", "odd"),
            (308, "elsewhere", "2", "elsewhere"),
        ] {
            let header = status_only(status, line).expect("a head");
            let shown = ["content-type", "grpc-status", "grpc-message"].map(|name| {
                let value = header.headers.get(name).expect("a header");
                value.to_str().expect("text")
            });
            assert_eq!(shown, ["application/grpc", code, message]);
            assert_eq!(header.status, 200);
        }
    }
}
