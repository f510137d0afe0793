//! `/v1/endpoints/…/drain` and `…/undrain`: the only requests that change anything.
//!
//! # Design notes
//!
//! A write needs a token, which no browser sends by itself; one that a browser says comes from another site is refused all
//! the same, before the token is looked at. What is written is an order ([`ManualDrains`](crate::core::reconcile::by_hand::ManualDrains)), which
//! every process of the swarm can be given and which reconcilers read: nothing here changes a snapshot.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;

use super::Problem;
use crate::admin::AdminState;
use crate::admin::Instance;
use crate::core::model::snapshot::{Cluster, Endpoint, Snapshot};
use crate::core::model::{ContainerId, TaskId};

/// The shortest beginning of an id that is taken for it.
const SHORT_ID: usize = 4;

/// What was asked for.
#[derive(Serialize)]
struct Written {
    task: TaskId,
    container: ContainerId,
    service: Arc<str>,
    /// Whether it is drained from now on.
    drained: bool,
    /// Whether that is new.
    changed: bool,
    says: String,
}

pub(super) async fn drain(
    State(admin): State<AdminState>,
    headers: HeaderMap,
    Path(endpoint): Path<String>,
) -> Response {
    answer(write(&admin, &headers, &endpoint, true))
}

pub(super) async fn undrain(
    State(admin): State<AdminState>,
    headers: HeaderMap,
    Path(endpoint): Path<String>,
) -> Response {
    answer(write(&admin, &headers, &endpoint, false))
}

pub(super) async fn only_post() -> impl IntoResponse {
    let why = "this changes something: use POST, with the admin token";
    let allow = [(header::ALLOW, "POST")];
    (
        allow,
        Problem(StatusCode::METHOD_NOT_ALLOWED, why.to_owned()),
    )
}

fn answer(written: Result<Written, Problem>) -> Response {
    match written {
        Ok(written) => Json(written).into_response(),
        Err(problem) => problem.into_response(),
    }
}

fn write(
    admin: &AdminState,
    headers: &HeaderMap,
    endpoint: &str,
    drain: bool,
) -> Result<Written, Problem> {
    authorise(admin, headers)?;
    let snapshot = admin.snapshots.borrow().clone();
    let Some(snapshot) = snapshot else {
        let why = "no snapshot yet, so no endpoint is known; ask again when /ready says 200";
        return Err(Problem(StatusCode::SERVICE_UNAVAILABLE, why.to_owned()));
    };
    let (cluster, task, found) = find(&snapshot, endpoint)?;
    let changed = admin.instance.order_book.order(task, drain);
    Ok(Written {
        task: task.clone(),
        container: found.container.clone(),
        service: cluster.service.clone(),
        drained: drain,
        changed,
        says: says(drain, changed, &admin.instance),
    })
}

fn says(drain: bool, changed: bool, instance: &Instance) -> String {
    let says = match (drain, changed) {
        (true, true) => {
            "every controller takes it out of rotation, until it is undrained or its task ends; where nothing else of the \
             service can serve, it goes on"
        }
        (true, false) => "it is drained by hand already",
        (false, true) => "it comes back if it passes its probes",
        (false, false) => "it was not drained by hand",
    };
    let followed = instance.followed.as_ref();
    match followed.is_some_and(|it| it.borrow().is_none()) {
        false => says.to_owned(),
        true => {
            format!("{says}; no controller is heard at the moment, and each is told when it is")
        }
    }
}

fn authorise(admin: &AdminState, headers: &HeaderMap) -> Result<(), Problem> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    let Some(token) = &admin.instance.token else {
        let why = "writes are off: start hiveway run with --admin-token-file to allow them";
        return Err(Problem(StatusCode::FORBIDDEN, why.to_owned()));
    };
    let same_site = match text("sec-fetch-site") {
        None | Some("same-origin" | "none") => true,
        Some(_) => false,
    };
    let origin = headers.get(header::ORIGIN);
    let same_origin = origin.is_none_or(|origin| {
        let origin = origin.to_str().ok().and_then(|it| it.split_once("://"));
        origin.is_some_and(|(_, host)| Some(host) == text("host"))
    });
    if !same_site || !same_origin {
        let why =
            "a write from another site is refused; use a program such as curl, or hiveway drain";
        return Err(Problem(StatusCode::FORBIDDEN, why.to_owned()));
    }
    let refuse = |why: &str| Err(Problem(StatusCode::UNAUTHORIZED, why.to_owned()));
    match text("authorization").and_then(|it| it.split_once(' ')) {
        Some((scheme, presented)) if scheme.eq_ignore_ascii_case("bearer") => {
            match token.is(presented.trim()) {
                true => Ok(()),
                false => refuse("this is not the token in --admin-token-file"),
            }
        }
        _ => refuse(
            "the admin token is missing: send Authorization: Bearer TOKEN, the content of --admin-token-file",
        ),
    }
}

/// The endpoint whose task or container has this id, or the only one whose id begins so.
fn find<'a>(
    snapshot: &'a Snapshot,
    id: &str,
) -> Result<(&'a Cluster, &'a TaskId, &'a Endpoint), Problem> {
    let all = || {
        let clusters = snapshot.clusters.values();
        clusters.flat_map(|cluster| {
            let endpoints = cluster.endpoints.iter();
            endpoints.map(move |(task, endpoint)| (&**cluster, task, endpoint))
        })
    };
    let is = |task: &TaskId, endpoint: &Endpoint| {
        task.as_str() == id || endpoint.container.as_str() == id
    };
    if let Some(exact) = all().find(|(_, task, endpoint)| is(task, endpoint)) {
        return Ok(exact);
    }
    let begins = |task: &TaskId, endpoint: &Endpoint| {
        id.len() >= SHORT_ID
            && (task.as_str().starts_with(id) || endpoint.container.as_str().starts_with(id))
    };
    let found: Vec<_> = all()
        .filter(|(_, task, endpoint)| begins(task, endpoint))
        .collect();
    match *found {
        [only] => Ok(only),
        [] => Err(Problem(
            StatusCode::NOT_FOUND,
            format!(
                "no endpoint's task or container has the id {id:?}; `hiveway explain URL` and /v1/snapshot list them"
            ),
        )),
        _ => Err(Problem(
            StatusCode::CONFLICT,
            format!(
                "{} endpoints have ids that begin with {id:?}; give more of it",
                found.len()
            ),
        )),
    }
}
