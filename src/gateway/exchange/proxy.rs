//! One request's way through the gateway: found by host and path, given an endpoint, retried where that is safe.
//!
//! # Design notes
//!
//! A request pins its route when it is given an endpoint and keeps it to its end, so that nothing it sees can change under
//! it; one that has to wait for an endpoint is decided on anew. Whether it may be tried again is decided in two ways, by
//! what the task can have seen: nothing when the connection failed ([`ProxyHttp::fail_to_connect`]), perhaps all of it
//! afterwards ([`ProxyHttp::error_while_proxy`]).
//!
//! Pingora (0.9.1) has one read time-out per connection to a task. It is `response_timeout_seconds`, and for upgraded connections
//! and streams of events `idle_timeout_seconds`. It is copied to the session with the task before the request is sent, no hook is
//! given that session, and the pool tells connections apart by their file descriptors, which one of our own has not: so the silence
//! before an answer cannot be bounded by one time and that within it by another.

mod body;
mod decision;
mod ending;
mod failure;

use std::any::Any;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::header::{STRICT_TRANSPORT_SECURITY, TRANSFER_ENCODING};
use http::{StatusCode, Version};
use ipnet::IpNet;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::modules::http::HttpModules;
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorType, Result};

use crate::core::routing::tls_access::TlsAccess;
use crate::observe::access_log::AccessLog;
use crate::observe::metrics::Metrics;
use crate::observe::otlp::Spans;

use super::challenge::Challenges;
use super::context::Context;
use super::trace::IdGenerator;
use crate::gateway::Config;
use crate::gateway::client::Client;
use crate::gateway::client::pace::MinRate;
use crate::gateway::filters::{self, forwarded, hop_by_hop};
use crate::gateway::limits::WRITE_TIMEOUT;
use crate::gateway::limits::task_connections::{Permit, TaskConnections};
use crate::gateway::local_reply::LocalReply;
use crate::gateway::routing::choice::EndpointLease;
use crate::gateway::routing::cookie;
use crate::gateway::routing::hold::PendingRequests;
use crate::gateway::routing::table::RouteTable;
use crate::gateway::upstream::peer::{UpstreamMode, asks_for_events};
use crate::gateway::upstream::upgrade;

/// How long the rest of an unwanted request body is read, so that the client gets to read its answer.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The logic of the gateway, called by Pingora. Shared by all listeners.
pub(crate) struct Proxy {
    table: Arc<ArcSwap<RouteTable>>,
    trusted: Vec<IpNet>,
    metrics: Metrics,
    holding: Arc<PendingRequests>,
    tasks: Arc<TaskConnections>,
    /// None where bodies may come, and answers be taken, as slowly as clients like.
    floor: Option<MinRate>,
    /// None where requests are not written down.
    access_log: Option<AccessLog>,
    /// None where nobody is told of requests by spans.
    spans: Option<Spans>,
    /// None where requests are given no ids.
    mint: Option<IdGenerator>,
    challenges: Challenges,
    /// Whether a redirect to TLS leads anywhere.
    tls_access: TlsAccess,
}

impl Proxy {
    pub(crate) fn new(
        config: &Config,
        table: Arc<ArcSwap<RouteTable>>,
        holding: Arc<PendingRequests>,
        tasks: Arc<TaskConnections>,
        metrics: Metrics,
    ) -> Self {
        let share = config.spans.as_ref().map(|spans| spans.share);
        Self {
            table,
            trusted: config.trusted_proxies.clone(),
            metrics,
            holding,
            tasks,
            floor: MinRate::of(config.limits),
            access_log: config.access_log.clone(),
            spans: config.spans.clone(),
            mint: (config.trace_headers || share.is_some()).then(|| IdGenerator::new(share)),
            challenges: config.challenges.clone(),
            tls_access: config.tls_access(),
        }
    }
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::new(self.access_log.is_some() || self.spans.is_some())
    }

    fn init_downstream_modules(&self, modules: &mut HttpModules) {
        modules.add_module(filters::compression());
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
        let waits = match (self.floor, session.as_http2()) {
            (None, _) => Some(WRITE_TIMEOUT),
            // How fast the connection is emptied tells nothing of one stream that the client gives no room.
            (Some(floor), Some(_)) => Some(floor.patience),
            // The connection judges by itself, and better: a time-out for each piece is one for slow lines.
            (Some(_), None) => None,
        };
        session.set_write_timeout(waits);
        session.set_total_drain_timeout(Some(DRAIN_TIMEOUT));
        if let Some(mint) = &self.mint {
            context.ids = Some(Box::new(mint.ids(session.req_header())));
        }
        let decision = self.receive(session, context).await?;
        match decision {
            Ok(choice) => {
                if upgrade::asked(session.req_header()) {
                    session.set_read_timeout(Some(choice.pool().policy.idle_timeout));
                }
                context.choice = Some(choice);
                Ok(false)
            }
            Err(answer) => {
                Box::pin(context.answer(session, answer)).await?;
                Ok(true)
            }
        }
    }

    async fn upstream_peer(
        &self,
        session: &mut Session,
        context: &mut Context,
    ) -> Result<Box<HttpPeer>> {
        if let Some(lack) = context.choice.as_ref().and_then(EndpointLease::lack) {
            match Box::pin(self.hold_again(session, context, lack)).await? {
                Ok(choice) => context.choice = Some(choice),
                Err(answer) => {
                    context.refusal = Some(Box::new(answer));
                    return Error::e_explain(ErrorType::InternalError, "no other endpoint");
                }
            }
        }
        if let Some(Err(full)) = context.permit.as_mut().map(Permit::begin_again) {
            context.refusal = Some(Box::new(full.answer()));
            return Error::e_explain(ErrorType::InternalError, "no other connection");
        }
        let Some(choice) = &mut context.choice else {
            return Error::e_explain(ErrorType::InternalError, "a request without an endpoint");
        };
        choice.sent(context.started);
        if let Some(noted) = &mut context.noted {
            noted.connecting();
        }
        let policy = &choice.pool().policy;
        let has_body = session.as_http2().is_some() && !session.as_mut().is_body_empty();
        let way = UpstreamMode::of(session.req_header(), choice.pool().http2, has_body);
        context.way = way;
        let events = asks_for_events(session.req_header());
        Ok(Box::new(way.peer(choice.target(), policy, events)))
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
        if context.way == UpstreamMode::Alone {
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
        forwarded::set(request, client, &self.trusted, secure)?;
        if let Some(ids) = &context.ids {
            ids.tell_task(request)?;
        }
        let Some(pool) = context.choice.as_ref().map(EndpointLease::pool) else {
            return Ok(());
        };
        if let Some(prefix) = &pool.prefix {
            prefix.strip(request)?;
        }
        if let Some(chain) = &pool.chain {
            chain.change(session.req_header(), request, &context.user, pool.http2)?;
        }
        Ok(())
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        body: &mut Option<Bytes>,
        end_of_stream: bool,
        context: &mut Context,
    ) -> Result<()> {
        self.measure(session, body.as_ref(), end_of_stream, context)
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        upgrade::check(session.req_header(), response)?;
        hop_by_hop::strip(response);
        if let Some(choice) = &context.choice
            && choice.secure
            && let Some(hsts) = &choice.pool().hsts
        {
            response.insert_header(STRICT_TRANSPORT_SECURITY, hsts)?;
        }
        if session.req_header().version < Version::HTTP_11
            && response.remove_header(&TRANSFER_ENCODING).is_some()
        {
            // A client of HTTP/1.0 does not know chunks; to it the end of the connection is that of the answer.
            session.set_keepalive(None);
        }
        let interim = response.status.is_informational()
            && response.status != StatusCode::SWITCHING_PROTOCOLS;
        if interim {
            return Ok(());
        }
        if let Some(noted) = &mut context.noted {
            noted.answered(context.started);
        }
        if let Some(ids) = &context.ids {
            ids.tell_client(response)?;
        }
        let Some(choice) = &mut context.choice else {
            return Ok(());
        };
        choice.answered();
        if let Some(chain) = &choice.pool().chain {
            chain.answer(session, response, choice.pool().http2)?;
        }
        if choice.pool().policy.sticky && !choice.is_bound() {
            response.append_header("Set-Cookie", choice.target().cookie.clone())?;
        }
        Ok(())
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        _reused: bool,
        _peer: &HttpPeer,
        socket: RawFd,
        _digest: Option<&Digest>,
        context: &mut Context,
    ) -> Result<()> {
        if context.way == UpstreamMode::Shared
            && let Some(permit) = &mut context.permit
        {
            permit.shares(socket);
        }
        if let Some(noted) = &mut context.noted {
            noted.connected();
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
        error.set_retry(failure::is_tried_again_unsent(&error, context));
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
        let retry = failure::is_tried_again_sent(&error, session, context, client_reused);
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
        let refusal = context.refusal.take().map(|it| *it);
        let answer = refusal.or_else(|| LocalReply::to_failure(error, service));
        let Some(answer) = answer.filter(|_| session.response_written().is_none()) else {
            return FailToProxy {
                error_code: 0,
                can_reuse_downstream: false,
            };
        };
        tracing::debug!(status = answer.status, %error, "a request failed");
        let error_code = answer.status;
        session.set_keepalive(None);
        // A client that is gone by now needs no answer.
        let _ = context.answer(session, answer).await;
        FailToProxy {
            error_code,
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, context: &mut Context) {
        self.conclude(session, error, context);
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
