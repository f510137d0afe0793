//! Where a request goes, or what it is answered instead.
//!
//! # Design notes
//!
//! Who may come in at all is asked before anybody waits, of the service that is waited for: places in a line are few, and who
//! may not come in gets none, nor learns how the service is. Who has waited is asked again only where another service is
//! given, or the labels say something else by then, so that nobody is counted twice.

use std::sync::Arc;

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
use super::super::hold::{Refusal, Waiting as _};
use super::super::middleware::Chain;
use super::super::{forwarded, framing, spelling};
use super::Proxy;

impl Proxy {
    /// Gives a request that has just come its endpoint and the right to connect to it, or refuses it; the error
    /// is that the client has left.
    pub(super) async fn receive(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> Result<Result<Choice, Answer>> {
        let Some(client) = &context.client else {
            return Ok(Err(Answer::no_listener()));
        };
        let checked = framing::check(session.req_header(), &framing::raw_head(session))
            .and_then(|()| spelling::settle(session.req_header_mut()));
        if let Err((status, line)) = checked {
            return Ok(Err(Answer::new(status, "bad-request", line)));
        }

        let decided = match self.decide(session.req_header(), client, None) {
            Ok(choice) => Ok(choice),
            Err(Refusal::Answer(answer)) => Err(answer),
            Err(Refusal::Lack(lack)) => Box::pin(self.wait(session, context, lack)).await?,
        };
        let admitted = match decided {
            // Boxed, so that other requests do not carry the room for it.
            Ok(choice) if choice.pool().chain.is_some() => {
                Box::pin(self.admit(session.req_header(), context, choice)).await
            }
            decided => decided,
        };
        let choice = match admitted {
            Ok(choice) if choice.pool().http2 && session.as_http2().is_none() => {
                return Ok(Err(Answer::use_http2(&choice.pool().service)));
            }
            Ok(choice) => choice,
            Err(answer) => return Ok(Err(answer)),
        };

        let permitted = self.permit(session, context).await;
        Ok(permitted.map(|()| choice))
    }

    /// Decides where a request goes, or what it is answered; again, when it has `waited` for an endpoint.
    fn decide(
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
        let path = spelling::matched(request);
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
        let secure = forwarded::is_secure(request, client, &self.trusted);
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
            let answer = first.and_then(|pool| pool.redirect(request));
            answer.map_or(Refusal::Lack(lack), Refusal::Answer)
        })
    }

    /// Lets a request in that has no endpoint yet, and waits for one; the error is that the client has left.
    async fn wait(
        &self,
        session: &mut Session,
        context: &mut Context,
        lack: Lack,
    ) -> Result<Result<Choice, Answer>> {
        if let Some(chain) = &lack.chain {
            let guarded = self.guard(session.req_header(), context, chain, &lack.service);
            if let Err(answer) = guarded.await {
                return Ok(Err(answer));
            }
            context.admitted = Some(chain.clone());
        }
        self.hold(session, context, lack).await
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
            |session: &Session, lack: &Lack| self.decide(session.req_header(), client, Some(lack));
        self.holding
            .wait(session, context.started, lack, decide)
            .await
    }

    /// Waits for another endpoint when one has failed a request that was let in. As after any other wait, the endpoint may be
    /// another service's, or the labels may say something else by then.
    pub(super) async fn hold_again(
        &self,
        session: &mut Session,
        context: &mut Context,
        lack: Lack,
    ) -> Result<Result<Choice, Answer>> {
        context.admitted = lack.chain.clone();
        match self.hold(session, context, lack).await? {
            Ok(choice) => Ok(self.admit(session.req_header(), context, choice).await),
            Err(answer) => Ok(Err(answer)),
        }
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
        let before = context.admitted.as_ref();
        if before.is_some_and(|before| Arc::ptr_eq(before, chain)) {
            return Ok(choice);
        }
        match chain.redirect(pool.prefix.as_ref(), request) {
            Some(answer) => {
                refused(context, &pool.service);
                Err(answer)
            }
            None => {
                self.guard(request, context, chain, &pool.service).await?;
                Ok(choice)
            }
        }
    }

    /// Lets a request in to a service, or says what it is answered.
    async fn guard(
        &self,
        request: &RequestHeader,
        context: &mut Context,
        chain: &Chain,
        service: &Arc<str>,
    ) -> Result<(), Answer> {
        // Nobody whose address is not known is let in where it may matter.
        let Some(client) = &context.client else {
            return Err(Answer::no_listener());
        };
        let origin = forwarded::origin(request, client, &self.trusted);
        let admitted = chain.admit(service, request, origin).await;
        if admitted.is_err() {
            refused(context, service);
        }
        context.user = admitted?;
        Ok(())
    }

    /// Takes the permit that a request needs for its connection to a task, or refuses it.
    async fn permit(&self, session: &mut Session, context: &mut Context) -> Result<(), Answer> {
        let share = context.client.as_ref().and_then(|it| it.share.as_ref());
        let Some(share) = share else {
            return Err(Answer::no_listener());
        };
        match self.tasks.take(share, session.left()).await {
            Ok(permit) => {
                context.permit = Some(permit);
                Ok(())
            }
            Err(full) => Err(full.answer()),
        }
    }
}

/// Notes which service has refused a request, where that is written down.
fn refused(context: &mut Context, service: &Arc<str>) {
    if let Some(noted) = &mut context.noted {
        noted.refused_for(service);
    }
}
