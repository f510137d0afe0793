//! One look at the swarm: four or five requests, whatever the number of services.

use std::collections::BTreeSet;

use super::objects::{NodeObject, ServiceObject, TaskObject};
use crate::core::model::{Inventory, Service, Task, TaskState};
use crate::engine::{Engine, Error, filters};

/// How many tasks are asked for by id in one request, so that its path stays below the engine's limit of a megabyte.
const IDS_A_REQUEST: usize = 500;

/// Reads the swarm.
///
/// Only the tasks that should run are listed, never the whole history. A task that was there at the `previous` look and is
/// no longer listed is asked for by id until it has ended, so that it is seen to drain and why it ended is known.
///
/// # Errors
///
/// The first request's that failed; half a look is none.
pub(super) async fn look(
    engine: &Engine,
    previous: Option<&Inventory>,
) -> Result<Inventory, Error> {
    let (services, listed, nodes) = tokio::try_join!(
        engine.get_json::<Vec<ServiceObject>>("/services"),
        tasks(engine, "desired-state", &["running", "ready"]),
        engine.get_json::<Vec<NodeObject>>("/nodes"),
    )?;
    let mut tasks_seen = listed;
    let departing = departing(previous, &tasks_seen);
    for ids in departing.chunks(IDS_A_REQUEST) {
        tasks_seen.extend(tasks(engine, "id", ids).await?);
    }
    let inventory = Inventory {
        own_node: Some(engine.node()),
        own_service: None,
        services: services.into_iter().map(Service::from).collect(),
        tasks: tasks_seen,
        nodes: nodes.into_iter().map(Into::into).collect(),
    };
    Ok(inventory.sorted())
}

async fn tasks(engine: &Engine, name: &str, values: &[&str]) -> Result<Vec<Task>, Error> {
    let path = format!("/tasks?{}", filters(&[(name, values)]));
    let objects: Vec<TaskObject> = engine.get_json(&path).await?;
    Ok(objects.into_iter().filter_map(TaskObject::reduce).collect())
}

/// The tasks that had not ended at the previous look and are not listed now.
fn departing<'a>(previous: Option<&'a Inventory>, listed: &[Task]) -> Vec<&'a str> {
    let listed: BTreeSet<&str> = listed.iter().map(|task| task.id.as_str()).collect();
    let before = previous.map_or(&[][..], |inventory| &inventory.tasks);
    before
        .iter()
        .filter(|task| task.state != TaskState::Ended && !listed.contains(task.id.as_str()))
        .map(|task| task.id.as_str())
        .collect()
}
