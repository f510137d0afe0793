//! Scaling: what is written, and what is not.

use std::collections::BTreeMap;

use hiveway::controller::actuator;
use hiveway::core::event::Event;
use hiveway::core::model::ServiceId;
use hiveway::core::reconcile::wishes::{DesiredChanges, ScaleChange};
use hiveway::docker::Engine;
use hiveway::observe::event_log;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::fake_engine::{FakeEngine, Fault, recording, until};

/// An actuator of a fake engine.
struct Acting {
    fake: FakeEngine,
    wishes: watch::Sender<DesiredChanges>,
    events: mpsc::Receiver<Event>,
    _actuator: JoinSet<()>,
}

impl Acting {
    async fn start() -> Self {
        let fake = FakeEngine::start(recording("rest"));
        let engine = Engine::connect(&fake.config()).await.unwrap();
        let (wishes, receiver) = watch::channel(DesiredChanges::default());
        let (emitter, events) = event_log::channel();
        let mut actuator = JoinSet::new();
        actuator.spawn(actuator::run(
            engine,
            receiver,
            emitter,
            CancellationToken::new(),
        ));
        Self {
            fake,
            wishes,
            events,
            _actuator: actuator,
        }
    }

    /// The id of a recorded service.
    fn service(&self, name: &str) -> String {
        let recording = self.fake.recording();
        let services = recording["services"].as_array().unwrap();
        let service = services
            .iter()
            .find(|service| service["Spec"]["Name"] == name)
            .unwrap();
        service["ID"].as_str().unwrap().to_owned()
    }

    fn wish(&self, leading: bool, wishes: &[(&str, u64, u64)]) {
        let wish = |&(name, current, wanted): &(&str, u64, u64)| {
            let id = ServiceId::from(self.service(name).as_str());
            (
                id,
                ScaleChange {
                    service: name.into(),
                    current,
                    wanted,
                },
            )
        };
        let replicas: BTreeMap<_, _> = wishes.iter().map(wish).collect();
        self.wishes.send_replace(DesiredChanges {
            leading,
            replicas,
            aliases: None,
        });
    }

    async fn event(&mut self) -> Event {
        let wait = tokio::time::timeout(std::time::Duration::from_secs(30), self.events.recv());
        wait.await.expect("the event comes in time").unwrap()
    }

    fn posts(&self) -> Vec<String> {
        let seen = self.fake.seen("/services/");
        seen.into_iter()
            .filter(|seen| seen.line.starts_with("POST"))
            .map(|seen| seen.line)
            .collect()
    }
}

fn scaled(from: u64, to: u64) -> Event {
    Event::ServiceScaled {
        service: "shop_web".into(),
        from,
        to,
    }
}

#[tokio::test]
async fn a_wish_changes_the_replicas_and_nothing_else() {
    let mut acting = Acting::start().await;
    let id = acting.service("shop_web");
    let before = {
        let mut recording = acting.fake.recording();
        let services = recording["services"].as_array_mut().unwrap();
        let service = services
            .iter_mut()
            .find(|service| service["ID"] == *id)
            .unwrap();
        service["Spec"]["OfTomorrow"] = json!({"kept": [1, null]});
        service.clone()
    };
    acting.wish(true, &[("shop_web", 2, 5)]);
    assert_eq!(acting.event().await, scaled(2, 5));

    let seen = acting.fake.seen("/update");
    let version = &before["Version"]["Index"];
    assert_eq!(
        seen[0].line,
        format!("POST /v1.41/services/{id}/update?version={version}")
    );
    let mut expected: Value = before["Spec"].clone();
    expected["Mode"]["Replicated"]["Replicas"] = json!(5);
    assert_eq!(seen[0].body, expected);

    // The same wish once more, as it comes before the next look: it is so already.
    acting.wish(true, &[("shop_web", 2, 5)]);
    let reads = acting.fake.seen(&id).len();
    until("another read", || acting.fake.seen(&id).len() > reads).await;
    acting.wish(true, &[("shop_web", 5, 1)]);
    assert_eq!(acting.event().await, scaled(5, 1));
    assert_eq!(acting.posts().len(), 2);
}

#[tokio::test]
async fn a_service_that_changed_meanwhile_is_read_again() {
    let mut acting = Acting::start().await;
    acting.fake.fail("/update", Fault::Overtake);
    acting.wish(true, &[("shop_web", 2, 3)]);
    assert_eq!(acting.event().await, scaled(2, 3));
    let posts = acting.posts();
    assert_eq!(posts.len(), 2);
    assert_ne!(
        posts[0], posts[1],
        "the second try is based on the second read"
    );
}

#[tokio::test]
async fn a_wish_that_cannot_be_fulfilled_is_said_once_and_tried_again() {
    let mut acting = Acting::start().await;
    acting.fake.fail("/update", Fault::Refuse);
    acting.wish(true, &[("shop_web", 2, 3)]);
    let id = acting.service("shop_web");
    let reason = format!(
        "the Docker engine at {} refused POST /v1.41/services/{id}/update with status 500: rpc error: code = Unknown desc = \
         the disk is full",
        acting.fake.host()
    );
    let refused = Event::ScaleRefused {
        service: "shop_web".into(),
        to: 3,
        reason: reason.into(),
    };
    assert_eq!(acting.event().await, refused);
    until("three tries", || acting.posts().len() >= 3).await;
    acting.fake.mend();
    assert_eq!(acting.event().await, scaled(2, 3));
}

#[tokio::test]
async fn scaling_fails_without_replicas_and_ignores_a_gone_service() {
    let mut acting = Acting::start().await;
    acting.wish(true, &[("shop_agent", 1, 3)]);
    let reason = "it is not replicated, so it has no number of replicas; remove its scale label";
    let refused = Event::ScaleRefused {
        service: "shop_agent".into(),
        to: 3,
        reason: reason.into(),
    };
    assert_eq!(acting.event().await, refused);

    let gone = ScaleChange {
        service: "gone".into(),
        current: 1,
        wanted: 2,
    };
    acting.wishes.send_modify(|wishes| {
        wishes.replicas = [("nowhere".into(), gone)].into();
    });
    until("a read", || {
        !acting.fake.seen("/services/nowhere").is_empty()
    })
    .await;
    acting.wish(true, &[("shop_web", 2, 3)]);
    assert_eq!(acting.event().await, scaled(2, 3));
}

#[tokio::test]
async fn only_the_leader_writes() {
    let mut acting = Acting::start().await;
    let web = acting.service("shop_web");
    acting.wish(false, &[("shop_web", 2, 3)]);
    // One thread runs both sides: the actuator sees the wish now. Its silence is proved by what comes after it.
    tokio::task::yield_now().await;
    acting.wish(true, &[("shop_agent", 1, 3)]);
    assert_eq!(acting.event().await.kind(), "scale_refused");
    assert!(acting.fake.seen(&web).is_empty());
}
