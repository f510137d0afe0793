//! What is done with a request that its endpoint has failed: whether it is tried again, by what the task can have seen of it.

use pingora::proxy::Session;
use pingora::{Error, ErrorSource, ErrorType};

use super::super::choice::Failure;
use super::super::context::Context;
use super::super::fault;

/// Whether a request goes elsewhere that met no connection. Nothing was sent, so any request may.
pub(super) fn is_tried_again_unsent(error: &Error, context: &mut Context) -> bool {
    context.choice.as_mut().is_some_and(|choice| {
        choice.failed(fault::connecting(error));
        choice.move_on(Failure::Unsent)
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
    let fault = fault::proxying(error, client_reused, begun);
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
    choice.is_some_and(|choice| choice.move_on(failure))
}
