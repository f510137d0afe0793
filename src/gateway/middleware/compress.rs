//! Compresses answers, where the service wants it, the client can read it and the answer gains by it.
//!
//! # Design notes
//!
//! Every session of Pingora's carries a compressor that is off. It is switched on for one answer by its level, and told
//! what to do by a request that accepts one encoding only: Pingora reads no quality values, and would compress streams of
//! events, small answers, and what must not be transformed.
//!
//! Brotli is not offered: Pingora's flushes a stream at its end and never closes it, which decoders take for one cut short.

use std::sync::LazyLock;

use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    VARY,
};
use http::{HeaderName, HeaderValue, Method, StatusCode, Version};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::compression::ResponseCompression;
use pingora::protocols::http::compression::Algorithm;
use pingora::proxy::Session;

use crate::core::middleware::Encoding;

/// Below this, an answer fits into the packet that its header goes in.
const SMALLEST: u64 = 1_024;

/// Has the rest of an answer compressed, where that should be. What is compressed for some says so to all, by `Vary`.
pub(super) fn begin(
    offered: &[Encoding],
    session: &mut Session,
    response: &mut ResponseHeader,
) -> Result<()> {
    if !gains(response) {
        return Ok(());
    }
    vary(response)?;
    let request = session.req_header();
    // Without chunks, the end of an answer of unknown length is the connection's.
    if request.method == Method::HEAD || request.version < Version::HTTP_11 {
        return Ok(());
    }
    let Some(encoding) = Encoding::accepted(offered, &accepted(request)) else {
        return Ok(());
    };
    let modules = &mut session.downstream_modules_ctx;
    if let Some(compressor) = modules.get_mut::<ResponseCompression>()
        && compressor.is_header_phase()
    {
        let (algorithm, level, only) = match encoding {
            Encoding::Gzip => (Algorithm::Gzip, 5, &ONLY_GZIP),
            Encoding::Zstd => (Algorithm::Zstd, 3, &ONLY_ZSTD),
        };
        compressor.adjust_algorithm_level(algorithm, level);
        compressor.request_filter(only);
    }
    Ok(())
}

static ONLY_GZIP: LazyLock<RequestHeader> = LazyLock::new(|| only("gzip"));
static ONLY_ZSTD: LazyLock<RequestHeader> = LazyLock::new(|| only("zstd"));

fn only(encoding: &'static str) -> RequestHeader {
    let mut request = RequestHeader::build("GET", b"/", Some(1)).expect("the simplest request");
    request
        .insert_header(ACCEPT_ENCODING, encoding)
        .expect("there is room for one header");
    request
}

fn accepted(request: &RequestHeader) -> String {
    let headers = request.headers.get_all(ACCEPT_ENCODING).iter();
    let values: Vec<&str> = headers.filter_map(|it| it.to_str().ok()).collect();
    values.join(",")
}

/// Whether an answer should be compressed for who can read it.
fn gains(response: &ResponseHeader) -> bool {
    let headers = &response.headers;
    let bodiless = response.status.is_informational()
        || matches!(
            response.status,
            StatusCode::NO_CONTENT | StatusCode::PARTIAL_CONTENT | StatusCode::NOT_MODIFIED
        );
    let as_is = headers.contains_key(CONTENT_ENCODING)
        || headers.contains_key(CONTENT_RANGE)
        || says(response, &CACHE_CONTROL, "no-transform");
    let length = headers.get(CONTENT_LENGTH);
    let length = length.and_then(|it| it.to_str().ok()?.parse::<u64>().ok());
    let kind = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    !bodiless
        && !as_is
        && length.is_none_or(|length| length >= SMALLEST)
        && kind.is_some_and(shrinks)
}

/// Whether one of a header's words is this one.
fn says(response: &ResponseHeader, name: &HeaderName, word: &str) -> bool {
    let values = response.headers.get_all(name).iter();
    let words = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    words
        .map(<[u8]>::trim_ascii)
        .any(|said| said.eq_ignore_ascii_case(word.as_bytes()))
}

/// Whether content of this type is text of some kind, and not read piece by piece while it is made.
fn shrinks(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    let kind = kind.trim().to_ascii_lowercase();
    if kind.contains("stream") || kind.contains("ndjson") || kind.contains("json-seq") {
        return false;
    }
    kind.starts_with("text/")
        || kind.ends_with("+json")
        || kind.ends_with("+xml")
        || matches!(
            kind.as_str(),
            "application/json"
                | "application/javascript"
                | "application/x-javascript"
                | "application/xml"
                | "application/wasm"
                | "application/manifest+json"
                | "application/vnd.ms-fontobject"
                | "font/ttf"
                | "font/otf"
                | "image/x-icon"
        )
}

fn vary(response: &mut ResponseHeader) -> Result<()> {
    if says(response, &VARY, "accept-encoding") || says(response, &VARY, "*") {
        return Ok(());
    }
    response.append_header(VARY, HeaderValue::from_static("Accept-Encoding"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_gains_by_it_is_compressed() {
        let json = ("Content-Type", "application/json; charset=utf-8");
        let large = ("Content-Length", "1024");
        for (status, headers, expected) in [
            (200, vec![json, large], true),
            (200, vec![json], true),
            (404, vec![("Content-Type", "text/html"), large], true),
            (200, vec![json, ("Content-Length", "1023")], false),
            (200, vec![large], false),
            (206, vec![json, large], false),
            (
                200,
                vec![json, large, ("Content-Range", "bytes 0-1/2")],
                false,
            ),
            (304, vec![json], false),
            (200, vec![json, large, ("Content-Encoding", "gzip")], false),
            (
                200,
                vec![json, large, ("Cache-Control", "public, No-Transform")],
                false,
            ),
            (200, vec![json, large, ("Cache-Control", "public")], true),
            (200, vec![("Content-Type", "text/event-stream")], false),
            (200, vec![("Content-Type", "application/grpc")], false),
            (200, vec![("Content-Type", "application/x-ndjson")], false),
            (200, vec![("Content-Type", "image/png"), large], false),
            (200, vec![("Content-Type", "image/svg+xml"), large], true),
            (200, vec![("Content-Type", "application/zip"), large], false),
        ] {
            let mut response = ResponseHeader::build(status, None).expect("a status");
            for (name, value) in &headers {
                response.append_header(*name, *value).expect("a header");
            }
            assert_eq!(gains(&response), expected, "{status} {headers:?}");
        }
    }

    #[test]
    fn vary_is_said_once() {
        for (before, after) in [
            (vec![], vec!["Accept-Encoding"]),
            (vec!["Origin"], vec!["Origin", "Accept-Encoding"]),
            (
                vec!["Origin, accept-encoding"],
                vec!["Origin, accept-encoding"],
            ),
            (vec!["*"], vec!["*"]),
        ] {
            let mut response = ResponseHeader::build(200, None).expect("a status");
            for value in before {
                response.append_header(VARY, value).expect("a header");
            }
            vary(&mut response).expect("a header");
            let said = response.headers.get_all(VARY).iter();
            assert_eq!(said.collect::<Vec<_>>(), after);
        }
    }
}
