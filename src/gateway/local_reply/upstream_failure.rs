//! What a failed request says about its task: that it is broken, that it is slow, or nothing.

use std::io;

use h2::Reason;
use http::StatusCode;
use pingora::{Error, ErrorSource, ErrorType};

/// What a failure says about the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UpstreamFailure {
    /// It takes no connections, or breaks them.
    Broken,
    /// It is there and does not answer in time.
    Slow,
    /// It is there and takes no more requests at the moment, as one that answers 503.
    Busy,
    /// Somebody else is to blame, or nobody.
    None,
}

/// What it says that no connection could be made. A want of ports or files is this machine's own.
pub(crate) fn connecting(error: &Error) -> UpstreamFailure {
    use ErrorType::{ConnectError, ConnectNoRoute, ConnectRefused, ConnectTimedout};
    match error.etype() {
        ConnectError | ConnectNoRoute | ConnectRefused | ConnectTimedout => UpstreamFailure::Broken,
        _ => UpstreamFailure::None,
    }
}

/// What it says that a connection failed after it was made. `reused`: it had served a request before. `begun`: the status
/// of the answer that the client got the beginning of.
pub(crate) fn proxying(error: &Error, reused: bool, begun: Option<StatusCode>) -> UpstreamFailure {
    use ErrorType::{ReadTimedout, WriteTimedout};
    if *error.esource() != ErrorSource::Upstream || begun == Some(StatusCode::SWITCHING_PROTOCOLS) {
        // WebSockets end as their two sides like, and many by a reset.
        return UpstreamFailure::None;
    }
    if vanished(error) {
        return UpstreamFailure::Broken;
    }
    if let Some(end) = StreamEnd::of(error).filter(|_| begun.is_none()) {
        return end.fault();
    }
    match error.etype() {
        ReadTimedout | WriteTimedout => UpstreamFailure::Slow,
        // Any task may close a connection that it had kept open, at the moment when it is used again.
        _ if reused && begun.is_none() => UpstreamFailure::None,
        _ => UpstreamFailure::Broken,
    }
}

/// How a task ended the stream of a request in HTTP/2 before it answered.
///
/// RFC 9113 has two ways to say that a request was not worked on, whatever its method: a stream
/// beyond the last that a `GOAWAY` names (section 6.8), and a reset with `REFUSED_STREAM` (section
/// 8.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StreamEnd {
    /// The connection takes no more streams, and the request was not worked on.
    GoneAway,
    /// The task takes no more requests at the moment, and the request was not worked on.
    Refused,
    /// The task asks for fewer requests.
    Calm,
    /// The task has no use for the request any more, which may have run into its deadline.
    Cancelled,
    /// The task failed at the request.
    Failed,
}

impl StreamEnd {
    /// What a failure says of it; none where the task has said nothing.
    pub(crate) fn of(error: &Error) -> Option<Self> {
        if *error.esource() != ErrorSource::Upstream {
            return None;
        }
        let cause: &h2::Error = error.root_cause().downcast_ref()?;
        if !cause.is_remote() {
            return None;
        }
        Some(match cause.reason()? {
            // Also on a stream that was not worked on: asking again is what the task does not want.
            Reason::ENHANCE_YOUR_CALM => Self::Calm,
            // h2 gives the error of a `GOAWAY` to the streams beyond its last one, and to those
            // that would open after it.
            _ if cause.is_go_away() => Self::GoneAway,
            Reason::REFUSED_STREAM => Self::Refused,
            Reason::CANCEL | Reason::NO_ERROR => Self::Cancelled,
            _ => Self::Failed,
        })
    }

    /// Whether the task has done nothing for the request, and can be asked again.
    pub(crate) fn is_refusal(self) -> bool {
        matches!(self, Self::GoneAway | Self::Refused)
    }

    fn fault(self) -> UpstreamFailure {
        match self {
            Self::GoneAway | Self::Cancelled => UpstreamFailure::None,
            Self::Refused | Self::Calm => UpstreamFailure::Busy,
            Self::Failed => UpstreamFailure::Broken,
        }
    }
}

/// Whether a connection of HTTP/2 was there and took no more streams. Nothing was sent, and a new
/// connection may do.
pub(crate) fn is_closing(error: &Error) -> bool {
    *error.etype() == ErrorType::H2Error && error.root_cause().is::<h2::Error>()
}

/// Whether the system gave the connection up, because nothing at the other end acknowledged any more. Our own time-outs are
/// no errors of the system.
pub(crate) fn vanished(error: &Error) -> bool {
    let cause = error.root_cause().downcast_ref::<io::Error>();
    cause.is_some_and(given_up)
}

/// Whether it is the system's word that nothing at the other end acknowledged any more.
pub(crate) fn given_up(error: &io::Error) -> bool {
    use io::ErrorKind::{HostUnreachable, NetworkUnreachable, TimedOut};
    let kinds = [TimedOut, HostUnreachable, NetworkUnreachable];
    error.raw_os_error().is_some() && kinds.contains(&error.kind())
}

#[cfg(test)]
mod tests {
    use rustix::io::Errno;

    use super::*;

    fn error(kind: ErrorType, cause: Option<io::Error>) -> Error {
        let mut error = match cause {
            Some(cause) => Error::because(kind, "reading", cause),
            None => Error::new(kind),
        };
        error.as_up();
        *error
    }

    fn system(errno: Errno) -> Option<io::Error> {
        Some(io::Error::from_raw_os_error(errno.raw_os_error()))
    }

    #[test]
    fn failed_connection_counts_against_the_task_unless_local() {
        use ErrorType::{
            BindError, ConnectNoRoute, ConnectRefused, ConnectTimedout, InternalError,
        };
        for (kind, fault) in [
            (ConnectRefused, UpstreamFailure::Broken),
            (ConnectTimedout, UpstreamFailure::Broken),
            (ConnectNoRoute, UpstreamFailure::Broken),
            (BindError, UpstreamFailure::None),
            (InternalError, UpstreamFailure::None),
        ] {
            let error = error(kind.clone(), None);
            assert_eq!(connecting(&error), fault, "{kind:?}");
        }
    }

    #[test]
    fn a_broken_connection_is_told_from_a_slow_one_and_a_stale_one() {
        use ErrorType::{ConnectionClosed, ReadError, ReadTimedout, WriteError, WriteTimedout};
        let ours = || Some(io::Error::from(io::ErrorKind::TimedOut));
        let ok = Some(StatusCode::OK);
        let upgraded = Some(StatusCode::SWITCHING_PROTOCOLS);
        for (kind, cause, reused, begun, fault) in [
            (ConnectionClosed, None, false, None, UpstreamFailure::Broken),
            (ConnectionClosed, None, true, None, UpstreamFailure::None),
            (ConnectionClosed, None, true, ok, UpstreamFailure::Broken),
            (
                ReadError,
                system(Errno::CONNRESET),
                false,
                None,
                UpstreamFailure::Broken,
            ),
            (
                ReadError,
                system(Errno::CONNRESET),
                true,
                None,
                UpstreamFailure::None,
            ),
            (
                ReadError,
                system(Errno::CONNRESET),
                false,
                upgraded,
                UpstreamFailure::None,
            ),
            (
                ReadError,
                system(Errno::TIMEDOUT),
                true,
                None,
                UpstreamFailure::Broken,
            ),
            (
                ReadError,
                system(Errno::HOSTUNREACH),
                true,
                None,
                UpstreamFailure::Broken,
            ),
            (
                WriteError,
                system(Errno::TIMEDOUT),
                true,
                None,
                UpstreamFailure::Broken,
            ),
            (
                WriteTimedout,
                system(Errno::TIMEDOUT),
                true,
                None,
                UpstreamFailure::Broken,
            ),
            (WriteTimedout, ours(), true, None, UpstreamFailure::Slow),
            (ReadTimedout, None, false, None, UpstreamFailure::Slow),
        ] {
            let shown = format!("{kind:?} {cause:?} {reused} {begun:?}");
            assert_eq!(
                proxying(&error(kind, cause), reused, begun),
                fault,
                "{shown}"
            );
        }
        let of_client = Error::new_down(ReadError);
        assert_eq!(proxying(&of_client, false, None), UpstreamFailure::None);
    }
}
