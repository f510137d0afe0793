//! The demo server: says which container answers, and can lose its listener for a while without ending.
//!
//! | request | answer |
//! |---|---|
//! | `/` | 200 and one line that names the container |
//! | `/health` | 200 |
//! | `/slow?ms=N` | 200 after N milliseconds, at most a minute |
//! | `/status/N` | status N, 200 to 599 |
//! | `/echo` | 200 and the request as the server received it: its first line, its headers, its body |
//! | `/bytes?n=N` | 200 and N bytes, streamed, at most a gibibyte |
//!
//! Each answer carries `x-served-by` with the container's host name, which is the beginning of its id.

use std::fmt::Write as _;
use std::future::{Future, ready};
use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query};
use axum::http::{HeaderValue, Request, StatusCode};
use axum::middleware::map_response;
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use bytes::Bytes;
use futures_util::stream;
use http_body_util::{BodyExt, Limited};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use serde::Deserialize;
use tokio::net::{TcpListener, TcpStream};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::{Error, asked_to_end, say};

/// How long requests in flight may take to end after SIGTERM; half of the 10 s that Docker waits before SIGKILL.
const STOP_WITHIN: Duration = Duration::from_secs(5);
/// How long to leave a failing `accept` alone; it fails when file descriptors run out, and connections must end first.
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// The longest answer of `/bytes`.
const MOST_BYTES: usize = 1 << 30;
/// The longest wait of `/slow`, in milliseconds.
const LONGEST_WAIT: u64 = 60_000;
/// The longest request body that `/echo` repeats.
const LONGEST_ECHO: usize = 1 << 20;

/// How the server runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Where it listens.
    pub listen: SocketAddr,
    /// For how long SIGUSR1 takes it away.
    pub outage: Duration,
}

/// Serves until SIGTERM or SIGINT. SIGUSR1 closes the listener and every connection for [`Config::outage`].
///
/// # Errors
///
/// The address is taken, or the signals cannot be had.
pub async fn run(config: Config) -> Result<(), Error> {
    let mut outage = signal(SignalKind::user_defined1()).map_err(Error::ListenForSignals)?;
    let stopping = CancellationToken::new();
    let name = host_name();
    let seconds = config.outage.as_secs_f64();
    let serve_by_turns = async {
        loop {
            let listener = listen(config.listen).await?;
            say(format_args!("{name} listens on {}", config.listen))?;
            tokio::select! {
                () = serve(listener, &name, stopping.cancelled()) => return Ok(()),
                _ = outage.recv() => {}
            }
            say(format_args!(
                "{name} serves nothing for {seconds} s: SIGUSR1 closed its listener and connections"
            ))?;
            tokio::select! {
                () = sleep(config.outage) => {}
                () = stopping.cancelled() => return Ok(()),
            }
        }
    };
    let watch_signals = async {
        asked_to_end().await?;
        stopping.cancel();
        Ok(())
    };
    tokio::try_join!(watch_signals, serve_by_turns).map(|_| ())
}

/// Takes an address.
pub(super) async fn listen(address: SocketAddr) -> Result<TcpListener, Error> {
    TcpListener::bind(address)
        .await
        .map_err(|source| Error::Listen { address, source })
}

/// Answers as `name` until `stop` is done, then lets requests in flight end. When the future is dropped instead, the
/// listener and all connections close at once.
pub async fn serve(listener: TcpListener, name: &str, stop: impl Future<Output = ()>) {
    let router = router(name);
    let stopping = CancellationToken::new();
    let mut connections = JoinSet::new();
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone(), stopping.clone()));
                }
                Err(_) => sleep(ACCEPT_AGAIN).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
    drop(listener);
    stopping.cancel();
    let all_ended = async { while connections.join_next().await.is_some() {} };
    // What outlasts the bound is cut off when `connections` is dropped.
    let _ = timeout(STOP_WITHIN, all_ended).await;
}

/// Serves one connection to its end. A client that goes away in the middle is nothing to report.
async fn connection(stream: TcpStream, router: Router, stopping: CancellationToken) {
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    tokio::pin!(connection);
    tokio::select! {
        _ = connection.as_mut() => return,
        () = stopping.cancelled() => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

fn router(name: &str) -> Router {
    let greeting = format!("This is container {name}.\n");
    let served_by = HeaderValue::from_str(name).unwrap_or(HeaderValue::from_static("unknown"));
    Router::new()
        .route("/", get(async move || greeting.clone()))
        .route("/health", get(async || "healthy\n"))
        .route("/slow", get(slow))
        .route("/status/{code}", any(status))
        .route("/echo", any(echo))
        .route("/bytes", get(streamed))
        .layer(map_response(move |mut response: Response| {
            response
                .headers_mut()
                .insert("x-served-by", served_by.clone());
            ready(response)
        }))
}

#[derive(Deserialize)]
struct Slow {
    ms: u64,
}

async fn slow(Query(Slow { ms }): Query<Slow>) -> String {
    let ms = ms.min(LONGEST_WAIT);
    sleep(Duration::from_millis(ms)).await;
    format!("waited {ms} ms\n")
}

async fn status(Path(code): Path<u16>) -> Response {
    match StatusCode::from_u16(code) {
        Ok(status) if (200..600).contains(&code) => status.into_response(),
        _ => (StatusCode::BAD_REQUEST, "a status from 200 to 599\n").into_response(),
    }
}

async fn echo(request: Request<Body>) -> Response {
    let (head, body) = request.into_parts();
    let Ok(body) = Limited::new(body, LONGEST_ECHO).collect().await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let mut text = format!("{} {} {:?}\n", head.method, head.uri, head.version);
    for (name, value) in &head.headers {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{name}: {}", value.as_bytes().escape_ascii());
    }
    text.push('\n');
    let mut answer = text.into_bytes();
    answer.extend_from_slice(&body.to_bytes());
    ([("content-type", "text/plain; charset=utf-8")], answer).into_response()
}

#[derive(Deserialize)]
struct Streamed {
    n: usize,
}

async fn streamed(Query(Streamed { n }): Query<Streamed>) -> Body {
    static CHUNK: [u8; 65536] = [b'.'; 65536];
    let chunks = stream::unfold(n.min(MOST_BYTES), |left| async move {
        let size = left.min(CHUNK.len());
        (size > 0).then(|| {
            let chunk = Bytes::from_static(&CHUNK[..size]);
            (Ok::<_, std::convert::Infallible>(chunk), left - size)
        })
    });
    Body::from_stream(chunks)
}

/// The host name, which Docker makes the first twelve characters of the container's id.
fn host_name() -> String {
    rustix::system::uname()
        .nodename()
        .to_string_lossy()
        .into_owned()
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use axum::http::Method;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::sync::oneshot;

    use super::*;
    use crate::tools::demo::request::{Answer, Failure, Target, ask};

    const BOUND: Duration = Duration::from_secs(10);

    /// Starts a server called `a1b2` and gives the address that it took.
    async fn start(tasks: &mut JoinSet<()>, stop: oneshot::Receiver<()>) -> SocketAddr {
        let listener = listen(([127, 0, 0, 1], 0).into()).await.unwrap();
        let address = listener.local_addr().unwrap();
        tasks.spawn(async move {
            let stop = async {
                if stop.await.is_err() {
                    pending::<()>().await;
                }
            };
            serve(listener, "a1b2", stop).await;
        });
        address
    }

    async fn get(address: SocketAddr, path: &str) -> Result<Answer, Failure> {
        let target: Target = format!("http://{address}{path}").parse().unwrap();
        ask(&target, Method::GET, BOUND).await
    }

    #[tokio::test]
    async fn every_answer_names_its_container() {
        let mut tasks = JoinSet::new();
        let (_stop, stopped) = oneshot::channel();
        let address = start(&mut tasks, stopped).await;
        let cases = [
            ("/", 200, "This is container a1b2.\n"),
            ("/health", 200, "healthy\n"),
            ("/slow?ms=1", 200, "waited 1 ms\n"),
            ("/status/418", 418, ""),
            ("/status/100", 400, "a status from 200 to 599\n"),
            ("/bytes?n=3", 200, "..."),
            ("/nothing", 404, ""),
        ];
        for (path, status, body) in cases {
            let answer = get(address, path).await.unwrap();
            assert_eq!(
                (path, answer.status.as_u16(), &*answer.body),
                (path, status, body.as_bytes())
            );
            assert_eq!(answer.headers["x-served-by"], "a1b2", "{path}");
        }
        assert_eq!(
            get(address, "/bytes?n=200000").await.unwrap().body.len(),
            200_000
        );
    }

    #[tokio::test]
    async fn echo_repeats_the_request_as_it_arrived() {
        let mut tasks = JoinSet::new();
        let (_stop, stopped) = oneshot::channel();
        let address = start(&mut tasks, stopped).await;
        let answer = get(address, "/echo?x=1").await.unwrap();
        assert_eq!(
            String::from_utf8(answer.body.to_vec()).unwrap(),
            format!("GET /echo?x=1 HTTP/1.1\nhost: {address}\nconnection: close\n\n")
        );
    }

    /// More than the buffers of a socket hold, so that the answer ends only when it has been read.
    const LONG_ANSWER: usize = 32 << 20;

    /// Begins a request and returns once its answer has begun.
    async fn begin(address: SocketAddr) -> TcpStream {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request =
            format!("GET /bytes?n={LONG_ANSWER} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream.read_u8().await.unwrap();
        stream
    }

    #[tokio::test]
    async fn stopping_server_refuses_connections_and_finishes_requests() {
        let mut tasks = JoinSet::new();
        let (stop, stopped) = oneshot::channel();
        let address = start(&mut tasks, stopped).await;
        let mut begun = begin(address).await;
        stop.send(()).unwrap();
        let closed = async { while get(address, "/health").await.is_ok() {} };
        timeout(BOUND, closed).await.unwrap();
        let mut answer = Vec::new();
        let read = timeout(BOUND, begun.read_to_end(&mut answer));
        assert!(read.await.unwrap().unwrap() > LONG_ANSWER);
        timeout(BOUND, tasks.join_next()).await.unwrap();
    }

    #[tokio::test]
    async fn a_dropped_server_closes_its_connections_at_once() {
        let mut tasks = JoinSet::new();
        let (_stop, stopped) = oneshot::channel();
        let address = start(&mut tasks, stopped).await;
        let mut begun = begin(address).await;
        tasks.shutdown().await;
        let mut answer = Vec::new();
        // The end may be a clean one or a reset; either way most of the answer is missing.
        let _ = timeout(BOUND, begun.read_to_end(&mut answer))
            .await
            .unwrap();
        assert!(answer.len() < LONG_ANSWER);
        let refused = get(address, "/").await;
        assert!(
            matches!(refused, Err(Failure::Connect { .. })),
            "{refused:?}"
        );
    }
}
