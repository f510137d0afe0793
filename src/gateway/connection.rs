//! A client's connection: waits for the head of each request, bounded in time and size, and hands it to the proxy whole.
//!
//! # Design notes
//!
//! Pingora can do this itself, at a price that was measured. While it waits for the next request it holds the state of a
//! whole proxied request, a buffer for its head and the task that accepted it: 45 KB a connection, where this holds 5. And
//! its time-out for heads starts anew with every read, so a client that drips one byte a second is never cut off.
//!
//! So the bytes of a head are read here, the first of them into a buffer on the stack, and given to Pingora as if they
//! had been pipelined. It parses them without another read.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use async_trait::async_trait;
use bytes::{Buf as _, BytesMut};
use pingora::apps::{HttpPersistentSettings, HttpServerApp as _, ServerApp};
use pingora::protocols::Stream;
use pingora::protocols::http::ServerSession;
use pingora::proxy::HttpProxy;
use pingora::server::ShutdownWatch;
use prometheus::IntGauge;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::metrics::{Counted, Metrics};

use super::Limits;
use super::client::{Client, Side};
use super::framing::{HEAD_LIMIT, head_is_complete};
use super::proxy::Proxy;
use super::tls::Terminator;

/// What Pingora calls for every connection: counts it, and gives it a task of its own. Pingora's task for accepting is large
/// and ends here.
pub(super) struct Acceptor {
    pub(super) side: Side,
    /// Makes TLS of connections; none: they are plain.
    pub(super) terminator: Option<Arc<Terminator>>,
    pub(super) limits: Limits,
    pub(super) proxy: Arc<HttpProxy<Proxy>>,
    pub(super) metrics: Metrics,
    /// Knows every connection's task, so that the end can wait for them.
    pub(super) connections: TaskTracker,
    /// How many are open, for the metrics.
    pub(super) gauge: IntGauge,
    /// Ends the wait for further requests.
    pub(super) stop: CancellationToken,
}

#[async_trait]
impl ServerApp for Acceptor {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        let counted = Counted::new(self.gauge.clone());
        if let Some(terminator) = &self.terminator {
            let (terminator, acceptor) = (terminator.clone(), self.clone());
            let shutdown = shutdown.clone();
            self.connections.spawn(async move {
                let _counted = counted;
                // Boxed, because it is large and over soon.
                let handshake = Box::pin(terminator.accept(stream));
                let stop = acceptor.stop.clone();
                if let Some(Some(stream)) = stop.run_until_cancelled(handshake).await {
                    serve(stream, acceptor, shutdown).await;
                }
            });
            return None;
        }
        let served = serve(stream, self.clone(), shutdown.clone());
        self.connections.spawn(async move {
            let _counted = counted;
            served.await;
        });
        None
    }
}

/// Serves one request after another on a connection, until either side has enough. A stop ends the wait for the next
/// request, and never a request.
async fn serve(mut stream: Stream, acceptor: Arc<Acceptor>, shutdown: ShutdownWatch) {
    let limits = acceptor.limits;
    let client = Arc::new(Client::of(&stream, acceptor.side));
    // A token of its own: polling a shared one would contend for its lock.
    let stop = acceptor.stop.child_token();
    let mut stopped = pin!(stop.cancelled());
    let mut settings: Option<HttpPersistentSettings> = None;
    loop {
        let head = tokio::select! {
            biased;
            head = read_head(&mut stream, limits) => head,
            () = &mut stopped => return,
        };
        let head = match head {
            Ok(head) => head,
            Err(Unread::Gone) => return,
            Err(Unread::Refused(refusal)) => {
                acceptor.metrics.unrouted(refusal.reason).inc();
                // A client that does not read its refusal misses nothing else.
                let _ = timeout(limits.head, refuse(&mut stream, refusal.answer)).await;
                return;
            }
        };
        let mut session = ServerSession::new_http1(stream);
        // Any time will do: the wait for the next request happens here.
        session.set_keepalive(Some(limits.keep_alive.as_secs()));
        if let Some(settings) = settings.take() {
            settings.apply_to_session(&mut session);
        }
        session.set_connection_user_context(Some(Box::new(client.clone())));
        session.set_pipelined_prefix(head);
        match acceptor.proxy.process_new_http(session, &shutdown).await {
            Some(reused) => (stream, settings) = reused.consume(),
            None => return,
        }
    }
}

/// Why there is no head.
enum Unread {
    /// The client is gone, or said nothing for long enough.
    Gone,
    /// What it said is not read to its end.
    Refused(&'static Refusal),
}

/// An answer to what is no request that Pingora could answer.
struct Refusal {
    /// Counted as the gateway's other answers are.
    reason: &'static str,
    answer: &'static str,
}

const TOO_SLOW: Refusal = Refusal {
    reason: "client-timeout",
    answer: "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nX-Hiveway-Reason: client-timeout\r\n\
        Content-Type: text/plain\r\nContent-Length: 35\r\n\r\nthe request's header took too long\n",
};

const TOO_LARGE: Refusal = Refusal {
    reason: "bad-request",
    answer: "HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\
        X-Hiveway-Reason: bad-request\r\nContent-Type: text/plain\r\nContent-Length: 43\r\n\r\n\
        the request's header is larger than 64 KiB\n",
};

/// Answers and closes. What the client is still sending is read for a while and thrown away, because a socket that is
/// closed over unread bytes takes the answer back.
async fn refuse(stream: &mut Stream, answer: &str) -> io::Result<()> {
    stream.write_all(answer.as_bytes()).await?;
    tokio::io::AsyncWriteExt::shutdown(stream).await?;
    tokio::io::copy(stream, &mut tokio::io::sink()).await?;
    Ok(())
}

async fn read_head(stream: &mut Stream, limits: Limits) -> Result<BytesMut, Unread> {
    let first = timeout(
        limits.keep_alive,
        poll_fn(|context| first_bytes(stream, context)),
    )
    .await;
    let Ok(Ok(mut head)) = first else {
        return Err(Unread::Gone);
    };
    if head.is_empty() {
        return Err(Unread::Gone);
    }
    // A client that has just ended a body with a line break too many is forgiven (RFC 9112, section 2.2).
    while head.starts_with(b"\r\n") {
        head.advance(2);
    }
    if head_is_complete(&head, 0) {
        return Ok(head);
    }
    match timeout(limits.head, read_rest(stream, &mut head)).await {
        Ok(Ok(())) => Ok(head),
        Ok(Err(unread)) => Err(unread),
        Err(_) => Err(Unread::Refused(&TOO_SLOW)),
    }
}

async fn read_rest(stream: &mut Stream, head: &mut BytesMut) -> Result<(), Unread> {
    loop {
        if head.len() > HEAD_LIMIT {
            return Err(Unread::Refused(&TOO_LARGE));
        }
        let seen = head.len();
        match stream.read_buf(head).await {
            Ok(0) | Err(_) => return Err(Unread::Gone),
            Ok(_) if head_is_complete(head, seen) => return Ok(()),
            Ok(_) => {}
        }
    }
}

/// Waits without holding a buffer: the stack lends one for each attempt.
fn first_bytes(stream: &mut Stream, context: &mut Context<'_>) -> Poll<io::Result<BytesMut>> {
    let mut place = [MaybeUninit::<u8>::uninit(); 4096];
    let mut buffer = ReadBuf::uninit(&mut place);
    ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
    Poll::Ready(Ok(BytesMut::from(buffer.filled())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_say_how_long_they_are() {
        for refusal in [TOO_SLOW, TOO_LARGE] {
            let (head, body) = refusal
                .answer
                .split_once("\r\n\r\n")
                .expect("a head and a body");
            assert!(
                head.ends_with(&format!("Content-Length: {}", body.len())),
                "{head}"
            );
            assert!(
                head.contains(&format!("X-Hiveway-Reason: {}\r\n", refusal.reason)),
                "{head}"
            );
        }
    }
}
