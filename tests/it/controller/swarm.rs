//! Watching a swarm whose engine works, changes its mind, misbehaves and goes away.

mod glances;
mod own;

use std::sync::Arc;

use futures_util::future::join_all;
use hiveway::controller::swarm::{self, OwnContainer};
use hiveway::core::event::Event;
use hiveway::core::model::{DesiredState, Inventory, TaskState};
use hiveway::docker::Engine;
use hiveway::observe::event_log;
use hiveway::observe::metrics::Metrics;
use insta::assert_json_snapshot;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::fake_engine::{FakeEngine, Fault, recording, until};

/// A watcher of a fake engine.
struct Watching {
    fake: FakeEngine,
    inventory: watch::Receiver<Option<Arc<Inventory>>>,
    frozen: watch::Receiver<Option<Arc<str>>>,
    events: mpsc::Receiver<Event>,
    nudges: watch::Sender<u64>,
    watcher: JoinSet<()>,
    stop: DropGuard,
}

impl Watching {
    /// Starts one and waits for its first inventory.
    async fn start(recording: Value) -> Self {
        Self::start_in(None, recording).await
    }

    /// The same in this container.
    async fn start_in(own: Option<OwnContainer>, recording: Value) -> Self {
        let fake = FakeEngine::start(recording);
        let mut config = fake.config();
        config.answer_timeout = std::time::Duration::from_secs(1);
        let engine = Engine::connect(&config).await.unwrap();
        let (sender, inventory) = watch::channel(None);
        let (freeze, frozen) = watch::channel(None);
        let (emitter, events) = event_log::channel();
        let (nudges, nudged) = watch::channel(0);
        let stop = CancellationToken::new();
        let mut watcher = JoinSet::new();
        let outputs = swarm::Outputs {
            inventory: sender,
            frozen: freeze,
            metrics: Metrics::new(emitter.drop_counter()),
            emitter,
        };
        let stopped = stop.clone();
        watcher.spawn(swarm::run(engine, own, nudged, outputs, stopped));
        let mut watching = Self {
            fake,
            inventory,
            frozen,
            events,
            nudges,
            watcher,
            stop: stop.drop_guard(),
        };
        watching.expect(|_| true).await;
        watching
    }

    /// Waits for an inventory that is as described.
    async fn expect(&mut self, mut described: impl FnMut(&Inventory) -> bool) -> Arc<Inventory> {
        let wait = self
            .inventory
            .wait_for(|seen| seen.as_deref().is_some_and(&mut described));
        let seen = tokio::time::timeout(std::time::Duration::from_secs(30), wait).await;
        seen.expect("the inventory comes in time")
            .unwrap()
            .clone()
            .unwrap()
    }

    /// Waits until it says that the swarm is known as it is.
    async fn thawed(&mut self) {
        let wait = self.frozen.wait_for(Option::is_none);
        let thawed = tokio::time::timeout(std::time::Duration::from_secs(30), wait).await;
        thawed.expect("it thaws in time").unwrap();
    }

    /// The next event's kind.
    async fn event(&mut self) -> &'static str {
        let wait = tokio::time::timeout(std::time::Duration::from_secs(30), self.events.recv());
        wait.await.expect("the event comes in time").unwrap().kind()
    }

    /// The events so far.
    fn events_so_far(&mut self) -> Vec<&'static str> {
        std::iter::from_fn(|| self.events.try_recv().ok())
            .map(|event| event.kind())
            .collect()
    }

    async fn looks(&self, count: usize) {
        let before = self.fake.seen("/nodes").len();
        until("looks", || self.fake.seen("/nodes").len() >= before + count).await;
    }

    /// Changes the swarm, and has it looked at.
    fn change(&self, change: impl FnOnce(&mut Value)) {
        change(&mut self.fake.recording());
        self.hint();
    }

    fn hint(&self) {
        self.fake
            .announce(&json!({"Type": "service", "Action": "update"}));
    }

    fn number_of_tasks(&self) -> usize {
        self.inventory.borrow().as_ref().unwrap().tasks.len()
    }
}

#[tokio::test]
async fn a_recorded_swarm_becomes_an_inventory() {
    let mut watching = Watching::start(recording("rest")).await;
    let inventory = watching.expect(|_| true).await;
    assert_json_snapshot!(inventory);
    assert_eq!(watching.event().await, "engine_reached");
    assert_eq!(watching.event().await, "leadership_gained");
}

#[tokio::test]
async fn a_task_is_seen_to_drain_and_to_end_and_is_then_forgotten() {
    let mut watching = Watching::start(recording("rest")).await;
    let update = recording("update");
    let departing = update["departing"][0].clone();
    {
        let mut now = watching.fake.recording();
        now["services"] = update["services"].clone();
        now["tasks"] = update["tasks"].clone();
        now["tasks"].as_array_mut().unwrap().push(departing.clone());
    }
    watching.hint();
    let draining = (DesiredState::Stopped, TaskState::Running);
    let inventory = watching
        .expect(|seen| {
            seen.tasks
                .iter()
                .any(|task| (task.desired, task.state) == draining)
        })
        .await;
    assert_json_snapshot!(inventory);

    let ended = recording("after")["ended"][0].clone();
    assert_eq!(ended["ID"], departing["ID"]);
    *watching.fake.recording()["tasks"]
        .as_array_mut()
        .unwrap()
        .last_mut()
        .unwrap() = ended;
    watching
        .expect(|seen| seen.tasks.iter().any(|task| task.state == TaskState::Ended))
        .await;
    watching
        .expect(|seen| seen.tasks.iter().all(|task| task.state != TaskState::Ended))
        .await;
}

#[tokio::test]
async fn why_a_task_ended_is_known() {
    let mut crashed = recording("after")["crashed"][0].clone();
    let mut world = recording("rest");
    world["tasks"].as_array_mut().unwrap().push(crashed.clone());
    world["tasks"][3]["DesiredState"] = json!("running");
    world["tasks"][3]["Status"]["State"] = json!("running");
    let mut watching = Watching::start(world).await;
    assert_eq!(watching.number_of_tasks(), 4);
    watching.fake.recording()["tasks"][3] = crashed.take();
    watching.hint();
    let ended = |seen: &Inventory| {
        seen.tasks
            .iter()
            .find(|task| task.state == TaskState::Ended)
            .cloned()
    };
    let inventory = watching.expect(|seen| ended(seen).is_some()).await;
    assert_eq!(
        ended(&inventory).unwrap().error.as_deref(),
        Some("task: non-zero exit (3)")
    );
}

#[tokio::test]
async fn failed_sync_keeps_the_inventory_and_is_one_event() {
    let faults = [Fault::Refuse, Fault::Malformed, Fault::Hang, Fault::Cut];
    let cases = faults.map(|fault| {
        ["/services", "/tasks", "/nodes"]
            .map(|path| Box::pin(goes_wrong_and_is_mended(path, fault)))
    });
    join_all(cases.into_iter().flatten()).await;
}

async fn goes_wrong_and_is_mended(path: &'static str, fault: Fault) {
    let mut watching = Watching::start(recording("rest")).await;
    assert_eq!(watching.event().await, "engine_reached");
    assert_eq!(watching.event().await, "leadership_gained");
    let before = watching.expect(|_| true).await;

    watching.fake.fail(path, fault);
    watching.hint();
    assert_eq!(watching.event().await, "engine_lost", "{fault:?} {path}");
    assert!(watching.frozen.borrow().is_some(), "{fault:?} {path}");
    watching.fake.recording()["tasks"]
        .as_array_mut()
        .unwrap()
        .clear();
    let failing = watching.fake.seen(path).len();
    until("another try", || watching.fake.seen(path).len() > failing).await;
    assert_eq!(
        watching.events_so_far(),
        Vec::<&str>::new(),
        "{fault:?} {path}"
    );
    assert_eq!(watching.expect(|_| true).await, before, "{fault:?} {path}");

    watching.fake.mend();
    watching.expect(|seen| seen.tasks.is_empty()).await;
    watching.thawed().await;
    assert_eq!(
        watching.events_so_far(),
        ["engine_reached"],
        "{fault:?} {path}"
    );
}

#[tokio::test]
async fn an_engine_that_ends_and_begins_again_is_found_again() {
    let mut watching = Watching::start(recording("rest")).await;
    assert_eq!(watching.event().await, "engine_reached");
    assert_eq!(watching.event().await, "leadership_gained");
    watching.fake.stop().await;
    assert_eq!(watching.event().await, "engine_lost");
    watching.fake.recording()["version"]["ApiVersion"] = json!("1.44");
    watching.fake.listen();
    assert_eq!(watching.event().await, "engine_reached");
    until("the new version", || {
        !watching.fake.seen("/v1.44/services").is_empty()
    })
    .await;
}

#[tokio::test]
async fn a_look_that_sees_nothing_new_wakes_nobody() {
    let mut watching = Watching::start(recording("rest")).await;
    watching.inventory.mark_unchanged();
    watching.looks(3).await;
    assert!(!watching.inventory.has_changed().unwrap());
}

#[tokio::test]
async fn the_subscription_comes_before_the_first_look_and_is_renewed() {
    let watching = Watching::start(recording("rest")).await;
    let order: Vec<String> = watching
        .fake
        .seen("/")
        .into_iter()
        .map(|seen| seen.line)
        .collect();
    assert!(
        order[2].starts_with("GET /v1.41/events?filters="),
        "{order:?}"
    );

    watching.fake.end_events();
    until("a second subscription", || {
        watching.fake.seen("/events").len() == 2
    })
    .await;
    watching.looks(1).await;
}

#[tokio::test]
async fn a_swarm_without_events_is_followed_by_the_clock() {
    let fake = FakeEngine::start(recording("rest"));
    fake.fail("/events", Fault::Refuse);
    let engine = Engine::connect(&fake.config()).await.unwrap();
    let (sender, mut inventory) = watch::channel(None);
    let (emitter, _events) = event_log::channel();
    let stop = CancellationToken::new();
    let mut watcher = JoinSet::new();
    let (freeze, _frozen) = watch::channel(None);
    let nudges = watch::channel(0).1;
    let outputs = swarm::Outputs {
        inventory: sender,
        frozen: freeze,
        metrics: Metrics::new(emitter.drop_counter()),
        emitter,
    };
    watcher.spawn(swarm::run(engine, None, nudges, outputs, stop.clone()));
    inventory.wait_for(Option::is_some).await.unwrap();
    fake.recording()["tasks"].as_array_mut().unwrap().clear();
    inventory
        .wait_for(|seen| seen.as_ref().unwrap().tasks.is_empty())
        .await
        .unwrap();
    stop.cancel();
    watcher.join_all().await;
}

#[tokio::test]
async fn a_burst_of_events_costs_few_looks() {
    let mut watching = Watching::start(recording("rest")).await;
    let before = watching.fake.seen("/services").len();
    watching.fake.recording()["tasks"]
        .as_array_mut()
        .unwrap()
        .clear();
    for _ in 0..500 {
        watching.hint();
    }
    watching.expect(|seen| seen.tasks.is_empty()).await;
    let looks = watching.fake.seen("/services").len() - before;
    assert!(looks < 50, "{looks} looks for 500 events");
}

#[tokio::test]
async fn a_burst_of_nudges_costs_few_looks_too() {
    let mut watching = Watching::start(recording("rest")).await;
    let before = watching.fake.seen("/services").len();
    watching.fake.recording()["tasks"]
        .as_array_mut()
        .unwrap()
        .clear();
    for _ in 0..500 {
        watching.nudges.send_modify(|count| *count += 1);
        tokio::task::yield_now().await;
    }
    watching.expect(|seen| seen.tasks.is_empty()).await;
    let looks = watching.fake.seen("/services").len() - before;
    assert!(looks < 50, "{looks} looks for 500 nudges");
}

#[tokio::test]
async fn a_change_of_leadership_is_an_event() {
    let mut watching = Watching::start(recording("rest")).await;
    assert_eq!(watching.event().await, "engine_reached");
    assert_eq!(watching.event().await, "leadership_gained");
    watching.fake.recording()["nodes"][0]["ManagerStatus"]["Leader"] = json!(false);
    watching.hint();
    assert_eq!(watching.event().await, "leadership_lost");
}

#[tokio::test]
async fn what_an_engine_of_tomorrow_adds_is_tolerated() {
    let mut world = recording("rest");
    for (path, value) in [
        ("/services/0/Spec/Mode", json!({"Elastic": {}})),
        ("/services/0/Spec/Labels", Value::Null),
        ("/services/0/UpdateStatus", json!({"State": "pondering"})),
        ("/tasks/0/Status/State", json!("dreaming")),
        ("/tasks/0/Status/Timestamp", json!("yesterday")),
        ("/tasks/1/NetworksAttachments", Value::Null),
        (
            "/tasks/2/NetworksAttachments/0/Addresses/0",
            json!("tomorrow/24"),
        ),
        ("/nodes/0/Status/State", json!("unknown")),
    ] {
        match world.pointer_mut(path) {
            Some(field) => *field = value,
            None => {
                let (parent, name) = path.rsplit_once('/').unwrap();
                world.pointer_mut(parent).unwrap()[name] = value;
            }
        }
    }
    let mut watching = Watching::start(world).await;
    assert_json_snapshot!(watching.expect(|_| true).await);
}

#[tokio::test]
async fn the_watcher_ends_when_asked() {
    let watching = Watching::start(recording("rest")).await;
    drop(watching.stop);
    watching.watcher.join_all().await;
}
