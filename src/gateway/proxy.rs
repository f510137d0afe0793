//! One request's way through the gateway: found by host and path, given an endpoint, retried where that is safe.
//!
//! # Design notes
//!
//! A request pins its route when it is given an endpoint and keeps it to its end, so that nothing it sees can change under
//! it; one that has to wait for an endpoint is decided on anew. Whether it may be tried again is decided in two places, by
//! what the task can have seen: nothing when the connection failed ([`ProxyHttp::fail_to_connect`]), perhaps all of it
//! afterwards ([`ProxyHttp::error_while_proxy`]).
//!
//! Pingora has one read time-out per connection to a task. It is `response_timeout_seconds`, and for upgraded connections
//! `idle_timeout_seconds`.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{HOST, STRICT_TRANSPORT_SECURITY, TRANSFER_ENCODING};
use http::{HeaderValue, StatusCode};
use ipnet::IpNet;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::ServerSession;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};
use tokio::time::Instant;

use crate::core::lookup::normal_host;
use crate::core::route::is_local;
use crate::metrics::Metrics;

use super::answer::Answer;
use super::choice::{Asker, Choice, Failure, Lack};
use super::client::{Client, Side};
use super::fault;
use super::hold::{Holding, Refusal};
use super::peer::Way;
use super::table::RouteTable;
use super::{cookie, forwarded, framing, hop, upgrade};

/// How long a client may take to accept more of an answer.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the rest of an unwanted request body is read, so that the client gets to read its answer.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The logic of the gateway, called by Pingora. Shared by all listeners.
pub(super) struct Proxy {
    table: Arc<ArcSwap<RouteTable>>,
    trusted: Vec<IpNet>,
    metrics: Metrics,
    holding: Holding,
}

impl Proxy {
    pub(super) fn new(
        table: Arc<ArcSwap<RouteTable>>,
        trusted: Vec<IpNet>,
        metrics: Metrics,
        holding: Holding,
    ) -> Self {
        Self {
            table,
            trusted,
            metrics,
            holding,
        }
    }

    fn trusts(&self, client: &Client) -> bool {
        self.trusted
            .iter()
            .any(|network| network.contains(&client.peer))
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
        let path = request.uri.path();
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
        Choice::make(route, asker, waited).map_err(Refusal::Lack)
    }

    /// Waits for an endpoint; the error is that the client has left. Boxed where it is called: nearly no request waits.
    async fn hold(
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
}

/// What a request carries through its phases.
pub(super) struct Context {
    started: Instant,
    client: Option<Arc<Client>>,
    choice: Option<Choice>,
    /// By what kind of connection the request goes.
    way: Way,
    /// Why the gateway answered itself.
    reason: Option<&'static str>,
    /// What it is answered after it has waited for another endpoint in vain.
    refusal: Option<Answer>,
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context {
            started: Instant::now(),
            client: None,
            choice: None,
            way: Way::Pooled,
            reason: None,
            refusal: None,
        }
    }

    // Called for every request, the first as well: this is how the connection says whose it is.
    fn on_connection_reuse(
        &self,
        _session: &mut Session,
        context: &mut Context,
        client: Box<dyn Any + Send + Sync>,
    ) {
        context.client = client.downcast::<Arc<Client>>().ok().map(|client| *client);
    }

    async fn request_filter(&self, session: &mut Session, context: &mut Context) -> Result<bool> {
        if session.req_header().headers.contains_key(TRANSFER_ENCODING) {
            // Pingora takes some broken ends of a chunked body for good ones, where a proxy in front may read on. Nothing
            // behind such a body is taken for a request.
            session.set_keepalive(None);
        }
        session.set_write_timeout(Some(WRITE_TIMEOUT));
        session.set_total_drain_timeout(Some(DRAIN_TIMEOUT));
        let decision = match &context.client {
            Some(client) => match framing::check(session.req_header(), &raw_head(session)) {
                Ok(()) => match self.decide(session.req_header(), client, None) {
                    Ok(choice) => Ok(choice),
                    Err(Refusal::Answer(answer)) => Err(answer),
                    Err(Refusal::Lack(lack)) => Box::pin(self.hold(session, context, lack)).await?,
                },
                Err((status, line)) => Err(Answer::new(status, "bad-request", line)),
            },
            None => Err(Answer::new(
                500,
                "internal",
                "the request came by no listener of ours",
            )),
        };
        match decision {
            Ok(choice) => {
                if upgrade::asked(session.req_header()) {
                    session.set_read_timeout(Some(choice.pool().policy.idle_timeout));
                }
                context.choice = Some(choice);
                Ok(false)
            }
            Err(answer) => {
                context.reason = Some(answer.reason);
                answer.send(session).await?;
                Ok(true)
            }
        }
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> Result<Box<HttpPeer>> {
        if let Some(lack) = context.choice.as_ref().and_then(Choice::lack) {
            match Box::pin(self.hold(session, context, lack)).await? {
                Ok(choice) => context.choice = Some(choice),
                Err(answer) => {
                    context.refusal = Some(answer);
                    return Error::e_explain(ErrorType::InternalError, "no other endpoint");
                }
            }
        }
        let Some(choice) = &mut context.choice else {
            return Error::e_explain(ErrorType::InternalError, "a request without an endpoint");
        };
        choice.sent();
        let policy = &choice.pool().policy;
        let way = Way::of(session.req_header());
        context.way = way;
        Ok(Box::new(way.peer(choice.target(), policy)))
    }

    async fn upstream_request_filter(
        &self,
        _session: &mut Session,
        request: &mut RequestHeader,
        context: &mut Context,
    ) -> Result<()> {
        cookie::strip(request);
        if context.way == Way::Alone {
            request.insert_header("Connection", "close")?;
        }
        // Only proxies expect the absolute form. Its path is in the URI, and its host is that of the Host header.
        if !request.raw_path().starts_with(b"/") {
            let path = request.uri.clone();
            request.set_uri(path);
        }
        let Some(client) = &context.client else {
            return Ok(());
        };
        let secure = context.choice.as_ref().is_some_and(|choice| choice.secure);
        forwarded::set(request, client, self.trusts(client), secure)
    }

    async fn response_filter(
        &self,
        _session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        hop::strip(response);
        if let Some(choice) = &context.choice
            && choice.secure
            && let Some(hsts) = &choice.pool().hsts
        {
            response.insert_header(STRICT_TRANSPORT_SECURITY, hsts)?;
        }
        let interim = response.status.is_informational()
            && response.status != StatusCode::SWITCHING_PROTOCOLS;
        let Some(choice) = context.choice.as_mut().filter(|_| !interim) else {
            return Ok(());
        };
        choice.answered();
        if choice.pool().policy.sticky && !choice.is_bound() {
            response.append_header("Set-Cookie", choice.target().cookie.clone())?;
        }
        Ok(())
    }

    fn fail_to_connect(
        &self,
        _session: &mut Session,
        _peer: &HttpPeer,
        context: &mut Context,
        mut error: Box<Error>,
    ) -> Box<Error> {
        let retry = context.choice.as_mut().is_some_and(|choice| {
            choice.failed(fault::connecting(&error));
            // Nothing was sent, so any request may go elsewhere.
            choice.move_on(Failure::Unsent)
        });
        error.set_retry(retry);
        error
    }

    fn error_while_proxy(
        &self,
        _peer: &HttpPeer,
        session: &mut Session,
        mut error: Box<Error>,
        context: &mut Context,
        client_reused: bool,
    ) -> Box<Error> {
        let begun = session.response_written().map(|it| it.status);
        let fault = fault::proxying(&error, client_reused, begun);
        if let Some(choice) = &mut context.choice {
            choice.failed(fault);
        }
        let repeatable = session.req_header().method.is_idempotent()
            && !session.as_ref().retry_buffer_truncated()
            && begun.is_none()
            && *error.esource() == ErrorSource::Upstream
            // A task that is slow to answer is not helped by being asked again.
            && *error.etype() != ErrorType::ReadTimedout;
        let failure = match client_reused {
            true => Failure::Stale,
            false => Failure::Sent,
        };
        let choice = context.choice.as_mut().filter(|_| repeatable);
        let retry = choice.is_some_and(|choice| choice.move_on(failure));
        error.set_retry(retry);
        error
    }

    async fn fail_to_proxy(
        &self,
        session: &mut Session,
        error: &Error,
        context: &mut Context,
    ) -> FailToProxy {
        let service = context
            .choice
            .as_ref()
            .map_or("", |choice| &choice.pool().service);
        let refusal = context.refusal.take();
        let answer = refusal.or_else(|| Answer::to_failure(error, service));
        let Some(answer) = answer.filter(|_| session.response_written().is_none()) else {
            return FailToProxy {
                error_code: 0,
                can_reuse_downstream: false,
            };
        };
        tracing::debug!(status = answer.status, %error, "a request failed");
        context.reason = Some(answer.reason);
        session.set_keepalive(None);
        // A client that is gone by now needs no answer.
        let _ = answer.send(session).await;
        FailToProxy {
            error_code: answer.status,
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, context: &mut Context) {
        // Its endpoint has room again from here on, whatever is left to be read of the request.
        match context.choice.take() {
            Some(choice) => {
                // 499 is nginx's word for a client that left before its answer.
                let status = session
                    .response_written()
                    .map_or(499, |response| response.status.as_u16());
                if error.is_none() {
                    choice.target().runtime.answered(status);
                }
                choice
                    .pool()
                    .runtime
                    .metrics
                    .observe(status, context.started.elapsed());
            }
            None => self
                .metrics
                .unrouted(context.reason.unwrap_or("aborted"))
                .inc(),
        }
    }

    // Failures are counted and answered with a reason; a log line for each would let any client fill the disk.
    fn suppress_error_log(&self, _session: &Session, _context: &Context, _error: &Error) -> bool {
        true
    }

    fn suppress_proxy_warn_log(
        &self,
        _session: &Session,
        _context: &Context,
        _error: &Error,
        _kind: ProxyWarnLogContext,
    ) -> bool {
        true
    }
}

/// The bytes that the request's head came in; empty for HTTP/2, which has no text to be read in two ways.
fn raw_head(session: &ServerSession) -> Bytes {
    session
        .as_http1()
        .map(|session| session.get_headers_raw_bytes())
        .unwrap_or_default()
}
