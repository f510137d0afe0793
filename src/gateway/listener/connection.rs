//! A client's connection: waits for the head of each request, bounded in time and size, and hands it to the proxy whole.
//! What opens as HTTP/2 goes on in [`http2`].
//!
//! # Design notes
//!
//! Pingora can do this itself, at a price that was measured. While it waits for the next request it holds the state of a
//! whole proxied request, a buffer for its head and the task that accepted it: 45 KB a connection, where this holds 5. And
//! its time-out for heads starts anew with every read, so a client that drips one byte a second is never cut off.
//!
//! So the bytes of a head are read here ([`head`](crate::gateway::exchange::head)) and given to Pingora as if they had been pipelined. It
//! parses them without another read.

use std::pin::pin;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::BytesMut;
use pingora::apps::{HttpPersistentSettings, HttpServerApp as _, ServerApp};
use pingora::protocols::http::ServerSession;
use pingora::protocols::l4::stream::Stream as Plain;
use pingora::protocols::{ALPN, Stream};
use pingora::server::ShutdownWatch;
use tokio::time::{sleep, timeout};

use crate::core::request::origin::Origin;
use crate::observe::metrics::Counted;

use super::acceptor::Acceptor;
use super::tls;
use super::{http2, proxy_protocol};
use crate::gateway::client::Client;
use crate::gateway::client::paced::SlowClientGuard;
use crate::gateway::exchange::head::{Opening, Unread, read_head, refuse};
use crate::gateway::limits::clients::ClientShare;
use crate::gateway::passthrough::PassthroughConnection;

/// What Pingora calls for every connection: counts it, and gives it a task of its own. Pingora's task for accepting is large
/// and ends here.
#[async_trait]
impl ServerApp for Acceptor {
    async fn process_new(
        self: &Arc<Self>,
        stream: Stream,
        shutdown: &ShutdownWatch,
    ) -> Option<Stream> {
        // Who may not in is not even answered: that would cost what there is too little of.
        let place = self.admission.admit(Client::peer(&stream))?;
        let share = place.client.clone();
        let counted = Counted::new(self.gauge.clone());
        let (acceptor, shutdown) = (self.clone(), shutdown.clone());
        let plain = self.terminator.is_none() && !self.is_introduced(&stream);
        if plain {
            let served = serve(stream, None, share, acceptor, shutdown);
            self.connections.spawn(async move {
                let _held = (place, counted);
                served.await;
            });
        } else {
            self.connections.spawn(async move {
                let _held = (place, counted);
                let stop = acceptor.stop.clone();
                // Boxed, because it is large and over soon.
                let opening = Box::pin(acceptor.open(stream));
                match stop.run_until_cancelled(opening).await.flatten() {
                    Some(Opened::Requests(stream, told)) => {
                        let share = acceptor.share(told, share);
                        serve(stream, told, share, acceptor.clone(), shutdown).await;
                    }
                    Some(Opened::Passage(passage, told)) => {
                        let share = acceptor.share(told, share);
                        Box::pin(passage.run(told, &share)).await;
                    }
                    None => {}
                }
            });
        }
        None
    }
}

impl Acceptor {
    /// Whether a proxy says in front of the connection whose it is.
    fn is_introduced(&self, stream: &Stream) -> bool {
        // Most listeners ask nobody, and then the peer need not be known.
        !self.proxies.is_empty() && {
            let peer = Client::peer(stream);
            self.proxies.iter().any(|network| network.contains(&peer))
        }
    }

    /// The share that a connection's requests count to: that of the client that a proxy has reported, or else the peer's, also
    /// where the proxy does not know its client.
    fn share(&self, told: Option<Origin>, peer: Arc<ClientShare>) -> Arc<ClientShare> {
        let client = told.and_then(|origin| origin.address());
        client.map_or(peer, |client| self.admission.client(client))
    }

    /// What comes in front of the first request: whose the connection is, where a proxy has told that, and TLS. None: it came to
    /// nothing.
    async fn open(&self, mut stream: Stream) -> Option<Opened> {
        let mut told = None;
        if self.is_introduced(&stream) {
            let proxy = Client::peer(&stream);
            let header = proxy_protocol::client(&mut stream, proxy);
            let header = timeout(self.limits.head, header).await;
            match header {
                Ok(Ok(client)) => told = client,
                failed => {
                    let error = failed.map(|it| it.err());
                    tracing::debug!(peer = %proxy, ?error, "no PROXY header");
                    let refused = self.metrics.refused_connections("proxy-protocol");
                    refused.inc();
                    return None;
                }
            }
        }
        let Some(terminator) = &self.terminator else {
            return Some(Opened::Requests(stream, told));
        };
        Some(match terminator.accept(stream).await? {
            tls::Opened::Requests(stream) => Opened::Requests(stream, told),
            tls::Opened::Passage(passage) => Opened::Passage(passage, told),
        })
    }
}

/// What a connection has become, and whose it is where a proxy has told that.
enum Opened {
    Requests(Stream, Option<Origin>),
    Passage(Box<PassthroughConnection>, Option<Origin>),
}

/// Serves one request after another on a connection, until either side has enough. A stop ends the wait for the next
/// request after a while, and never a request. `told` is whose the connection is, where a proxy has told that.
async fn serve(
    stream: Stream,
    told: Option<Origin>,
    share: Arc<ClientShare>,
    acceptor: Arc<Acceptor>,
    shutdown: ShutdownWatch,
) {
    let limits = acceptor.limits;
    let client = Arc::new(Client::of(&stream, told, acceptor.side, share));
    if stream.selected_alpn_proto() == Some(ALPN::H2) {
        return Box::pin(http2::serve(stream, acceptor, client, shutdown)).await;
    }
    // A token of its own: polling a shared one would contend for its lock.
    let stop = acceptor.stop.child_token();
    let farewell = acceptor.farewell;
    let mut stopped = pin!(async move {
        stop.cancelled().await;
        sleep(farewell).await;
    });
    let mut settings: Option<HttpPersistentSettings> = None;
    // Only a plain connection can open as HTTP/2 by itself, and only with its first bytes; TLS has agreed on it before.
    let mut opens = stream.as_any().is::<Plain>();
    let mut stream = SlowClientGuard::on(stream, &acceptor, &client);
    loop {
        let head = tokio::select! {
            biased;
            head = read_head(&mut stream, limits, opens) => head,
            () = &mut stopped => return,
        };
        opens = false;
        let head = match head {
            Ok(Opening::Head(head)) => head,
            Ok(Opening::Http2(preface)) => {
                let Some(stream) = give_back(SlowClientGuard::bare(stream), &preface) else {
                    return;
                };
                return Box::pin(http2::serve(stream, acceptor, client, shutdown)).await;
            }
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

/// Gives what was read back to a plain connection, to be read again; none where the connection is of another kind.
fn give_back(stream: Stream, bytes: &BytesMut) -> Option<Stream> {
    let mut plain = stream.into_any().downcast::<Plain>().ok()?;
    plain.rewind(bytes);
    Some(plain)
}
