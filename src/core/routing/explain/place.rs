//! What place each endpoint of a service has for a request, and why.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{Known, Story};
use crate::core::model::snapshot::{Claim, Cluster, Endpoint, EndpointState};
use crate::core::model::{ContainerId, NodeId, TaskId};
use crate::core::reconcile::observed::{Health, Standing};
use crate::core::routing::rates::EndpointCounts;

/// What place an endpoint has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RotationRank {
    /// Requests are given to it, in turn with others in this place.
    First,
    /// It gets requests that failed at the first, and all where none of those is left.
    Next,
    /// It gets none.
    Out,
}

/// An endpoint, and why it has its place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EndpointView {
    /// The task.
    pub task: TaskId,
    /// Its container.
    pub container: ContainerId,
    /// Its node.
    pub node: NodeId,
    /// Where it is reached.
    pub address: SocketAddr,
    /// What the controllers say of it.
    pub state: EndpointState,
    /// The place that follows.
    pub place: RotationRank,
    /// Why.
    pub reason: String,
    /// For how many more seconds this gateway has ejected it; none where it has not.
    pub ejected_seconds: Option<u64>,
    /// What its probes have shown; none where this process does not know.
    pub probe: Option<String>,
    /// What was last told of it here.
    pub story: Option<Story>,
    /// What its requests add up to, through this gateway; `None` if it has never had it in
    /// rotation.
    #[serde(default)]
    pub requests: Option<EndpointCounts>,
}

/// All endpoints of a service, by task.
pub(super) fn views(claim: &Claim, cluster: &Cluster, known: &Known) -> Vec<EndpointView> {
    let serving = cluster.serving();
    let ejected = |task: &TaskId| known.ejected.contains_key(task);
    let all_ejected = serving.iter().all(|(task, _)| ejected(task));
    let well = |task: &TaskId| all_ejected || !ejected(task);
    let near = |endpoint: &Endpoint| known.near.as_ref() == Some(&endpoint.node);
    let any_near = serving
        .iter()
        .any(|(task, endpoint)| well(task) && near(endpoint));
    let only_draining = cluster.in_rotation().next().is_none();
    let place = |task: &TaskId, endpoint: &Endpoint| {
        if !serving.iter().any(|(it, _)| *it == task) {
            return (RotationRank::Out, why_out(task, endpoint, known));
        }
        let why = why_in(task, endpoint, cluster, known, only_draining);
        match (well(task), any_near && !near(endpoint)) {
            (true, false) if ejected(task) => (
                RotationRank::First,
                format!("{why}; ejected, as are all others, so it is used"),
            ),
            (true, false) => (RotationRank::First, why),
            (true, true) => (
                RotationRank::Next,
                format!("{why}; those on this gateway's own node come first"),
            ),
            (false, _) => (
                RotationRank::Next,
                "this gateway has ejected it, because requests to it failed".to_owned(),
            ),
        }
    };
    let view = |(task, endpoint): (&TaskId, &Endpoint)| {
        let (place, reason) = place(task, endpoint);
        let health = known.health.as_ref().and_then(|all| all.get(task));
        EndpointView {
            task: task.clone(),
            container: endpoint.container.clone(),
            node: endpoint.node.clone(),
            address: SocketAddr::new(endpoint.address, claim.port),
            state: endpoint.state,
            place,
            reason,
            ejected_seconds: known.ejected.get(task).copied(),
            probe: health.map(told),
            story: known.stories.get(task).cloned(),
            requests: known.requests.get(task).copied(),
        }
    };
    cluster.endpoints.iter().map(view).collect()
}

fn why_in(
    task: &TaskId,
    endpoint: &Endpoint,
    cluster: &Cluster,
    known: &Known,
    only_draining: bool,
) -> String {
    match endpoint.state {
        EndpointState::Failing if cluster.probes_disbelieved => {
            "it fails its probes, which are not believed, because too many of the service fail at once".to_owned()
        }
        EndpointState::Draining if only_draining => format!(
            "{}, but nothing else of the service can serve",
            why_out(task, endpoint, known)
        ),
        _ => "in rotation".to_owned(),
    }
}

fn why_out(task: &TaskId, endpoint: &Endpoint, known: &Known) -> String {
    let by_hand = known.by_hand.contains(task);
    let why = match endpoint.state {
        EndpointState::Starting => "it has not been judged by its probe yet",
        EndpointState::Unproven => "it has never passed its probe since it started",
        EndpointState::Ready => "in rotation",
        EndpointState::Failing => "it fails its probes",
        EndpointState::Draining if by_hand => return "it was drained by hand".to_owned(),
        EndpointState::Draining => {
            "Swarm is stopping its task, or its container was sent a signal to end"
        }
        EndpointState::Ended => "its container has ended",
        EndpointState::Lost => "its node is down",
    };
    match by_hand {
        true => format!("{why}; it was drained by hand as well"),
        false => why.to_owned(),
    }
}

/// What the probes of a task have shown, in words.
fn told(health: &Health) -> String {
    let (passed, length) = health.run();
    let run = match (passed, length) {
        (_, 0) => return "no probe has ended yet".to_owned(),
        (true, 1) => "the latest probe passed".to_owned(),
        (true, length) => format!("the latest {length} probes passed"),
        (false, 1) => "the latest probe failed".to_owned(),
        (false, length) => format!("the latest {length} probes failed"),
    };
    let many = if length == u8::MAX { " at least" } else { "" };
    let undecided = match health.standing {
        Standing::Undecided => ", too few for a verdict",
        Standing::Passing | Standing::Failing => "",
    };
    let failure = match (&health.failure, passed) {
        (Some(failure), false) => format!(": {failure}"),
        (Some(failure), true) => format!("; the last failure was: {failure}"),
        (None, _) => String::new(),
    };
    format!("{run}{many}{undecided}{failure}")
}
