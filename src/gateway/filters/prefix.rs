//! The route's path, cut off before the request reaches the task.

use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use pingora::Result;
use pingora::http::RequestHeader;

use crate::core::model::route::PathPrefix;
use crate::core::request::path;

const FORWARDED_PREFIX: HeaderName = HeaderName::from_static("x-forwarded-prefix");

/// A path that is cut off; it begins with a slash and does not end in one.
#[derive(Debug)]
pub(in crate::gateway) struct Prefix {
    path: Arc<str>,
    header: HeaderValue,
}

impl Prefix {
    /// None for the root, of which nothing can be cut off.
    pub(in crate::gateway) fn of(path: &PathPrefix) -> Option<Self> {
        let header = HeaderValue::try_from(&*path.0).ok()?;
        (&*path.0 != "/").then(|| Self {
            path: path.0.clone(),
            header,
        })
    }

    /// What is left of a path, perhaps with a query, that matches in whatever spelling; it may begin with the query.
    pub(super) fn cut<'a>(&self, path: &'a str) -> &'a str {
        let end = path.find('?').unwrap_or(path.len());
        let rest = path::behind(&path.as_bytes()[..end], &self.path);
        &path[end - rest.len()..]
    }

    /// Cuts it off, and tells the task of it: behind what a trusted proxy has cut off before.
    pub(in crate::gateway) fn strip(&self, request: &mut RequestHeader) -> Result<()> {
        let target = request.raw_path();
        let end = target.iter().position(|byte| *byte == b'?');
        let end = end.unwrap_or(target.len());
        let rest = path::behind(&target[..end], &self.path);
        let rest = &target[end - rest.len()..];
        let rest = match rest.first() {
            Some(b'/') => rest.to_vec(),
            _ => [b"/", rest].concat(),
        };
        request.set_raw_path(&rest)?;
        let before = request.headers.get(FORWARDED_PREFIX);
        let header = before.map_or_else(
            || self.header.clone(),
            |before| {
                let both = [before.as_bytes(), self.header.as_bytes()].concat();
                HeaderValue::try_from(both).expect("two header values side by side are one")
            },
        );
        request.insert_header("X-Forwarded-Prefix", header)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_prefix_is_cut_off_and_told() {
        let prefix = Prefix::of(&PathPrefix("/api".into())).expect("a path");
        for (path, before, rest, told) in [
            ("/api", None, "/", "/api"),
            ("/api/", None, "/", "/api"),
            ("/api/x%20y?q=/api", None, "/x%20y?q=/api", "/api"),
            ("/api?q", None, "/?q", "/api"),
            ("/api//x", None, "//x", "/api"),
            ("/api/x", Some("/outer"), "/x", "/outer/api"),
            ("/%61pi/x?q", None, "/x?q", "/api"),
            ("//api;a/x;b?/api", None, "/x;b?/api", "/api"),
        ] {
            let mut request = RequestHeader::build("GET", path.as_bytes(), None).expect("a path");
            if let Some(before) = before {
                request
                    .insert_header("X-Forwarded-Prefix", before)
                    .expect("a header");
            }
            prefix.strip(&mut request).expect("a request");
            let header = request.headers.get(FORWARDED_PREFIX);
            let header = header.and_then(|it| it.to_str().ok());
            let raw = String::from_utf8_lossy(request.raw_path());
            assert_eq!((&*raw, header), (rest, Some(told)), "{path}");
        }
        assert!(Prefix::of(&PathPrefix::root()).is_none());
    }
}
