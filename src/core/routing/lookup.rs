//! Finds the route of a request: by host, exact before wildcard, then by the longest path prefix.
//!
//! # Design notes
//!
//! One hash look-up of the host and a scan of that host's paths: the cost does not grow with the number of routes. A host
//! whose own paths all miss falls through to the wildcards above it, so that `shop.example.com/api` can be carved out of
//! `*.example.com` without losing the rest of `shop.example.com`.

mod name;

use std::borrow::Cow;
use std::collections::HashMap;

use self::name::Name;
use crate::core::model::route::{HostPattern, PathPrefix};
use crate::core::model::snapshot::RouteKey;

/// An index over routes, made once a snapshot and read by every request.
#[derive(Debug)]
pub struct RouteIndex<T> {
    exact: HashMap<Name, Paths<T>>,
    under: HashMap<Name, Paths<T>>,
}

/// The routes of one host. Most have one, of all paths, which is found without a look elsewhere.
#[derive(Debug)]
struct Paths<T> {
    /// By path, longest first, without the one of all paths.
    longer: Vec<(PathPrefix, T)>,
    /// The route of all paths.
    all: Option<T>,
}

impl<T> Paths<T> {
    fn find(&self, path: &str) -> Option<&T> {
        let mut longer = self.longer.iter();
        let found = longer.find(|(prefix, _)| prefix.matches(path));
        found.map(|(_, route)| route).or(self.all.as_ref())
    }
}

impl<T> Default for Paths<T> {
    fn default() -> Self {
        Self {
            longer: Vec::new(),
            all: None,
        }
    }
}

impl<T> RouteIndex<T> {
    /// The route for a normalised host (see [`normal_host`]) and a path without its query.
    #[must_use]
    pub fn find(&self, host: &str, path: &str) -> Option<&T> {
        let exact = self.exact.get(host.as_bytes());
        if let Some(found) = exact.and_then(|paths| paths.find(path)) {
            return Some(found);
        }
        if self.under.is_empty() {
            return None;
        }
        // Every suffix that starts behind a dot, the longest first.
        host.match_indices('.')
            .filter_map(|(dot, _)| self.under.get(&host.as_bytes()[dot + 1..]))
            .find_map(|paths| paths.find(path))
    }
}

impl<T> Default for RouteIndex<T> {
    fn default() -> Self {
        Self {
            exact: HashMap::new(),
            under: HashMap::new(),
        }
    }
}

impl<T> FromIterator<(RouteKey, T)> for RouteIndex<T> {
    fn from_iter<I: IntoIterator<Item = (RouteKey, T)>>(routes: I) -> Self {
        let mut index = Self::default();
        for (key, route) in routes {
            let (hosts, name) = match key.host {
                HostPattern::Exact(name) => (&mut index.exact, name),
                HostPattern::Under(name) => (&mut index.under, name),
            };
            let paths = hosts.entry(Name::from(&*name)).or_default();
            match &*key.path.0 == "/" {
                true => paths.all = Some(route),
                false => paths.longer.push((key.path, route)),
            }
        }
        for paths in index.exact.values_mut().chain(index.under.values_mut()) {
            paths
                .longer
                .sort_by_key(|(prefix, _)| std::cmp::Reverse(prefix.0.len()));
        }
        index
    }
}

/// A Host header in the form that routes are kept in: without port and trailing dot, in lower case. Borrows where nothing
/// has to change, which is almost always.
#[must_use]
pub fn normal_host(host: &str) -> Cow<'_, str> {
    // Told in one pass, which is all that most requests need.
    let is_plain = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.');
    if host.bytes().all(is_plain) && !host.ends_with('.') {
        return Cow::Borrowed(host);
    }
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(route: &str) -> RouteKey {
        let (host, path) = route.split_at(route.find('/').expect("a path"));
        let host = match host.strip_prefix("*.") {
            Some(name) => HostPattern::Under(name.into()),
            None => HostPattern::Exact(host.into()),
        };
        RouteKey {
            host,
            path: PathPrefix(path.into()),
        }
    }

    fn index(routes: &[&'static str]) -> RouteIndex<&'static str> {
        routes.iter().map(|route| (key(route), *route)).collect()
    }

    #[test]
    fn the_most_specific_route_wins() {
        let index = index(&[
            "shop.example.com/",
            "shop.example.com/api",
            "shop.example.com/api/v2",
            "bare.example.com/only",
            "*.example.com/",
            "*.eu.example.com/",
            "restserver.local/",
        ]);
        for (host, path, expected) in [
            ("shop.example.com", "/", Some("shop.example.com/")),
            ("shop.example.com", "/api", Some("shop.example.com/api")),
            ("shop.example.com", "/api/", Some("shop.example.com/api")),
            ("shop.example.com", "/apix", Some("shop.example.com/")),
            (
                "shop.example.com",
                "/api/v2/x",
                Some("shop.example.com/api/v2"),
            ),
            ("bare.example.com", "/only/x", Some("bare.example.com/only")),
            ("bare.example.com", "/", Some("*.example.com/")),
            ("a.b.example.com", "/", Some("*.example.com/")),
            ("x.eu.example.com", "/", Some("*.eu.example.com/")),
            ("eu.example.com", "/", Some("*.example.com/")),
            ("example.com", "/", None),
            ("restserver.local", "/", Some("restserver.local/")),
            ("xrestserver.local", "/", None),
            ("", "/", None),
        ] {
            assert_eq!(index.find(host, path), expected.as_ref(), "{host}{path}");
        }
    }

    #[test]
    fn a_host_header_is_read_without_its_port_case_and_trailing_dot() {
        for (header, expected) in [
            ("restserver.local", "restserver.local"),
            ("RestServer.LOCAL:8080", "restserver.local"),
            ("restserver.local.", "restserver.local"),
            ("restserver.local.:80", "restserver.local"),
            ("[::1]:80", "[::1]"),
            ("", ""),
            (":80", ""),
        ] {
            assert_eq!(normal_host(header), expected, "{header}");
        }
    }

    proptest! {
        #[test]
        fn the_order_of_the_routes_does_not_matter(
            mut routes in proptest::collection::vec("(\\*\\.)?[ab](\\.[ab]){0,2}(/|/[ab]|/[ab]/[ab])", 1..12)
                .prop_map(|mut routes| { routes.sort(); routes.dedup(); routes }),
            host in "[ab](\\.[ab]){0,3}",
            path in "(/[ab]){0,3}/?",
        ) {
            let forwards: RouteIndex<String> = routes.iter().map(|route| (key(route), route.clone())).collect();
            routes.reverse();
            let backwards: RouteIndex<String> = routes.iter().map(|route| (key(route), route.clone())).collect();
            prop_assert_eq!(forwards.find(&host, &path), backwards.find(&host, &path));
        }

        #[test]
        fn the_route_is_the_one_that_a_look_at_all_of_them_finds(
            routes in proptest::collection::btree_set("(\\*\\.)?[ab](\\.[ab]){0,2}(/|/[ab]|/[ab]/[ab])", 1..12),
            host in "[ab](\\.[ab]){0,3}",
            path in "(/[ab]|/|/%61|/\\.\\.|/a;b){0,3}/?",
        ) {
            let index: RouteIndex<String> = routes.iter().map(|route| (key(route), route.clone())).collect();
            let rank = |route: &&String| {
                let RouteKey { host: pattern, path: prefix } = key(route);
                let (exact, name) = match &pattern {
                    HostPattern::Exact(name) => (true, name),
                    HostPattern::Under(name) => (false, name),
                };
                let covers = match exact {
                    true => host == **name,
                    false => host.strip_suffix(&**name).is_some_and(|rest| rest.ends_with('.')),
                };
                let below = format!("{}/", prefix.0.trim_end_matches('/'));
                let under = *prefix.0 == *"/" || path == *prefix.0 || path.starts_with(&below);
                (covers && under).then_some((exact, name.len(), prefix.0.len()))
            };
            let best = routes.iter().filter(|it| rank(it).is_some()).max_by_key(rank);
            prop_assert_eq!(index.find(&host, &path), best);
        }

        #[test]
        fn no_host_header_panics(header in "\\PC{0,40}") {
            let _ = index(&["a.b/", "*.b/x"]).find(&normal_host(&header), "/");
        }
    }
}
