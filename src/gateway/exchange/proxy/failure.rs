//! What is done with a request that its endpoint has failed: whether it is tried again, by what the task can have seen of it.
//!
//! A task that speaks HTTP/2 can say that it did nothing for a request. Such a request is tried
//! again whatever its method, as long as its body is there: what was sent of it is kept up to 64
//! KiB.

use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType};

use super::super::context::Context;
use crate::gateway::local_reply::upstream_failure::{self, StreamEnd};
use crate::gateway::routing::choice::Failure;

/// Whether a request goes elsewhere that met no connection. Nothing was sent, so any request may.
pub(super) fn is_tried_again_unsent(error: &Error, context: &mut Context) -> bool {
    let failure = match upstream_failure::is_closing(error) {
        true => Failure::Stale,
        false => Failure::Unsent,
    };
    context.choice.as_mut().is_some_and(|choice| {
        choice.failed(upstream_failure::connecting(error));
        choice.move_on(failure)
    })
}

/// Whether a request goes elsewhere that was sent, perhaps whole, on a connection that may have served another before.
pub(super) fn is_tried_again_sent(
    error: &Error,
    session: &Session,
    context: &mut Context,
    client_reused: bool,
) -> bool {
    let begun = session.response_written().map(|it| it.status);
    let fault = upstream_failure::proxying(error, client_reused, begun);
    if let Some(choice) = &mut context.choice {
        choice.failed(fault);
    }
    let end = StreamEnd::of(error);
    let refused = end.is_some_and(StreamEnd::is_refusal);
    let repeatable = (refused || session.req_header().method.is_idempotent())
        && end != Some(StreamEnd::Calm)
        && !session.as_ref().retry_buffer_truncated()
        && begun.is_none()
        && *error.esource() == ErrorSource::Upstream
        // A task that is slow to answer is not helped by being asked again.
        && *error.etype() != ErrorType::ReadTimedout;

    let failure = match end {
        Some(_) if refused => Failure::Refused,
        // The task has answered, by the end of the stream, and so the connection was not stale.
        None if client_reused => Failure::Stale,
        _ => Failure::Sent,
    };
    let choice = context.choice.as_mut().filter(|_| repeatable);
    choice.is_some_and(|choice| choice.move_on(failure))
}
