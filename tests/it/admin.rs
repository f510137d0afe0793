//! The admin listener over real sockets.

mod drain;
mod events;
mod exposition;
mod fixture;
mod health;
mod schema;
mod v1;

use std::collections::BTreeSet;
use std::sync::Arc;

use hiveway::core::event::Event;
use hiveway::core::model::middleware::{Credential, Middleware, PasswordHash};
use hiveway::core::model::snapshot::Snapshot;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use fixture::{Admin, bounded, snapshot};

#[tokio::test]
async fn the_index_names_every_path_and_each_answers() {
    let admin = Admin::start().await;
    admin.snapshots.send_replace(Some(snapshot("restserver")));
    admin.readiness.require("snapshot", Ok(()));
    let index = admin.get("/").await;
    assert_eq!(index.status, 200);
    let paths: BTreeSet<_> = index
        .text()
        .lines()
        .filter(|line| line.starts_with('/'))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(
        paths,
        BTreeSet::from([
            "/dashboard",
            "/events",
            "/events/stream",
            "/live",
            "/metrics",
            "/ready",
            "/snapshot",
            "/v1/openapi.json"
        ])
    );
    for path in paths {
        let head = admin.request("HEAD", path, &[], "").await;
        assert_eq!((head.status, head.text()), (200, ""), "{path}");
        assert_eq!(head.header("cache-control"), "no-store", "{path}");
        assert_eq!(head.header("x-content-type-options"), "nosniff", "{path}");
    }
}

#[tokio::test]
async fn the_dashboard_refers_to_nothing_but_parts_of_this_listener() {
    let admin = Admin::start().await;
    let browser = [("accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    let shown = admin.request("GET", "/", &browser, "").await;
    assert_eq!((shown.status, shown.header("location")), (303, "dashboard"));
    let index = admin.get("/").await;
    let index = index.text();
    let mut left = vec!["/dashboard".to_owned()];
    let mut seen = BTreeSet::new();
    while let Some(path) = left.pop() {
        if !seen.insert(path.clone()) {
            continue;
        }
        let answer = admin.get(&path).await;
        assert_eq!(answer.status, 200, "{path}");
        let policy = answer.header("content-security-policy");
        for part in policy.split("; ") {
            let (_, allowed) = part.split_once(' ').expect("what is allowed");
            assert!(["'none'", "'self'"].contains(&allowed), "{path}: {part}");
        }
        assert!(
            policy.starts_with("default-src 'none'; "),
            "{path}: {policy}"
        );
        let text = answer.text();
        let foreign = text.replace("http://www.w3.org/2000/svg", "");
        let scheme = path.ends_with("topology.js");
        assert!(scheme || !foreign.contains("://"), "{path}");
        for never in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "style=",
            "onclick=",
        ] {
            assert!(!text.contains(never), "{path} has {never}");
        }
        for reference in ["href=\"", "src=\"", "from \""]
            .iter()
            .flat_map(|it| text.split(it).skip(1))
        {
            let reference = reference.split('"').next().expect("a beginning");
            match reference.strip_prefix("./") {
                Some(module) => left.push(format!("/dashboard/{module}")),
                None if reference.starts_with("dashboard/") => left.push(format!("/{reference}")),
                None => {
                    let link = format!("/{reference} ");
                    assert!(
                        reference.starts_with('#') || index.contains(&link),
                        "{link}"
                    );
                }
            }
        }
    }
    assert_eq!(seen.len(), 12, "{seen:?}");
}

#[tokio::test]
async fn a_live_process_says_so() {
    let admin = Admin::start().await;
    let answer = admin.get("/live").await;
    assert_eq!((answer.status, answer.text()), (200, "ok\n"));
    assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
}

#[tokio::test]
async fn readiness_follows_required_conditions_and_shows_reasons() {
    let admin = Admin::start().await;
    admin
        .readiness
        .require("snapshot", Err("warming up".into()));
    let answer = admin.get("/ready").await;
    assert_eq!(answer.status, 503);
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(
        answer.json(),
        json!({"ready": false, "conditions": [
            {"name": "snapshot", "required": true, "holds": false, "reason": "warming up"},
        ]})
    );

    admin.readiness.require("snapshot", Ok(()));
    admin
        .readiness
        .inform("engine", Err("connection refused".into()));
    assert_eq!(admin.get("/ready").await.status, 200);

    admin.readiness.require("stopping", Err("SIGTERM".into()));
    let answer = admin.get("/ready").await;
    assert_eq!(answer.status, 503);
    assert!(answer.text().contains("SIGTERM"));
}

#[tokio::test]
async fn the_snapshot_is_shown_as_it_is_and_missed_with_a_reason() {
    let admin = Admin::start().await;
    admin
        .readiness
        .require("snapshot", Err("warming up".into()));
    let answer = admin.get("/snapshot").await;
    assert_eq!(
        (answer.status, answer.text()),
        (503, "no snapshot yet: snapshot: warming up\n")
    );

    let published = snapshot("restserver");
    admin.snapshots.send_replace(Some(published.clone()));
    let answer = admin.get("/snapshot").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), "application/json");
    let shown: Snapshot = serde_json::from_str(answer.text()).expect("a snapshot");
    assert_eq!(shown, *published);
}

#[tokio::test]
async fn the_snapshot_is_shown_without_the_hashes_of_passwords() {
    let admin = Admin::start().await;
    let mut published = (*snapshot("restserver")).clone();
    for cluster in published.clusters.values_mut() {
        let credential = Credential {
            user: "alice".into(),
            hash: PasswordHash("$2y$05$secret".into()),
        };
        let middleware = Middleware {
            basic_auth: Some(vec![credential]),
            ..Middleware::default()
        };
        Arc::make_mut(cluster).policy.middleware = Some(Arc::new(middleware));
    }
    admin.snapshots.send_replace(Some(Arc::new(published)));
    let answer = admin.get("/snapshot").await;
    assert_eq!(answer.status, 200);
    let text = answer.text();
    assert!(text.contains("alice") && !text.contains("secret"), "{text}");
}

#[tokio::test]
async fn the_recent_events_can_be_narrowed() {
    let admin = Admin::start().await;
    admin.emit_scaled("a", 3);
    admin.emitter.emit(Event::ScaleRefused {
        service: "b".into(),
        to: 9,
        reason: "no such service".into(),
    });
    admin.emit_scaled("c", 2);
    admin.recorded(6).await;

    let sequences = async |path: &str| -> Vec<u64> {
        let answer = admin.get(path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.text());
        let events = answer.json()["events"].as_array().cloned().expect("a list");
        events
            .iter()
            .filter_map(|event| event["sequence"].as_u64())
            .collect()
    };
    assert_eq!(sequences("/events").await, [1, 2, 3, 4, 5, 6]);
    assert_eq!(sequences("/events?limit=2").await, [5, 6]);
    assert_eq!(sequences("/events?limit=0").await, [0; 0]);
    assert_eq!(sequences("/events?severity=warn").await, [4]);
    assert_eq!(sequences("/events?service=a&limit=2").await, [2, 3]);
    assert_eq!(sequences("/events?service=nobody").await, [0; 0]);

    let event = &admin.get("/events?severity=warn").await.json()["events"][0];
    let mut event = event.clone();
    assert!(
        event["at"]
            .take()
            .as_u64()
            .is_some_and(|at| at > 1_700_000_000_000)
    );
    assert_eq!(
        event,
        json!({
            "sequence": 4,
            "at": Value::Null,
            "severity": "warn",
            "kind": "scale_refused",
            "service": "b",
            "to": 9,
            "reason": "no such service",
            "message": "b could not be scaled to 9 replicas: no such service",
        })
    );
}

#[tokio::test]
async fn wrong_requests_are_refused_with_the_remedy() {
    let admin = Admin::start().await;
    let cases = [
        ("GET", "/nothing", "", 404, "/events/stream"),
        ("GET", "/events?limit=few", "", 400, "limit (a number)"),
        ("GET", "/events?severity=loud", "", 400, "warn or error"),
        (
            "GET",
            "/events?severity=warning",
            "",
            400,
            "(did you mean warn?)",
        ),
        (
            "GET",
            "/events/stream?severty=info",
            "",
            400,
            "unknown field `severty`",
        ),
        ("POST", "/live", "", 405, "read-only"),
        ("DELETE", "/snapshot", "", 405, "read-only"),
        ("POST", "/events", "{}", 405, "read-only"),
    ];
    for (method, path, body, status, text) in cases {
        let answer = admin.request(method, path, &[], body).await;
        assert_eq!(answer.status, status, "{method} {path}");
        assert!(answer.text().contains(text), "{path}: {}", answer.text());
        assert_eq!(answer.header("content-type"), "text/plain; charset=utf-8");
    }
    let large = "x".repeat(5000);
    assert_eq!(admin.request("GET", "/live", &[], &large).await.status, 413);
}

#[tokio::test]
async fn broken_and_endless_requests_end_at_their_own_connection() {
    let admin = Admin::start().await;
    let long_header = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "x".repeat(100_000));
    let cases: [(&[u8], &str); 4] = [
        (
            b"\x16\x03\x01\x02\x00\x01\xfc\x03\x03\r\n\r\n",
            "HTTP/1.1 400",
        ),
        (b"GET / HTTP/1.1\r\nbroken header\r\n\r\n", "HTTP/1.1 400"),
        (
            b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
            "HTTP/1.1 413",
        ),
        (long_header.as_bytes(), "HTTP/1.1 431"),
    ];
    for (request, expected) in cases {
        let mut stream = TcpStream::connect(admin.address).await.expect("connected");
        // The listener may close before it has read all.
        let _ = stream.write_all(request).await;
        let mut start = [0; 12];
        bounded(stream.read_exact(&mut start))
            .await
            .expect("a status line");
        assert_eq!(String::from_utf8_lossy(&start), expected);
    }
    assert_eq!(admin.get("/live").await.status, 200);
}

#[tokio::test]
async fn stopping_ends_streams_and_does_not_wait_for_idle_clients() {
    let admin = Admin::start().await;
    let mut stream = admin.follow("/events/stream", &[]).await;
    let mut idle = TcpStream::connect(admin.address).await.expect("connected");
    let mut halfway = TcpStream::connect(admin.address).await.expect("connected");
    halfway
        .write_all(b"GET / HTTP/1.1\r\nhost:")
        .await
        .expect("sent");
    // Both are accepted once a later connection is answered.
    assert_eq!(admin.get("/live").await.status, 200);

    let address = admin.stop().await;
    assert_eq!(stream.rest().await, "");
    for silent in [&mut idle, &mut halfway] {
        let mut rest = Vec::new();
        // A reset is an end as well.
        let _ = bounded(silent.read_to_end(&mut rest)).await;
        assert_eq!(rest, b"");
    }
    TcpStream::connect(address)
        .await
        .expect_err("nothing listens");
}
