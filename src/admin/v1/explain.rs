//! `/v1/explain`: why a request goes where it goes.

use std::collections::BTreeMap;
use std::net::IpAddr;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde::Deserialize;
use tokio::time::Instant;

use super::Problem;
use crate::admin::{AdminState, aside};
use crate::controller::reconciler::Inquiry;
use crate::core::model::TaskId;
use crate::core::routing::explain::{self, Asked, Known, Story};
use crate::process::clock;

/// The request that is asked about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Question {
    url: String,
    #[serde(default = "get")]
    method: String,
    client: Option<String>,
}

fn get() -> String {
    "GET".to_owned()
}

pub(super) async fn explain(
    State(admin): State<AdminState>,
    question: Result<Query<Question>, QueryRejection>,
) -> Response {
    match answer(admin, question).await {
        Ok(explanation) => Json(explanation).into_response(),
        Err(problem) => problem.into_response(),
    }
}

async fn answer(
    admin: AdminState,
    question: Result<Query<Question>, QueryRejection>,
) -> Result<explain::Explanation, Problem> {
    let bad = |text: String| Problem(StatusCode::BAD_REQUEST, text);
    let Query(question) = question.map_err(|rejection| {
        bad(format!(
            "{}; known are url (such as http://shop.example.com/api), method and client (an address)",
            rejection.body_text()
        ))
    })?;
    let asked = Asked::read(&question.url, &question.method).map_err(bad)?;
    let client: Option<IpAddr> = match &question.client {
        None => None,
        Some(text) => Some(text.parse().map_err(|_| {
            bad(format!(
                "client {text:?}: it is no address; give one like 10.0.0.7"
            ))
        })?),
    };
    // As the gateway compares it.
    let client = client.map(|client| client.to_canonical());
    let snapshot = admin.snapshots.borrow().clone();
    let known = known(&admin, client);
    let controller = admin.instance.controller.clone();
    let first = {
        let (asked, snapshot, known) = (asked.clone(), snapshot.clone(), known.clone());
        aside(move || explain::explain(&asked, snapshot.as_deref(), &known)).await
    };
    let Some(controller) = controller else {
        return Ok(first);
    };
    // Only what the route's services are about is asked of the reconciler.
    let endpoints = first.services.iter().flat_map(|it| &it.endpoints);
    let tasks = endpoints.map(|it| it.task.clone()).collect();
    let known = Known {
        health: Inquiry::ask(&controller.inquiries, tasks).await,
        ..known
    };
    Ok(aside(move || explain::explain(&asked, snapshot.as_deref(), &known)).await)
}

fn known(admin: &AdminState, client: Option<IpAddr>) -> Known {
    let instance = &admin.instance;
    let now = Instant::now();
    let ejected = instance.ejected.as_ref().map(|it| it.borrow().clone());
    let left = |until: Instant| until.saturating_duration_since(now).as_secs_f64().ceil() as u64;
    let ejected = ejected.iter().flat_map(|all| all.iter());
    let trusts = |client: IpAddr| instance.trusted.iter().any(|it| it.contains(&client));
    let controller = instance.controller.as_ref();
    Known {
        listeners: instance.listeners.clone(),
        near: instance.near.clone(),
        ejected: ejected
            .map(|(task, until)| (task.clone(), left(*until)))
            .collect(),
        requests: admin.metrics.endpoint_counts(),
        health: None,
        stories: stories(admin),
        diagnostics: controller.map(|it| (**it.diagnostics.borrow()).clone()),
        by_hand: instance.order_book.latest().drained(),
        client,
        trusts_client: client.map(trusts),
        trusts_proxies: !instance.trusted.is_empty(),
        certificates: instance.certificates.as_ref().map(|it| {
            let in_use = it.borrow();
            in_use.iter().map(|it| it.certificate.clone()).collect()
        }),
        asks_certificates: instance.asks_certificates,
        now: clock::now(),
    }
}

/// The latest event about each task.
fn stories(admin: &AdminState) -> BTreeMap<TaskId, Story> {
    let recent = admin.journal.recent();
    let told = recent.iter().filter_map(|recorded| {
        let endpoint = recorded.event.endpoint()?;
        let story = Story {
            at: recorded.at,
            says: recorded.message.clone(),
        };
        Some((endpoint.task.clone(), story))
    });
    told.collect()
}
