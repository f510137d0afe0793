//! A swarm that exists on paper only: the texts that its engine would answer with, made once, and changed task by task.

use std::sync::Arc;

use serde_json::{Value, json};

use super::Size;
use super::objects::{self, service_id, task_id};

/// How a task stands, in Swarm's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// desired=running, state=running.
    Runs,
    /// desired=shutdown, state=running.
    Leaves,
    /// desired=shutdown, state=shutdown.
    Ended,
    /// desired=ready, state=assigned.
    Waits,
    /// desired=running, state=starting.
    Starts,
}

impl Stage {
    pub(super) fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::Runs => ("running", "running"),
            Self::Leaves => ("shutdown", "running"),
            Self::Ended => ("shutdown", "shutdown"),
            Self::Waits => ("ready", "assigned"),
            Self::Starts => ("running", "starting"),
        }
    }
}

/// The swarm.
pub(super) struct World {
    services: Vec<Service>,
    nodes: Arc<[u8]>,
    size: Size,
    /// The port of every service, where one listener answers all probes.
    port: u16,
    /// Tasks made so far.
    made: u32,
}

struct Service {
    number: usize,
    id: String,
    text: Arc<[u8]>,
    tasks: Vec<Task>,
    /// The texts of the tasks that are listed, by commas.
    listed: Arc<[u8]>,
}

struct Task {
    slot: usize,
    id: String,
    number: u32,
    stage: Stage,
    text: String,
}

impl World {
    /// One in which everything runs.
    pub(super) fn new(size: Size, port: u16) -> Self {
        let nodes: Vec<Value> = (0..size.nodes).map(objects::node).collect();
        let mut world = Self {
            services: Vec::new(),
            nodes: json!(nodes).to_string().into_bytes().into(),
            size,
            port,
            made: 0,
        };
        for number in 0..size.services {
            let tasks = (1..=size.replicas).map(|slot| world.task(number, slot, Stage::Runs));
            let mut service = Service {
                number,
                id: service_id(number),
                text: text(objects::service(&size, port, number, "completed")),
                tasks: tasks.collect(),
                listed: Arc::default(),
            };
            service.list();
            world.services.push(service);
        }
        world
    }

    /// `GET /nodes`.
    pub(super) fn nodes(&self) -> Vec<Arc<[u8]>> {
        vec![self.nodes.clone()]
    }

    /// `GET /services`, or those of them that are asked for by id.
    pub(super) fn services(&self, ids: Option<&[String]>) -> Vec<Arc<[u8]>> {
        let wanted = |service: &&Service| ids.is_none_or(|ids| ids.contains(&service.id));
        list(
            self.services
                .iter()
                .filter(wanted)
                .map(|it| it.text.clone()),
        )
    }

    /// `GET /tasks` of those that should run, or of these services only; none where one of these is not there.
    pub(super) fn listed(&self, services: Option<&[String]>) -> Option<Vec<Arc<[u8]>>> {
        let wanted = |service: &&Service| services.is_none_or(|ids| ids.contains(&service.id));
        let found: Vec<&Service> = self.services.iter().filter(wanted).collect();
        let all = services.is_none_or(|ids| ids.len() == found.len());
        let texts = found.into_iter().map(|it| it.listed.clone());
        all.then(|| list(texts.filter(|text| !text.is_empty())))
    }

    /// `GET /tasks` by id, whatever their state.
    pub(super) fn tasks(&self, ids: &[String]) -> Vec<Arc<[u8]>> {
        let all = self.services.iter().flat_map(|service| &service.tasks);
        let wanted = all.filter(|task| ids.contains(&task.id));
        list(wanted.map(|task| task.text.as_bytes().into()))
    }

    /// Has the engine say that a service is being updated, or is not any more.
    pub(super) fn set_updating(&mut self, service: usize, updating: bool) {
        let state = if updating { "updating" } else { "completed" };
        let service_text = objects::service(&self.size, self.port, service, state);
        self.services[service].text = text(service_text);
    }

    /// The slots leave: their tasks are meant to end, and successors wait. Gives the ids of those that leave.
    pub(super) fn leave(&mut self, service: usize, slots: &[usize]) -> Vec<String> {
        // What had ended before is forgotten, as Swarm does after five.
        let tasks = &mut self.services[service].tasks;
        tasks.retain(|task| task.stage != Stage::Ended || !slots.contains(&task.slot));
        let left = self.advance(service, slots, Stage::Runs, Stage::Leaves);
        for &slot in slots {
            let successor = self.task(service, slot, Stage::Waits);
            self.services[service].tasks.push(successor);
        }
        self.services[service].list();
        left
    }

    /// Takes the tasks of these slots that are at one stage to another. Gives their ids.
    pub(super) fn advance(
        &mut self,
        service: usize,
        slots: &[usize],
        from: Stage,
        to: Stage,
    ) -> Vec<String> {
        let fits = |task: &Task| task.stage == from && slots.contains(&task.slot);
        let mut ids = Vec::new();
        for place in 0..self.services[service].tasks.len() {
            let task = &self.services[service].tasks[place];
            if !fits(task) {
                continue;
            }
            let (number, slot) = (task.number, task.slot);
            ids.push(task.id.clone());
            let text = objects::task(&self.size, service, slot, number, to);
            let task = &mut self.services[service].tasks[place];
            (task.stage, task.text) = (to, text);
        }
        self.services[service].list();
        ids
    }

    fn task(&mut self, service: usize, slot: usize, stage: Stage) -> Task {
        let number = self.made;
        self.made += 1;
        Task {
            slot,
            id: task_id(number),
            number,
            stage,
            text: objects::task(&self.size, service, slot, number, stage),
        }
    }
}

impl Service {
    /// Writes down again which tasks are listed: those that are meant to run, now or soon.
    fn list(&mut self) {
        let wanted = |task: &&Task| matches!(task.stage.words().0, "running" | "ready");
        let texts: Vec<&str> = self
            .tasks
            .iter()
            .filter(wanted)
            .map(|it| &*it.text)
            .collect();
        self.listed = texts.join(",").into_bytes().into();
        debug_assert_eq!(self.id, service_id(self.number));
    }
}

fn text(text: String) -> Arc<[u8]> {
    text.into_bytes().into()
}

/// A JSON list of these texts.
fn list(texts: impl Iterator<Item = Arc<[u8]>>) -> Vec<Arc<[u8]>> {
    let comma: Arc<[u8]> = Arc::from(&b","[..]);
    let mut parts: Vec<Arc<[u8]>> = vec![Arc::from(&b"["[..])];
    for text in texts {
        if parts.len() > 1 {
            parts.push(comma.clone());
        }
        parts.push(text);
    }
    parts.push(Arc::from(&b"]\n"[..]));
    parts
}
