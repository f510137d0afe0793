//! Containers that are replaced, added and taken away under constant load: not one request may notice.

use std::collections::BTreeSet;
use std::time::SystemTime;

use hiveway::tools::demo::load::Summary;

use super::load::Load;
use super::service::{self, Service};
use super::stage::{HOST, Turn};
use crate::docker::docker;

/// What three replicas are routed and probed by in these tests.
const LABELS: [(&str, &str); 2] = [
    ("hiveway.routing.port_80", HOST),
    ("hiveway.probe.url", "http://container/health"),
];

/// Every container answered every kind of client.
fn assert_all_answered(summaries: &[Summary], containers: &[&String]) {
    let expected: BTreeSet<&str> = containers.iter().map(|id| &id[..12]).collect();
    // Clients that stick to one container need not have met all.
    for summary in &summaries[..2] {
        let answered: BTreeSet<&str> = summary.served_by.keys().map(String::as_str).collect();
        assert_eq!(answered, expected);
    }
}

async fn update_under_load(order: &str) {
    let stage = Turn::take().await;
    let service = Service::create(&stage, order, 3, &LABELS, &[]).await;
    let old = service.settled(3).await;
    let loads = Load::start_all(&stage).await;
    let began = SystemTime::now();
    service.update(&["--force", "--update-order", order]).await;
    service.updated().await;
    let new = service.settled(3).await;
    let summaries = Load::end_flawless(&stage, loads).await;
    assert!(new.iter().all(|container| !old.contains(container)));
    assert_all_answered(&summaries, &old.iter().chain(&new).collect::<Vec<_>>());

    // The log tells it to someone who has never seen the code: for each container, these sentences in this order.
    let log = stage.hiveway.log_since(began).await;
    let left = [
        "gets no new requests: Swarm is stopping its task",
        "is gone: its task ended",
    ];
    let came = [
        "runs, out of rotation until it passes its probe",
        "came into rotation: it passes its probe",
    ];
    let stories = old
        .iter()
        .map(|id| (id, left))
        .chain(new.iter().map(|id| (id, came)));
    for (container, story) in stories {
        let subject = format!("{} container {} ", service.name, &container[..12]);
        let told: Vec<_> = log.iter().filter(|line| line.contains(&subject)).collect();
        let as_it_was = told.len() == story.len()
            && told
                .iter()
                .zip(story)
                .all(|(line, sentence)| line.contains(sentence));
        assert!(as_it_was, "{story:?} is told as {told:#?}");
    }
}

#[tokio::test]
#[ignore = "needs a swarm: make test"]
async fn stop_first_update_under_load_fails_no_request() {
    update_under_load("stop-first").await;
}

#[tokio::test]
#[ignore = "needs a swarm: make test"]
async fn start_first_update_under_load_fails_no_request() {
    update_under_load("start-first").await;
}

#[tokio::test]
#[ignore = "needs a swarm: make test"]
async fn scaling_three_to_one_to_three_fails_no_request() {
    let stage = Turn::take().await;
    let service = Service::create(&stage, "scaled", 3, &LABELS, &[]).await;
    let before = service.settled(3).await;
    let loads = Load::start_all(&stage).await;
    service.scale(1).await;
    let kept = service.settled(1).await;
    assert!(before.contains(&kept[0]));
    service.scale(3).await;
    let after = service.settled(3).await;
    let summaries = Load::end_flawless(&stage, loads).await;
    assert!(after.contains(&kept[0]));
    let all: BTreeSet<_> = before.iter().chain(&after).collect();
    assert_eq!(all.len(), 5);
    assert_all_answered(&summaries, &all.into_iter().collect::<Vec<_>>());
}

#[tokio::test]
#[ignore = "needs a swarm: make test"]
async fn update_of_hiveway_under_load_refuses_no_connection() {
    let stage = Turn::take().await;
    let service = Service::create(&stage, "behind", 2, &LABELS, &[]).await;
    service.settled(2).await;
    let load = Load::start(&stage, "fresh", &["--fresh"]).await;
    let update = [
        "service",
        "update",
        "--detach",
        "--no-resolve-image",
        "--force",
    ];
    let hiveway = stage.hiveway.service();
    docker(update.into_iter().chain([&*hiveway])).await;
    service::updated(&stage, &hiveway).await;
    if let Err(error) = stage.hiveway.moved().await {
        stage.fail(&error).await;
    }
    let summaries = Load::end_flawless(&stage, vec![load]).await;
    assert_eq!(summaries[0].served_by.len(), 2);
}
