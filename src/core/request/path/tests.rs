use proptest::prelude::*;

use super::*;
use crate::core::model::route::{HostPattern, PathPrefix};
use crate::core::model::snapshot::RouteKey;
use crate::core::routing::lookup::RouteIndex;

#[test]
fn a_path_is_matched_by_its_normal_form_and_sent_without_dots() {
    for (path, matched, sent) in [
        // RFC 3986, section 6.2.2.2.
        ("/%61dmin", "/admin", "/%61dmin"),
        ("/%7euser", "/~user", "/%7euser"),
        // Section 6.2.2.1.
        ("/a%c3%a9", "/a%C3%A9", "/a%c3%a9"),
        ("/a%2fb", "/a%2Fb", "/a%2fb"),
        // Section 5.2.4, with its own examples.
        ("/a/b/c/./../../g", "/a/g", "/a/g"),
        ("/../../g", "/g", "/g"),
        ("/./g", "/g", "/g"),
        ("/g/.", "/g/", "/g/"),
        ("/g/..", "/", "/"),
        ("/x/../admin", "/admin", "/admin"),
        ("/x/%2e%2E/admin", "/admin", "/admin"),
        ("/x/.%2e/%2E/admin", "/admin", "/admin"),
        ("/..", "/", "/"),
        ("/.", "/", "/"),
        ("/a//../b", "/a/b", "/a/b"),
        ("/.//admin", "/admin", "//admin"),
        // Empty segments.
        ("//admin", "/admin", "//admin"),
        ("/a///b//", "/a/b/", "/a///b//"),
        ("//", "/", "//"),
        // What may stand as it is, and what may not.
        ("/%40user%2B%21", "/@user+!", "/%40user%2B%21"),
        ("/a\"b{c}", "/a%22b%7Bc%7D", "/a\"b{c}"),
        ("/caf\u{e9}", "/caf%C3%A9", "/caf\u{e9}"),
        // Parameters of segments.
        ("/admin;a=1", "/admin", "/admin;a=1"),
        ("/admin;a=1/x;b;c", "/admin/x", "/admin;a=1/x;b;c"),
        ("/;a/admin", "/admin", "/;a/admin"),
        ("/admin/;a", "/admin/", "/admin/;a"),
    ] {
        let read = read(path.as_bytes()).expect(path).expect(path);
        let sent_as = String::from_utf8_lossy(&read.sent);
        assert_eq!((&*read.matched, &*sent_as), (matched, sent), "{path}");
    }
    let latin = read(b"/caf\xe9").expect("a path").expect("not plain");
    assert_eq!(
        (&*latin.matched, &*latin.sent),
        ("/caf%E9", &b"/caf\xe9"[..])
    );
}

#[test]
fn a_path_in_its_normal_form_stays_as_it_is() {
    for path in [
        "/",
        "/admin",
        "/admin/",
        "/a/b.c/..d/e../...",
        "/.well-known/acme-challenge/x_-~",
        "/@scope%2Fname",
        "/a%20b",
        "/a:b@c!$&'()*+,=",
        // Only a server that decodes twice reads these as another.
        "/%252e%252e/admin",
        "/%2561dmin",
        "/a%3Bb",
        "/a%5Cb",
        // No path.
        "*",
        "",
        "a.test:443",
    ] {
        assert_eq!(read(path.as_bytes()), Ok(None), "{path}");
    }
}

#[test]
fn what_servers_read_in_different_ways_is_refused() {
    use Ambiguous::{Backslash, Escape, HiddenDots, Nul, Overlong};
    for (path, reason) in [
        ("/%", Escape),
        ("/a%2", Escape),
        ("/%zz", Escape),
        ("/%+1", Escape),
        ("/%u002e%u002e/admin", Escape),
        ("/admin%00", Nul),
        ("/admin%00.png", Nul),
        ("/x/..\\admin", Backslash),
        ("/\\admin", Backslash),
        ("/%c0%ae%c0%ae/admin", Overlong),
        ("/%C0%AFadmin", Overlong),
        ("/%c1%9cadmin", Overlong),
        ("/%e0%80%ae/admin", Overlong),
        ("/%f0%80%80%ae/admin", Overlong),
        // Tomcat and others behind a proxy that takes it for a name.
        ("/x/..;/admin", HiddenDots),
        ("/x/..;a=b/admin", HiddenDots),
        ("/x/%2e%2e;/admin", HiddenDots),
        ("/x/.;/admin", HiddenDots),
        ("/x/..%3b/admin", HiddenDots),
        ("/x;a=b;../admin", HiddenDots),
        ("/x/..%2fadmin", HiddenDots),
        ("/x%2f..%2fadmin", HiddenDots),
        ("/x%2F%2e%2E", HiddenDots),
        ("/x/..%5cadmin", HiddenDots),
        ("/x%5C.%5Cadmin", HiddenDots),
    ] {
        assert_eq!(read(path.as_bytes()), Err(reason), "{path}");
    }
}

#[test]
fn a_prefix_is_found_in_every_spelling() {
    for (sent, prefix, rest) in [
        ("/api", "/api", ""),
        ("/api/", "/api", "/"),
        ("/api//x", "/api", "//x"),
        ("/api/v1/x", "/api/v1", "/x"),
        ("/%61pi/x", "/api", "/x"),
        ("//api//v1/x", "/api/v1", "/x"),
        ("/api;a=1/x", "/api", "/x"),
        ("/api;a=1", "/api", ""),
        ("/;a/api/x;b", "/api", "/x;b"),
        ("/x", "/", "/x"),
    ] {
        assert_eq!(
            behind(sent.as_bytes(), prefix),
            rest.as_bytes(),
            "{sent} {prefix}"
        );
    }
}

/// What a server makes of a path that decodes, cuts off parameters, merges slashes and resolves dots, in this order or with the
/// dots first.
fn seen(path: &[u8], dots_first: bool) -> Vec<Vec<u8>> {
    let decode = |segment: &[u8]| -> Vec<u8> {
        let name = segment
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default();
        decoded(name).map(|(byte, _)| byte).collect()
    };
    let mut seen: Vec<Vec<u8>> = Vec::new();
    for segment in path.split(|byte| *byte == b'/').skip(1) {
        match &*decode(segment) {
            b"." => {}
            b"" if !dots_first => {}
            b".." => {
                seen.pop();
            }
            name => seen.push(name.to_owned()),
        }
    }
    seen.retain(|segment| !segment.is_empty());
    seen
}

fn path() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        "/", "/", "/", "admin", "x", ".", "..", "%2e", "%2E", "%61dmin", ";", ";a=1", "%2f", "%5c",
        "%3b", "%25", "%00", "%", "\\", "%c0%ae", "\u{e9}", "%C3%a9", "@", "%40", "~", "{",
    ]);
    prop::collection::vec(piece, 0..10).prop_map(|all| format!("/{}", all.concat()).into_bytes())
}

fn index() -> RouteIndex<&'static str> {
    let key = |path: &str| RouteKey {
        host: HostPattern::Exact("a.test".into()),
        path: PathPrefix(path.into()),
    };
    let routes = ["/", "/admin", "/x", "/x/admin", "/@"];
    routes.into_iter().map(|path| (key(path), path)).collect()
}

proptest! {
    #[test]
    fn a_normal_form_is_its_own(path in path()) {
        if let Ok(Some(RequestPath { matched, sent })) = read(&path) {
            prop_assert_eq!(read(matched.as_bytes()), Ok(None), "{}", matched);
            let again = read(&sent).expect("what is sent is not ambiguous");
            let again = again.unwrap_or(RequestPath { matched: matched.clone(), sent: sent.clone() });
            prop_assert_eq!(again, RequestPath { matched, sent });
        }
    }

    #[test]
    fn a_plain_path_is_left_alone(path in "(/[a-z0-9_~@-]{1,8}(\\.[a-z]{1,3})?){1,6}/?") {
        prop_assert!(is_plain(path.as_bytes()));
        prop_assert_eq!(read(path.as_bytes()), Ok(None));
    }

    #[test]
    fn no_path_reaches_another_route_than_what_a_task_sees(path in path()) {
        let Ok(read) = read(&path) else {
            return Ok(());
        };
        let (matched, sent) = match read {
            Some(read) => (read.matched, read.sent),
            None => (String::from_utf8(path.clone()).expect("ASCII"), path),
        };
        let index = index();
        let found = index.find("a.test", &matched);
        for dots_first in [false, true] {
            let segments = seen(&sent, dots_first);
            let encode = |segment: &Vec<u8>| {
                let encoded = segment.iter().map(|byte| match PLAIN[usize::from(*byte)] {
                    true => char::from(*byte).to_string(),
                    false => format!("%{byte:02X}"),
                });
                format!("/{}", encoded.collect::<String>())
            };
            let whole: String = segments.iter().map(encode).collect();
            let whole = if whole.is_empty() { "/".to_owned() } else { whole };
            prop_assert_eq!(found, index.find("a.test", &whole), "{} {}", matched, whole);
        }
    }

    #[test]
    fn what_is_behind_a_prefix_matches_what_is_behind_it(path in path()) {
        let Ok(Some(read)) = read(&path) else {
            return Ok(());
        };
        let first = read.matched.split('/').nth(1).unwrap_or_default();
        if !first.is_empty() {
            let prefix = format!("/{first}");
            let rest = behind(&read.sent, &prefix);
            let matched = &read.matched[prefix.len()..];
            let again = super::read(rest).expect("a part of what is sent");
            let again = again.map_or(rest.to_owned(), |it| it.matched.into());
            prop_assert_eq!(&*again, matched.as_bytes(), "{:?} {}", read.sent, prefix);
        }
    }

    #[test]
    fn no_bytes_panic(path in prop::collection::vec(any::<u8>(), 0..60), prefix in "(/[a-z]{0,3}){1,3}") {
        let path = [b"/", &path[..]].concat();
        let _ = read(&path);
        let _ = behind(&path, &prefix);
    }
}
