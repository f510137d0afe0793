//! One look at the swarm: four or five requests, whatever the number of services.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::objects::{NodeObject, ServiceObject, TaskObject};
use super::own::OwnContainer;
use crate::core::model::{Inventory, OwnService, Service, Task, TaskState};
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
    own: Option<&OwnContainer>,
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
    let known = previous.and_then(|inventory| inventory.own_service.as_ref());
    let inventory = Inventory {
        own_node: Some(engine.node()),
        own_service: own_service(own, known, &services, &tasks_seen),
        services: services.into_iter().map(Service::from).collect(),
        tasks: reduce(tasks_seen),
        nodes: nodes.into_iter().map(Into::into).collect(),
    };
    Ok(inventory.sorted())
}

async fn tasks(engine: &Engine, name: &str, values: &[&str]) -> Result<Vec<TaskObject>, Error> {
    let path = format!("/tasks?{}", filters(&[(name, values)]));
    engine.get_json(&path).await
}

fn reduce(tasks: Vec<TaskObject>) -> Vec<Task> {
    tasks.into_iter().filter_map(TaskObject::reduce).collect()
}

/// The tasks that had not ended at the previous look and are not listed now.
fn departing<'a>(previous: Option<&'a Inventory>, listed: &[TaskObject]) -> Vec<&'a str> {
    let listed: BTreeSet<&str> = listed.iter().map(|task| task.id.as_str()).collect();
    let before = previous.map_or(&[][..], |inventory| &inventory.tasks);
    before
        .iter()
        .filter(|task| task.state != TaskState::Ended && !listed.contains(task.id.as_str()))
        .map(|task| task.id.as_str())
        .collect()
}

/// Hiveway's own service as it is now. `known` is what it was at the look before, if it was found already.
fn own_service(
    own: Option<&OwnContainer>,
    known: Option<&OwnService>,
    services: &[ServiceObject],
    tasks: &[TaskObject],
) -> Option<OwnService> {
    let id = match known {
        Some(known) => known.id.as_str(),
        None => own?.service(tasks)?,
    };
    let service = services.iter().find(|service| service.id == id)?;
    // Specs name networks by id, tasks by both. A network that no task is on any more keeps the name that it had.
    let before = known.map_or(&[][..], |known| &known.networks);
    let mut names: BTreeMap<&str, Arc<str>> = before
        .iter()
        .map(|network| (&*network.target, network.name.clone()))
        .collect();
    let tasks = || tasks.iter().filter(|task| task.service == id);
    for task in tasks() {
        names.extend(task.networks().map(|(id, name)| (id, name.into())));
    }
    Some(service.own(|target| names.get(target).cloned(), tasks()))
}
