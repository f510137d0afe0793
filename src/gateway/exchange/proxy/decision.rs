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

use crate::core::model::route::is_local;
use crate::core::routing::lookup::normal_host;

use super::super::context::Context;
use super::super::{framing, spelling};
use super::Proxy;
use crate::gateway::client::{Client, Side};
use crate::gateway::filters::Chain;
use crate::gateway::filters::forwarded;
use crate::gateway::local_reply::LocalReply;
use crate::gateway::local_reply::subject::Subject;
use crate::gateway::routing::choice::{EndpointLease, NoEndpoint, SelectionInput};
use crate::gateway::routing::hold::{Unserved, Waiting as _};

impl Proxy {
    /// Gives a request that has just come its endpoint and the right to connect to it, or refuses it; the error
    /// is that the client has left.
    pub(super) async fn receive(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> Result<Result<EndpointLease, LocalReply>> {
        let Some(client) = &context.client else {
            return Ok(Err(LocalReply::no_listener()));
        };
        let checked = framing::check(session.req_header(), &framing::raw_head(session))
            .and_then(|()| spelling::settle(session.req_header_mut()));
        if let Err((status, line)) = checked {
            let subject = self.asked_of(session.req_header(), client);
            return Ok(Err(
                LocalReply::new(status, "bad-request", line).about(subject)
            ));
        }

        let decided = match self.decide(session.req_header(), client, None) {
            Ok(choice) => Ok(choice),
            Err(Unserved::Answer(answer)) => Err(answer),
            Err(Unserved::Lack(lack)) => Box::pin(self.wait(session, context, lack)).await?,
        };
        let admitted = match decided {
            // Boxed, so that other requests do not carry the room for it.
            Ok(choice) if choice.pool().chain.is_some() => {
                Box::pin(self.admit(session.req_header(), context, choice)).await
            }
            decided => decided,
        };
        Ok(self.reach(session, context, admitted).await)
    }

    /// Gives a request that was let in what it needs to be sent: a protocol that its service speaks, and a permit.
    async fn reach(
        &self,
        session: &mut Session,
        context: &mut Context,
        admitted: Result<EndpointLease, LocalReply>,
    ) -> Result<EndpointLease, LocalReply> {
        let choice = admitted?;
        if choice.pool().http2 && session.as_http2().is_none() {
            let answer = LocalReply::use_http2(&choice.pool().service);
            return Err(answer.about(choice.subject()));
        }

        match self.permit(session, context).await {
            Ok(()) => Ok(choice),
            Err(answer) => Err(answer.about(choice.subject())),
        }
    }

    /// Decides where a request goes, or what it is answered; again, when it has `waited` for an endpoint.
    fn decide(
        &self,
        request: &RequestHeader,
        client: &Client,
        waited: Option<&NoEndpoint>,
    ) -> Result<EndpointLease, Unserved> {
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
            return Err(LocalReply::challenge(&file).into());
        }
        if client.side == Side::Public && is_local(&host) {
            return Err(LocalReply::no_route(&host, path).into());
        }
        if let Some(tls) = &client.tls
            && !tls.answers_for(&host)
        {
            let answer = LocalReply::misdirected(&host);
            return Err(answer.about(self.asked_of(request, client)).into());
        }
        let table = self.table.load();
        if !table.warm {
            return Err(LocalReply::warming_up().into());
        }
        let Some(route) = table.find(&host, path) else {
            return Err(LocalReply::no_route(&host, path).into());
        };
        let secure = forwarded::is_secure(request, client, &self.trusted);
        let shares = route.shares(secure);
        if shares.is_empty() {
            let path_and_query = request.uri.path_and_query().map_or("/", |it| it.as_str());
            let answer = match secure {
                false if self.tls_access.reaches(&host) => {
                    LocalReply::use_tls(&host, path_and_query)
                }
                false => LocalReply::no_tls(&host),
                true => LocalReply::no_route(&host, path),
            };
            return Err(answer.about(route.subject(secure)).into());
        }
        let asker = SelectionInput {
            request,
            client,
            trusted: &self.trusted,
            secure,
        };
        EndpointLease::make(route, asker, waited).map_err(|lack| {
            let first = shares.awaited();
            let answer = first.and_then(|pool| {
                let answer = pool.redirect(request)?;
                Some(answer.about(route.subject_of(pool)))
            });
            answer.map_or(Unserved::Lack(lack), Unserved::Answer)
        })
    }

    /// The service that a request is about which is refused before its route is looked for: one
    /// that its host and path name on this listener.
    pub(super) fn asked_of(&self, request: &RequestHeader, client: &Client) -> Option<Subject> {
        let host = std::str::from_utf8(request.headers.get(HOST)?.as_bytes()).ok()?;
        let host = normal_host(host);
        if client.side == Side::Public && is_local(&host) {
            return None;
        }
        let table = self.table.load();
        let route = table.find(&host, spelling::matched(request))?;
        route.subject(client.tls.is_some())
    }

    /// Lets a request in that has no endpoint yet, and waits for one; the error is that the client has left.
    async fn wait(
        &self,
        session: &mut Session,
        context: &mut Context,
        lack: NoEndpoint,
    ) -> Result<Result<EndpointLease, LocalReply>> {
        // It is that service's request even if its client leaves before it has an endpoint.
        context.subject = Some(Box::new(lack.subject()));
        if let Some(chain) = &lack.chain {
            let guarded = self.guard(session.req_header(), context, chain, &lack.service);
            if let Err(answer) = guarded.await {
                return Ok(Err(answer.about(lack.subject())));
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
        lack: NoEndpoint,
    ) -> Result<Result<EndpointLease, LocalReply>> {
        let Some(client) = &context.client else {
            return Ok(Err(lack.answer()));
        };
        let decide = |session: &Session, lack: &NoEndpoint| {
            self.decide(session.req_header(), client, Some(lack))
        };
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
        lack: NoEndpoint,
    ) -> Result<Result<EndpointLease, LocalReply>> {
        context.admitted = lack.chain.clone();
        // Others may use the connection meanwhile.
        context.permit = None;
        let admitted = match self.hold(session, context, lack).await? {
            Ok(choice) => self.admit(session.req_header(), context, choice).await,
            Err(answer) => Err(answer),
        };
        Ok(self.reach(session, context, admitted).await)
    }

    /// Lets a request in to a service that does not let everybody in, or says what it is answered.
    pub(super) async fn admit(
        &self,
        request: &RequestHeader,
        context: &mut Context,
        choice: EndpointLease,
    ) -> Result<EndpointLease, LocalReply> {
        let pool = choice.pool();
        let Some(chain) = &pool.chain else {
            return Ok(choice);
        };
        let before = context.admitted.as_ref();
        if before.is_some_and(|before| Arc::ptr_eq(before, chain)) {
            return Ok(choice);
        }
        match chain.redirect(pool.prefix.as_ref(), request) {
            Some(answer) => Err(answer.about(choice.subject())),
            None => match self.guard(request, context, chain, &pool.service).await {
                Ok(()) => Ok(choice),
                Err(answer) => Err(answer.about(choice.subject())),
            },
        }
    }

    /// Lets a request in to a service, or says what it is answered.
    async fn guard(
        &self,
        request: &RequestHeader,
        context: &mut Context,
        chain: &Chain,
        service: &str,
    ) -> Result<(), LocalReply> {
        // Nobody whose address is not known is let in where it may matter.
        let Some(client) = &context.client else {
            return Err(LocalReply::no_listener());
        };
        let origin = forwarded::origin(request, client, &self.trusted);
        context.user = chain.admit(service, request, origin).await?;
        Ok(())
    }

    /// Takes the permit that a request needs for its connection to a task, or refuses it.
    async fn permit(&self, session: &mut Session, context: &mut Context) -> Result<(), LocalReply> {
        let share = context.client.as_ref().and_then(|it| it.share.as_ref());
        let Some(share) = share else {
            return Err(LocalReply::no_listener());
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
