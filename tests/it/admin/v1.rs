//! `/v1/…`, held against its description.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hiveway::admin::{Controller, Instance, v1_paths};
use hiveway::core::event::{EndpointRef, Event};
use hiveway::core::model::TaskId;
use hiveway::core::model::route::{Diagnostic, Level};
use hiveway::core::model::snapshot::{GatewayTask, Snapshot};
use hiveway::core::routing::explain::Listener;
use hiveway::observe::metrics::MethodLabel;
use hiveway::state::drain_store::OrderBook;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::fixture::{Admin, Answer, snapshot};
use super::schema::mismatch;
use crate::eventually::eventually;

const CONTAINER: &str = "0123456789abcdef";

/// What the description says of an answer with this status to this request.
fn described<'a>(document: &'a Value, method: &str, path: &str, status: u16) -> Option<&'a Value> {
    let answer = &document["paths"][path][method]["responses"][status.to_string()];
    answer["content"]["application/json"].get("schema")
}

/// Asks, and holds the answer against the description.
async fn ask(admin: &Admin, document: &Value, path: &str, query: &str, status: u16) -> Answer {
    let answer = admin.get(&format!("{path}{query}")).await;
    assert_described(document, "get", path, &answer, status);
    answer
}

#[track_caller]
fn assert_described(document: &Value, method: &str, path: &str, answer: &Answer, status: u16) {
    assert_eq!(answer.status, status, "{path}: {}", answer.text());
    let schema = described(document, method, path, status);
    let schema = schema.unwrap_or_else(|| panic!("{method} {path} {status} is not described"));
    assert_eq!(answer.header("content-type"), "application/json", "{path}");
    let mismatch = mismatch(document, schema, &answer.json());
    assert_eq!(mismatch, None, "{method} {path} {status}");
}

async fn description(admin: &Admin) -> Value {
    let answer = admin.get("/v1/openapi.json").await;
    assert_eq!(answer.header("content-type"), "application/json");
    answer.json()
}

/// A controller that nobody listens to, with one complaint.
fn controller() -> Controller {
    let complaint = Diagnostic {
        level: Level::Warning,
        service: "restserver".into(),
        key: "hiveway.routing.balance".into(),
        value: "fair".into(),
        reason: "unknown".into(),
        remedy: "write another".into(),
        suggestion: None,
    };
    Controller {
        inquiries: mpsc::channel(1).0,
        probes: watch::channel(Arc::default()).1,
        diagnostics: watch::channel(Arc::new(BTreeSet::from([complaint]))).1,
        followers: None,
    }
}

fn instance() -> Instance {
    let ejected = BTreeMap::from([(TaskId::from("t1"), Instant::now())]);
    let address = "0.0.0.0:80".parse().expect("an address");
    Instance {
        role: "controller by a file, and gateway".to_owned(),
        node: Some("n1".into()),
        listeners: vec![Listener {
            public: false,
            tls: false,
            address,
        }],
        near: None,
        trusted: vec!["10.0.0.0/8".parse().expect("a network")],
        certificates: None,
        asks_certificates: false,
        ejected: Some(watch::channel(Arc::new(ejected)).1),
        followed: Some(watch::channel(Some("this node".into())).1),
        controller: Some(controller()),
        order_book: OrderBook::default(),
        token: None,
    }
}

#[tokio::test]
async fn every_path_is_described_and_every_described_path_is_there() {
    let admin = Admin::start().await;
    let document = description(&admin).await;
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().expect("paths");
    let described: BTreeSet<(&str, &str)> = paths
        .iter()
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().expect("methods").keys();
            methods.map(move |method| (method.as_str(), path.as_str()))
        })
        .collect();
    let v1: BTreeSet<_> = v1_paths().into_iter().collect();
    let (versioned, others): (BTreeSet<_>, BTreeSet<_>) = described
        .into_iter()
        .partition(|(_, path)| path.starts_with("/v1/"));
    assert_eq!(versioned, v1);
    let index = admin.get("/").await;
    for (method, path) in others {
        assert_eq!(method, "get");
        let line = format!("\n{path} ");
        assert!(
            index.text().contains(&line),
            "{path} is no path of the index"
        );
    }
}

#[tokio::test]
async fn answers_are_as_described_before_the_first_snapshot_and_after() {
    for instance in [Instance::default(), instance()] {
        let admin = Admin::start_with(instance).await;
        let document = description(&admin).await;
        admin
            .readiness
            .require("snapshot", Err("warming up".into()));
        for warm in [false, true] {
            if warm {
                let mut published = Snapshot::clone(&snapshot("restserver"));
                published.gateways = Arc::new([GatewayTask {
                    node: "n1".into(),
                    address: [10, 0, 0, 9].into(),
                    controller: true,
                }]);
                admin.snapshots.send_replace(Some(published.into()));
                admin.readiness.require("snapshot", Ok(()));
                admin.metrics.cluster("restserver").observe(
                    MethodLabel::Get,
                    200,
                    std::time::Duration::ZERO,
                );
                admin.metrics.endpoint(&"t1".into()).answered(200);
                admin.emit_scaled("restserver", 1);
                admin.recorded(1).await;
                ask(&admin, &document, "/v1/snapshot", "", 200).await;
            } else {
                assert_eq!(admin.get("/v1/snapshot").await.status, 503);
            }
            ask(&admin, &document, "/v1/status", "", 200).await;
            let query = "?endpoints=true";
            let answer = ask(&admin, &document, "/v1/status", query, 200).await;
            let endpoint = &answer.json()["services"][0]["endpoints"][0];
            assert_eq!(endpoint["task"].as_str(), warm.then_some("t1"));
            ask(&admin, &document, "/v1/status", "?endpoints=all", 400).await;
            ask(&admin, &document, "/v1/diagnostics", "", 200).await;
            ask(&admin, &document, "/v1/events", "?since=0&limit=5", 200).await;
            let query = "?url=http://restserver.local/&client=10.0.0.7&method=post";
            let answer = ask(&admin, &document, "/v1/explain", query, 200).await;
            assert_eq!(answer.json()["outcome"]["forwarded"], warm);
        }
    }
}

#[tokio::test]
async fn the_status_tells_conditions_services_and_nodes() {
    let admin = Admin::start_with(instance()).await;
    admin.readiness.require("snapshot", Ok(()));
    admin.readiness.inform("routes", Err("no quorum".into()));
    admin.snapshots.send_replace(Some(snapshot("restserver")));
    let status = admin.get("/v1/status").await.json();
    assert_eq!(status["controller"], "this node");
    assert_eq!(status["snapshot"]["generation"]["sequence"], 3);
    let conditions: BTreeMap<&str, (&str, &str)> = status["conditions"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|it| {
            let text = |name: &str| it[name].as_str().expect("text");
            (text("type"), (text("status"), text("reason")))
        })
        .collect();
    assert_eq!(
        conditions,
        BTreeMap::from([
            ("LabelsUnderstood", ("False", "Complaints")),
            ("RoutesFollowSwarm", ("False", "Frozen")),
            ("ServicesAvailable", ("True", "AllServe")),
            ("SnapshotKnown", ("True", "Known")),
        ])
    );
    let look = async || {
        let status = admin.get("/v1/status").await.json();
        let conditions = status["conditions"].as_array().expect("a list");
        match conditions.iter().all(|it| it["since"].is_u64()) {
            true => Ok(()),
            false => Err(status["conditions"].to_string()),
        }
    };
    let since = eventually("each says since when", Duration::from_secs(10), look).await;
    since.expect("they are noted");
    let service = &status["services"][0];
    assert_eq!(
        (&service["service"], &service["ready"], &service["total"]),
        (&json!("restserver"), &json!(1), &json!(1))
    );
}

#[tokio::test]
async fn an_explanation_tells_what_is_known_here() {
    let admin = Admin::start_with(instance()).await;
    admin.snapshots.send_replace(Some(snapshot("restserver")));
    admin.emitter.emit(Event::EndpointAdmitted {
        endpoint: EndpointRef {
            service: "restserver".into(),
            task: "t1".into(),
            container: CONTAINER.into(),
            node: "n1".into(),
            address: [10, 0, 1, 4].into(),
        },
        reason: "it passes its probe".into(),
    });
    admin.recorded(1).await;
    let told = admin
        .get("/v1/explain?url=restserver.local/x%3Fy")
        .await
        .json();
    assert_eq!(told["request"]["path_and_query"], "/x?y");
    let endpoint = &told["services"][0]["endpoints"][0];
    // All of the service are ejected, so that it is used all the same.
    assert_eq!(
        (&endpoint["place"], &endpoint["ejected_seconds"]),
        (&json!("first"), &json!(0))
    );
    let story = endpoint["story"]["says"].as_str().expect("a story");
    assert!(
        story.ends_with("came into rotation: it passes its probe"),
        "{story}"
    );
    assert_eq!(told["diagnostics"][0]["value"], "fair");

    for (query, told) in [
        ("", "missing field `url`"),
        ("?url=ftp://a", "http, https, ws, wss and tcp"),
        ("?url=a&method=no%20way", "GET or POST"),
        ("?url=a&client=me", "10.0.0.7"),
        ("?url=a&urk=b", "unknown field"),
    ] {
        let answer = admin.get(&format!("/v1/explain{query}")).await;
        assert_described(
            &description(&admin).await,
            "get",
            "/v1/explain",
            &answer,
            400,
        );
        assert!(answer.text().contains(told), "{query}: {}", answer.text());
    }
}

#[tokio::test]
async fn events_can_be_narrowed_to_a_time() {
    let admin = Admin::start().await;
    admin.emit_scaled("a", 2);
    admin.recorded(2).await;
    let events = admin.get("/v1/events").await.json();
    let at = events["events"][1]["at"].as_u64().expect("a time");
    let count = async |since: u64| {
        let answer = admin.get(&format!("/v1/events?since={since}")).await;
        answer.json()["events"].as_array().expect("a list").len()
    };
    assert_eq!((count(at - 60_000).await, count(at + 60_000).await), (2, 0));
    assert_eq!(admin.get("/v1/events?since=yesterday").await.status, 400);
    let mut stream = admin.follow("/v1/events/stream?since=0", &[]).await;
    assert_eq!(stream.next().await.data["sequence"], 1);
}
