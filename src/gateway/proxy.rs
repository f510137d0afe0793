//! One request's way through the gateway: found by host and path, given an endpoint, retried where that is safe.
//!
//! # Design notes
//!
//! A request pins its route once and keeps it to its end, so that nothing it sees can change under it. Whether it may be
//! tried again is decided in two places, by what the task can have seen: nothing when the connection failed
//! ([`ProxyHttp::fail_to_connect`]), perhaps all of it afterwards ([`ProxyHttp::error_while_proxy`]).
//!
//! Pingora has one read time-out per connection to a task. It is `response_timeout_seconds`, and for upgraded connections
//! `idle_timeout_seconds`.

use std::any::Any;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{HOST, TRANSFER_ENCODING};
use http::{HeaderValue, StatusCode, Version};
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
use super::choice::Choice;
use super::client::{Client, Side};
use super::fault::{self, Fault};
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
}

impl Proxy {
    pub(super) fn new(
        table: Arc<ArcSwap<RouteTable>>,
        trusted: Vec<IpNet>,
        metrics: Metrics,
    ) -> Self {
        Self {
            table,
            trusted,
            metrics,
        }
    }

    fn trusts(&self, client: &Client) -> bool {
        self.trusted
            .iter()
            .any(|network| network.contains(&client.peer))
    }

    /// Decides where a request goes, or what it is answered.
    fn decide(&self, request: &RequestHeader, client: &Client) -> Result<Choice, Answer> {
        let host = request
            .headers
            .get(HOST)
            .map_or(&b""[..], HeaderValue::as_bytes);
        let host = normal_host(std::str::from_utf8(host).unwrap_or_default());
        let path = request.uri.path();
        if client.side == Side::Public && is_local(&host) {
            return Err(Answer::no_route(&host, path));
        }
        let table = self.table.load();
        if !table.warm {
            return Err(Answer::warming_up());
        }
        let Some(route) = table.find(&host, path) else {
            return Err(Answer::no_route(&host, path));
        };
        let secure = self.trusts(client) && forwarded::says_tls(request);
        let shares = route.shares(secure);
        if shares.is_empty() {
            let path_and_query = request.uri.path_and_query().map_or("/", |it| it.as_str());
            return Err(match secure {
                false => Answer::use_tls(&host, path_and_query),
                true => Answer::no_route(&host, path),
            });
        }
        Choice::make(route, secure, cookie::containers(request))
            .ok_or_else(|| Answer::no_endpoint(shares.first().map_or("", |pool| &pool.service)))
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
    /// With which status, which a call of gRPC is not told as such.
    status: Option<u16>,
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
            status: None,
        }
    }

    // Called for every request of HTTP/1, the first as well: this is how the connection says whose it is. HTTP/2 has no such
    // call, and says it in the request.
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
        if context.client.is_none() && session.as_http2().is_some() {
            let said = session.req_header_mut().extensions_mut();
            context.client = said.remove::<Arc<Client>>();
        }
        session.set_write_timeout(Some(WRITE_TIMEOUT));
        session.set_total_drain_timeout(Some(DRAIN_TIMEOUT));
        let decision = match &context.client {
            Some(client) => match framing::check(session.req_header(), &raw_head(session)) {
                Ok(()) => self.decide(session.req_header(), client),
                Err((status, line)) => Err(Answer::new(status, "bad-request", line)),
            },
            None => Err(Answer::new(
                500,
                "internal",
                "the request came by no listener of ours",
            )),
        };
        match decision {
            Ok(choice) if choice.pool().http2 && session.as_http2().is_none() => {
                let answer = Answer::use_http2(&choice.pool().service);
                context.reason = Some(answer.reason);
                answer.send(session).await?;
                Ok(true)
            }
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
        let Some(choice) = &context.choice else {
            return Error::e_explain(ErrorType::InternalError, "a request without an endpoint");
        };
        let policy = &choice.pool().policy;
        let has_body = session.as_http2().is_some() && !session.as_mut().is_body_empty();
        let way = Way::of(session.req_header(), choice.pool().http2, has_body);
        context.way = way;
        Ok(Box::new(way.peer(choice.target(), policy)))
    }

    async fn upstream_request_filter(
        &self,
        session: &mut Session,
        request: &mut RequestHeader,
        context: &mut Context,
    ) -> Result<()> {
        cookie::strip(request);
        if session.as_http2().is_some() {
            cookie::join(request);
        }
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
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        hop::strip(response);
        if session.req_header().version < Version::HTTP_11
            && response.remove_header(&TRANSFER_ENCODING).is_some()
        {
            // A client of HTTP/1.0 does not know chunks; to it the end of the connection is that of the answer.
            session.set_keepalive(None);
        }
        let interim = response.status.is_informational()
            && response.status != StatusCode::SWITCHING_PROTOCOLS;
        if let Some(choice) = &context.choice
            && choice.pool().policy.sticky
            && !choice.stuck
            && !interim
        {
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
            if fault::connecting(&error) == Fault::Broken {
                choice.target().runtime.broke();
            }
            // Nothing was sent, so any request may go elsewhere.
            choice.move_on(false)
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
        let runtime = context.choice.as_ref().map(|it| &it.target().runtime);
        match (fault, runtime) {
            (Fault::Broken, Some(runtime)) => runtime.broke(),
            (Fault::Slow, Some(runtime)) => runtime.timed_out(),
            _ => {}
        }
        let repeatable = session.req_header().method.is_idempotent()
            && !session.as_ref().retry_buffer_truncated()
            && begun.is_none()
            && *error.esource() == ErrorSource::Upstream
            // A task that is slow to answer is not helped by being asked again.
            && *error.etype() != ErrorType::ReadTimedout;
        let retry = repeatable
            && context
                .choice
                .as_mut()
                .is_some_and(|choice| choice.move_on(client_reused));
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
        let answer = Answer::to_failure(error, service);
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
        if answer.send(session).await.is_ok() {
            context.status = Some(answer.status);
        }
        FailToProxy {
            error_code: answer.status,
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, context: &mut Context) {
        if error.is_some_and(|error| *error.esource() == ErrorSource::Downstream)
            && let Some(client) = &context.client
        {
            client.gives_up();
        }
        match &context.choice {
            Some(choice) => {
                // 499 is nginx's word for a client that left before its answer.
                let written = session.response_written().map(|it| it.status.as_u16());
                let status = context.status.or(written).unwrap_or(499);
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
