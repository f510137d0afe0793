//! `/v1/status`: how this instance stands.

use std::collections::BTreeSet;

use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Json, Response};
use serde::Deserialize;

use super::{Problem, Since, Sources};
use crate::admin::{AdminState, Instance, aside};
use crate::core::model::Timestamp;
use crate::core::model::route::{Diagnostic, Level};
use crate::core::model::snapshot::Snapshot;
use crate::core::reconcile::status::{self, Condition, Entrance, SnapshotStatus, Status, Truth};
use crate::observe::readiness;
use crate::process::clock;
use crate::sync::server::Followers;

/// What is wanted beside the rest.
#[derive(Debug, Deserialize)]
pub(super) struct Wanted {
    /// Each endpoint of the services.
    #[serde(default)]
    endpoints: bool,
}

pub(super) async fn status(
    State(sources): State<Sources>,
    wanted: Result<Query<Wanted>, QueryRejection>,
) -> Response {
    let Query(wanted) = match wanted {
        Ok(wanted) => wanted,
        Err(rejection) => {
            let why = format!(
                "{}; known is endpoints (true or false)",
                rejection.body_text()
            );
            return Problem(StatusCode::BAD_REQUEST, why).into_response();
        }
    };
    let since = *sources.since.borrow();
    Json(aside(move || gather(&sources.admin, since, &wanted)).await).into_response()
}

fn gather(admin: &AdminState, since: Since, wanted: &Wanted) -> Status {
    let snapshot = admin.snapshots.borrow().clone();
    let snapshot = snapshot.as_deref();
    let instance = &admin.instance;
    let controller = instance.controller.as_ref();
    let requests = admin.metrics.requests();
    let services = snapshot.map(|snapshot| {
        status::services(snapshot, |service| {
            let requests = requests.get(service);
            requests
                .map(|it| (it.counts(), it.ejected_now()))
                .unwrap_or_default()
        })
    });
    let mut services = services.unwrap_or_default();
    if let Some(controller) = controller {
        let probes = controller.probes.borrow();
        for service in &mut services {
            service.probe = probes.get(&service.service).cloned();
        }
    }
    if let Some(snapshot) = snapshot.filter(|_| wanted.endpoints) {
        let ejected = instance.ejected.as_ref().map(|it| it.borrow().clone());
        let is_ejected = |task: &_| ejected.as_ref().is_some_and(|it| it.contains_key(task));
        let counts = admin.metrics.endpoint_counts();
        status::add_endpoints(&mut services, snapshot, &counts, is_ejected);
    }
    let followers =
        controller.map(|it| it.followers.as_ref().map(|it| it.all()).unwrap_or_default());
    let nodes = snapshot
        .map(|snapshot| status::nodes(snapshot, instance.node.as_ref(), followers.as_deref()));
    let mut conditions: Vec<Condition> = admin
        .readiness
        .conditions()
        .into_iter()
        .map(|(it, since)| condition(&it, since))
        .collect();
    if snapshot.is_some() {
        let condition = status::availability(&services);
        conditions.push(condition.since(since.available));
    }
    let exposure = snapshot.and_then(|it| exposure(instance, it));
    conditions.extend(exposure.map(|it| it.since(since.exposed)));
    conditions
        .extend(controller.map(|it| labels(&it.diagnostics.borrow()).since(since.understood)));
    conditions.extend(controller.and_then(|it| status::client_addresses(&it.diagnostics.borrow())));
    let mut unknown = Vec::new();
    if controller.is_none() {
        unknown.push(
            "what other nodes steer by, and complaints about labels: controllers know, which run on managers; ask there"
                .to_owned(),
        );
    }
    let mut drained = instance.order_book.latest().drained();
    drained.retain(|task| snapshot.is_some_and(|it| it.knows(task)));
    let followed = instance
        .followed
        .as_ref()
        .and_then(|it| it.borrow().clone());
    Status {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        at: clock::now(),
        role: instance.role.clone(),
        node: instance.node.clone(),
        controller: followed.map(|it| it.to_string()),
        snapshot: snapshot.map(|it| describe(it, since)),
        conditions,
        services,
        nodes: nodes.unwrap_or_default(),
        misses: admin.metrics.misses(),
        drained_by_hand: drained,
        unknown,
    }
}

/// Whether public hosts can be reached, where that is known: controllers know all gateways.
pub(super) fn exposure(instance: &Instance, snapshot: &Snapshot) -> Option<Condition> {
    let followers = instance.controller.as_ref()?.followers.as_ref();
    let own = instance.listeners.iter().any(|it| it.public);
    let entrance = Entrance {
        listener: own || followers.is_some_and(Followers::any_faces_outside),
        proxy: !instance.trusted.is_empty(),
    };
    status::exposure(snapshot, entrance)
}

fn describe(snapshot: &Snapshot, since: Since) -> SnapshotStatus {
    let generation = snapshot.generation;
    let same = since.snapshot.filter(|(known, _)| *known == generation);
    SnapshotStatus {
        generation,
        since: same.map(|(_, since)| since),
        routes: snapshot.routes.len() + snapshot.tcp_routes.len(),
    }
}

/// A condition of readiness in the form of Kubernetes: its kind says what is good, and its reason is one word.
fn condition(condition: &readiness::Condition, since: Timestamp) -> Condition {
    let (kind, good, bad) = match condition.name.as_str() {
        "snapshot" => ("SnapshotKnown", "Known", "WarmingUp"),
        "stopping" => ("Running", "Running", "Stopping"),
        "routes" => ("RoutesFollowSwarm", "Following", "Frozen"),
        "certificates" => ("CertificatesIssued", "Issued", "Lacking"),
        other => (other, "Holds", "Fails"),
    };
    let (status, reason) = match condition.holds {
        true => (Truth::True, good),
        false => (Truth::False, bad),
    };
    Condition {
        kind: kind.to_owned(),
        status,
        reason: reason.to_owned(),
        message: condition.reason.clone().unwrap_or_default(),
        since: Some(since),
    }
}

fn labels(diagnostics: &BTreeSet<Diagnostic>) -> Condition {
    let count = |level| diagnostics.iter().filter(|it| it.level == level).count();
    let (errors, warnings) = (count(Level::Error), count(Level::Warning));
    let (status, reason, message) = match errors + warnings {
        0 => (Truth::True, "AllUnderstood", String::new()),
        _ => (
            Truth::False,
            "Complaints",
            format!(
                "labels that are wrong: {errors}, without full effect: {warnings}; the log and /v1/diagnostics tell which"
            ),
        ),
    };
    Condition {
        kind: "LabelsUnderstood".to_owned(),
        status,
        reason: reason.to_owned(),
        message,
        since: None,
    }
}
