//! A client's connection that speaks HTTP/2: what it may cost, and how each of its requests comes to the proxy.
//!
//! # Design notes
//!
//! The frames are h2's, which Pingora brings; its limits are set in [`options`]. What h2 cannot know is what a request costs
//! behind it: a client that opens requests and takes them back at once stays below every limit of open streams, and has us
//! connect to tasks again and again. Such a connection is judged by [`Patience`], and told to calm down. Nor does h2 mind frames
//! that cost little each and never end; they are counted by [`CountedFrames`], in front of it.
//!
//! A client may read the connection and give one of its streams no room. Then the answer waits in the stream's request, where
//! each piece that came from the task, 64 KiB at most, has a time-out of its own. Until then such a stream holds up to ten pieces,
//! [`SEND_BUFFER`] here and the connection to its task.
//!
//! Pingora's own loop is not used: its streams run as detached tasks, it knows no stop of ours, and a client that does
//! not answer the farewell would hold it for ever.

mod counted_frames;
mod frame_budget;
mod patience;

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::server::Connection;
use http::HeaderValue;
use http::header::HOST;
use pingora::apps::HttpServerApp as _;
use pingora::protocols::http::ServerSession;
use pingora::protocols::http::v2::server::{
    H2Accept, H2Options, HttpSession, default_h2_options, handshake,
};
use pingora::protocols::{Digest, Stream};
use pingora::server::ShutdownWatch;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, timeout};

use super::acceptor::Acceptor;
use crate::gateway::client::Client;
use crate::gateway::client::paced::SlowClientGuard;
use crate::gateway::exchange::framing::HEAD_LIMIT;

use self::counted_frames::CountedFrames;
use self::patience::Patience;

/// How many requests a client may have open on one connection; what others allow as well.
const STREAMS: u32 = 100;

/// So many requests of one connection may be at work here, those included that the client has taken back and that have
/// not ended yet.
const AT_WORK: usize = 4 * STREAMS as usize;

/// So many requests on one connection may be malformed.
const MALFORMED: u32 = 32;

/// So much of a request's body may be under way. Four requests that are not read hold up the others on their connection.
const STREAM_WINDOW: u32 = 256 * 1024;

/// The same for all bodies of a connection, and so the memory that they can take.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// So much of an answer is kept for a client that does not read.
const SEND_BUFFER: usize = 64 * 1024;

/// How long a connection without requests is waited for, once it was told to end.
const FAREWELL: Duration = Duration::from_secs(1);

/// What is allowed on one connection, as far as h2 knows of it. More header lines than fit into its list are answered 431 by
/// h2; more frames of them than such a list needs, and empty frames by the hundred, end the connection.
fn options() -> H2Options {
    let mut options = default_h2_options();
    let list = u32::try_from(HEAD_LIMIT).expect("the limit is far below four gigabytes");
    options
        .max_header_list_size(list)
        .max_concurrent_streams(STREAMS)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER)
        // Taken back before they were even looked at.
        .max_pending_accept_reset_streams(STREAMS as usize)
        // Broken by the client, so that we take them back: known for a while, and so many in a connection's life.
        .max_concurrent_reset_streams(STREAMS as usize)
        .max_local_error_reset_streams(Some(1024));
    options
}

/// Serves the requests of a connection until either side has enough of it. A stop says farewell, and lets the requests in
/// flight end.
pub(crate) async fn serve(
    stream: Stream,
    acceptor: Arc<Acceptor>,
    client: Arc<Client>,
    shutdown: ShutdownWatch,
) {
    let limits = acceptor.limits;
    let digest = Arc::new(Digest {
        ssl_digest: stream.get_ssl_digest(),
        timing_digest: stream.get_timing_digest(),
        proxy_digest: stream.get_proxy_digest(),
        socket_digest: stream.get_socket_digest(),
    });
    let stream = SlowClientGuard::on(stream, &acceptor, &client);
    let stream = CountedFrames::on(stream, &client);
    let opened = timeout(limits.head, handshake(stream, Some(options()))).await;
    let Ok(Ok(mut connection)) = opened else {
        return;
    };
    let stop = acceptor.stop.child_token();
    let mut stopped = pin!(stop.cancelled());
    let work = Arc::new(Work::default());
    let mut patience = Patience::new(Instant::now());
    let mut malformed = 0;
    let mut leaving = false;
    loop {
        let quiet = if leaving { FAREWELL } else { limits.keep_alive };
        let accepted = tokio::select! {
            // The stop first: a client that never pauses must not keep it from being seen.
            biased;
            () = &mut stopped, if !leaving => {
                connection.graceful_shutdown();
                leaving = true;
                continue;
            }
            accepted = HttpSession::from_h2_conn(&mut connection, digest.clone()) => accepted,
            // Begins anew with every request.
            () = work.quiet_for(quiet) => {
                if leaving {
                    return;
                }
                connection.graceful_shutdown();
                leaving = true;
                continue;
            }
        };
        match accepted {
            Ok(Some(H2Accept::Session(mut session))) => {
                let worn = patience.is_worn(client.given_up(), Instant::now());
                if worn || work.count() >= AT_WORK {
                    acceptor.metrics.refused_connections("http2-resets").inc();
                    return calm_down(connection).await;
                }
                introduce(&mut session, client.clone());
                let (acceptor, shutdown) = (acceptor.clone(), shutdown.clone());
                let busy = Work::begin(&work);
                acceptor.connections.clone().spawn(async move {
                    let _busy = busy;
                    let session = ServerSession::new_http2(session);
                    acceptor.proxy.process_new_http(session, &shutdown).await;
                });
            }
            Ok(Some(H2Accept::Rejected)) => {
                acceptor.metrics.unrouted("bad-request").inc();
                malformed += 1;
                if malformed >= MALFORMED {
                    acceptor
                        .metrics
                        .refused_connections("http2-malformed")
                        .inc();
                    return calm_down(connection).await;
                }
            }
            // The client is gone, or all is said.
            Ok(None) => return,
            Err(error) => {
                let floods = client.has_flooded();
                if floods || is_flood(&error) {
                    acceptor.metrics.refused_connections("http2-flood").inc();
                }
                if floods {
                    calm_down(connection).await;
                }
                return;
            }
        }
    }
}

/// Gives a request what HTTP/1 has by other ways: its host as a header, which HTTP/2 has among the parts of the URI, and
/// whose it is. Pingora has refused a request whose two hosts differ.
fn introduce(session: &mut HttpSession, client: Arc<Client>) {
    let request = session.req_header_mut();
    if !request.headers.contains_key(HOST)
        && let Some(authority) = request.uri.authority()
        && let Ok(host) = HeaderValue::from_str(authority.as_str())
    {
        request
            .insert_header(HOST, host)
            .expect("a request that h2 has read has room for a header");
    }
    request.extensions_mut().insert(client);
}

/// Whether h2 has ended the connection because of what the client has sent, and has told it so.
fn is_flood(error: &pingora::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<h2::Error>();
    let told = cause.filter(|it| it.is_library() && it.is_go_away());
    told.and_then(h2::Error::reason) == Some(Reason::ENHANCE_YOUR_CALM)
}

/// Closes a connection whose client asks for too much, and tells it so.
async fn calm_down(mut connection: Connection<Stream, Bytes>) {
    connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
    // A client that does not read it misses nothing else.
    let _ = timeout(FAREWELL, poll_fn(|context| connection.poll_closed(context))).await;
}

/// The requests of one connection that are at work.
#[derive(Default)]
struct Work {
    count: AtomicUsize,
    /// Rings when the last one ends.
    ended: Notify,
}

impl Work {
    fn begin(work: &Arc<Self>) -> Busy {
        work.count.fetch_add(1, Ordering::Relaxed);
        Busy(work.clone())
    }

    fn count(&self) -> usize {
        self.count.load(Ordering::Relaxed)
    }

    /// Waits until there has been none for so long.
    async fn quiet_for(&self, time: Duration) {
        while self.count() > 0 {
            self.ended.notified().await;
        }
        sleep(time).await;
    }
}

/// Held by a request while it is at work.
struct Busy(Arc<Work>);

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.count.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.ended.notify_one();
        }
    }
}
