//! Where a request goes, or what it is answered instead.
//!
//! # Design notes
//!
//! A request that has to wait for an endpoint waits before it is asked whether it may come in at all: who may is decided
//! for the service that it is given. Lines are bounded, so that those who may not can cost others no more than a place in
//! one while a service is away.

use http::HeaderValue;
use http::header::HOST;
use pingora::Result;
use pingora::http::RequestHeader;
use pingora::proxy::Session;

use crate::core::lookup::normal_host;
use crate::core::route::is_local;

use super::super::answer::Answer;
use super::super::choice::{Asker, Choice, Lack};
use super::super::client::{Client, Side};
use super::super::context::Context;
use super::super::hold::Refusal;
use super::super::{forwarded, middleware};
use super::Proxy;

impl Proxy {
    /// Decides where a request goes, or what it is answered; again, when it has `waited` for an endpoint.
    pub(super) fn decide(
        &self,
        request: &RequestHeader,
        client: &Client,
        waited: Option<&Lack>,
    ) -> Result<Choice, Refusal> {
        let host = request
            .headers
            .get(HOST)
            .map_or(&b""[..], HeaderValue::as_bytes);
        let host = normal_host(std::str::from_utf8(host).unwrap_or_default());
        let path = request.uri.path();
        // A server asks for it on a plain connection, also where nothing else is served by one.
        if client.side == Side::Public
            && client.tls.is_none()
            && let Some(file) = self.challenges.file(path)
        {
            return Err(Answer::challenge(&file).into());
        }
        if client.side == Side::Public && is_local(&host) {
            return Err(Answer::no_route(&host, path).into());
        }
        if let Some(tls) = &client.tls
            && !tls.answers_for(&host)
        {
            return Err(Answer::misdirected(&host).into());
        }
        let table = self.table.load();
        if !table.warm {
            return Err(Answer::warming_up().into());
        }
        let Some(route) = table.find(&host, path) else {
            return Err(Answer::no_route(&host, path).into());
        };
        let said = forwarded::says_tls(request).filter(|_| self.trusts(client));
        let secure = said.unwrap_or(client.tls.is_some());
        let shares = route.shares(secure);
        if shares.is_empty() {
            let path_and_query = request.uri.path_and_query().map_or("/", |it| it.as_str());
            return Err(match secure {
                false => Answer::use_tls(&host, path_and_query).into(),
                true => Answer::no_route(&host, path).into(),
            });
        }
        let asker = Asker {
            request,
            client,
            trusted: &self.trusted,
            secure,
        };
        Choice::make(route, asker, waited).map_err(|lack| {
            let first = shares.awaited();
            let answer = first.and_then(|pool| middleware::without_endpoint(pool, request));
            answer.map_or(Refusal::Lack(lack), Refusal::Answer)
        })
    }

    /// Waits for an endpoint; the error is that the client has left. Boxed where it is called: nearly no request waits.
    pub(super) async fn hold(
        &self,
        session: &mut Session,
        context: &Context,
        lack: Lack,
    ) -> Result<Result<Choice, Answer>> {
        let Some(client) = &context.client else {
            return Ok(Err(lack.answer()));
        };
        let decide =
            |request: &RequestHeader, lack: &Lack| self.decide(request, client, Some(lack));
        self.holding
            .wait(session, context.started, lack, decide)
            .await
    }

    /// Lets a request in to a service that does not let everybody in, or says what it is answered.
    pub(super) async fn admit(
        &self,
        request: &RequestHeader,
        context: &mut Context,
        choice: Choice,
    ) -> Result<Choice, Answer> {
        let pool = choice.pool();
        let Some(chain) = &pool.chain else {
            return Ok(choice);
        };
        // Nobody whose address is not known is let in where it may matter.
        let Some(client) = &context.client else {
            return Err(Answer::no_listener());
        };
        let origin = forwarded::origin(request, client, &self.trusted);
        let admitted = chain.admit(pool, request, origin).await;
        if let (Err(_), Some(noted)) = (&admitted, &mut context.noted) {
            noted.refused_for(&pool.service);
        }
        context.user = admitted?;
        Ok(choice)
    }

    /// Whether what the peer says of its own clients is believed.
    pub(super) fn trusts(&self, client: &Client) -> bool {
        self.trusted
            .iter()
            .any(|network| network.contains(&client.peer))
    }
}
