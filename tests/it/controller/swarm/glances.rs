//! Glances at the few services that move, in a swarm that is dear to look at.

use std::time::Duration;

use hiveway::core::model::{DesiredState, Inventory, TaskState};
use serde_json::{Value, json};

use super::Watching;
use crate::fake_engine::{recording, until};

/// What makes a look a dear one.
const DEAR: Duration = Duration::from_millis(150);

/// A watcher that has found out that looks are dear.
async fn watching() -> Watching {
    let watching = Watching::start(recording("rest")).await;
    watching.fake.delay(DEAR);
    watching.hint();
    watching.looks(2).await;
    watching
}

/// A service of the recording, and its first task.
fn first(watching: &Watching) -> (Value, Value) {
    let now = watching.fake.recording();
    let service = now["services"][0]["ID"].clone();
    let tasks = now["tasks"].as_array().unwrap();
    let task = tasks.iter().find(|task| task["ServiceID"] == service);
    let task = task.expect("it has one")["ID"].clone();
    (service, task)
}

fn announce(watching: &Watching, service: &Value) {
    let hint = json!({"Type": "service", "Action": "update", "Actor": {"ID": service}});
    watching.fake.announce(&hint);
}

/// The requests for the tasks of services that are named.
fn glances(watching: &Watching) -> usize {
    let seen = watching.fake.seen("/tasks?");
    let named = |line: &str| line.contains("%22service%22");
    seen.iter().filter(|it| named(&it.line)).count()
}

fn stops(inventory: &Inventory, task: &Value) -> bool {
    let mut tasks = inventory.tasks.iter();
    tasks.any(|it| task == it.id.as_str() && it.desired == DesiredState::Stopped)
}

#[tokio::test]
async fn a_service_that_moves_is_glanced_at_until_it_is_settled() {
    let mut watching = watching().await;
    assert_eq!(glances(&watching), 0);
    let (service, task) = first(&watching);
    announce(&watching, &service);
    until("a glance", || glances(&watching) > 0).await;
    let change = |field: &'static str, value: Value| {
        let mut now = watching.fake.recording();
        let tasks = now["tasks"].as_array_mut().unwrap();
        let changed = tasks.iter_mut().find(|it| it["ID"] == task);
        *changed.unwrap().pointer_mut(field).unwrap() = value;
    };
    // No further event says so.
    change("/DesiredState", json!("shutdown"));
    let mut inventory = watching.inventory.clone();
    let seen = inventory.wait_for(|seen| stops(seen.as_ref().unwrap(), &task));
    tokio::time::timeout(Duration::from_secs(30), seen)
        .await
        .expect("the glance is in time")
        .unwrap();
    let others = recording("rest")["tasks"].as_array().unwrap().len();
    assert_eq!(watching.number_of_tasks(), others);

    // A replica is missing then, so it goes on moving.
    change("/Status/State", json!("shutdown"));
    let ended = |seen: &Inventory| {
        let task = seen.tasks.iter().find(|it| task == it.id.as_str());
        task.is_some_and(|it| it.state == TaskState::Ended)
    };
    watching.expect(ended).await;
    watching.expect(|seen| seen.tasks.len() == others - 1).await;
    let so_far = glances(&watching);
    until("glances go on", || glances(&watching) > so_far + 1).await;
}

#[tokio::test]
async fn a_label_that_changes_is_seen_by_a_glance_too() {
    let mut watching = watching().await;
    let (service, _) = first(&watching);
    watching.fake.recording()["services"][0]["Spec"]["Labels"] = json!({"new": "label"});
    announce(&watching, &service);
    let labelled = |seen: &Inventory| {
        let mut services = seen.services.iter();
        services.any(|it| it.labels.contains_key("new"))
    };
    watching.expect(labelled).await;
    assert!(glances(&watching) > 0);
}

#[tokio::test]
async fn a_service_that_is_gone_is_found_missing_by_a_look() {
    let mut watching = watching().await;
    let (service, _) = first(&watching);
    {
        let mut now = watching.fake.recording();
        now["services"].as_array_mut().unwrap().remove(0);
        let tasks = now["tasks"].as_array_mut().unwrap();
        tasks.retain(|task| task["ServiceID"] != service);
    }
    announce(&watching, &service);
    let gone = |seen: &Inventory| seen.services.iter().all(|it| service != it.id.as_str());
    watching.expect(gone).await;
    assert!(watching.frozen.borrow().is_none());
}

#[tokio::test]
async fn an_event_that_names_no_service_is_a_reason_to_look() {
    let mut watching = watching().await;
    let before = glances(&watching);
    let change = |now: &mut Value| now["tasks"].as_array_mut().unwrap().clear();
    watching.change(change);
    watching.expect(|seen| seen.tasks.is_empty()).await;
    assert_eq!(glances(&watching), before);
}
