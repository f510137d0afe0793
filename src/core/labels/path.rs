//! The path of a route, and the characters that any path may hold.

use std::sync::Arc;

use super::report::LabelFault;
use crate::core::model::route::PathPrefix;
use crate::core::request::path;

/// What follows the host of a route: nothing, or a path.
pub(super) fn parse(written: &str) -> Result<PathPrefix, LabelFault> {
    if let Some(index) = written.find(['?', '#']) {
        let what = if written[index..].starts_with('?') {
            "a query"
        } else {
            "a fragment"
        };
        return Err(LabelFault::error(
            format!("has {what}, but routes are chosen by host and path alone"),
            "leave out everything from there",
        )
        .suggesting(&written[..index]));
    }
    let path = written.trim_end_matches('/');
    if path.contains('*') {
        let before = path[..path.find('*').unwrap_or(0)].trim_end_matches('/');
        return Err(LabelFault::error(
            "has a `*` in its path",
            "leave it out: a path matches everything below it anyway",
        )
        .suggesting(before));
    }
    check_characters(path)?;
    if path.split('/').skip(1).any(str::is_empty) {
        let segments = path.split('/').filter(|segment| !segment.is_empty());
        let single: String = segments.flat_map(|segment| ["/", segment]).collect();
        return Err(LabelFault::error(
            "has an empty segment in its path",
            "write single slashes between segments",
        )
        .suggesting(single));
    }
    match path {
        "" => Ok(PathPrefix::root()),
        _ => normal(path).map(PathPrefix),
    }
}

/// The spelling by which requests are matched.
fn normal(path: &str) -> Result<Arc<str>, LabelFault> {
    let read = path::read(path.as_bytes()).map_err(|_| {
        LabelFault::error(
            "has a path that servers read in different ways, so that such requests are refused",
            "leave out %00, overlong encodings, and dots beside %2F, %3B or %5C",
        )
    })?;
    match read {
        None => Ok(path.into()),
        Some(read) if read.sent != path.as_bytes() => Err(LabelFault::error(
            "has a `.` or `..` in its path",
            "write the path that is meant: clients resolve the dots before they send",
        )),
        Some(read) => Ok(read.matched.into()),
    }
}

/// Refuses what cannot stand in the path or query of a request as it goes over the wire.
pub(super) fn check_characters(path: &str) -> Result<(), LabelFault> {
    let allowed = |character: char| {
        character.is_ascii_alphanumeric() || "-._~!$&'()*+,;=:@/?%".contains(character)
    };
    if let Some(character) = path.chars().find(|character| !allowed(*character)) {
        return Err(LabelFault::error(
            format!("has {character:?} in its path, which cannot stand there as it is"),
            "write it percent-encoded, as clients send it",
        ));
    }
    let is_escape = |rest: &str| {
        let digits = rest.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    if !path.split('%').skip(1).all(is_escape) {
        return Err(LabelFault::error(
            "has a `%` in its path without two hexadecimal digits after it",
            "write a percent sign as %25",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_loses_its_last_slash_unless_it_is_the_root() {
        for (written, expected) in [
            ("", "/"),
            ("/", "/"),
            ("//", "/"),
            ("/api", "/api"),
            ("/api/", "/api"),
            ("/api//", "/api"),
            ("/api/v1", "/api/v1"),
            ("/Api", "/Api"),
            ("/a%20b/x,y:z@w", "/a%20b/x,y:z@w"),
            ("/.well-known", "/.well-known"),
            // The spelling by which requests are matched.
            ("/%61dmin", "/admin"),
            ("/caf%c3%a9", "/caf%C3%A9"),
            ("/%40user", "/@user"),
            ("/a%2fb", "/a%2Fb"),
        ] {
            assert_eq!(
                parse(written),
                Ok(PathPrefix(expected.into())),
                "{written:?}"
            );
        }
    }

    #[test]
    fn what_can_never_match_is_refused() {
        let query = "has a query, but routes are chosen by host and path alone";
        let fragment = "has a fragment, but routes are chosen by host and path alone";
        let escape = "has a `%` in its path without two hexadecimal digits after it";
        let dots = "has a `.` or `..` in its path";
        let ambiguous =
            "has a path that servers read in different ways, so that such requests are refused";
        for (written, reason, suggestion) in [
            ("/a?b=c", query, Some("/a")),
            ("?b", query, Some("")),
            ("/a#b?c", fragment, Some("/a")),
            ("/api/*", "has a `*` in its path", Some("/api")),
            ("/*", "has a `*` in its path", Some("")),
            ("/a//b", "has an empty segment in its path", Some("/a/b")),
            ("//b", "has an empty segment in its path", Some("/b")),
            ("/a/../b", dots, None),
            ("/.", dots, None),
            ("/a/%2E%2e/b", dots, None),
            ("/a%00", ambiguous, None),
            ("/..%2fb", ambiguous, None),
            (
                "/a b",
                "has ' ' in its path, which cannot stand there as it is",
                None,
            ),
            (
                "/é",
                "has 'é' in its path, which cannot stand there as it is",
                None,
            ),
            (
                "/a\n",
                "has '\\n' in its path, which cannot stand there as it is",
                None,
            ),
            (
                "/a\\b",
                "has '\\\\' in its path, which cannot stand there as it is",
                None,
            ),
            ("/100%", escape, None),
            ("/%zz", escape, None),
            ("/%1", escape, None),
        ] {
            let fault = parse(written).unwrap_err();
            assert_eq!(
                (fault.reason.as_str(), fault.suggestion.as_deref()),
                (reason, suggestion),
                "{written:?}"
            );
        }
    }
}
