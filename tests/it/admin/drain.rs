//! Draining by hand through the admin listener: who may, and what comes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use hiveway::admin::{Instance, Token};
use hiveway::core::model::TaskId;
use hiveway::core::model::snapshot::Snapshot;
use hiveway::state::drain_store::OrderBook;
use serde_json::Value;
use tokio::sync::watch;

use super::fixture::{Admin, Answer, snapshot};
use super::schema::mismatch;

type Headers<'a> = &'a [(&'a str, &'a str)];

const TOKEN: &str = "0123456789abcdef0123";
const BEARER: (&str, &str) = ("authorization", "Bearer 0123456789abcdef0123");

fn instance() -> (Instance, OrderBook) {
    let order_book = OrderBook::default();
    let instance = Instance {
        order_book: order_book.clone(),
        token: Token::new(TOKEN),
        ..Instance::default()
    };
    (instance, order_book)
}

/// The snapshot of the fixture with two endpoints.
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
    let (instance, order_book) = instance();
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
    assert_eq!(order_book.latest().drained(), BTreeSet::new());
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
async fn endpoint_is_drained_by_id_prefix_until_undone() {
    let (instance, order_book) = instance();
    let admin = Admin::start_with(instance).await;
    let early = post(&admin, "/v1/endpoints/t1/drain", &[BEARER]).await;
    assert_eq!(early.status, 503);
    admin.snapshots.send_replace(Some(published()));
    let now = || -> Vec<String> {
        let drained = order_book.latest().drained();
        drained.iter().map(ToString::to_string).collect()
    };
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
    }
    let status = admin.get("/v1/status").await.json();
    assert_eq!(status["drained_by_hand"], serde_json::json!(["t2"]));

    for (id, status, why) in [
        ("nobody", 404, "/v1/snapshot list them"),
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
    // One whose task has ended is not shown, although the order is kept for a while.
    admin.snapshots.send_replace(Some(without.into()));
    let status = admin.get("/v1/status").await.json();
    assert_eq!(status["drained_by_hand"], serde_json::json!([]));
}

#[tokio::test]
async fn one_that_hears_no_controller_says_when_they_are_told() {
    let (mut instance, order_book) = instance();
    let (follow, followed) = watch::channel(Some("10.0.0.1".into()));
    instance.followed = Some(followed);
    let admin = Admin::start_with(instance).await;
    admin.snapshots.send_replace(Some(published()));
    let answer = post(&admin, "/v1/endpoints/t1/drain", &[BEARER]).await;
    assert!(answer.text().contains("every controller takes it out"));
    follow.send_replace(None);
    let answer = post(&admin, "/v1/endpoints/t2/drain", &[BEARER]).await;
    assert!(
        answer
            .text()
            .contains("no controller is heard at the moment"),
        "{}",
        answer.text()
    );
    assert!(order_book.latest().drains(&"t2".into()));
}
