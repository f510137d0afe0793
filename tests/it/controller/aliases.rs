//! The names of Hiveway's own service, by the whole of the controller but its prober: what is written, and what is not.

use std::sync::Arc;

use hiveway::controller::actuator;
use hiveway::controller::probe::Targets;
use hiveway::controller::reconciler::{self, Inputs, Outputs};
use hiveway::controller::swarm::{self, OwnContainer};
use hiveway::core::event::Event;
use hiveway::core::reconcile::desired::Options;
use hiveway::core::reconcile::wishes::DesiredChanges;
use hiveway::docker::Engine;
use hiveway::observe::event_log;
use hiveway::observe::metrics::Metrics;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::fake_engine::{FakeEngine, Fault, recording, until};

/// The recorded service that Hiveway takes for its own, because it runs in its container.
const OWN: &str = "tgdhz6getyj6z9f6tx0se4fj9";
const OWN_CONTAINER: &str = "ba4a9960696b";
/// The recorded service that has a route.
const ROUTED: &str = "q6asa2rzkkk1ylw4yn6vz2wxp";

/// The recorded swarm with a service of Hiveway's as deploy/stack.yml makes it, and one route, to `shop.local`.
fn world() -> Value {
    let mut world = recording("rest");
    let own = service(&mut world, OWN);
    own["Spec"]["UpdateConfig"] = json!({"Order": "start-first"});
    own["Spec"]["TaskTemplate"]["Networks"][0]["Aliases"] = json!(["hiveway"]);
    own["Spec"]["OfTomorrow"] = json!({"kept": [1, null]});
    // Nothing has to be judged, so that routes are known at the first look.
    service(&mut world, ROUTED)["Spec"]["Labels"]["hiveway.probe.url"] = json!("none");
    world
}

fn service<'a>(world: &'a mut Value, id: &str) -> &'a mut Value {
    let services = world["services"].as_array_mut().unwrap();
    let service = services.iter_mut().find(|service| service["ID"] == id);
    service.unwrap()
}

/// A controller of a fake engine.
struct Controlling {
    fake: Arc<FakeEngine>,
    events: mpsc::Receiver<Event>,
    _tasks: JoinSet<()>,
}

impl Controlling {
    async fn start(world: Value) -> Self {
        Self::beside(Arc::new(FakeEngine::start(world))).await
    }

    /// Another one of the same engine.
    async fn beside(fake: Arc<FakeEngine>) -> Self {
        let engine = Engine::connect(&fake.config()).await.unwrap();
        let (inventories, inventory) = watch::channel(None);
        let (wishes, wished) = watch::channel(DesiredChanges::default());
        // Nobody probes, and there are no agents.
        let ((_, reports), (_, notes)) = (mpsc::channel(1), mpsc::channel(1));
        let (nudges, nudged) = watch::channel(0);
        let (emitter, events) = event_log::channel();
        let stop = CancellationToken::new();
        let options = Options {
            networks: vec!["mesh".into()],
            manage_aliases: true,
            ..Options::default()
        };
        let (_look_failure, look_failed) = watch::channel(None);
        let (freeze, _frozen) = watch::channel(None);
        let outputs = Outputs {
            frozen: freeze,
            targets: watch::channel(Arc::new(Targets::new())).0,
            commands: watch::channel(Arc::default()).0,
            nudges,
            snapshots: watch::channel(None).0,
            wishes,
            emitter: emitter.clone(),
            diagnostics: watch::channel(Arc::default()).0,
            probes: watch::Sender::default(),
        };
        let inputs = Inputs {
            frozen: look_failed,
            inventory,
            reports,
            notes,
            inquiries: mpsc::channel(1).1,
            orders: watch::channel(Arc::default()).1,
        };
        let metrics = Metrics::new(emitter.drop_counter());
        let own = OwnContainer::read("", OWN_CONTAINER);
        let mut tasks = JoinSet::new();
        tasks.spawn(actuator::run(
            engine.clone(),
            wished,
            emitter.clone(),
            stop.clone(),
        ));
        tasks.spawn(reconciler::run(
            options,
            7,
            inputs,
            outputs,
            metrics.clone(),
            stop.clone(),
        ));
        let frozen = watch::channel(None).0;
        let outputs = swarm::Outputs {
            inventory: inventories,
            frozen,
            emitter,
            metrics,
        };
        tasks.spawn(swarm::run(engine, own, nudged, outputs, stop));
        Self {
            fake,
            events,
            _tasks: tasks,
        }
    }

    /// Changes the swarm, and has it looked at.
    fn change(&self, change: impl FnOnce(&mut Value)) {
        change(&mut self.fake.recording());
        let hint = json!({"Type": "service", "Action": "update"});
        self.fake.announce(&hint);
    }

    /// Has the one routed service ask for these hosts.
    fn route(&self, hosts: &str) {
        self.change(|world| {
            service(world, ROUTED)["Spec"]["Labels"]["hiveway.routing.port_80"] = json!(hosts);
        });
    }

    /// The next event about leadership or aliases.
    async fn event(&mut self) -> Event {
        let is_about = |event: &Event| {
            event.kind().starts_with("aliases") || event.kind().starts_with("leadership")
        };
        loop {
            let wait = tokio::time::timeout(std::time::Duration::from_secs(30), self.events.recv());
            let event = wait.await.expect("the event comes in time").unwrap();
            if is_about(&event) {
                return event;
            }
        }
    }

    /// The same, past that this manager leads.
    async fn told(&mut self) -> Event {
        match self.event().await {
            Event::LeadershipGained => self.event().await,
            event => event,
        }
    }

    /// The aliases as they stand in the swarm.
    fn aliases(&self) -> Value {
        let own = service(&mut self.fake.recording(), OWN).clone();
        own["Spec"]["TaskTemplate"]["Networks"][0]["Aliases"].clone()
    }

    fn posts(&self) -> Vec<Value> {
        let posts = self.fake.seen("/update").into_iter();
        posts.map(|seen| seen.body).collect()
    }

    async fn looks(&self, count: usize) {
        let before = self.fake.seen("/nodes").len();
        until("looks", || {
            self.change(|_| {});
            self.fake.seen("/nodes").len() >= before + count
        })
        .await;
    }
}

fn updated(added: &[&str], removed: &[&str]) -> Event {
    let names = |names: &[&str]| names.iter().map(|name| Arc::from(*name)).collect();
    Event::AliasesUpdated {
        service: "shop_agent".into(),
        added: names(added),
        removed: names(removed),
    }
}

fn refused(reason: &str) -> Event {
    Event::AliasesRefused {
        service: "shop_agent".into(),
        reason: reason.into(),
    }
}

#[tokio::test]
async fn many_names_cost_one_update_which_changes_nothing_else() {
    let mut controlling = Controlling::start(world()).await;
    let before = service(&mut controlling.fake.recording(), OWN)["Spec"].clone();
    let names: Vec<String> = (10..40).map(|number| format!("n{number}.local")).collect();
    for count in 1..=names.len() {
        controlling.route(&names[..count].join(";"));
        controlling.looks(1).await;
    }
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    assert_eq!(controlling.told().await, updated(&names, &[]));
    controlling.looks(3).await;
    let mut expected = before;
    expected["TaskTemplate"]["Networks"][0]["Aliases"] = json!([&["hiveway"], &names[..]].concat());
    assert_eq!(controlling.posts(), [expected]);
}

#[tokio::test]
async fn removed_names_are_restored_and_old_ones_leave_with_new() {
    let mut controlling = Controlling::start(world()).await;
    assert_eq!(controlling.told().await, updated(&["shop.local"], &[]));
    // The look that shows what was written comes first.
    controlling.looks(2).await;
    let aliases = json!(["hiveway", "by-hand.example"]);
    controlling.change(|world| {
        let own = service(world, OWN);
        own["UpdateStatus"] = json!({"State": "updating"});
        own["Spec"]["TaskTemplate"]["Networks"][0]["Aliases"] = aliases.clone();
    });
    controlling.looks(3).await;
    assert_eq!(controlling.aliases(), aliases, "not before a new task runs");
    controlling.change(|world| {
        let tasks = world["tasks"].as_array_mut().unwrap();
        let own = tasks.iter_mut().find(|task| task["ServiceID"] == OWN);
        own.unwrap()["Spec"]["Networks"][0]["Aliases"] = aliases.clone();
    });
    assert_eq!(controlling.told().await, updated(&["shop.local"], &[]));

    controlling.change(|world| {
        service(world, OWN)["UpdateStatus"] = json!({"State": "completed"});
    });
    controlling.route("web.local; *.web.local; www.example.com");
    let expected = updated(&["web.local"], &["shop.local"]);
    assert_eq!(controlling.told().await, expected);
    let aliases = controlling.aliases();
    assert_eq!(aliases, json!(["hiveway", "by-hand.example", "web.local"]));
}

#[tokio::test]
async fn changed_service_is_read_again_and_its_update_awaited() {
    let mut world = world();
    service(&mut world, OWN)["UpdateStatus"] = json!({"State": "updating"});
    let mut controlling = Controlling::start(world).await;
    assert_eq!(controlling.event().await, Event::LeadershipGained);
    controlling.looks(3).await;
    controlling.fake.fail("/update", Fault::Overtake);
    controlling.change(|world| {
        assert_eq!(service(world, OWN)["Version"]["Index"], 18);
        service(world, OWN)["UpdateStatus"] = json!({"State": "completed"});
    });
    assert_eq!(controlling.told().await, updated(&["shop.local"], &[]));
    assert_eq!(controlling.posts().len(), 2);
    assert_eq!(controlling.aliases(), json!(["hiveway", "shop.local"]));
}

#[tokio::test]
async fn two_controllers_that_both_believe_to_lead_write_once() {
    let mut one = Controlling::start(world()).await;
    let mut other = Controlling::beside(Arc::clone(&one.fake)).await;
    let path = format!("GET /v1.41/services/{OWN}");
    until("both have read the service", || {
        let seen = one.fake.seen(&path[4..]);
        seen.iter().filter(|seen| seen.line == path).count() >= 2
    })
    .await;
    one.looks(3).await;
    assert_eq!(one.aliases(), json!(["hiveway", "shop.local"]));
    let version = service(&mut one.fake.recording(), OWN)["Version"]["Index"].clone();
    assert_eq!(version, json!(19), "one write went through");
    let mut told = Vec::new();
    for controlling in [&mut one, &mut other] {
        while let Ok(event) = controlling.events.try_recv() {
            told.extend(event.kind().starts_with("aliases").then_some(event));
        }
    }
    assert_eq!(told, [updated(&["shop.local"], &[])]);
}

#[tokio::test]
async fn rolled_back_update_is_reported_and_retried_with_a_new_name() {
    let mut world = world();
    service(&mut world, OWN)["UpdateStatus"] = json!({"State": "rollback_completed"});
    let mut controlling = Controlling::start(world).await;
    let reason = "shop.local would be added, but Swarm rolled its last update back, and would do so again; `docker service \
                  ps --no-trunc shop_agent` shows why. The next name, or a successful update of the service, is another try";
    assert_eq!(controlling.told().await, refused(reason));
    controlling.looks(3).await;
    assert_eq!(controlling.posts().len(), 0);
    controlling.route("shop.local; web.local");
    let expected = updated(&["shop.local", "web.local"], &[]);
    assert_eq!(controlling.told().await, expected);
}

#[tokio::test]
async fn a_port_of_the_nodes_is_a_reason_not_to() {
    let mut world = world();
    service(&mut world, OWN)["Spec"]["EndpointSpec"]["Ports"] = json!([{"Protocol": "tcp", "TargetPort": 8000, "PublishedPort": 80, "PublishMode": "host"}]);
    let mut controlling = Controlling::start(world).await;
    let told = controlling.told().await.to_string();
    assert!(
        told.contains("shop.local") && told.contains("host-mode port"),
        "{told}"
    );
    controlling.looks(3).await;
    assert_eq!(controlling.posts().len(), 0);
}

#[tokio::test]
async fn an_engine_that_refuses_is_told_once_and_asked_again() {
    let mut controlling = Controlling::start(world()).await;
    controlling.fake.fail("/update", Fault::Refuse);
    let told = controlling.told().await.to_string();
    assert!(told.contains("the disk is full"), "{told}");
    until("three tries", || controlling.posts().len() >= 3).await;
    controlling.fake.mend();
    assert_eq!(controlling.told().await, updated(&["shop.local"], &[]));
}

#[tokio::test]
async fn only_the_leader_names() {
    let mut world = world();
    world["nodes"][0]["ManagerStatus"]["Leader"] = json!(false);
    let mut controlling = Controlling::start(world).await;
    controlling.looks(5).await;
    controlling.change(|world| {
        world["nodes"][0]["ManagerStatus"]["Leader"] = json!(true);
    });
    assert_eq!(controlling.event().await, Event::LeadershipGained);
    assert_eq!(controlling.event().await, updated(&["shop.local"], &[]));
    assert_eq!(controlling.posts().len(), 1);
}
