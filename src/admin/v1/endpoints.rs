//! `/v1/endpoints/…/drain` and `…/undrain`: the only requests that change anything.
//!
//! # Design notes
//!
//! A write needs a token, which no browser sends by itself; one that a browser says comes from another site is refused all
//! the same, before the token is looked at. What is written is the set of tasks that the reconciler reads: nothing here
//! changes a snapshot.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Json, Response};
use serde::Serialize;

use super::Problem;
use crate::admin::AdminState;
use crate::admin::instance::Controller;
use crate::core::model::{ContainerId, TaskId};
use crate::core::snapshot::{Cluster, Endpoint, Snapshot};

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
    let Some(controller) = &admin.instance.controller else {
        return Err(Problem(
            StatusCode::MISDIRECTED_REQUEST,
            elsewhere(snapshot.as_deref()),
        ));
    };
    let Some(snapshot) = snapshot else {
        let why = "no snapshot yet, so no endpoint is known; ask again when /ready says 200";
        return Err(Problem(StatusCode::SERVICE_UNAVAILABLE, why.to_owned()));
    };
    let (cluster, task, found) = find(&snapshot, endpoint)?;
    let changed = set(controller, &snapshot, task, drain);
    let says = match (drain, changed) {
        (true, true) => "this controller takes it out of rotation for the gateways that follow it, until it is undrained, \
                         its task ends or this process starts again; where nothing else of the service can serve, it goes on"
            .to_owned(),
        (true, false) => "it is drained by hand already".to_owned(),
        (false, true) => "it comes back if it passes its probes".to_owned(),
        (false, false) => "it was not drained by hand at this controller".to_owned(),
    };
    let others = others(&snapshot, admin);
    Ok(Written {
        task: task.clone(),
        container: found.container.clone(),
        service: cluster.service.clone(),
        drained: drain,
        changed,
        says: match others.is_empty() {
            true => says,
            false => format!("{says}; other controllers have to be told, too: {others}"),
        },
    })
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

/// Writes the set anew, without tasks that are gone. True when the task is new in it, or was taken out.
fn set(controller: &Controller, snapshot: &Snapshot, task: &TaskId, drain: bool) -> bool {
    let known = |task: &TaskId| {
        let mut clusters = snapshot.clusters.values();
        clusters.any(|cluster| cluster.endpoints.contains_key(task))
    };
    let mut changed = false;
    controller.drained.send_if_modified(|drained| {
        let mut next: BTreeSet<TaskId> = (**drained).clone();
        next.retain(known);
        changed = match drain {
            true => next.insert(task.clone()),
            false => next.remove(task),
        };
        let differs = **drained != next;
        *drained = Arc::new(next);
        differs
    });
    changed
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
            format!("no endpoint's task or container has the id {id:?}; /v1/snapshot lists them"),
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

fn elsewhere(snapshot: Option<&Snapshot>) -> String {
    let gateways = snapshot.iter().flat_map(|it| it.gateways.iter());
    let controllers = gateways.filter(|it| it.controller);
    let controllers: Vec<String> = controllers
        .map(|it| format!("{} on node {}", it.address, it.node.short()))
        .collect();
    let whom = match controllers.is_empty() {
        true => "on a manager".to_owned(),
        false => format!("that is one: {}", controllers.join(", ")),
    };
    format!("this instance is no controller and decides about no endpoint; ask an instance {whom}")
}

/// The other controllers of the swarm, each of which decides for the gateways that follow it.
fn others(snapshot: &Snapshot, admin: &AdminState) -> String {
    let others = snapshot
        .gateways
        .iter()
        .filter(|it| it.controller && Some(&it.node) != admin.instance.node.as_ref());
    let others: Vec<String> = others
        .map(|it| format!("{} on node {}", it.address, it.node.short()))
        .collect();
    others.join(", ")
}
