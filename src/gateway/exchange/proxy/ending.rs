//! How a request ended: what is counted of it, and told.

use http::header::HOST;
use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType};

use crate::core::routing::lookup::normal_host;
use crate::observe::metrics::MethodLabel;

use super::super::context::Context;
use super::super::{access, span};
use super::Proxy;
use crate::gateway::client::paced::SLOW_READER;
use crate::gateway::local_reply::subject::About;

impl Proxy {
    pub(super) fn conclude(
        &self,
        session: &mut Session,
        error: Option<&Error>,
        context: &mut Context,
    ) {
        if let Some(error) = error
            && *error.esource() == ErrorSource::Downstream
            && let Some(client) = &context.client
        {
            client.gives_up();
            let starved = *error.etype() == ErrorType::WriteTimedout;
            if starved {
                self.metrics.refused_connections(SLOW_READER).inc();
            }
            if starved || client.lagged_behind() {
                context.reason = Some(SLOW_READER);
            }
        }
        // 499 is nginx's word for a client that left before its answer.
        let written = session.response_written().map(|it| it.status.as_u16());
        let status = context.status.or(written).unwrap_or(499);
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
        if let Some(spans) = &self.spans {
            span::tell(spans, session, context, written, error, &self.trusted);
        }
        if context.reason.is_some() && matches!(status, 404 | 503) {
            let host = session.req_header().headers.get(HOST);
            let host = host.and_then(|it| it.to_str().ok()).unwrap_or_default();
            self.metrics.missed(&normal_host(host), status);
        }
        context.permit = None;
        // What it came to at its endpoint, which has room again from here on, whatever is left to
        // be read of the request.
        if let Some(choice) = &mut context.choice {
            let whole = error.is_none();
            choice.ended(status, whole, whole || session.as_mut().is_body_done());
        }
        self.count(session, status, context);
        context.choice = None;
    }

    /// Counts a request for the service that it is about.
    fn count(&self, session: &Session, status: u16, context: &Context) {
        let Some(About { metrics, .. }) = context.about() else {
            let reason = context.reason.unwrap_or("aborted");
            return self.metrics.unrouted(reason).inc();
        };
        let method = MethodLabel::from(&session.req_header().method);
        metrics.observe(method, status, context.started.elapsed());
        if context.choice.is_none() {
            metrics.unsent();
        }
        if let (Some(_), Some(reason)) = (context.status, context.reason) {
            metrics.replied(reason);
        }
    }
}
