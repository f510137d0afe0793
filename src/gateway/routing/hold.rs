//! Holds a request that no endpoint can take: until one can, or its service's time for that is over.
//!
//! # Design notes
//!
//! A request that waits costs what one under way does, some 45 KB, so that a line is bounded. It waits with its body unread:
//! a client that sends a large one is slowed down by its own full buffers.
//!
//! That a client has left is seen without reading what it may have sent meanwhile: HTTP/2 says so, and otherwise the kernel
//! is asked now and then whether the connection still stands.

use std::time::Duration;

use pingora::protocols::SocketDigest;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::choice::{EndpointLease, NoEndpoint};
use crate::gateway::local_reply::LocalReply;

/// How often it is asked whether a client that waits is still there.
const LOOK: Duration = Duration::from_millis(100);

/// The kernel's word for a connection that both sides keep open.
const ESTABLISHED: u8 = 1;

/// Where requests wait.
pub(crate) struct PendingRequests {
    /// The most at once for one service.
    pub(crate) most: usize,
    /// Ends every wait.
    pub(crate) stop: CancellationToken,
}

/// Who waits.
pub(crate) trait Waiting {
    /// Waits until the client has left.
    fn left(&mut self) -> impl Future<Output = ()> + Send;
}

/// Why a request is not given an endpoint.
pub(crate) enum Unserved {
    /// Waiting would not help.
    Answer(LocalReply),
    /// There is none now.
    Lack(NoEndpoint),
}

impl From<LocalReply> for Unserved {
    fn from(answer: LocalReply) -> Self {
        Self::Answer(answer)
    }
}

impl PendingRequests {
    /// Waits for an endpoint on behalf of a request that began at `started`, for which `decide` finds one again and again.
    /// The error is that the client has left.
    pub(crate) async fn wait<W: Waiting>(
        &self,
        waiting: &mut W,
        started: Instant,
        lack: NoEndpoint,
        decide: impl Fn(&W, &NoEndpoint) -> Result<EndpointLease, Unserved>,
    ) -> Result<Result<EndpointLease, LocalReply>> {
        let until = started + lack.hold;
        if lack.hold.is_zero() || self.stop.is_cancelled() {
            return Ok(Err(lack.answer()));
        }
        let Some(place) = lack.runtime.queue.join(self.most) else {
            let answer = LocalReply::queue_full(&lack.service);
            return Ok(Err(answer.about(lack.subject())));
        };
        let mut lack = lack;
        loop {
            tokio::select! {
                biased;
                () = place.woken() => {}
                () = sleep_until(until) => return Ok(Err(lack.answer())),
                () = self.stop.cancelled() => return Ok(Err(lack.answer())),
                () = waiting.left() => {
                    let mut error = Error::explain(ErrorType::ConnectionClosed, "while it waited");
                    error.as_down();
                    return Err(error);
                }
            }
            match decide(waiting, &lack) {
                Ok(choice) => return Ok(Ok(choice)),
                Err(Unserved::Answer(answer)) => return Ok(Err(answer)),
                Err(Unserved::Lack(now)) => lack = now,
            }
            if !lack.is_general() {
                place.pass_on();
            }
        }
    }
}

impl Waiting for Session {
    async fn left(&mut self) {
        if let Some(closed) = self.watch_h2_stream_close() {
            // However it was closed.
            let _ = closed.await;
            return;
        }
        let digest = self.digest().and_then(|it| it.socket_digest.as_deref());
        closed(digest).await;
    }
}

/// Waits until the other end of a connection has closed it.
pub(crate) async fn closed(socket: Option<&SocketDigest>) {
    loop {
        sleep(LOOK).await;
        let kernel = socket.and_then(SocketDigest::tcp_info);
        if kernel.is_some_and(|it| it.tcpi_state != ESTABLISHED) {
            return;
        }
    }
}
