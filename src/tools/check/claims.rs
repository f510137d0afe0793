//! Which services claim the same host and path.

use std::collections::BTreeMap;

use super::finding::{Finding, Findings};
use super::source::{Source, Span};
use super::{MOST_FINDINGS, Read, labels};
use crate::core::model::route::{HostPattern, RouteSpec, Scheme};
use crate::core::routing::tcp_route;

/// Tells of hosts and paths that several services claim, at each but the first.
pub(super) fn check(services: &[Read<'_>], sources: &[Source], findings: &mut Findings) {
    let mut claims: BTreeMap<_, Vec<(&Read<'_>, &RouteSpec)>> = BTreeMap::new();
    for read in services {
        for route in &read.spec.routes {
            let is_tcp = route.scheme == Scheme::Tcp;
            let claimed = claims.entry((&route.host, &route.path, is_tcp));
            claimed.or_default().push((read, route));
        }
    }
    contradictions(services, sources, findings);
    for ((host, path, is_tcp), claims) in claims {
        let [(first, first_route), others @ ..] = &*claims else {
            continue;
        };
        for (read, route) in others {
            if findings.len() >= MOST_FINDINGS {
                findings.beyond += 1;
                continue;
            }
            let (what, shared) = match is_tcp {
                true => (format!("tcp://{host}"), "connections"),
                false => (format!("{host}{path}"), "requests"),
            };
            let message = format!(
                "claims {what}, as {} does: they share its {shared} by routing.weight, {} to {}",
                first.name, read.spec.policy.weight, first.spec.policy.weight
            );
            let remedy = "nothing, if that is meant; else give one of them another host or path";
            let finding = Finding::notice(place(read, route, sources), message, remedy);
            let claim = format!("the claim of {}", first.name);
            let finding = finding.beside(place(first, first_route, sources), claim);
            findings.push(finding.of(read.name));
        }
    }
}

/// Tells of TCP routes that contradict others.
fn contradictions(services: &[Read<'_>], sources: &[Source], findings: &mut Findings) {
    let specs = services.iter().map(|read| (read.name, &read.spec));
    for complaint in tcp_route::complaints(specs) {
        let Some(read) = services.iter().find(|it| it.name == complaint.service) else {
            continue;
        };
        if findings.len() >= MOST_FINDINGS {
            findings.beyond += 1;
            continue;
        }
        let span = place(read, complaint.route, sources);
        let message = format!("{} {}", complaint.route, complaint.reason);
        let finding = Finding {
            level: complaint.level,
            ..Finding::error(span, message, complaint.remedy)
        };
        findings.push(finding.of(read.name));
    }
}

/// Where a route is written, as closely as can be told.
fn place(read: &Read<'_>, route: &RouteSpec, sources: &[Source]) -> Span {
    let key = format!("routing.port_{}", route.port);
    let Some(label) = read.service.label(&key) else {
        return read.service.span;
    };
    let (HostPattern::Exact(host) | HostPattern::Under(host)) = &route.host;
    if label.value.len() > labels::LONGEST {
        return label.key_span;
    }
    let items = label.value.split(';').map(str::trim);
    let mut items = items.filter(|item| item.to_ascii_lowercase().contains(&**host));
    let path = route.path.to_string();
    let exact = items.clone().find(|item| {
        let end = item.trim_end_matches('/');
        match &*path {
            "/" => end.to_ascii_lowercase().ends_with(&**host),
            path => end.ends_with(path),
        }
    });
    match exact.or_else(|| items.next()) {
        Some(item) => labels::item(label, item, sources),
        None => label.value_span,
    }
}
