//! What a service's labels do with a request on its way: who is turned away, what is changed, and how an endpoint is chosen.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::{Asked, Outcome};
use crate::core::model::middleware::Middleware;
use crate::core::model::route::{Balance, PathPrefix, RoutingPolicy};
use crate::core::request::path;

/// What the gateway answers itself, where that can be told from the request; none where the request goes on.
///
/// `client` is the one whose request it is; none where nobody was named, or a proxy in front would say who that is.
pub(super) fn answer(
    policy: &RoutingPolicy,
    path: &PathPrefix,
    asked: &Asked,
    client: Option<IpAddr>,
) -> Option<Outcome> {
    let middleware = policy.middleware.as_deref()?;
    if let Some(redirect) = &middleware.redirect {
        let all = &*asked.path_and_query;
        let end = all.find('?').unwrap_or(all.len());
        let left = path::behind(&all.as_bytes()[..end], &path.0).len();
        let rest = match policy.strip_prefix && &*path.0 != "/" {
            true => &all[end - left..],
            false => all,
        };
        let location = redirect.location(rest);
        let says = format!("it is redirected to {location} (routing.redirect)");
        return Some(Outcome::answer(redirect.status, "redirect", says));
    }
    if !middleware.unreadable_guards.is_empty() {
        let says = unreadable(&middleware.unreadable_guards);
        return Some(Outcome::answer(503, "guard-unreadable", says));
    }
    if middleware.allow.as_deref() == Some(&[]) {
        let says = "nobody is let in, for nothing of routing.allow_cidrs could be read";
        return Some(Outcome::answer(403, "not-allowed", says.to_owned()));
    }
    if let Some(client) = client.filter(|client| !middleware.allows((*client).into())) {
        let says = format!("clients from {client} are not let in (routing.allow_cidrs)");
        return Some(Outcome::answer(403, "not-allowed", says));
    }
    let nobody_is_known = middleware.basic_auth.as_deref() == Some(&[]);
    nobody_is_known.then(|| {
        let says = "nobody is let in, for nothing of routing.basic_auth could be read";
        Outcome::answer(401, "unauthorized", says.to_owned())
    })
}

/// The same in words, with all that depends on more than is asked here, in the order in which it happens.
pub(super) fn lines(policy: &RoutingPolicy, path: &PathPrefix) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(middleware) = &policy.middleware {
        guards(middleware, &mut lines);
    }
    if policy.strip_prefix && &*path.0 != "/" {
        lines.push(format!(
            "the path reaches it without {path} (routing.strip_prefix)"
        ));
    }
    if policy.balance != Balance::RoundRobin {
        lines.push(format!(
            "an endpoint is chosen {} (routing.balance)",
            how(&policy.balance)
        ));
    }
    if let Some(most) = policy.max_in_flight {
        lines.push(format!(
            "an endpoint works on {most} requests of each gateway at most (routing.max_in_flight)"
        ));
    }
    if !policy.hold.is_zero() {
        lines.push(format!(
            "a request that finds no endpoint waits for {:?} (routing.hold_seconds)",
            policy.hold
        ));
    }
    lines
}

fn guards(middleware: &Middleware, lines: &mut Vec<String>) {
    if let Some(redirect) = &middleware.redirect {
        lines.push(format!(
            "every request is redirected to {} (routing.redirect)",
            redirect.target
        ));
    }
    if !middleware.unreadable_guards.is_empty() {
        lines.push(format!(
            "{}: 503",
            unreadable(&middleware.unreadable_guards)
        ));
    }
    match middleware.allow.as_deref() {
        None => {}
        Some([]) => lines.push(
            "nobody is let in, for nothing of routing.allow_cidrs could be read: 403".to_owned(),
        ),
        Some(networks) => {
            let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
            lines.push(format!(
                "clients from elsewhere than {} get a 403 (routing.allow_cidrs)",
                networks.join(", ")
            ));
        }
    }
    if let Some(rate) = middleware.rate_limit {
        lines.push(format!(
            "a client that sends more than {rate} requests a second gets a 429 (routing.rate_limit)"
        ));
    }
    match middleware.basic_auth.as_deref() {
        None => {}
        Some([]) => lines.push(
            "nobody is let in, for nothing of routing.basic_auth could be read: 401".to_owned(),
        ),
        Some(_) => lines.push(
            "a client without a known name and its password gets a 401 (routing.basic_auth)"
                .to_owned(),
        ),
    }
    if let Some(most) = middleware.max_body_bytes {
        lines.push(format!(
            "a body of more than {most} bytes gets a 413 (routing.max_body_bytes)"
        ));
    }
}

/// That guards of a service are not known, which ends its requests and connections.
pub(super) fn unreadable(keys: &BTreeSet<Arc<str>>) -> String {
    let keys: Vec<&str> = keys.iter().map(|key| &**key).collect();
    let keys = keys.join(", ");
    format!("no client is let in, because a label that seems to be a guard cannot be read: {keys}")
}

fn how(balance: &Balance) -> String {
    match balance {
        Balance::RoundRobin => "in turn".to_owned(),
        Balance::LeastRequest => "by who of two works on fewer requests".to_owned(),
        Balance::PeakEwma => "by who of two answers sooner".to_owned(),
        Balance::Random => "by chance".to_owned(),
        Balance::HashSource => "by the client's address".to_owned(),
        Balance::HashHeader(name) => format!("by the header {name}"),
        Balance::HashCookie(name) => format!("by the cookie {name}"),
    }
}
