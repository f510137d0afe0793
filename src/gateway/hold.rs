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

use pingora::http::RequestHeader;
use pingora::proxy::Session;
use pingora::{Error, ErrorType, Result};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::answer::Answer;
use super::choice::{Choice, Lack};

/// How often it is asked whether a client that waits is still there.
const LOOK: Duration = Duration::from_millis(100);

/// The kernel's word for a connection that both sides keep open.
const ESTABLISHED: u8 = 1;

/// Where requests wait.
pub(super) struct Holding {
    /// The most at once for one service.
    pub(super) most: usize,
    /// Ends every wait.
    pub(super) stop: CancellationToken,
}

/// Why a request is not given an endpoint.
pub(super) enum Refusal {
    /// Waiting would not help.
    Answer(Answer),
    /// There is none now.
    Lack(Lack),
}

impl From<Answer> for Refusal {
    fn from(answer: Answer) -> Self {
        Self::Answer(answer)
    }
}

impl Holding {
    /// Waits for an endpoint on behalf of a request that began at `started`, for which `decide` finds one again and again.
    /// The error is that the client has left.
    pub(super) async fn wait(
        &self,
        session: &mut Session,
        started: Instant,
        lack: Lack,
        decide: impl Fn(&RequestHeader, &Lack) -> Result<Choice, Refusal>,
    ) -> Result<Result<Choice, Answer>> {
        let until = started + lack.hold;
        if lack.hold.is_zero() || self.stop.is_cancelled() {
            return Ok(Err(lack.answer()));
        }
        let Some(place) = lack.runtime.queue.join(self.most) else {
            return Ok(Err(Answer::queue_full(&lack.service)));
        };
        let mut lack = lack;
        loop {
            tokio::select! {
                biased;
                () = place.woken() => {}
                () = sleep_until(until) => return Ok(Err(lack.answer())),
                () = self.stop.cancelled() => return Ok(Err(lack.answer())),
                () = left(session) => {
                    let mut error = Error::explain(ErrorType::ConnectionClosed, "while it waited");
                    error.as_down();
                    return Err(error);
                }
            }
            match decide(session.req_header(), &lack) {
                Ok(choice) => return Ok(Ok(choice)),
                Err(Refusal::Answer(answer)) => return Ok(Err(answer)),
                Err(Refusal::Lack(now)) => lack = now,
            }
            if !lack.is_general() {
                place.pass_on();
            }
        }
    }
}

/// Waits until the client has left.
async fn left(session: &mut Session) {
    if let Some(closed) = session.watch_h2_stream_close() {
        // However it was closed.
        let _ = closed.await;
        return;
    }
    loop {
        sleep(LOOK).await;
        let digest = session.digest().and_then(|it| it.socket_digest.as_ref());
        let kernel = digest.and_then(|socket| socket.tcp_info());
        if kernel.is_some_and(|it| it.tcpi_state != ESTABLISHED) {
            return;
        }
    }
}
