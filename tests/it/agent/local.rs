//! An agent and a reconciler of one process.

use std::collections::BTreeMap;
use std::sync::Arc;

use hiveway::agent::local;
use hiveway::core::protocol::{AgentMessage, CommandTargets, ContainerAction, ContainerHint};
use hiveway::docker::Engine;
use hiveway::observe::event_log;
use hiveway::observe::metrics::Metrics;
use tokio::sync::{broadcast, mpsc, watch};

use crate::fake_engine::{FakeEngine, recording};

fn hint(task: &str) -> AgentMessage {
    AgentMessage::Hint(ContainerHint {
        task: task.into(),
        container: "c".into(),
        action: ContainerAction::Died,
    })
}

#[tokio::test]
async fn notes_are_passed_on_and_those_that_are_lost_are_counted() {
    let (notes, receiver) = broadcast::channel(2);
    let (sender, mut passed) = mpsc::channel(8);
    for task in ["a", "b", "c", "d"] {
        notes.send(Arc::new(hint(task))).unwrap();
    }
    drop(notes);
    let metrics = Metrics::new(event_log::channel().0.drop_counter());
    local::pass_notes(receiver, sender, metrics.clone()).await;
    assert_eq!(passed.recv().await, Some(hint("c")));
    assert_eq!(passed.recv().await, Some(hint("d")));
    assert_eq!(passed.recv().await, None);
    assert_eq!(metrics.control().notes_dropped.get(), 2);
}

#[tokio::test]
async fn only_the_own_node_s_commands_are_picked() {
    let fake = FakeEngine::start(recording("rest"));
    let engine = Engine::connect(&fake.config()).await.unwrap();
    let named = |task: &str| {
        let json = serde_json::json!({task: {
            "container": "c", "since": null,
            "spec": hiveway::core::model::route::ProbeSpec::default(),
        }});
        Arc::new(serde_json::from_value::<CommandTargets>(json).unwrap())
    };
    let own_node = engine.node();
    let (all, told) = watch::channel(Arc::new(BTreeMap::from([
        (own_node.clone(), named("own")),
        ("elsewhere".into(), named("other")),
    ])));
    let (sender, mut picked) = watch::channel(Arc::default());
    let picking = local::pick_commands(engine, told, sender);
    let checks = async {
        picked
            .wait_for(|picked| *picked == named("own"))
            .await
            .unwrap();
        all.send_replace(Arc::new(BTreeMap::from([(
            "elsewhere".into(),
            named("other"),
        )])));
        picked.wait_for(|picked| picked.is_empty()).await.unwrap();
        all.send_replace(Arc::new(BTreeMap::from([(own_node, named("again"))])));
        picked
            .wait_for(|picked| *picked == named("again"))
            .await
            .unwrap();
        drop(all);
    };
    tokio::join!(picking, checks);
}
