//! `/events`: the latest events as JSON, and every further one as a server-sent event.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::sse::{self, KeepAlive, Sse};
use axum::response::{IntoResponse, Json, Response};
use futures_util::{Stream, StreamExt as _, stream};
use serde::{Deserialize, Serialize};
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;
use tokio_util::sync::CancellationToken;

use crate::core::event::Severity;
use crate::observe::event_log::{Journal, Recorded};

/// How often a silent stream shows that it lives, so that proxies between do not take it for dead.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long a client waits before it comes back after the stream ended.
const RETRY: Duration = Duration::from_secs(1);

/// Where events come from, and what ends their streams.
#[derive(Clone, Debug)]
pub(super) struct Source {
    pub(super) journal: Journal,
    pub(super) stop: CancellationToken,
}

/// Which events are wanted.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// So many of the latest; a stream goes on after them.
    limit: Option<usize>,
    /// Those that matter at least so much.
    severity: Option<Severity>,
    /// Those about this service.
    service: Option<String>,
    /// Those that came at this time or later, in milliseconds since the Unix epoch.
    since: Option<u64>,
}

impl Wanted {
    fn includes(&self, recorded: &Recorded) -> bool {
        self.severity.is_none_or(|least| recorded.severity >= least)
            && self
                .service
                .as_deref()
                .is_none_or(|service| recorded.event.service() == Some(service))
            && self.since.is_none_or(|since| recorded.at.0 >= since)
    }

    /// The latest of those that are wanted, oldest first.
    fn latest(&self, mut events: Vec<Arc<Recorded>>) -> Vec<Arc<Recorded>> {
        events.retain(|recorded| self.includes(recorded));
        let surplus = events
            .len()
            .saturating_sub(self.limit.unwrap_or(usize::MAX));
        events.split_off(surplus)
    }
}

#[derive(Serialize)]
struct Recent {
    events: Vec<Arc<Recorded>>,
}

pub(super) async fn recent_or_stream(
    source: State<Source>,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    let streams = headers
        .get_all(header::ACCEPT)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .any(|value| value.contains("text/event-stream"));
    match (streams, wanted) {
        (true, wanted) => stream(source, headers, wanted).await,
        (false, Ok(Query(wanted))) => Json(Recent {
            events: wanted.latest(source.journal.recent()),
        })
        .into_response(),
        (false, Err(rejection)) => refuse(&rejection),
    }
}

pub(super) async fn stream(
    State(source): State<Source>,
    headers: HeaderMap,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    match wanted {
        Ok(Query(wanted)) => {
            let seen = headers
                .get("last-event-id")
                .and_then(|value| value.to_str().ok());
            let stop = source.stop.clone().cancelled_owned();
            Sse::new(follow(source.journal, wanted, seen).take_until(stop))
                .keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
                .into_response()
        }
        Err(rejection) => refuse(&rejection),
    }
}

/// What is kept and was not seen, then what comes. A gap is an event named `lagged` that says how wide it is.
fn follow(
    journal: Journal,
    wanted: Wanted,
    seen: Option<&str>,
) -> impl Stream<Item = Result<sse::Event, Infallible>> + use<> {
    // A place that cannot be read is no reason to refuse: the follower is given all there is, as a new one is.
    let following = journal.follow(seen.and_then(|seen| seen.parse().ok()));
    let missed = Some(following.missed).filter(|missed| *missed > 0);
    let replay = stream::iter(wanted.latest(following.replay));
    let live = BroadcastStream::new(following.live);

    let opening = stream::iter([sse::Event::default().retry(RETRY)]);
    let gap = stream::iter(missed.map(lagged));
    let events = replay.map(Ok).chain(live).filter_map(move |next| {
        let event = match next {
            Ok(recorded) if wanted.includes(&recorded) => Some(encode(&journal, &recorded)),
            Ok(_) => None,
            Err(BroadcastStreamRecvError::Lagged(missed)) => Some(lagged(missed)),
        };
        std::future::ready(event)
    });
    opening.chain(gap).chain(events).map(Ok)
}

fn encode(journal: &Journal, recorded: &Recorded) -> sse::Event {
    let json = serde_json::to_string(recorded).expect("an event is strings and numbers");
    sse::Event::default()
        .id(journal.place(recorded).to_string())
        .data(json)
}

fn lagged(missed: u64) -> sse::Event {
    sse::Event::default()
        .event("lagged")
        .data(format!(r#"{{"missed":{missed}}}"#))
}

fn refuse(rejection: &QueryRejection) -> Response {
    let why = rejection.body_text();
    let meant = match why.contains("`warning`") {
        true => " (did you mean warn?)",
        false => "",
    };
    let text = format!(
        "{why}{meant}; known are limit (a number), severity (debug, info, warn or error, and what is worse), service (a name) and since (milliseconds of the Unix epoch)\n"
    );
    (StatusCode::BAD_REQUEST, text).into_response()
}
