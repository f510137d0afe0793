//! How a request comes to its endpoint, and on to another when that one fails.
//!
//! # Design notes
//!
//! A client that is bound by its cookie to an endpoint that is full goes to another at once, and keeps its cookie: it is back
//! with the next request that finds room. HAProxy lets such a client wait for its own server, or sends it elsewhere
//! with `option redispatch`. Clients are bound by default here, whether their service needs it or not, so a wait or a 503
//! beside idle endpoints would harm all for the few whose sessions live in one container; and these lose them with
//! every update anyway. A new cookie would move the client for good, and all clients to and fro under load.

use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use pingora::http::RequestHeader;
use tokio::time::Instant;

use crate::core::model::route::Balance;
use crate::core::request::origin::Origin;

use super::attempt::Attempt;
use super::pool::{LbContext, Pool, Target};
use super::runtime::ClusterRuntime;
use super::table::Route;
use super::{cookie, key};
use crate::gateway::client::Client;
use crate::gateway::filters::Chain;
use crate::gateway::local_reply::LocalReply;
use crate::gateway::local_reply::subject::{About, Subject};
use crate::gateway::local_reply::upstream_failure::UpstreamFailure;

/// Who asks for an endpoint, and with what.
#[derive(Clone, Copy)]
pub(crate) struct SelectionInput<'a> {
    pub(crate) request: &'a RequestHeader,
    pub(crate) client: &'a Client,
    /// The peers whose forwarding headers are believed.
    pub(crate) trusted: &'a [IpNet],
    /// It came by TLS, to us or to a trusted proxy in front.
    pub(crate) secure: bool,
}

/// The endpoint that a request was given. Counted there until it is dropped.
pub(crate) struct EndpointLease {
    route: Arc<Route>,
    /// The client came by TLS, to us or to a trusted proxy in front.
    pub(crate) secure: bool,
    pool: usize,
    target: usize,
    /// The endpoint that the client's cookie names, by its group key; the request may be elsewhere.
    bound: Option<u64>,
    /// Whether it is counted at the endpoint. Not so once that has failed it and no other was found.
    entered: bool,
    /// What the endpoint was chosen by, where that is the request's key.
    key: Option<u64>,
    /// The endpoints that failed it, by their group keys.
    tried: Vec<u64>,
    attempts: u8,
    /// Whether it waited before it was given an endpoint, in a line or for a guard.
    delayed: bool,
    /// How the try at this endpoint goes.
    attempt: Attempt,
}

/// How far a request had come when its endpoint failed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// There was no connection.
    Unsent,
    /// The connection had served another before, and the task may have closed it at that moment.
    Stale,
    /// It was sent, and the task says that it did nothing for it.
    Refused,
    /// It was sent.
    Sent,
}

/// That no endpoint can be given to a request now, and who may have one later.
pub(crate) struct NoEndpoint {
    /// The service to wait for.
    pub(crate) service: Arc<str>,
    /// How long that is worth it.
    pub(crate) hold: Duration,
    pub(crate) runtime: Arc<ClusterRuntime>,
    /// Who may come in to it; none: everybody.
    pub(crate) chain: Option<Arc<Chain>>,
    route: Arc<Route>,
    /// It has endpoints, but all are full.
    full: bool,
    tried: Vec<u64>,
    attempts: u8,
}

impl EndpointLease {
    /// The endpoint that the client is bound to by one of the containers that its cookies name, or else the one that the
    /// service's policy chooses. Who has `waited` comes in front of those who wait.
    pub(crate) fn make(
        route: &Arc<Route>,
        asker: SelectionInput<'_>,
        waited: Option<&NoEndpoint>,
    ) -> Result<Self, NoEndpoint> {
        let shares = route.shares(asker.secure);
        let key = shares
            .keyed_by()
            .and_then(|method| key::of(method, asker.request, asker.client, asker.trusted));
        let bound = shares.stuck(cookie::containers(asker.request));
        Self::give(route, asker.secure, key, bound, waited)
    }

    /// The endpoint for a connection of this client that is passed on.
    pub(crate) fn of_connection(
        route: &Arc<Route>,
        client: Origin,
        waited: Option<&NoEndpoint>,
    ) -> Result<Self, NoEndpoint> {
        let keyed_by = route.shares(true).keyed_by();
        let key = keyed_by.and_then(|method| key::of_connection(method, client));
        Self::give(route, true, key, None, waited)
    }

    /// The endpoint that the client is `bound` to, as its pool and place, or else the one that the policy chooses.
    fn give(
        route: &Arc<Route>,
        secure: bool,
        key: Option<u64>,
        bound: Option<(usize, usize)>,
        waited: Option<&NoEndpoint>,
    ) -> Result<Self, NoEndpoint> {
        let shares = route.shares(secure);
        let tried = waited.map_or(&[][..], |lack| &lack.tried);
        let wish = LbContext { key, tried };
        let before = || shares.named(&waited?.service);
        let chosen = match bound {
            Some((pool, _)) => Some(pool),
            None => before().or_else(|| shares.choose(key)),
        };
        let lack = |pool: &Pool, full| NoEndpoint {
            service: pool.service.clone(),
            hold: pool.policy.hold,
            runtime: pool.runtime.clone(),
            chain: pool.chain.clone(),
            route: route.clone(),
            full: full && pool.policy.max_in_flight.is_some(),
            // One that has left rotation meanwhile may be another when it comes back.
            tried: tried.iter().copied().filter(|it| pool.has(*it)).collect(),
            attempts: waited.map_or(1, |lack| lack.attempts),
        };
        let Some(chosen) = chosen else {
            let awaited = shares.awaited();
            let awaited = awaited.expect("a route that nobody claims is answered before");
            return Err(lack(awaited, false));
        };
        let pool = shares.pool(chosen);
        if waited.is_none() && pool.has_line() {
            return Err(lack(pool, true));
        }
        let own = bound.map(|(_, target)| target);
        let target = own
            .filter(|own| pool.enter(*own, wish))
            .or_else(|| pool.enter_next(wish));
        let Some(target) = target else {
            return Err(lack(pool, true));
        };
        Ok(Self {
            route: route.clone(),
            secure,
            pool: chosen,
            target,
            bound: own.map(|own| pool.target(own).group_key),
            entered: true,
            key,
            tried: tried.to_vec(),
            attempts: waited.map_or(1, |lack| lack.attempts),
            delayed: waited.is_some() || pool.chain.is_some(),
            attempt: Attempt::default(),
        })
    }

    /// The service that the request is about.
    pub(crate) fn about(&self) -> About<'_> {
        let pool = self.pool();
        About {
            route: &self.route.key,
            service: &pool.service,
            metrics: &pool.runtime.metrics,
        }
    }

    /// The same, to be kept after the endpoint is given up.
    pub(crate) fn subject(&self) -> Subject {
        self.route.subject_of(self.pool())
    }

    pub(crate) fn pool(&self) -> &Pool {
        self.route.shares(self.secure).pool(self.pool)
    }

    pub(crate) fn target(&self) -> &Target {
        self.pool().target(self.target)
    }

    /// How many endpoints were tried before this one.
    pub(crate) fn retries(&self) -> u8 {
        self.attempts - 1
    }

    /// Moves on to an endpoint that has not failed this request and has room. Without another, the
    /// same may be tried again if only a pooled connection to it had gone stale, or it has done
    /// nothing for the request; and one that was not sent yet waits for another, where its
    /// service's requests are held ([`lack`](Self::lack)).
    ///
    /// A try after the request was sent is paid from the service's budget, since two tasks may work
    /// on it then, or a service is asked more that takes no more already. One that met no
    /// connection is nobody's work yet, and a stale connection says nothing of trouble.
    pub(crate) fn move_on(&mut self, failure: Failure) -> bool {
        if self.attempts > self.pool().policy.retries {
            return false;
        }
        let (again, paid) = match failure {
            Failure::Unsent => (false, false),
            Failure::Stale => (true, false),
            Failure::Refused => (true, true),
            Failure::Sent => (false, true),
        };
        self.leave();
        self.tried.push(self.target().group_key);
        let pool = self.route.shares(self.secure).pool(self.pool);
        let wish = LbContext {
            key: self.key,
            tried: &self.tried,
        };
        let next = pool.enter_other(self.target, wish);
        let same = next.is_none() && again;
        let held = failure == Failure::Unsent && !pool.policy.hold.is_zero();
        if next.is_none() && !same && !held {
            return false;
        }
        if paid && !pool.runtime.may_retry() {
            if let Some(next) = next {
                pool.leave(next);
            }
            return false;
        }
        pool.runtime.metrics.retried();
        self.attempts += 1;
        self.entered = next.is_some() || same;
        if same {
            self.tried.pop();
            pool.enter_again(self.target);
        } else {
            self.target = next.unwrap_or(self.target);
        }
        true
    }

    /// Whether the client has a cookie that it can keep: it names an endpoint that has not failed it.
    pub(crate) fn is_bound(&self) -> bool {
        self.bound.is_some_and(|bound| !self.tried.contains(&bound))
    }

    /// What it waits for, after its endpoint has failed it and there was no other.
    pub(crate) fn lack(&self) -> Option<NoEndpoint> {
        let pool = self.pool();
        (!self.entered).then(|| NoEndpoint {
            service: pool.service.clone(),
            hold: pool.policy.hold,
            runtime: pool.runtime.clone(),
            chain: pool.chain.clone(),
            route: self.route.clone(),
            full: false,
            tried: self.tried.clone(),
            attempts: self.attempts,
        })
    }

    /// It is sent to its endpoint now; `came`: when the request's head was read.
    pub(crate) fn sent(&mut self, came: Instant) {
        let prompt = !self.delayed && self.attempts == 1;
        // The first try of a request that nothing held up begins when it comes, which spares a look
        // at the clock.
        let exact = !prompt || self.pool().policy.balance == Balance::PeakEwma;
        self.attempt = Attempt::begun(if exact { Instant::now() } else { came });
    }

    /// The last of the request's body is sent, so that from now on it waits for the endpoint alone.
    pub(crate) fn body_sent(&mut self) {
        self.attempt.begin_again();
    }

    /// The endpoint has begun to answer.
    pub(crate) fn answered(&mut self) {
        let waited = self.attempt.answered();
        if let Some(waited) = waited.filter(|_| self.pool().policy.balance == Balance::PeakEwma) {
            self.target().runtime.took(waited);
        }
    }

    /// The endpoint has failed the request, if the fault is its own.
    pub(crate) fn failed(&mut self, fault: UpstreamFailure) {
        if fault == UpstreamFailure::None {
            return;
        }

        let mut attempt = std::mem::take(&mut self.attempt);
        let waiting = attempt.is_waiting();
        let runtime = &self.target().runtime;
        let waited = match fault {
            UpstreamFailure::Slow => attempt.timed_out(&runtime.metrics),
            UpstreamFailure::Busy => {
                runtime.answered(503);
                attempt.broke()
            }
            UpstreamFailure::Broken | UpstreamFailure::None => {
                runtime.broke();
                attempt.broke()
            }
        };
        // It counts as a slow answer: one that fails at once would look like the fastest of all.
        if waiting && self.pool().policy.balance == Balance::PeakEwma {
            let least = self.pool().policy.connect_timeout;
            runtime.took(waited.max(least));
        }
        self.attempt = attempt;
    }

    /// The request has ended with this status: whole, or else cut off. `uploaded` if all of its
    /// body had come by then.
    pub(crate) fn ended(&mut self, status: u16, whole: bool, uploaded: bool) {
        let mut attempt = std::mem::take(&mut self.attempt);
        let runtime = &self.target().runtime;
        if whole {
            runtime.answered(status);
        } else if attempt.is_counted() {
            return;
        }
        attempt.ended(&runtime.metrics, whole, uploaded);
    }

    fn leave(&mut self) {
        if std::mem::take(&mut self.entered) {
            self.pool().leave(self.target);
        }
    }
}

impl Drop for EndpointLease {
    fn drop(&mut self) {
        self.leave();
    }
}

impl NoEndpoint {
    /// The service that the request is about.
    pub(crate) fn subject(&self) -> Subject {
        Subject::new(&self.route.key, &self.service, &self.runtime.metrics)
    }

    /// Whether nobody else could be given an endpoint of the service either.
    pub(crate) fn is_general(&self) -> bool {
        self.full && self.tried.is_empty()
    }

    /// What the client is told when the wait is over, or none is worth it.
    pub(crate) fn answer(&self) -> LocalReply {
        let answer = if self.full {
            LocalReply::overloaded(&self.service)
        } else {
            LocalReply::no_endpoint(&self.service)
        };
        answer.about(self.subject())
    }
}
