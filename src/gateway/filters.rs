//! What a service's labels ask for on the way of its requests and answers, made ready for them.
//!
//! # Design notes
//!
//! A route without any of it holds no [`Chain`], and its requests pay for looking whether there is one. The order is fixed,
//! so that nobody has to wonder: who is sent elsewhere is not counted, who may not come in costs no password's check, and
//! only who came in is given a body's worth of attention.

mod compress;
mod encoder;
pub(crate) mod forwarded;
mod headers;
pub(crate) mod hop_by_hop;
mod limiter;
mod password;
mod prefix;
mod validators;

use std::collections::BTreeMap;
use std::sync::Arc;

use http::header::{AUTHORIZATION, CONTENT_LENGTH};
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::proxy::Session;
use pingora::{Error, Result};

use crate::core::model::ServiceId;
use crate::core::model::middleware::Middleware;
use crate::core::model::snapshot::Snapshot;
use crate::core::request::origin::Origin;
use crate::observe::metrics::Metrics;

use super::local_reply::{BODY_TOO_LARGE, LocalReply};

use self::headers::Headers;
use self::limiter::Limiter;
use self::password::{Verdict, Verifier};

pub(super) use self::compress::compression;
pub(super) use self::prefix::Prefix;

/// One service's. It lives for as long as the labels say the same, whatever else changes.
#[derive(Debug)]
pub(super) struct Chain {
    wanted: Arc<Middleware>,
    limiter: Option<Arc<Limiter>>,
    verifier: Arc<Verifier>,
    request_headers: Headers,
    response_headers: Headers,
}

/// The name of a user whose password was right; none where the service asks for none.
pub(super) type User = Option<Arc<str>>;

impl Chain {
    /// Lets a request in, or says what it is answered. Whether it is sent elsewhere is asked before.
    pub(super) async fn admit(
        &self,
        service: &str,
        request: &RequestHeader,
        client: Origin,
    ) -> Result<User, LocalReply> {
        if !self.wanted.unreadable_guards.is_empty() {
            return Err(LocalReply::guard_unreadable(service));
        }
        if !self.wanted.allows(client) {
            return Err(LocalReply::not_allowed(client));
        }
        if let Some(limiter) = &self.limiter
            && !limiter.admit(client)
        {
            return Err(LocalReply::rate_limited(client));
        }
        let user = match &self.wanted.basic_auth {
            Some(known) => match self.verifier.check(known, request, client).await {
                Verdict::Right(user) => Some(user),
                Verdict::Wrong => return Err(LocalReply::unauthorized()),
                Verdict::Busy => return Err(LocalReply::auth_busy()),
                Verdict::TooManyGuesses => return Err(LocalReply::too_many_guesses(client)),
            },
            None => None,
        };
        if let Some(most) = self.wanted.max_body_bytes
            && length(request).is_some_and(|length| length > most)
        {
            return Err(LocalReply::body_too_large(service));
        }
        Ok(user)
    }

    /// Lets a connection in that is passed on, or says why not.
    pub(super) fn admit_connection(&self, service: &str, client: Origin) -> Result<(), LocalReply> {
        if !self.wanted.unreadable_guards.is_empty() {
            return Err(LocalReply::guard_unreadable(service));
        }
        if !self.wanted.allows(client) {
            return Err(LocalReply::not_allowed(client));
        }
        match &self.limiter {
            Some(limiter) if !limiter.admit(client) => Err(LocalReply::rate_limited(client)),
            _ => Ok(()),
        }
    }

    /// Where all requests are sent instead.
    pub(super) fn redirect(
        &self,
        prefix: Option<&Prefix>,
        request: &RequestHeader,
    ) -> Option<LocalReply> {
        let redirect = self.wanted.redirect.as_ref()?;
        let path = request.uri.path_and_query().map_or("/", |it| it.as_str());
        let path = match prefix {
            Some(prefix) => prefix.cut(path),
            None => path,
        };
        let location = redirect.location(path);
        Some(LocalReply::redirect(redirect.status, location))
    }

    /// Changes the request that a task gets. `came` is what came from the client. `trails` as in
    /// [`answer`](Self::answer).
    pub(super) fn change(
        &self,
        came: &RequestHeader,
        request: &mut RequestHeader,
        user: &User,
        trails: bool,
    ) -> Result<()> {
        if !trails && !self.wanted.compress.is_empty() {
            validators::restore(request, || compress::chosen(&self.wanted.compress, came))?;
        }
        if let Some(user) = user {
            // The password was for the gateway.
            request.remove_header(&AUTHORIZATION);
            request.insert_header("X-Forwarded-User", user.as_bytes())?;
        }
        self.request_headers.set_in_request(request)
    }

    /// Fails when more of a body came than is allowed. What comes on an upgraded connection is no body.
    pub(super) fn measure(&self, session: &Session) -> Result<()> {
        match self.wanted.max_body_bytes {
            Some(most) if session.body_bytes_read() as u64 > most && !session.was_upgraded() => {
                let mut error = Error::explain(BODY_TOO_LARGE, "a body larger than allowed");
                error.as_down();
                Err(error)
            }
            _ => Ok(()),
        }
    }

    /// Changes the answer that the client gets, and sees to it that what follows is compressed. `trails`: something may follow
    /// behind its body.
    pub(super) fn answer(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        trails: bool,
    ) -> Result<()> {
        self.response_headers.set_in_response(response)?;
        match &*self.wanted.compress {
            [] => Ok(()),
            _ if trails => Ok(()),
            offered => compress::begin(offered, session, response),
        }
    }
}

fn length(request: &RequestHeader) -> Option<u64> {
    let length = request.headers.get(CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}

/// The chains of all services. Owned by who builds tables.
pub(super) struct Chains {
    known: BTreeMap<ServiceId, Arc<Chain>>,
    verifier: Arc<Verifier>,
}

impl Chains {
    /// For a gateway with so many threads.
    pub(super) fn new(threads: usize, metrics: &Metrics) -> Self {
        Self {
            known: BTreeMap::new(),
            verifier: Arc::new(Verifier::new(threads, metrics.password_waits())),
        }
    }

    /// Forgets what a snapshot does not name any more.
    pub(super) fn retain(&mut self, snapshot: &Snapshot) {
        let clusters = &snapshot.clusters;
        self.known
            .retain(|service, _| clusters.contains_key(service));
    }

    /// The chain of a service that asks for this: the one that it had while nothing has changed. A limit that stays the same
    /// goes on counting.
    pub(super) fn chain(
        &mut self,
        service: &ServiceId,
        wanted: Option<&Arc<Middleware>>,
    ) -> Option<Arc<Chain>> {
        let Some(wanted) = wanted else {
            self.known.remove(service);
            return None;
        };
        let before = self.known.get(service);
        if let Some(before) = before.filter(|before| before.wanted == *wanted) {
            return Some(before.clone());
        }
        let limiter = wanted.rate_limit.map(|rate| {
            let same = before.filter(|before| before.wanted.rate_limit == Some(rate));
            let same = same.and_then(|before| before.limiter.clone());
            same.unwrap_or_else(|| Arc::new(Limiter::new(rate)))
        });
        let chain = Arc::new(Chain {
            limiter,
            verifier: self.verifier.clone(),
            request_headers: Headers::new(&wanted.request_headers),
            response_headers: Headers::new(&wanted.response_headers),
            wanted: wanted.clone(),
        });
        self.known.insert(service.clone(), chain.clone());
        Some(chain)
    }
}
