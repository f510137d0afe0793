//! Tells what would change for clients if stack files were deployed: the services of the files beside those of the swarm, both
//! read through the labels.
//!
//! [`plan`] is a function from two inventories to a list of changes; [`command`] asks the engine, which it only reads, and
//! writes the list.
//!
//! # Design notes
//!
//! `docker stack deploy` leaves services alone that are not in the files, unless it is told to prune; so does a plan. What
//! Hiveway does not read, such as an image, is not compared: that a service would be replaced task by task is no change of
//! what it promises.

pub mod command;
mod setting;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Serialize;

use crate::core::model::route::{HostPattern, RouteSpec, Scheme};
use crate::core::model::{Inventory, Mode, Service, ServiceId};
use crate::core::reconcile::desired::{Desired, DesiredService, Fate, Options};

/// The label by which Docker knows the services of a stack.
const NAMESPACE: &str = "com.docker.stack.namespace";

/// What would change.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// The services that would come, change or go, by name; those that have no routes before and after are left out.
    pub services: Vec<ServiceChange>,
    /// What would become of `.local` names of the whole swarm.
    pub names: Vec<Line>,
    /// Services of the stack that have routes, are not in the files, and would stay, since nothing is pruned.
    pub left: Vec<Arc<str>>,
}

/// What would become of one service.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ServiceChange {
    /// Its name in the swarm.
    pub name: Arc<str>,
    /// Whether it comes, goes or changes.
    pub sign: Sign,
    /// How many of its tasks are meant to serve now.
    pub endpoints: usize,
    /// The single changes.
    pub lines: Vec<Line>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Line {
    /// Whether it comes, goes or changes.
    pub sign: Sign,
    /// What does, for people.
    pub what: String,
}

/// Whether something comes, goes or changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Sign {
    /// It is not there yet.
    #[serde(rename = "+")]
    Comes,
    /// It is there, and different.
    #[serde(rename = "~")]
    Changes,
    /// It will not be there any more.
    #[serde(rename = "-")]
    Goes,
}

impl Plan {
    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.services.is_empty() && self.names.is_empty()
    }
}

/// Compares a swarm with what it would be after the deployment of a stack with these services.
#[must_use]
pub fn plan(
    now: &Inventory,
    stack: &str,
    services: &[Service],
    prune: bool,
    options: &Options,
) -> Plan {
    let then = deployed(now, stack, services, prune);
    let (before, after) = (Desired::read(now, options), Desired::read(&then, options));
    let mut plan = Plan::default();
    let ids: BTreeSet<&ServiceId> = before
        .services
        .keys()
        .chain(after.services.keys())
        .collect();
    for id in ids {
        let sides = Sides {
            now: side(id, now, &before),
            then: side(id, &then, &after),
            after: &after,
        };
        plan.services.extend(sides.compare());
    }
    plan.services.sort_by(|a, b| a.name.cmp(&b.name));
    let (old, new) = (names(&before), names(&after));
    plan.names
        .extend(new.difference(&old).map(|name| line(Sign::Comes, &***name)));
    plan.names
        .extend(old.difference(&new).map(|name| line(Sign::Goes, &***name)));
    let kept = now
        .services
        .iter()
        .filter(|service| !prune && is_of(service, stack));
    let kept = kept.filter(|service| !services.iter().any(|it| it.name == service.name));
    let kept = kept.filter(|service| before.services.contains_key(&service.id));
    plan.left = kept.map(|service| Arc::clone(&service.name)).collect();
    plan
}

fn line(sign: Sign, what: impl Into<String>) -> Line {
    Line {
        sign,
        what: what.into(),
    }
}

fn is_of(service: &Service, stack: &str) -> bool {
    service.labels.get(NAMESPACE).is_some_and(|it| it == stack)
}

/// The swarm as it would be. A service keeps its id, by which its tasks are known.
fn deployed(now: &Inventory, stack: &str, services: &[Service], prune: bool) -> Inventory {
    let mut then = now.clone();
    then.services.retain(|service| {
        let replaced = services.iter().any(|it| it.name == service.name);
        let pruned = prune && is_of(service, stack);
        !replaced && !pruned
    });
    for service in services {
        let known = now.services.iter().find(|it| it.name == service.name);
        then.services.push(Service {
            id: known.map_or_else(|| service.id.clone(), |known| known.id.clone()),
            ..service.clone()
        });
    }
    then.sorted()
}

/// A routed service, and how the swarm has it.
type Side<'a> = Option<(&'a Service, &'a DesiredService)>;

fn side<'a>(id: &ServiceId, inventory: &'a Inventory, desired: &'a Desired) -> Side<'a> {
    let service = inventory
        .services
        .iter()
        .find(|service| service.id == *id)?;
    Some((service, desired.services.get(id)?))
}

struct Sides<'a> {
    now: Side<'a>,
    then: Side<'a>,
    /// All that would be routed.
    after: &'a Desired,
}

impl Sides<'_> {
    /// What would become of the service; none where nothing does.
    fn compare(&self) -> Option<ServiceChange> {
        let sign = match (self.now, self.then) {
            (None, None) => return None,
            (None, Some(_)) => Sign::Comes,
            (Some(_), None) => Sign::Goes,
            (Some(_), Some(_)) => Sign::Changes,
        };
        let mut lines = self.routes();
        if let (Some((old, old_read)), Some((new, new_read))) = (self.now, self.then) {
            lines.extend(setting::changes(&old_read.spec, &new_read.spec));
            let (before, after) = (replicas(old, old_read), replicas(new, new_read));
            if before != after {
                lines.push(line(
                    Sign::Changes,
                    format!("replicas: {before} -> {after}"),
                ));
            }
            if containers(old) != containers(new) {
                let what = "labels of its containers, so that its tasks are replaced";
                lines.push(line(Sign::Changes, what));
            }
        } else if let Some((new, new_read)) = self.then {
            lines.push(line(
                Sign::Comes,
                format!("replicas: {}", replicas(new, new_read)),
            ));
        }
        let (service, _) = self.then.or(self.now)?;
        let serving = self.now.map_or(0, |(_, read)| {
            let tasks = read.tasks.values();
            tasks.filter(|task| task.fate == Fate::Serves).count()
        });
        (!lines.is_empty()).then(|| ServiceChange {
            name: Arc::clone(&service.name),
            sign,
            endpoints: serving,
            lines,
        })
    }

    fn routes(&self) -> Vec<Line> {
        let of = |side: Side<'_>| -> BTreeMap<String, RouteSpec> {
            let routes = side.iter().flat_map(|(_, read)| &read.spec.routes);
            routes
                .map(|route| (format!("{route} to port {}", route.port), route.clone()))
                .collect()
        };
        let (old, new) = (of(self.now), of(self.then));
        let come = new
            .iter()
            .filter(|(written, _)| !old.contains_key(*written));
        let go = old.keys().filter(|written| !new.contains_key(*written));
        let come =
            come.map(|(written, route)| line(Sign::Comes, written.clone() + &self.shared(route)));
        come.chain(go.map(|written| line(Sign::Goes, written)))
            .collect()
    }

    /// Which others would have the same host and path.
    fn shared(&self, route: &RouteSpec) -> String {
        let own = self.then.map(|(service, _)| &service.id);
        let others = self
            .after
            .services
            .iter()
            .filter(|(id, _)| Some(*id) != own);
        let others = others.filter(|(_, other)| {
            let mut routes = other.spec.routes.iter();
            let is_tcp = |it: &RouteSpec| it.scheme == Scheme::Tcp;
            routes.any(|it| {
                (&it.host, &it.path, is_tcp(it)) == (&route.host, &route.path, is_tcp(route))
            })
        });
        let names: Vec<&str> = others.map(|(_, other)| &*other.name).collect();
        match &*names {
            [] => String::new(),
            names => format!(", shared by weight with {}", names.join(" and ")),
        }
    }
}

/// How many tasks there are to be: Hiveway keeps the number of a `scale` label.
fn replicas(service: &Service, read: &DesiredService) -> String {
    match (service.mode, read.spec.scale) {
        (Mode::Replicated { .. }, Some(scale)) => scale.to_string(),
        (Mode::Replicated { replicas }, None) => replicas.to_string(),
        (Mode::Global, _) => "one on every node".into(),
        (Mode::Job, _) => "those of a job".into(),
    }
}

/// The labels of its containers, without those that Docker adds.
fn containers(service: &Service) -> BTreeMap<&String, &String> {
    let labels = service.container_labels.iter();
    labels
        .filter(|(key, _)| !key.starts_with("com.docker."))
        .collect()
}

/// The names that exist inside of the cluster only.
fn names(desired: &Desired) -> BTreeSet<&Arc<str>> {
    let services = desired.services.values();
    let routes = services.flat_map(|service| &service.spec.routes);
    let names = routes.filter_map(|route| match &route.host {
        HostPattern::Exact(name) if route.host.is_local() => Some(name),
        HostPattern::Exact(_) | HostPattern::Under(_) => None,
    });
    names.collect()
}

#[cfg(test)]
mod tests;
