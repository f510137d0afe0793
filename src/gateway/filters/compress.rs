//! Compresses answers, where the service wants it, the client can read it and the answer gains by it.
//!
//! # Design notes
//!
//! Pingora has a compressor of its own, which is not used: it never closes a stream of Brotli, keeps what it has until a
//! buffer is full, however slowly an answer comes, and leaves an answer with trailers without its end. The module here stands
//! in its place, off until the service's labels ask for it.
//!
//! An answer of known length comes at once, and is compressed as a whole. One of unknown length may be made while it is read:
//! what came is sent on with every piece. Streams of events are left alone all the same. They are open for hours by the
//! thousand, and each would keep its window for all that time to save a few bytes an event.
//!
//! What ends a compressed body is known only when the body has ended, and a module can send either that or trailers. So answers of
//! tasks that speak HTTP/2 are left alone: only they have trailers that Pingora passes on, and a call of gRPC its status there.

use std::any::Any;
use std::io;
use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{
    ACCEPT_ENCODING, ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE,
    CONTENT_TYPE, TRANSFER_ENCODING, VARY,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::{HttpModule, HttpModuleBuilder, Module, ModuleBuilder};
use pingora::proxy::Session;
use pingora::{ErrorType, OrErr as _, Result};

use super::encoder::Encoder;
use super::validators;
use crate::core::model::middleware::Encoding;

/// Below this, an answer fits into the packet that its header goes in.
const SMALLEST: u64 = 1_024;

/// The `Cache-Control` directive against transformations, in requests and responses.
const NO_TRANSFORM: &str = "no-transform";

/// What would be wrong of a body that was changed.
static DIGESTS: [HeaderName; 4] = [
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-md5"),
];

/// Starts compressing a response if it gains by that, and adds `Vary` whether or not this client
/// accepts a coding.
///
/// A response to HEAD has the header of the GET, without the length, which is unknown. A 304 and a
/// 206 are never compressed, but describe a resource that is.
pub(super) fn begin(
    offered: &[Encoding],
    session: &mut Session,
    response: &mut ResponseHeader,
) -> Result<()> {
    if !varies(response) {
        return Ok(());
    }
    vary(response)?;

    let request = session.req_header();
    let chosen = chosen(offered, request);
    if validators::is_confirmation(response) {
        return validators::confirm(chosen, request, response);
    }
    let Some(encoding) = chosen.filter(|_| response.status != StatusCode::PARTIAL_CONTENT) else {
        return Ok(());
    };
    let is_read = validators::is_read(&request.method);
    if request.method == Method::HEAD {
        return tell(encoding, is_read, response);
    }

    let modules = &mut session.downstream_modules_ctx;
    if let Some(Compression(state @ State::Off)) = modules.get_mut::<Compression>() {
        *state = State::Wanted { encoding, is_read };
    }
    Ok(())
}

/// The coding for a response to this request. `None` if it is sent as it is.
pub(super) fn chosen(offered: &[Encoding], request: &RequestHeader) -> Option<Encoding> {
    // Without chunks, the end of an answer of unknown length is the connection's.
    if request.version < Version::HTTP_11 || says(&request.headers, &CACHE_CONTROL, NO_TRANSFORM) {
        return None;
    }
    Encoding::accepted(offered, &accepted(request))
}

/// What the answer to one request is compressed by.
struct Compression(State);

enum State {
    /// Nothing.
    Off,
    /// This, if there is a body. `is_read`: the tag describes the body.
    Wanted { encoding: Encoding, is_read: bool },
    /// This; with whether each piece is sent on at once. The lock is never taken: it makes what may change thread fit to be
    /// looked at by several.
    On(Box<Mutex<Encoder>>, bool),
}

impl Compression {
    /// What is to be sent on of a body's next piece.
    fn add(&mut self, piece: &[u8], end: bool) -> Result<Option<Bytes>> {
        let encoded = match std::mem::replace(&mut self.0, State::Off) {
            State::On(mut encoder, eager) if !end => {
                let running = encoder.get_mut().expect("the lock is never taken");
                let encoded = running.add(piece, eager);
                self.0 = State::On(encoder, eager);
                encoded
            }
            State::On(encoder, _) => {
                let encoder = encoder.into_inner().expect("the lock is never taken");
                finish(encoder, piece)
            }
            State::Off | State::Wanted { .. } => return Ok(None),
        };
        let encoded = encoded.or_err(ErrorType::InternalError, "while an answer was compressed")?;
        Ok((!encoded.is_empty()).then_some(encoded))
    }

    fn is_on(&self) -> bool {
        matches!(self.0, State::On(..))
    }
}

fn finish(mut encoder: Encoder, piece: &[u8]) -> io::Result<Bytes> {
    let before = encoder.add(piece, false)?;
    let last = encoder.finish()?;
    Ok(match before.is_empty() {
        true => last,
        false => [before, last].concat().into(),
    })
}

#[async_trait]
impl HttpModule for Compression {
    async fn response_header_filter(
        &mut self,
        response: &mut ResponseHeader,
        end: bool,
    ) -> Result<()> {
        let State::Wanted { encoding, is_read } = self.0 else {
            return Ok(());
        };
        if response.status.is_informational() {
            return Ok(());
        }
        self.0 = State::Off;
        let length = length(response);
        // Where memory is short, the answer goes as it is.
        if !end && let Ok(encoder) = Encoder::new(encoding, length) {
            tell(encoding, is_read, response)?;
            response.insert_header(TRANSFER_ENCODING, "chunked")?;
            // The response of an HTTP/1.0 task has that version, which has no chunked coding (RFC
            // 9112, section 6.1).
            response.set_version(Version::HTTP_11);
            self.0 = State::On(Box::new(Mutex::new(encoder)), length.is_none());
        }
        Ok(())
    }

    fn response_body_filter(&mut self, body: &mut Option<Bytes>, end: bool) -> Result<()> {
        if self.is_on() {
            let piece = body.take().unwrap_or_default();
            *body = self.add(&piece, end)?;
        }
        Ok(())
    }

    // The body's end has to be sent, and nothing can follow it here. What may have trailers is not compressed.
    fn response_trailer_filter(
        &mut self,
        _trailers: &mut Option<Box<HeaderMap>>,
    ) -> Result<Option<Bytes>> {
        self.add(&[], true)
    }

    fn response_done_filter(&mut self) -> Result<Option<Bytes>> {
        self.add(&[], true)
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }
}

/// Gives every request what its answer may be compressed by.
pub(in crate::gateway) fn compression() -> ModuleBuilder {
    struct Builder;
    impl HttpModuleBuilder for Builder {
        fn init(&self) -> Module {
            Box::new(Compression(State::Off))
        }
    }
    Box::new(Builder)
}

/// Sets the header of a compressed response.
fn tell(encoding: Encoding, is_read: bool, response: &mut ResponseHeader) -> Result<()> {
    response.insert_header(CONTENT_ENCODING, encoding.as_str())?;
    response.remove_header(&CONTENT_LENGTH);
    response.remove_header(&ACCEPT_RANGES);
    match is_read {
        true => validators::mark(encoding, response),
        false => Ok(()),
    }
}

fn accepted(request: &RequestHeader) -> String {
    let headers = request.headers.get_all(ACCEPT_ENCODING).iter();
    let values: Vec<&str> = headers.filter_map(|it| it.to_str().ok()).collect();
    values.join(",")
}

/// Whether a response depends on `Accept-Encoding`: it is compressed for some clients, or describes
/// a resource that is (304, 206).
fn varies(response: &ResponseHeader) -> bool {
    let headers = &response.headers;
    let status = response.status;
    if status.is_informational() || status == StatusCode::NO_CONTENT {
        return false;
    }
    let part = status == StatusCode::PARTIAL_CONTENT;
    let as_is = headers.contains_key(CONTENT_ENCODING)
        || (headers.contains_key(CONTENT_RANGE) && !part)
        || DIGESTS.iter().any(|digest| headers.contains_key(digest))
        || says(headers, &CACHE_CONTROL, NO_TRANSFORM);
    if as_is {
        return false;
    }

    let kind = headers.get(CONTENT_TYPE).and_then(|it| it.to_str().ok());
    if validators::is_confirmation(response) {
        // Most 304 have no type. A superfluous `Vary` costs caches little.
        return kind.is_none_or(shrinks);
    }
    let length = if part {
        whole(response)
    } else {
        length(response)
    };
    length.is_none_or(|length| length >= SMALLEST)
        && kind.is_some_and(|kind| shrinks(kind) || (part && holds_parts(kind)))
}

/// The length of the whole representation of a 206, if known.
fn whole(response: &ResponseHeader) -> Option<u64> {
    let range = response.headers.get(CONTENT_RANGE)?.to_str().ok()?;
    range.rsplit('/').next()?.parse().ok()
}

/// Whether the type is a multipart type, whose parts have the type of the resource.
fn holds_parts(content_type: &str) -> bool {
    let kind = content_type.trim_start().as_bytes();
    kind.get(..10)
        .is_some_and(|it| it.eq_ignore_ascii_case(b"multipart/"))
}

fn length(response: &ResponseHeader) -> Option<u64> {
    let length = response.headers.get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// Whether one of a header's words is this one.
fn says(headers: &HeaderMap, name: &HeaderName, word: &str) -> bool {
    let values = headers.get_all(name).iter();
    let words = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    words
        .map(<[u8]>::trim_ascii)
        .any(|said| said.eq_ignore_ascii_case(word.as_bytes()))
}

/// Whether content of this type is text of some kind, and not read piece by piece while it is made.
fn shrinks(content_type: &str) -> bool {
    let kind = content_type.split(';').next().unwrap_or_default();
    let kind = kind.trim().to_ascii_lowercase();
    let left_alone = ["stream", "ndjson", "json-seq", "grpc"];
    if left_alone.iter().any(|part| kind.contains(part)) {
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
    if says(&response.headers, &VARY, "accept-encoding") || says(&response.headers, &VARY, "*") {
        return Ok(());
    }
    response.append_header(VARY, HeaderValue::from_static("Accept-Encoding"))?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_gains_by_it_varies() {
        let json = ("Content-Type", "application/json; charset=utf-8");
        let large = ("Content-Length", "1024");
        for (status, headers, expected) in [
            (200, vec![json, large], true),
            (200, vec![json], true),
            (404, vec![("Content-Type", "text/html"), large], true),
            (200, vec![json, ("Content-Length", "1023")], false),
            (200, vec![large], false),
            (206, vec![json, large], true),
            (206, vec![json, ("Content-Range", "bytes 0-9/1023")], false),
            (206, vec![json, ("Content-Range", "bytes 0-9/1024")], true),
            (206, vec![json, ("Content-Range", "bytes 0-9/*")], true),
            (
                206,
                vec![("Content-Type", "multipart/byteranges; boundary=x")],
                true,
            ),
            (206, vec![("Content-Type", "image/png"), large], false),
            (416, vec![json, ("Content-Range", "bytes */9")], false),
            (
                200,
                vec![json, large, ("Content-Range", "bytes 0-1/2")],
                false,
            ),
            (304, vec![json], true),
            (304, vec![], true),
            (304, vec![("Content-Type", "image/png")], false),
            (304, vec![("Cache-Control", "no-transform")], false),
            (200, vec![json, large, ("Content-Encoding", "gzip")], false),
            (
                200,
                vec![json, large, ("Cache-Control", "public, No-Transform")],
                false,
            ),
            (200, vec![json, large, ("Cache-Control", "public")], true),
            (200, vec![("Content-Type", "text/event-stream")], false),
            (200, vec![("Content-Type", "application/grpc")], false),
            (200, vec![("Content-Type", "application/grpc+json")], false),
            (200, vec![json, ("Repr-Digest", "sha-256=:eA==:")], false),
            (204, vec![json], false),
            (200, vec![("Content-Type", "application/x-ndjson")], false),
            (200, vec![("Content-Type", "image/png"), large], false),
            (200, vec![("Content-Type", "image/svg+xml"), large], true),
            (200, vec![("Content-Type", "application/zip"), large], false),
        ] {
            let mut response = ResponseHeader::build(status, None).expect("a status");
            for (name, value) in &headers {
                response.append_header(*name, *value).expect("a header");
            }
            assert_eq!(varies(&response), expected, "{status} {headers:?}");
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
