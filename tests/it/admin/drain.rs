//! Draining by hand through the admin listener: who may, and what comes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hiveway::admin::{Controller, Instance, Token};
use hiveway::core::model::TaskId;
use hiveway::core::snapshot::{GatewayTask, Snapshot};
use serde_json::Value;
use tokio::sync::{mpsc, watch};

use super::fixture::{Admin, Answer, snapshot};
use super::schema::mismatch;

type Headers<'a> = &'a [(&'a str, &'a str)];

const TOKEN: &str = "0123456789abcdef0123";
const BEARER: (&str, &str) = ("authorization", "Bearer 0123456789abcdef0123");

fn instance(controls: bool) -> (Instance, watch::Receiver<Arc<BTreeSet<TaskId>>>) {
    let (drain, drained) = watch::channel(Arc::default());
    let controller = Controller {
        inquiries: mpsc::channel(1).0,
        diagnostics: watch::channel(Arc::default()).1,
        drained: drain,
        followers: None,
    };
    let instance = Instance {
        node: Some("n1".into()),
        controller: controls.then_some(controller),
        token: Token::new(TOKEN),
        ..Instance::default()
    };
    (instance, drained)
}

/// The snapshot of the fixture with two endpoints and two controllers.
fn published() -> Arc<Snapshot> {
    let mut snapshot = Snapshot::clone(&snapshot("restserver"));
    let mut clusters: BTreeMap<_, _> = snapshot.clusters.clone();
    for cluster in clusters.values_mut() {
        let cluster = Arc::make_mut(cluster);
        let mut other = cluster.endpoints[&TaskId::from("t1")].clone();
        other.container = "0123ffff".into();
        cluster.endpoints.insert("t2".into(), other);
    }
    snapshot.clusters = clusters;
    let gateway = |node: &str, number, controller| GatewayTask {
        node: node.into(),
        address: [10, 0, 0, number].into(),
        controller,
    };
    snapshot.gateways = Arc::new([
        gateway("n1", 1, true),
        gateway("n2", 2, true),
        gateway("n3", 3, false),
    ]);
    snapshot.into()
}

async fn post(admin: &Admin, path: &str, headers: Headers<'_>) -> Answer {
    let answer = admin.request("POST", path, headers, "").await;
    let document: Value = admin.get("/v1/openapi.json").await.json();
    let what = if path.ends_with("/undrain") {
        "undrain"
    } else {
        "drain"
    };
    let described = format!("/v1/endpoints/{{endpoint}}/{what}");
    let described = &document["paths"][&*described]["post"]["responses"][answer.status.to_string()];
    let schema = described["content"]["application/json"].get("schema");
    let schema = schema.unwrap_or_else(|| panic!("{} is not described", answer.status));
    assert_eq!(mismatch(&document, schema, &answer.json()), None);
    answer
}

fn error(answer: &Answer) -> String {
    answer.json()["error"]
        .as_str()
        .expect("an error")
        .to_owned()
}

#[tokio::test]
async fn nobody_may_write_without_the_token_or_from_another_site() {
    let (instance, drained) = instance(true);
    let admin = Admin::start_with(instance).await;
    admin.snapshots.send_replace(Some(published()));
    let host = admin.address.to_string();
    let origin = format!("http://{host}");
    let same = [
        BEARER,
        ("origin", &*origin),
        ("sec-fetch-site", "same-origin"),
    ];
    let cases: [(Headers<'_>, u16, &str); 8] = [
        (&[], 401, "the admin token is missing"),
        (
            &[("authorization", "Basic 0123456789abcdef0123")],
            401,
            "missing",
        ),
        (
            &[("authorization", "Bearer 0123456789abcdef0124")],
            401,
            "not the token",
        ),
        (&[("authorization", "Bearer ")], 401, "missing"),
        (
            &[BEARER, ("origin", "http://evil.example")],
            403,
            "another site",
        ),
        (&[BEARER, ("origin", "null")], 403, "another site"),
        (
            &[BEARER, ("sec-fetch-site", "cross-site")],
            403,
            "another site",
        ),
        (
            &[BEARER, ("sec-fetch-site", "same-site")],
            403,
            "another site",
        ),
    ];
    for (headers, status, why) in cases {
        let answer = post(&admin, "/v1/endpoints/t1/drain", headers).await;
        assert_eq!(answer.status, status, "{headers:?}");
        assert!(
            error(&answer).contains(why),
            "{headers:?}: {}",
            answer.text()
        );
        if status == 401 {
            assert!(answer.header("www-authenticate").starts_with("Bearer"));
        }
    }
    assert_eq!(**drained.borrow(), BTreeSet::new());
    assert_eq!(
        post(&admin, "/v1/endpoints/t1/drain", &same).await.status,
        200
    );
    let get = admin
        .request("GET", "/v1/endpoints/t1/drain", &[BEARER], "")
        .await;
    assert_eq!((get.status, get.header("allow")), (405, "POST"));

    let closed = Admin::start_with(Instance::default()).await;
    let answer = post(&closed, "/v1/endpoints/t1/drain", &[BEARER]).await;
    assert_eq!(answer.status, 403);
    assert!(error(&answer).contains("--admin-token-file"));
}

#[tokio::test]
async fn what_is_drained_is_a_set_that_forgets_the_tasks_that_are_gone() {
    let (instance, drained) = instance(true);
    let admin = Admin::start_with(instance).await;
    let early = post(&admin, "/v1/endpoints/t1/drain", &[BEARER]).await;
    assert_eq!(early.status, 503);
    admin.snapshots.send_replace(Some(published()));
    let now = || -> Vec<String> { drained.borrow().iter().map(ToString::to_string).collect() };
    for (path, changed, expected) in [
        ("/v1/endpoints/0123456789abcdef/drain", true, vec!["t1"]),
        ("/v1/endpoints/01234/drain", false, vec!["t1"]),
        ("/v1/endpoints/t2/drain", true, vec!["t1", "t2"]),
        ("/v1/endpoints/t1/undrain", true, vec!["t2"]),
        ("/v1/endpoints/t1/undrain", false, vec!["t2"]),
    ] {
        let answer = post(&admin, path, &[BEARER]).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["changed"], changed, "{path}");
        assert_eq!(now(), expected, "{path}");
        let says = answer.json()["says"].as_str().expect("text").to_owned();
        assert!(
            says.ends_with("other controllers have to be told, too: 10.0.0.2 on node n2"),
            "{says}"
        );
    }
    let status = admin.get("/v1/status").await.json();
    assert_eq!(status["drained_by_hand"], serde_json::json!(["t2"]));

    for (id, status, why) in [
        ("nobody", 404, "/v1/snapshot lists them"),
        ("012", 404, "012"),
        ("0123", 409, "2 endpoints"),
    ] {
        let answer = post(&admin, &format!("/v1/endpoints/{id}/drain"), &[BEARER]).await;
        assert_eq!(answer.status, status, "{id}");
        assert!(error(&answer).contains(why), "{}", answer.text());
    }
    assert_eq!(now(), ["t2"]);

    let mut without = Snapshot::clone(&published());
    for cluster in without.clusters.values_mut() {
        Arc::make_mut(cluster).endpoints.remove(&TaskId::from("t2"));
    }
    admin.snapshots.send_replace(Some(without.into()));
    assert_eq!(
        post(&admin, "/v1/endpoints/t1/drain", &[BEARER])
            .await
            .status,
        200
    );
    assert_eq!(now(), ["t1"]);
}

#[tokio::test]
async fn one_that_is_no_controller_says_whom_to_ask() {
    let admin = Admin::start_with(instance(false).0).await;
    let answer = post(&admin, "/v1/endpoints/t1/drain", &[BEARER]).await;
    assert_eq!(answer.status, 421);
    assert!(
        error(&answer).ends_with("ask an instance on a manager"),
        "{}",
        answer.text()
    );
    admin.snapshots.send_replace(Some(published()));
    let answer = post(&admin, "/v1/endpoints/t1/drain", &[BEARER]).await;
    assert_eq!(answer.status, 421);
    assert!(
        error(&answer).ends_with("10.0.0.1 on node n1, 10.0.0.2 on node n2"),
        "{}",
        answer.text()
    );
}
