//! Whether a connection by TLS is passed on undecrypted, before anything else is decided about it.

use super::trace::Trace;
use super::{Asked, Known, Outcome, Verdict, policy, service};
use crate::core::model::route::{PathPrefix, is_local};
use crate::core::model::snapshot::{RouteKey, Snapshot};
use crate::core::routing::tcp_route::TcpIndex;

impl Trace {
    /// What becomes of the connection; none where it is served here, and its requests are what matters.
    pub(super) fn passage(
        &mut self,
        asked: &Asked,
        snapshot: &Snapshot,
        known: &Known,
    ) -> Option<Outcome> {
        let by_tls = known.listeners.is_empty() || known.listens_tls();
        let host = &asked.host;
        let index = TcpIndex::of(snapshot, |host, claims| (host, claims));
        let found = index.as_ref().filter(|_| by_tls && !is_local(host));
        let Some((pattern, claims)) = found.and_then(|index| index.find(host)) else {
            return asked.tcp.then(|| self.nowhere(asked, by_tls));
        };
        let says = format!(
            "tcp://{pattern} goes before what is served here: a connection by TLS that asks for {host} is passed on undecrypted"
        );
        self.say("host", Verdict::Passes, says);
        let route = RouteKey {
            host: (*pattern).clone(),
            path: PathPrefix::root(),
        };
        let services = service::views(claims, snapshot, true, known);
        let guards = services.iter().filter_map(|view| {
            let cluster = snapshot.clusters.get(&view.id)?;
            Some((view.service.clone(), cluster.policy.middleware.clone()?))
        });
        let guards: Vec<_> = guards.collect();
        self.services(route, services);
        for (name, middleware) in &guards {
            if !middleware.unreadable_guards.is_empty() {
                let reason = policy::unreadable(&middleware.unreadable_guards);
                self.say("policy", Verdict::Stops, format!("{name}: {reason}"));
                if guards.len() == 1 {
                    return Some(Outcome::closed("guard-unreadable", reason));
                }
            }
            if let Some(client) = known.client.filter(|it| !middleware.allows((*it).into())) {
                let says = format!("{name}: {client} is not among its routing.allow_cidrs");
                self.say("policy", Verdict::Stops, says.clone());
                if guards.len() == 1 {
                    return Some(Outcome::closed("not-allowed", says));
                }
            }
        }
        let targets = match self.spread() {
            Ok(targets) => targets,
            Err(outcome) => return Some(Outcome::closed("no-endpoint", outcome.says)),
        };
        let (_, retries) = self.habits();
        let says =
            format!("while none takes the connection, up to {retries} further endpoints are tried");
        self.say("endpoint", Verdict::Note, says);
        let all: Vec<String> = targets.iter().map(ToString::to_string).collect();
        let one_of = if all.len() == 1 { "" } else { "one of " };
        let says = format!("the connection is passed on to {one_of}{}", all.join(", "));
        self.say("endpoint", Verdict::Passes, says.clone());
        Some(Outcome {
            forwarded: true,
            targets,
            status: None,
            reason: None,
            says,
        })
    }

    fn nowhere(&mut self, asked: &Asked, by_tls: bool) -> Outcome {
        let says = match by_tls {
            true => format!(
                "no TCP route takes the name {}: the connection is served here, by a certificate for the name, or refused",
                asked.host
            ),
            false => "this gateway does not listen for TLS (--listen-public-tls)".to_owned(),
        };
        self.say("host", Verdict::Stops, says.clone());
        Outcome::closed("no-route", says)
    }
}
