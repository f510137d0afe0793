//! The admin listener: what an operator, Docker's HEALTHCHECK and Prometheus ask this process. It is read-only, but for what
//! a token allows ([`Instance::token`]).
//!
//! # Design notes
//!
//! Every answer is text or JSON, said to be so, and not to be stored. Nothing here reads a body, so a request that
//! brings one of more than 4 KiB, or of unknown length, is refused before it is looked at.
//!
//! The figures and the snapshot of a large swarm take milliseconds to write down (10 ms and 1.4 MB for the figures of a
//! thousand services), which is done on a thread beside the runtime, since requests are proxied on its own.

mod connections;
mod dashboard;
mod events;
mod instance;
mod token;
mod v1;

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::get;
use hyper::body::Body as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::core::model::snapshot::Snapshot;
use crate::observe::event_log::Journal;
use crate::observe::metrics::{self, Metrics};
use crate::observe::readiness::Readiness;

pub use self::instance::{Controller, Instance};
pub use self::token::{Token, TokenError};
pub use self::v1::list as v1_paths;

/// The largest request body that is not refused.
const MAX_BODY_BYTES: u64 = 4096;

const INDEX: &str = concat!(
    "hiveway ",
    env!("CARGO_PKG_VERSION"),
    "
/dashboard      the routes, endpoints, events and figures as a page for a browser
/live           200 while the process runs
/ready          200 when it should be given requests, else 503; the conditions as JSON
/metrics        for Prometheus
/snapshot       the routes and endpoints that requests are steered by, as JSON
/events         the latest events as JSON, oldest first: ?limit=100&severity=warn&service=NAME
/events/stream  the same, then each event as it happens (server-sent events)
/v1/openapi.json  describes what keeps its form: /v1/status, /v1/explain?url=URL, /v1/events, /v1/snapshot, /v1/diagnostics
"
);

/// What the admin listener shows.
#[derive(Clone, Debug)]
pub struct AdminState {
    /// The snapshot that requests are steered by; none before the first.
    pub snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    /// The events.
    pub journal: Journal,
    /// The figures.
    pub metrics: Metrics,
    /// The conditions.
    pub readiness: Readiness,
    /// What the process is and knows beside these.
    pub instance: Instance,
}

/// Answers on a bound listener until `stop`, then ends the streams and returns within a second.
pub async fn serve(listener: TcpListener, state: AdminState, stop: CancellationToken) {
    let (noted, since) = watch::channel(v1::Since::default());
    let noting = v1::note(state.clone(), noted);
    tokio::select! {
        () = connections::serve(listener, router(state, since, stop.clone()), stop) => {}
        () = noting => {}
    }
}

fn router(state: AdminState, since: watch::Receiver<v1::Since>, stop: CancellationToken) -> Router {
    let events = Router::new()
        .route("/events", get(events::recent_or_stream))
        .route("/events/stream", get(events::stream))
        .with_state(events::Source {
            journal: state.journal.clone(),
            stop: stop.clone(),
        });
    let v1 = v1::router(state.clone(), since, stop);
    Router::new()
        .route("/", get(index))
        .route("/live", get("ok\n"))
        .route("/ready", get(ready))
        .route("/metrics", get(render_metrics))
        .route("/snapshot", get(snapshot))
        .with_state(state)
        .merge(events)
        .merge(dashboard::router())
        .merge(v1)
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn(guard))
}

/// People who look by a browser are shown the page; everybody else the list of paths.
async fn index(headers: HeaderMap) -> Response {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let mut accepted = accepted.filter_map(|value| value.to_str().ok());
    match accepted.any(|value| value.contains("text/html")) {
        true => (StatusCode::SEE_OTHER, [(header::LOCATION, "dashboard")]).into_response(),
        false => INDEX.into_response(),
    }
}

async fn ready(State(state): State<AdminState>) -> impl IntoResponse {
    let report = state.readiness.report();
    let status = match report.ready {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(report))
}

async fn render_metrics(State(state): State<AdminState>) -> impl IntoResponse {
    aside(move || {
        let snapshot = state.snapshots.borrow().clone();
        let text = state.metrics.render(snapshot.as_deref());
        ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], text)
    })
    .await
}

async fn snapshot(State(state): State<AdminState>) -> Response {
    let snapshot = state.snapshots.borrow().clone();
    match snapshot {
        Some(snapshot) => aside(move || Json(snapshot.without_secrets()).into_response()).await,
        None => {
            let why = format!("no snapshot yet: {}\n", state.readiness.report());
            (StatusCode::SERVICE_UNAVAILABLE, why).into_response()
        }
    }
}

/// Does work of some milliseconds away from the threads that requests are proxied on.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        // Nothing cancels it before the runtime itself ends.
        Err(failed) => std::panic::resume_unwind(failed.into_panic()),
    }
}

async fn unknown_path() -> impl IntoResponse {
    let text = format!("there is nothing under this path; there is:\n\n{INDEX}");
    (StatusCode::NOT_FOUND, text)
}

async fn wrong_method() -> impl IntoResponse {
    (
        StatusCode::METHOD_NOT_ALLOWED,
        "this listener is read-only: use GET or HEAD\n",
    )
}

async fn guard(request: Request, next: Next) -> Response {
    let length = request.body().size_hint().upper();
    let mut response = match length.is_some_and(|length| length <= MAX_BODY_BYTES) {
        true => next.run(request).await,
        false => (
            StatusCode::PAYLOAD_TOO_LARGE,
            [(header::CONNECTION, "close")],
            "requests to this listener have no body\n",
        )
            .into_response(),
    };
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
