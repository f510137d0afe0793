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

mod decision;

use std::any::Any;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use bytes::Bytes;
use http::StatusCode;
use http::header::TRANSFER_ENCODING;
use ipnet::IpNet;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::Digest;
use pingora::proxy::{FailToProxy, ProxyHttp, ProxyWarnLogContext, Session};
use pingora::upstreams::peer::HttpPeer;
use pingora::{Error, ErrorSource, ErrorType, Result};

use crate::access_log::AccessLog;
use crate::metrics::Metrics;

use super::answer::Answer;
use super::choice::Choice;
use super::client::Client;
use super::context::Context;
use super::fault::{self, Fault};
use super::peer::Way;
use super::table::RouteTable;
use super::trace::Mint;
use super::{access, cookie, forwarded, framing, hop, upgrade};

/// How long a client may take to accept more of an answer.
pub(super) const WRITE_TIMEOUT: Duration = Duration::from_secs(60);

/// How long the rest of an unwanted request body is read, so that the client gets to read its answer.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);

/// The logic of the gateway, called by Pingora. Shared by all listeners.
pub(super) struct Proxy {
    table: Arc<ArcSwap<RouteTable>>,
    trusted: Vec<IpNet>,
    metrics: Metrics,
    /// None where requests are not written down.
    access_log: Option<AccessLog>,
    /// None where requests are given no ids.
    mint: Option<Mint>,
}

impl Proxy {
    pub(super) fn new(
        table: Arc<ArcSwap<RouteTable>>,
        trusted: Vec<IpNet>,
        metrics: Metrics,
        access_log: Option<AccessLog>,
        trace_headers: bool,
    ) -> Self {
        Self {
            table,
            trusted,
            metrics,
            access_log,
            mint: trace_headers.then(Mint::new),
        }
    }

    fn trusts(&self, client: &Client) -> bool {
        self.trusted
            .iter()
            .any(|network| network.contains(&client.peer))
    }
}

#[async_trait]
impl ProxyHttp for Proxy {
    type CTX = Context;

    fn new_ctx(&self) -> Context {
        Context::new(self.access_log.is_some())
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
        if let Some(mint) = &self.mint {
            context.ids = Some(Box::new(mint.ids(session.req_header())));
        }
        let decision = match &context.client {
            Some(client) => match framing::check(session.req_header(), &framing::raw_head(session))
            {
                Ok(()) => self.decide(session.req_header(), client),
                Err((status, line)) => Err(Answer::new(status, "bad-request", line)),
            },
            None => Err(Answer::no_listener()),
        };
        let decision = match decision {
            // Boxed, so that other requests do not carry the room for it.
            Ok(choice) if choice.pool().chain.is_some() => {
                Box::pin(self.admit(session.req_header(), context, choice)).await
            }
            decision => decision,
        };
        match decision {
            Ok(choice) => {
                if upgrade::asked(session.req_header()) {
                    session.set_read_timeout(Some(choice.pool().policy.idle_timeout));
                }
                context.choice = Some(choice);
                Ok(false)
            }
            Err(mut answer) => {
                context.reason = Some(answer.reason);
                answer.request_id = context.ids.as_ref().map(|ids| ids.request_id.clone());
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
        if let Some(noted) = &mut context.noted {
            noted.connecting();
        }
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
        forwarded::set(request, client, self.trusts(client), secure)?;
        if let Some(ids) = &context.ids {
            ids.tell_task(request)?;
        }
        let Some(pool) = context.choice.as_ref().map(Choice::pool) else {
            return Ok(());
        };
        if let Some(prefix) = &pool.prefix {
            prefix.strip(request)?;
        }
        if let Some(chain) = &pool.chain {
            chain.change(request, &context.user)?;
        }
        Ok(())
    }

    async fn request_body_filter(
        &self,
        session: &mut Session,
        _body: &mut Option<Bytes>,
        _end_of_stream: bool,
        context: &mut Context,
    ) -> Result<()> {
        match context
            .choice
            .as_ref()
            .and_then(|it| it.pool().chain.as_ref())
        {
            Some(chain) => chain.measure(session),
            None => Ok(()),
        }
    }

    async fn response_filter(
        &self,
        session: &mut Session,
        response: &mut ResponseHeader,
        context: &mut Context,
    ) -> Result<()> {
        hop::strip(response);
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
        if let Some(choice) = &context.choice
            && let Some(chain) = &choice.pool().chain
        {
            chain.answer(session, response)?;
        }
        if let Some(choice) = &context.choice
            && choice.pool().policy.sticky
            && !choice.stuck
        {
            response.append_header("Set-Cookie", choice.target().cookie.clone())?;
        }
        Ok(())
    }

    async fn connected_to_upstream(
        &self,
        _session: &mut Session,
        _reused: bool,
        _peer: &HttpPeer,
        _socket: RawFd,
        _digest: Option<&Digest>,
        context: &mut Context,
    ) -> Result<()> {
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
        let Some(mut answer) = answer.filter(|_| session.response_written().is_none()) else {
            return FailToProxy {
                error_code: 0,
                can_reuse_downstream: false,
            };
        };
        tracing::debug!(status = answer.status, %error, "a request failed");
        context.reason = Some(answer.reason);
        answer.request_id = context.ids.as_ref().map(|ids| ids.request_id.clone());
        session.set_keepalive(None);
        // A client that is gone by now needs no answer.
        let _ = answer.send(session).await;
        FailToProxy {
            error_code: answer.status,
            can_reuse_downstream: false,
        }
    }

    async fn logging(&self, session: &mut Session, error: Option<&Error>, context: &mut Context) {
        // 499 is nginx's word for a client that left before its answer.
        let status = session
            .response_written()
            .map_or(499, |response| response.status.as_u16());
        if let Some(log) = &self.access_log {
            access::write(
                log,
                session,
                context,
                status,
                error.is_some(),
                &self.trusted,
            );
        }
        match &context.choice {
            Some(choice) => {
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
