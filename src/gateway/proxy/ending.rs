//! How a request ended: what is counted of it, and told.

use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType};

use super::super::context::Context;
use super::super::paced::SLOW_READER;
use super::super::{access, span};
use super::Proxy;

impl Proxy {
    pub(super) fn conclude(&self, session: &Session, error: Option<&Error>, context: &mut Context) {
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
        context.permit = None;
        // Its endpoint has room again from here on, whatever is left to be read of the request.
        match context.choice.take() {
            Some(choice) => {
                if error.is_none() {
                    choice.target().runtime.answered(status);
                }
                let metrics = &choice.pool().runtime.metrics;
                metrics.observe(status, context.started.elapsed());
            }
            None => self
                .metrics
                .unrouted(context.reason.unwrap_or("aborted"))
                .inc(),
        }
    }
}
