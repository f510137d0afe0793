//! A collector of OpenTelemetry: an HTTP server that keeps what it is sent, and says what the test wants.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;

use crate::authority::Authority;
use crate::bounded::bounded;

/// What it answers.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// This status, with these headers and this body.
    Say(u16, HeaderMap, &'static str),
    /// Nothing, ever.
    Hang,
}

/// What it was sent.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) at: Instant,
    pub(crate) first: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
    /// Whether it took it.
    pub(crate) taken: bool,
}

/// A collector that ends when it is dropped.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    answer: Arc<Mutex<Answer>>,
    posts: watch::Sender<Vec<Post>>,
    running: JoinSet<()>,
    /// Holds the port of one that is away.
    reserved: Option<TcpSocket>,
}

impl Collector {
    /// One that takes everything.
    pub(crate) fn start() -> Self {
        let mut collector = Self::away();
        collector.appear(None);
        collector
    }

    /// One that takes everything, by TLS.
    pub(crate) fn secure(authority: &Authority) -> Self {
        let mut collector = Self::away();
        collector.appear(Some(authority.acceptor()));
        collector
    }

    /// One that refuses connections.
    pub(crate) fn away() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket
            .bind((Ipv4Addr::LOCALHOST, 0).into())
            .expect("a free port");
        Self {
            address: socket.local_addr().expect("a bound socket"),
            answer: Arc::new(Mutex::new(Answer::Say(200, HeaderMap::new(), "{}"))),
            posts: watch::Sender::default(),
            running: JoinSet::new(),
            reserved: Some(socket),
        }
    }

    /// Listens from now on.
    pub(crate) fn appear(&mut self, acceptor: Option<TlsAcceptor>) {
        let socket = self.reserved.take().expect("it did not listen before");
        let listener = socket.listen(64).expect("a bound socket");
        let (answer, posts) = (self.answer.clone(), self.posts.clone());
        self.running.spawn(serve(listener, acceptor, answer, posts));
    }

    /// Answers so from now on.
    pub(crate) fn says(&self, answer: Answer) {
        *self.answer.lock().expect("no panic") = answer;
    }

    /// What it was sent, as soon as there is so much of it.
    pub(crate) async fn posts(&self, count: usize) -> Vec<Post> {
        let mut posts = self.posts.subscribe();
        let reached = bounded(posts.wait_for(|all| all.len() >= count)).await;
        reached.expect("the sender lives").clone()
    }

    /// The spans that it took, as soon as there are so many.
    pub(crate) async fn spans(&self, count: usize) -> Vec<Value> {
        let mut posts = self.posts.subscribe();
        let reached = bounded(posts.wait_for(|all| spans(all).len() >= count)).await;
        spans(&reached.expect("the sender lives"))
    }

    /// How many spans it has taken.
    pub(crate) fn taken(&self) -> usize {
        spans(&self.posts.borrow()).len()
    }
}

fn spans(posts: &[Post]) -> Vec<Value> {
    let taken = posts.iter().filter(|post| post.taken);
    let spans = taken.flat_map(|post| {
        let spans = &post.body["resourceSpans"][0]["scopeSpans"][0]["spans"];
        spans.as_array().expect("spans").clone()
    });
    spans.collect()
}

/// The attributes of a span or a resource by their names, as `{"stringValue": …}` and the like.
pub(crate) fn attributes(of: &Value) -> Map<String, Value> {
    let list = of["attributes"].as_array().expect("attributes");
    let named = list.iter().map(|it| {
        let key = it["key"].as_str().expect("a name");
        (key.to_owned(), it["value"].clone())
    });
    let all: Map<_, _> = named.collect();
    assert_eq!(all.len(), list.len(), "each is there once: {of}");
    all
}

async fn serve(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    answer: Arc<Mutex<Answer>>,
    posts: watch::Sender<Vec<Post>>,
) {
    let mut serving = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let (answer, posts, acceptor) = (answer.clone(), posts.clone(), acceptor.clone());
        serving.spawn(async move {
            let take = service_fn(|request| take(&answer, &posts, request));
            let connection = http1::Builder::new();
            // Who leaves has had its answer.
            let _ = match acceptor {
                Some(acceptor) => {
                    let Ok(stream) = acceptor.accept(stream).await else {
                        return;
                    };
                    connection
                        .serve_connection(TokioIo::new(stream), take)
                        .await
                }
                None => {
                    connection
                        .serve_connection(TokioIo::new(stream), take)
                        .await
                }
            };
        });
    }
}

async fn take(
    answer: &Mutex<Answer>,
    posts: &watch::Sender<Vec<Post>>,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await.expect("a whole body").to_bytes();
    let answer = answer.lock().expect("no panic").clone();
    let post = Post {
        at: Instant::now(),
        first: format!("{} {}", parts.method, parts.uri),
        headers: parts.headers,
        body: serde_json::from_slice(&body).expect("JSON"),
        taken: matches!(answer, Answer::Say(200, ..)),
    };
    posts.send_modify(|all| all.push(post));
    match answer {
        Answer::Say(status, headers, body) => {
            let mut response = Response::new(Full::new(body.into()));
            *response.status_mut() = status.try_into().expect("a status");
            *response.headers_mut() = headers;
            Ok(response)
        }
        Answer::Hang => std::future::pending().await,
    }
}
