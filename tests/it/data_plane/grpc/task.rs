//! A task that speaks HTTP/2 alone, and echoes what it is sent.

use std::net::SocketAddr;

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{RecvStream, SendStream};
use http::request::Parts;
use http::{HeaderMap, Request, Response};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::bounded::bounded;

/// A task of gRPC. Its method `Refuse` answers with a status alone; all others echo, `Text` as what is no gRPC.
pub(in super::super) struct GrpcTask {
    pub(in super::super) address: SocketAddr,
    seen: watch::Sender<Seen>,
    _running: JoinSet<()>,
}

#[derive(Clone, Default)]
struct Seen {
    connections: usize,
    requests: Vec<Parts>,
    /// How many requests did not come to their end.
    broken_off: usize,
}

impl GrpcTask {
    pub(in super::super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        let seen = watch::Sender::<Seen>::default();
        let mut running = JoinSet::new();
        running.spawn(accept(listener, seen.clone()));
        Self {
            address,
            seen,
            _running: running,
        }
    }

    /// The heads of the requests so far.
    pub(in super::super) fn requests(&self) -> Vec<Parts> {
        self.seen.borrow().requests.clone()
    }

    /// How many connections were made to it.
    pub(in super::super) fn connections(&self) -> usize {
        self.seen.borrow().connections
    }

    /// Waits until so many requests have broken off.
    pub(in super::super) async fn broken_off(&self, count: usize) {
        let mut seen = self.seen.subscribe();
        let reached = bounded(seen.wait_for(|seen| seen.broken_off >= count)).await;
        reached.expect("the sender lives");
    }
}

async fn accept(listener: TcpListener, seen: watch::Sender<Seen>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let (stream, _) = accepted.expect("a connection");
                seen.send_modify(|seen| seen.connections += 1);
                connections.spawn(serve(stream, seen.clone()));
            }
            Some(ended) = connections.join_next() => ended.expect("a task does not panic"),
        }
    }
}

async fn serve(stream: TcpStream, seen: watch::Sender<Seen>) {
    stream.set_nodelay(true).expect("an open socket");
    let Ok(mut connection) = h2::server::handshake(stream).await else {
        return;
    };
    let mut requests = JoinSet::new();
    while let Some(Ok((request, respond))) = connection.accept().await {
        let (head, body) = request.into_parts();
        seen.send_modify(|seen| seen.requests.push(head.clone()));
        let seen = seen.clone();
        requests.spawn(async move {
            let request = Request::from_parts(head, body);
            if echo(request, respond).await.is_err() {
                seen.send_modify(|seen| seen.broken_off += 1);
            }
        });
    }
}

async fn echo(
    request: Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
) -> Result<(), h2::Error> {
    let (head, mut body) = request.into_parts();
    let kind = match head.uri.path().ends_with("/Text") {
        true => "text/plain",
        false => "application/grpc+proto",
    };
    let response = Response::builder().header("content-type", kind);
    if head.uri.path().ends_with("/Refuse") {
        let response = response
            .header("grpc-status", "5")
            .header("grpc-message", "not here");
        respond.send_response(response.body(()).expect("a response"), true)?;
        return Ok(());
    }
    let response = response.body(()).expect("a response");
    let mut stream: SendStream<Bytes> = respond.send_response(response, false)?;
    while let Some(message) = body.data().await.transpose()? {
        body.flow_control().release_capacity(message.len())?;
        stream.send_data(message, false)?;
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", "0".parse().expect("a value"));
    trailers.insert("x-trailer", "kept".parse().expect("a value"));
    stream.send_trailers(trailers)
}
