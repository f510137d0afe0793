//! The routes of a service: what its items claim together.

use std::collections::BTreeMap;

use super::label::Label;
use super::report::{LabelFault, Report};
use super::{LabelOptions, route_item};
use crate::core::model::Mode;
use crate::core::model::route::{RouteSpec, Scheme};

/// An item that was read, and where it stands.
pub(super) struct Item<'a> {
    pub(super) route: RouteSpec,
    pub(super) key: &'a str,
    pub(super) text: &'a str,
}

/// Reads the items of a `routing.port_N` label, and reports those that are refused.
pub(super) fn read<'a>(
    label: Label<'a>,
    port: u16,
    mode: Mode,
    options: &LabelOptions,
    report: &mut Report,
) -> Vec<Item<'a>> {
    let Label { key, value, .. } = label;
    if mode == Mode::Job {
        let fault = LabelFault::error(
            "cannot route to a job, whose tasks run to their end",
            "remove the label, or deploy the service as replicated or global",
        );
        report.add(key, value, fault);
        return Vec::new();
    }
    let mut texts = value
        .split(';')
        .map(str::trim)
        .filter(|text| !text.is_empty())
        .peekable();
    if texts.peek().is_none() {
        let fault = LabelFault::error(
            "names no host",
            "write one, such as shop.example.com, or remove the label",
        );
        report.add(key, value, fault);
    }
    let suffix = options.domain_suffix.as_deref();
    texts
        .filter_map(|text| match route_item::parse(text, port, suffix) {
            Ok(route) => Some(Item { route, key, text }),
            Err(fault) => {
                report.add(key, text, fault);
                None
            }
        })
        .collect()
}

/// Settles which items stand where several claim one host and path: the lowest port does, and on it all schemes that
/// go together. TCP routes are a kind of their own.
pub(super) fn settle(items: Vec<Item<'_>>, report: &mut Report) -> Vec<RouteSpec> {
    let mut claims: BTreeMap<_, Vec<Item<'_>>> = BTreeMap::new();
    for item in items {
        let is_tcp = item.route.scheme == Scheme::Tcp;
        let matched = (item.route.host.clone(), item.route.path.clone(), is_tcp);
        claims.entry(matched).or_default().push(item);
    }
    claims
        .into_values()
        .filter_map(|items| settle_one(&items, report))
        .collect()
}

/// Settles the items of one host and path.
fn settle_one(items: &[Item<'_>], report: &mut Report) -> Option<RouteSpec> {
    let first = items
        .iter()
        .min_by_key(|item| (item.route.port, item.route.scheme))?;
    let port = first.route.port;
    let mut standing = Vec::new();
    for item in items {
        let conflict = if item.route.port != port {
            LabelFault::error(
                format!(
                    "claims a host and path that {} claims, the lower port",
                    first.key
                ),
                "keep one of the two, or give them different paths",
            )
        } else if (item.route.scheme == Scheme::Grpc) != (first.route.scheme == Scheme::Grpc) {
            LabelFault::error(
                "claims by grpc:// a host and path that is also claimed without",
                "keep one of the two, or give them different paths",
            )
        } else {
            standing.push(item);
            continue;
        };
        report.add(item.key, item.text, conflict);
    }
    let mut route = first.route.clone();
    if standing
        .iter()
        .any(|item| item.route.scheme != route.scheme)
    {
        // `http://a; https://a` asks for both, which is what an item without a scheme asks for.
        route.scheme = Scheme::Any;
    }
    Some(route)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Settles items written as `PORT ITEM`; gives the routes in the same form, and what was said about which item.
    fn settled(written: &[&str]) -> (Vec<String>, Vec<(String, String)>) {
        let items = written.iter().map(|written| {
            let (key, text) = written.split_once(' ').unwrap();
            let route = route_item::parse(text, key.parse().unwrap(), None).unwrap();
            Item { route, key, text }
        });
        let mut report = Report::on(&"web".into());
        let routes = settle(items.collect(), &mut report);
        let routes = routes.iter().map(|route| format!("{} {route}", route.port));
        let said = report.into_diagnostics().into_iter();
        (
            routes.collect(),
            said.map(|said| (format!("{} {}", said.key, said.value), said.reason))
                .collect(),
        )
    }

    #[test]
    fn one_host_and_path_is_one_route() {
        const LOWER: &str = "claims a host and path that 80 claims, the lower port";
        const GRPC: &str = "claims by grpc:// a host and path that is also claimed without";
        type Said<'a> = &'a [(&'a str, &'a str)];
        let cases: [(&[&str], &[&str], Said<'_>); 10] = [
            (
                &["80 b.c/", "80 a.b/x", "81 a.b/"],
                &["81 a.b/", "80 a.b/x", "80 b.c/"],
                &[],
            ),
            (&["80 a.b/", "80 a.b"], &["80 a.b/"], &[]),
            (&["81 a.b", "80 a.b"], &["80 a.b/"], &[("81 a.b", LOWER)]),
            (
                &["443 https://a.b", "80 http://a.b"],
                &["80 http://a.b/"],
                &[("443 https://a.b", LOWER)],
            ),
            (&["80 http://a.b", "80 https://a.b"], &["80 a.b/"], &[]),
            (&["80 https://a.b"], &["80 https://a.b/"], &[]),
            (&["80 grpc://a.b"], &["80 grpc://a.b/"], &[]),
            (
                &["5432 tcp://a.b", "80 a.b"],
                &["80 a.b/", "5432 tcp://a.b"],
                &[],
            ),
            (
                &["5433 tcp://a.b", "5432 tcp://a.b"],
                &["5432 tcp://a.b"],
                &[(
                    "5433 tcp://a.b",
                    "claims a host and path that 5432 claims, the lower port",
                )],
            ),
            (
                &["80 grpc://a.b", "80 http://a.b"],
                &["80 http://a.b/"],
                &[("80 grpc://a.b", GRPC)],
            ),
        ];
        for (items, routes, said) in cases {
            let routes = routes.iter().map(ToString::to_string).collect();
            let said = said
                .iter()
                .map(|(item, reason)| (item.to_string(), reason.to_string()));
            assert_eq!(settled(items), (routes, said.collect()), "{items:?}");
        }
    }
}
