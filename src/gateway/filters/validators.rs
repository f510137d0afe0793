//! Conditional requests to a service that compresses: the task sees its own tags, the client those
//! of the representation that it has.

use http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, ETAG, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH,
};
use http::{Method, StatusCode};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::{ErrorType, OrErr as _, Result};

use crate::core::model::middleware::Encoding;
use crate::core::request::entity_tag;

/// Maps derived tags in the conditions of a request back to the task's own. `chosen` returns the
/// coding that the response would have.
///
/// On GET and HEAD, only tags of that coding are mapped: a 304 must not confirm a variant that the
/// client cannot decode. Other methods mean the state of the resource, whichever variant was seen.
pub(super) fn restore(
    request: &mut RequestHeader,
    chosen: impl FnOnce() -> Option<Encoding>,
) -> Result<()> {
    if request.headers.contains_key(IF_NONE_MATCH) {
        match is_read(&request.method) {
            true => restore_in(request, &IF_NONE_MATCH, chosen().as_slice())?,
            false => restore_in(request, &IF_NONE_MATCH, &Encoding::ALL)?,
        }
    }
    if request.headers.contains_key(IF_MATCH) {
        restore_in(request, &IF_MATCH, &Encoding::ALL)?;
    }
    Ok(())
}

fn restore_in(request: &mut RequestHeader, name: &HeaderName, codings: &[Encoding]) -> Result<()> {
    let mut changed = false;
    let values = request.headers.get_all(name).iter();
    let values = values.map(
        |value| match entity_tag::restored(value.as_bytes(), codings) {
            Some(restored) => {
                changed = true;
                HeaderValue::from_bytes(&restored)
            }
            None => Ok(value.clone()),
        },
    );
    let values: Vec<HeaderValue> = values
        .collect::<std::result::Result<_, _>>()
        .or_err(ErrorType::InternalError, "while a condition was restored")?;
    if !changed {
        return Ok(());
    }

    request.remove_header(name);
    for value in values {
        request.append_header(name.clone(), value)?;
    }
    Ok(())
}

/// Replaces the tag of a response by that of its compressed representation. An invalid tag is
/// removed.
pub(super) fn mark(encoding: Encoding, response: &mut ResponseHeader) -> Result<()> {
    let Some(tag) = response.headers.get(ETAG) else {
        return Ok(());
    };
    match entity_tag::encoded(tag.as_bytes(), encoding) {
        Some(marked) => response.insert_header(ETAG, marked),
        None => {
            response.remove_header(&ETAG);
            Ok(())
        }
    }
}

/// Sets the derived tag on a 304 if the client asked about the compressed representation. `chosen`
/// is the coding that a 200 would have.
pub(super) fn confirm(
    chosen: Option<Encoding>,
    request: &RequestHeader,
    response: &mut ResponseHeader,
) -> Result<()> {
    let own = response.headers.get(ETAG).map(HeaderValue::as_bytes);
    let Some(marked) = chosen
        .zip(own)
        .and_then(|(coding, tag)| entity_tag::encoded(tag, coding))
    else {
        return Ok(());
    };
    let mut conditions = request.headers.get_all(IF_NONE_MATCH).iter();
    if !conditions.any(|it| entity_tag::names(it.as_bytes(), &marked)) {
        return Ok(());
    }

    response.insert_header(ETAG, marked)?;
    // Both describe the uncompressed representation.
    response.remove_header(&CONTENT_LENGTH);
    response.remove_header(&ACCEPT_RANGES);
    Ok(())
}

/// Whether the tag of a response describes its body. After a state-changing method it describes the
/// new state (RFC 9110, section 9.3.4), and the body is another representation.
pub(super) fn is_read(method: &Method) -> bool {
    *method == Method::GET || *method == Method::HEAD
}

/// Whether a response is a 304.
pub(super) fn is_confirmation(response: &ResponseHeader) -> bool {
    response.status == StatusCode::NOT_MODIFIED
}
