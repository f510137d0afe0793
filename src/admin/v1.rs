//! `/v1/…`: what operators and their tools ask, in answers that keep their form. `v1/openapi.json` describes
//! all of it, which a test holds against the paths and the answers.

mod endpoints;
mod explain;
mod since;
mod status;

use std::collections::BTreeSet;

use axum::Router;
use axum::extract::{FromRef, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{MethodRouter, get, post};
use serde::Serialize;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(super) use self::since::{Since, note};
use super::{AdminState, events};
use crate::core::model::route::Diagnostic;

const OPENAPI: &str = include_str!("v1/openapi.json");

/// What the answers are made from.
#[derive(Clone)]
struct Sources {
    admin: AdminState,
    since: watch::Receiver<Since>,
    stop: CancellationToken,
}

impl FromRef<Sources> for AdminState {
    fn from_ref(sources: &Sources) -> Self {
        sources.admin.clone()
    }
}

impl FromRef<Sources> for events::Source {
    fn from_ref(sources: &Sources) -> Self {
        Self {
            journal: sources.admin.journal.clone(),
            stop: sources.stop.clone(),
        }
    }
}

/// Routes, and the list of them.
struct Paths {
    router: Router<Sources>,
    list: Vec<(&'static str, &'static str)>,
}

impl Paths {
    fn add(
        mut self,
        method: &'static str,
        path: &'static str,
        answer: MethodRouter<Sources>,
    ) -> Self {
        self.router = self.router.route(path, answer);
        self.list.push((method, path));
        self
    }
}

fn paths() -> Paths {
    let none = Paths {
        router: Router::new(),
        list: Vec::new(),
    };
    none.add("get", "/v1/openapi.json", get(openapi))
        .add("get", "/v1/status", get(status::status))
        .add("get", "/v1/explain", get(explain::explain))
        .add("get", "/v1/events", get(events::recent_or_stream))
        .add("get", "/v1/events/stream", get(events::stream))
        .add("get", "/v1/snapshot", get(super::snapshot))
        .add("get", "/v1/diagnostics", get(diagnostics))
        .add(
            "post",
            "/v1/endpoints/{endpoint}/drain",
            post(endpoints::drain).fallback(endpoints::only_post),
        )
        .add(
            "post",
            "/v1/endpoints/{endpoint}/undrain",
            post(endpoints::undrain).fallback(endpoints::only_post),
        )
}

/// Every path with its method, for whoever holds the description against them.
#[must_use]
pub fn list() -> Vec<(&'static str, &'static str)> {
    paths().list
}

pub(super) fn router(
    admin: AdminState,
    since: watch::Receiver<Since>,
    stop: CancellationToken,
) -> Router {
    paths().router.with_state(Sources { admin, since, stop })
}

async fn openapi() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json")], OPENAPI)
}

/// Complaints about labels, where they are known.
#[derive(Serialize)]
struct Diagnostics {
    /// Whether they are known here.
    known: bool,
    diagnostics: BTreeSet<Diagnostic>,
    unknown: Vec<String>,
}

async fn diagnostics(State(admin): State<AdminState>) -> impl IntoResponse {
    let controller = admin.instance.controller;
    let known = controller.is_some();
    let diagnostics = controller.map(|it| (**it.diagnostics.borrow()).clone());
    let unknown = (!known).then(|| {
        "this instance is no controller, and only controllers read labels: ask an instance on a manager".to_owned()
    });
    Json(Diagnostics {
        known,
        diagnostics: diagnostics.unwrap_or_default(),
        unknown: unknown.into_iter().collect(),
    })
}

/// What went wrong, with the remedy.
#[derive(Debug)]
struct Problem(StatusCode, String);

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self(status, error) = self;
        let mut answer = (status, Json(serde_json::json!({ "error": error }))).into_response();
        if status == StatusCode::UNAUTHORIZED {
            let bearer = header::HeaderValue::from_static("Bearer realm=\"hiveway admin\"");
            answer
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, bearer);
        }
        answer
    }
}
