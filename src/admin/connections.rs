//! The connections of the admin listener.
//!
//! # Design notes
//!
//! `axum::serve` detaches a task for each connection and limits neither their number nor the time that a client takes
//! over its header; here the tasks are owned, counted and ended.

use std::pin::pin;
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, warn};

/// How many connections are served at once; further ones wait to be accepted.
const MAX_CONNECTIONS: usize = 512;

/// How long a client may take over a request's header, and a connection may idle between requests.
const HEADER_TIMEOUT: Duration = Duration::from_secs(15);

/// How much of a request's header is read.
const MAX_HEADER_BYTES: usize = 16 * 1024;

/// How long answers in flight may take once the listener stops.
const GRACE: Duration = Duration::from_millis(900);

/// How long accepting rests after it failed, which it does when the process is out of file descriptors.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(200);

/// Accepts and serves until `stop`.
pub(super) async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            () = stop.cancelled() => break,
            Some(ended) = connections.join_next() => report(ended),
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(stream, router.clone(), stop.clone()));
                }
                Err(error) => {
                    warn!(%error, "the admin listener could not accept a connection");
                    tokio::time::sleep(ACCEPT_BACKOFF).await;
                }
            },
        }
    }
    drop(listener);
    let drained = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if tokio::time::timeout(GRACE, drained).await.is_err() {
        debug!("admin connections were cut off at the end");
    }
}

async fn connection(stream: TcpStream, router: Router, stop: CancellationToken) {
    // Events are small and should arrive as they happen. A socket that refuses this works all the same.
    let _ = stream.set_nodelay(true);
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(MAX_HEADER_BYTES)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
    let mut connection = pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        debug!(%error, "an admin connection broke off");
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        error!(%error, "an admin request failed inside hiveway; this is a bug, and has no effect on traffic");
    }
}
