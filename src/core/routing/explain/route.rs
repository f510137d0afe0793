//! Which route matches, and which are passed over.

use super::trace::Trace;
use super::{Asked, Verdict};
use crate::core::model::route::HostPattern;
use crate::core::model::snapshot::{Claim, RouteKey, Snapshot};
use crate::core::routing::lookup::RouteIndex;

impl Trace {
    /// The route that the gateway finds, with those that it passes over.
    pub(super) fn find<'a>(
        &mut self,
        asked: &Asked,
        snapshot: &'a Snapshot,
    ) -> Option<(&'a RouteKey, &'a [Claim])> {
        let index: RouteIndex<(&RouteKey, &[Claim])> = snapshot
            .routes
            .iter()
            .map(|(key, claims)| (key.clone(), (key, &**claims)))
            .collect();
        let found = index.find(&asked.host, &asked.path).copied();
        let others = snapshot.routes.keys().filter(|key| {
            matches(&key.host, &asked.host) && found.is_none_or(|(found, _)| found != *key)
        });
        let others: Vec<&RouteKey> = others.collect();
        match found {
            None if others.is_empty() => {
                let hosts = snapshot.routes.keys().map(|key| &key.host);
                let says = match nearest(&asked.host, hosts) {
                    Some(near) => format!(
                        "no route has the host {} (did you mean {near}?)",
                        asked.host
                    ),
                    None => format!("no route has the host {}", asked.host),
                };
                self.say("host", Verdict::Stops, says);
            }
            None => {
                self.say("host", Verdict::Passes, format!("{} is known", asked.host));
                let says = format!("no route of this host has the path {}", asked.path);
                self.say("path", Verdict::Stops, says);
            }
            Some((key, _)) => {
                let how = match &key.host {
                    HostPattern::Exact(name) => format!("{name} matches exactly"),
                    HostPattern::Under(_) => format!("{} is under {}", asked.host, key.host),
                };
                self.say("host", Verdict::Passes, how);
                let how = match &*key.path.0 {
                    "/" => "the route has every path".to_owned(),
                    prefix => format!("{} is at or below {prefix}", asked.path),
                };
                self.say("path", Verdict::Passes, how);
            }
        }
        for key in others {
            let why = match key.path.matches(&asked.path) {
                true => "less specific than the route that matched",
                false => "another path",
            };
            let says = format!("passed over: {}{}, {why}", key.host, key.path);
            self.say("path", Verdict::Note, says);
        }
        found
    }
}

fn matches(pattern: &HostPattern, host: &str) -> bool {
    match pattern {
        HostPattern::Exact(name) => **name == *host,
        HostPattern::Under(name) => host
            .strip_suffix(&**name)
            .is_some_and(|rest| rest.ends_with('.')),
    }
}

/// The host that was probably meant.
fn nearest<'a>(host: &str, hosts: impl Iterator<Item = &'a HostPattern>) -> Option<String> {
    let near = hosts.map(|pattern| {
        let name = pattern.to_string();
        (strsim::damerau_levenshtein(host, &name), name)
    });
    let nearest = near.min()?;
    (nearest.0 <= 3 && nearest.0 * 3 <= host.len()).then_some(nearest.1)
}
