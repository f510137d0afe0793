//! One look at the swarm: four or five requests, whatever the number of services; and a glance at a few services of it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;

use super::listing::{Digests, Listing, Own};
use super::objects::{NodeObject, OwnTask, ServiceObject};
use super::own::OwnContainer;
use crate::core::model::{Inventory, OwnService, Service, ServiceId, Task, TaskId, TaskState};
use crate::docker::{Engine, Error, filters};

/// How many tasks are asked for by id in one request, so that its path stays below the engine's limit of a megabyte.
const IDS_A_REQUEST: usize = 500;
/// The desired states of tasks that should run, now or soon.
const WANTED: &[&str] = &["running", "ready"];

/// Reads the swarm. `digests` are what the `previous` look left behind.
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
    digests: &mut Digests,
) -> Result<Inventory, Error> {
    let known = previous.and_then(|inventory| inventory.own_service.as_ref());
    let closely = match (known, own) {
        (Some(known), _) => Own::Service(&known.id),
        (None, Some(_)) => Own::Unknown,
        (None, None) => Own::Nowhere,
    };
    let mut listing = Listing::new(previous, digests, closely);
    let listed = tasks(&[("desired-state", WANTED)]);
    let (services, (), nodes) = tokio::try_join!(
        engine.get_json::<Vec<ServiceObject>>("/services"),
        engine.read_list(&listed, |text| listing.take(text)),
        engine.get_json::<Vec<NodeObject>>("/nodes"),
    )?;
    let before = previous.map_or(&[][..], |inventory| &inventory.tasks);
    let departing = departing(before.iter(), &listing.tasks);
    read_departing(engine, &departing, &mut listing).await?;
    let Listing {
        tasks,
        own_tasks,
        digests: left,
        ..
    } = listing;
    let inventory = Inventory {
        own_node: Some(engine.node()),
        own_service: own_service(own, known, &services, &tasks, &own_tasks),
        services: services.into_iter().map(Service::from).collect(),
        tasks,
        nodes: nodes.into_iter().map(Into::into).collect(),
    };
    *digests = left;
    Ok(inventory.sorted())
}

/// Reads some services again, Hiveway's own not among them: what the `previous` inventory becomes if they are as they are now.
/// None where they are as they were.
///
/// # Errors
///
/// The first request's that failed, and [is not found](Error::is_not_found) where one of the services is gone.
pub(super) async fn glance(
    engine: &Engine,
    previous: &Inventory,
    ids: &BTreeSet<ServiceId>,
    digests: &mut Digests,
) -> Result<Option<Inventory>, Error> {
    let names: Vec<&str> = ids.iter().map(ServiceId::as_str).collect();
    let services = format!("/services?{}", filters(&[("id", &names)]));
    let listed = tasks(&[("desired-state", WANTED), ("service", &names)]);
    let mut listing = Listing::new(Some(previous), digests, Own::Nowhere);
    let (services, ()) = tokio::try_join!(
        engine.get_json::<Vec<ServiceObject>>(&services),
        engine.read_list(&listed, |text| listing.take(text)),
    )?;
    let before = || previous.tasks.iter().filter(|it| ids.contains(&it.service));
    let departing = departing(before(), &listing.tasks);
    read_departing(engine, &departing, &mut listing).await?;
    let Listing {
        mut tasks,
        digests: left,
        ..
    } = listing;
    tasks.sort_by(|a, b| a.id.cmp(&b.id));
    let services: Vec<Service> = services.into_iter().map(Service::from).collect();
    let is_known = |service: &Service| previous.services.contains(service);
    if tasks.iter().eq(before()) && services.iter().all(is_known) {
        return Ok(None);
    }
    digests.replace(before().chain(&tasks), left);
    let mut next = previous.clone();
    next.tasks.retain(|task| !ids.contains(&task.service));
    next.tasks.extend(tasks);
    next.services
        .retain(|old| services.iter().all(|new| new.id != old.id));
    next.services.extend(services);
    Ok(Some(next.sorted()))
}

/// The path of a list of tasks.
fn tasks(by: &[(&str, &[&str])]) -> String {
    format!("/tasks?{}", filters(by))
}

async fn read_departing(
    engine: &Engine,
    departing: &[&str],
    listing: &mut Listing<'_>,
) -> Result<(), Error> {
    for ids in departing.chunks(IDS_A_REQUEST) {
        let path = tasks(&[("id", ids)]);
        engine.read_list(&path, |text| listing.take(text)).await?;
    }
    Ok(())
}

/// The tasks that had not ended before and are not listed now.
fn departing<'a>(before: impl Iterator<Item = &'a Task>, listed: &[Task]) -> Vec<&'a str> {
    let listed: HashSet<&TaskId> = listed.iter().map(|task| &task.id).collect();
    before
        .filter(|task| task.state != TaskState::Ended && !listed.contains(&task.id))
        .map(|task| task.id.as_str())
        .collect()
}

/// Hiveway's own service as it is now. `known` is what it was at the look before, if it was found already.
fn own_service(
    own: Option<&OwnContainer>,
    known: Option<&OwnService>,
    services: &[ServiceObject],
    tasks: &[Task],
    own_tasks: &[OwnTask],
) -> Option<OwnService> {
    let id = match known {
        Some(known) => &known.id,
        None => own?.service(tasks)?,
    };
    let service = services.iter().find(|it| it.id == id.as_str())?;
    // Specs name networks by id, tasks by both. A network that no task is on any more keeps the name that it had.
    let before = known.map_or(&[][..], |known| &known.networks);
    let mut names: BTreeMap<&str, Arc<str>> = before
        .iter()
        .map(|network| (&*network.target, network.name.clone()))
        .collect();
    let tasks = || own_tasks.iter().filter(|task| task.service == *id);
    for task in tasks() {
        names.extend(task.networks().map(|(id, name)| (id, name.clone())));
    }
    Some(service.own(|target| names.get(target).cloned(), tasks()))
}
