//! What happens to containers of tasks is told, and nothing else.

use hiveway::core::protocol::{AgentMessage, ContainerAction, ContainerHint};
use serde_json::Value;

use super::Working;
use crate::fake_engine::{recording, until};
use hiveway::docker::ANSWER_TIMEOUT;

/// What a recorded event is as a hint; written again, by what the recordings hold.
fn expected(event: &Value) -> Option<ContainerHint> {
    let attributes = &event["Actor"]["Attributes"];
    let action = match (event["Action"].as_str()?, attributes["signal"].as_str()) {
        ("start", _) => ContainerAction::Started,
        ("kill", Some("15" | "9")) => ContainerAction::Signalled,
        ("kill", Some("1")) => ContainerAction::Changed,
        ("die", _) => ContainerAction::Died,
        _ => return None,
    };
    Some(ContainerHint {
        task: attributes["com.docker.swarm.task.id"].as_str()?.into(),
        container: event["Actor"]["ID"].as_str()?.into(),
        action,
    })
}

#[tokio::test]
async fn recorded_events_become_hints_of_containers() {
    let mut working = Working::start(ANSWER_TIMEOUT).await;
    until("a subscription", || {
        !working.fake.seen("/events").is_empty()
    })
    .await;
    let subscribed = &working.fake.seen("/events")[0].line;
    assert!(
        subscribed.contains("com.docker.swarm.task.id"),
        "{subscribed}"
    );

    let mut events = recording("events").as_array().unwrap().clone();
    events.extend(
        recording("exec")["events"]
            .as_array()
            .unwrap()
            .iter()
            .cloned(),
    );
    let mut told = Vec::new();
    for event in &events {
        working.fake.announce(event);
        if let Some(hint) = expected(event) {
            assert_eq!(working.note().await, AgentMessage::Hint(hint.clone()));
            told.push(hint.action);
        }
    }
    let count = |action| told.iter().filter(|told| **told == action).count();
    let signalled = count(ContainerAction::Signalled);
    assert!(
        signalled > 3 && count(ContainerAction::Changed) == 1,
        "{told:?}"
    );
    let sample = format!(r#"hiveway_container_events_total{{action="signalled"}} {signalled}"#);
    assert!(working.shows(&sample), "{sample}");
}

#[tokio::test]
async fn a_stream_that_ends_is_subscribed_to_again() {
    let mut working = Working::start(ANSWER_TIMEOUT).await;
    until("a subscription", || working.fake.seen("/events").len() == 1).await;
    working.fake.end_events();
    until("another", || working.fake.seen("/events").len() == 2).await;
    let event = recording("exec")["events"][0].clone();
    working.fake.announce(&event);
    assert_eq!(
        working.note().await,
        AgentMessage::Hint(expected(&event).unwrap())
    );
}
