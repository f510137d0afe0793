//! The decision itself, step by step, as the gateway makes it.

use std::borrow::Cow;
use std::net::SocketAddr;

use super::{
    Asked, Explanation, Known, Outcome, RotationRank, ServiceView, Step, Verdict, policy, service,
};
use crate::core::model::route::{Diagnostic, is_local};
use crate::core::model::snapshot::{Generation, RouteKey, Snapshot};
use crate::core::request::path::{self, RequestPath};

/// The explanation while it is made.
pub(super) struct Trace {
    steps: Vec<Step>,
    route: Option<RouteKey>,
    services: Vec<ServiceView>,
    pub(super) outcome: Outcome,
    generation: Option<Generation>,
}

impl Trace {
    pub(super) fn new(snapshot: Option<&Snapshot>) -> Self {
        Self {
            steps: Vec::new(),
            route: None,
            services: Vec::new(),
            outcome: Outcome::answer(404, "no-route", String::new()),
            generation: snapshot.map(|it| it.generation),
        }
    }

    pub(super) fn say(&mut self, about: &str, verdict: Verdict, says: impl Into<String>) {
        self.steps.push(Step {
            about: about.to_owned(),
            verdict,
            says: says.into(),
        });
    }

    pub(super) fn decide(
        &mut self,
        asked: &Asked,
        snapshot: Option<&Snapshot>,
        known: &Known,
    ) -> Outcome {
        let arrival = match self.arrive(asked, known) {
            Ok(arrival) => arrival,
            Err(outcome) => return outcome,
        };
        if arrival.is_tls() {
            let passed = snapshot.and_then(|it| self.passage(asked, it, known));
            if let Some(outcome) = passed.or_else(|| self.certificate(asked, known)) {
                return outcome;
            }
        }

        let mut takers = known
            .listeners
            .iter()
            .filter(|it| it.tls == arrival.is_tls());
        if is_local(&asked.host) && !known.listeners.is_empty() && takers.all(|it| it.public) {
            return Outcome::no_route(asked);
        }
        let asked = match self.read_path(asked) {
            Ok(asked) => &asked.into_owned(),
            Err(refused) => return refused,
        };
        let Some(snapshot) = snapshot else {
            let says = "this process has no snapshot yet: it has just started and knows no routes";
            self.say("snapshot", Verdict::Stops, says);
            return Outcome::answer(503, "warming-up", says.to_owned());
        };
        let Some((key, claims)) = self.find(asked, snapshot) else {
            return Outcome::no_route(asked);
        };
        self.route = Some(key.clone());
        let secure = arrival.is_secure();
        self.services = service::views(claims, snapshot, secure, known);
        if let Some(refused) = self.scheme(asked, key, secure, known) {
            return refused;
        }
        if let Some(answered) = self.policies(asked, snapshot, key, known) {
            return answered;
        }
        self.choose(asked)
    }

    /// The request with the path that it is steered by, and the one that a task gets.
    fn read_path<'a>(&mut self, asked: &'a Asked) -> Result<Cow<'a, Asked>, Outcome> {
        let read = match path::read(asked.path.as_bytes()) {
            Ok(None) => return Ok(Cow::Borrowed(asked)),
            Ok(Some(read)) => read,
            Err(why) => {
                let says = format!("{}, which servers read in different ways", why.as_str());
                self.say("path", Verdict::Stops, says.clone());
                return Err(Outcome::answer(400, "bad-request", says));
            }
        };
        let RequestPath { matched, sent } = read;
        let sent = String::from_utf8_lossy(&sent).into_owned();
        let says = match sent == asked.path {
            true => format!("{} is matched as {matched}", asked.path),
            false => format!("{} is matched as {matched}, and sent as {sent}", asked.path),
        };
        self.say("path", Verdict::Note, says);
        let query = &asked.path_and_query[asked.path.len()..];
        Ok(Cow::Owned(Asked {
            path_and_query: sent + query,
            path: matched,
            ..asked.clone()
        }))
    }

    /// What services do with requests on their way, and what the gateway answers itself where there is but one.
    fn policies(
        &mut self,
        asked: &Asked,
        snapshot: &Snapshot,
        key: &RouteKey,
        known: &Known,
    ) -> Option<Outcome> {
        let claiming = self.services.iter().filter(|it| it.claims);
        let policies = claiming.filter_map(|view| {
            let cluster = snapshot.clusters.get(&view.id)?;
            Some((view.service.clone(), cluster.policy.clone()))
        });
        let policies: Vec<_> = policies.collect();
        for (name, policy) in &policies {
            for line in policy::lines(policy, &key.path) {
                self.say("policy", Verdict::Note, format!("{name}: {line}"));
            }
        }
        let [(_, policy)] = &policies[..] else {
            return None;
        };
        // Who the client of a trusted proxy is, its headers say.
        let client = known.client.filter(|_| known.trusts_client == Some(false));
        let answered = policy::answer(policy, &key.path, asked, client)?;
        self.say("policy", Verdict::Stops, answered.says.clone());
        Some(answered)
    }

    fn scheme(
        &mut self,
        asked: &Asked,
        key: &RouteKey,
        secure: bool,
        known: &Known,
    ) -> Option<Outcome> {
        let kind = if secure { "TLS" } else { "plain" };
        if self.services.iter().any(|service| service.claims) {
            let says = format!(
                "a service of {}{} takes {kind} requests",
                key.host, key.path
            );
            self.say("scheme", Verdict::Passes, says);
            return None;
        }
        let (says, outcome) = match secure {
            false if !known.tls_access().reaches(&asked.host) => {
                let says = "the route is served by TLS only, and neither does this gateway speak TLS \
                            (--listen-public-tls) nor a proxy in front of it (--trusted-proxies)";
                (
                    says.to_owned(),
                    Outcome::answer(404, "no-tls", says.to_owned()),
                )
            }
            false => {
                let location = format!("https://{}{}", asked.host, asked.path_and_query);
                let says = format!("the route is served by TLS only: {location}");
                (says.clone(), Outcome::answer(308, "tls-only", says))
            }
            true => (
                "the route is served without TLS only (http://)".to_owned(),
                Outcome::no_route(asked),
            ),
        };
        self.say("scheme", Verdict::Stops, says);
        if outcome.status == Some(308) {
            self.redirected(asked, known);
        }
        Some(outcome)
    }

    /// Which services take part in it, and where it may be sent first, or that there is nowhere.
    pub(super) fn spread(&mut self) -> Result<Vec<SocketAddr>, Outcome> {
        let claiming: Vec<ServiceView> = self
            .services
            .iter()
            .filter(|it| it.claims)
            .cloned()
            .collect();
        for service in &claiming {
            let name = &service.service;
            let first = service.at(RotationRank::First).count();
            let all = service.endpoints.len();
            let (verdict, says) = match (first, service.share_percent) {
                (0, _) => (
                    Verdict::Note,
                    format!("{name}: none of its {all} endpoints may be given requests"),
                ),
                (_, 0) => (
                    Verdict::Note,
                    format!("{name}: weight {} gives it no share", service.weight),
                ),
                (_, share) => (
                    Verdict::Passes,
                    format!(
                        "{name}: {share} % of the requests (weight {}), over {first} of {all} endpoints",
                        service.weight
                    ),
                ),
            };
            self.say("service", verdict, says);
        }
        let serving = || claiming.iter().filter(|it| it.share_percent > 0);
        let targets: Vec<SocketAddr> = serving()
            .flat_map(|it| it.at(RotationRank::First))
            .map(|endpoint| endpoint.address)
            .collect();
        if targets.is_empty() {
            let name = claiming.first().map_or("", |service| &service.service);
            let says = format!("service {name} has no endpoint in rotation");
            self.say("endpoint", Verdict::Stops, says.clone());
            return Err(Outcome::answer(503, "no-endpoint", says));
        }
        Ok(targets)
    }

    fn choose(&mut self, asked: &Asked) -> Outcome {
        let targets = match self.spread() {
            Ok(targets) => targets,
            Err(outcome) => return outcome,
        };
        let (sticky, retries) = self.habits();
        if sticky {
            let says = "a client whose cookie CONTAINERID names an endpoint that may be given requests is sent there";
            self.say("endpoint", Verdict::Note, says);
        }
        self.say("endpoint", Verdict::Note, retry(asked, retries));
        let all: Vec<String> = targets.iter().map(ToString::to_string).collect();
        let one_of = if all.len() == 1 { "" } else { "one of " };
        let says = format!(
            "{} {} with Host {} is sent to {one_of}{}",
            asked.method,
            asked.path_and_query,
            asked.host,
            all.join(", ")
        );
        self.say("endpoint", Verdict::Passes, says.clone());
        Outcome {
            forwarded: true,
            targets,
            status: None,
            reason: None,
            says,
        }
    }

    /// Whether any service that serves keeps its clients by cookie, and how many further endpoints are tried at most.
    pub(super) fn habits(&self) -> (bool, u8) {
        let serving = || {
            let services = self.services.iter();
            services.filter(|it| it.claims && it.share_percent > 0)
        };
        let retries = serving().map(|it| it.retries).max();
        (serving().any(|it| it.sticky), retries.unwrap_or_default())
    }

    pub(super) fn services(&mut self, route: RouteKey, services: Vec<ServiceView>) {
        (self.route, self.services) = (Some(route), services);
    }

    pub(super) fn finish(self, asked: &Asked, known: &Known) -> Explanation {
        let mut unknown = Vec::new();
        if known.health.is_none() {
            unknown.push(
                "probe results, and why an endpoint has its state: controllers know, which run on managers; ask there"
                    .to_owned(),
            );
        }
        if known.diagnostics.is_none() {
            unknown.push("complaints about labels: ask an instance on a manager".to_owned());
        }
        let concerns = |it: &&Diagnostic| {
            it.value.contains(&asked.host)
                || self.services.iter().any(|view| view.service == it.service)
        };
        let diagnostics = known.diagnostics.iter().flatten();
        Explanation {
            request: asked.clone(),
            generation: self.generation,
            diagnostics: diagnostics.filter(concerns).cloned().collect(),
            steps: self.steps,
            route: self.route,
            services: self.services,
            outcome: self.outcome,
            unknown,
        }
    }
}

fn retry(asked: &Asked, retries: u8) -> String {
    match (retries, asked.is_idempotent()) {
        (0, _) => {
            "a request that fails there is not tried elsewhere (routing.retries 0)".to_owned()
        }
        (retries, true) => format!(
            "a request that fails there before an answer has begun is tried on up to {retries} further endpoints"
        ),
        (retries, false) => format!(
            "a request that cannot connect is tried on up to {retries} further endpoints; once sent, {} is not repeated",
            asked.method
        ),
    }
}
