//! The path of a request in the spelling by which it is steered.
//!
//! # Design notes
//!
//! A path that is not plain is rewritten once, before anything is decided by it, so that whatever looks at the request later sees
//! what the task will get. The form to match by and the path as it came travel beside the request: nearly none needs them.

use std::sync::Arc;

use pingora::http::RequestHeader;

use crate::core::request::path::{self, RequestPath};

use super::framing;

/// What is kept of a path that is not plain.
#[derive(Clone)]
struct Respelled(Arc<Forms>);

struct Forms {
    matched: String,
    came: Box<[u8]>,
}

/// Reads the path, and rewrites the request where its task gets another.
pub(crate) fn settle(request: &mut RequestHeader) -> Result<(), framing::FramingError> {
    let (path, query) = split(request);
    let read = path::read(path).map_err(|why| (400, why.as_str()))?;
    let Some(RequestPath { matched, sent }) = read else {
        return Ok(());
    };

    let came: Box<[u8]> = path.into();
    if sent != *came {
        let target = [&sent, query].concat();
        let rewritten = request.set_raw_path(&target);
        rewritten.map_err(|_| (400, "the request's path cannot be read"))?;
    }
    let forms = Forms { matched, came };
    let respelled = Respelled(Arc::new(forms));
    request.extensions_mut().insert(respelled);
    Ok(())
}

/// What routes are matched by.
pub(crate) fn matched(request: &RequestHeader) -> &str {
    match request.extensions.get::<Respelled>() {
        Some(respelled) => &respelled.0.matched,
        None => request.uri.path(),
    }
}

/// The path as it came, without the query.
pub(crate) fn came(request: &RequestHeader) -> &[u8] {
    match request.extensions.get::<Respelled>() {
        Some(respelled) => &respelled.0.came,
        None => split(request).0,
    }
}

/// The path, and the query with its question mark.
fn split(request: &RequestHeader) -> (&[u8], &[u8]) {
    let target = match request.raw_path() {
        target if target.starts_with(b"/") => target,
        // The absolute form, and what is no path.
        _ => request
            .uri
            .path_and_query()
            .map_or(&b""[..], |it| it.as_str().as_bytes()),
    };
    let end = target.iter().position(|byte| *byte == b'?');
    target.split_at(end.unwrap_or(target.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_request_is_rewritten_and_what_came_is_kept() {
        for (target, raw, found, as_it_came) in [
            ("/a/b?c=/../d", "/a/b?c=/../d", "/a/b", "/a/b"),
            ("/%61?x", "/%61?x", "/a", "/%61"),
            ("/x/../a?x=%zz", "/a?x=%zz", "/a", "/x/../a"),
            ("/x/..", "/", "/", "/x/.."),
            ("//a", "//a", "/a", "//a"),
            ("/.//a?", "//a?", "/a", "/.//a"),
            ("http://a.test/x/../a?b", "/a?b", "/a", "/x/../a"),
            ("http://a.test/a?b", "http://a.test/a?b", "/a", "/a"),
            ("*", "*", "*", "*"),
        ] {
            let mut request = RequestHeader::build("GET", target.as_bytes(), None).expect(target);
            assert_eq!(settle(&mut request), Ok(()), "{target}");
            let sent = String::from_utf8_lossy(request.raw_path());
            let came = String::from_utf8_lossy(came(&request));
            let told = (&*sent, matched(&request), &*came);
            assert_eq!(told, (raw, found, as_it_came), "{target}");
            // A copy, as the request to the task is one, has it, too.
            assert_eq!(matched(&request.clone()), found, "{target}");
        }
        let mut request = RequestHeader::build("GET", b"/x/../\xe9?\xff", None).expect("a request");
        assert_eq!(settle(&mut request), Ok(()));
        assert_eq!(request.raw_path(), b"/\xe9?\xff");
        assert_eq!(matched(&request), "/%E9");
        let mut request = RequestHeader::build("GET", b"/x/..;/a", None).expect("a request");
        assert_eq!(settle(&mut request).map_err(|(status, _)| status), Err(400));
    }
}
