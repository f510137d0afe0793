//! What concerns one connection only stays there; an upgrade to WebSocket passes.

use std::time::Duration;

use crate::bounded::bounded;
use crate::pause::pause;

use super::edge::Edge;
use super::origin::{Behaviour, origins};
use super::service::Service;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_of_the_clients_connection_do_not_reach_the_task() {
    let [task] = origins([Behaviour::Answer]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints([&task])]).await;
    let mut client = edge.client().await;
    let lines = "Connection: keep-alive, X-Mine, upgrade\r\n\
                 X-Mine: 1\r\n\
                 X-Yours: 2\r\n\
                 Keep-Alive: timeout=5\r\n\
                 TE: trailers\r\n\
                 Proxy-Connection: keep-alive\r\n\
                 Proxy-Authorization: Basic c2VjcmV0\r\n\
                 Upgrade: h2c\r\n\
                 HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA\r\n";
    assert_eq!(client.get_with("web.test", "/", lines).await.status, 200);
    assert_eq!(
        client
            .get_with("web.test", "/", "Upgrade: foo\r\nConnection: upgrade\r\n")
            .await
            .status,
        200
    );
    for request in task.received(2).await {
        for name in [
            "x-mine",
            "keep-alive",
            "te",
            "proxy-connection",
            "proxy-authorization",
            "upgrade",
            "http2-settings",
        ] {
            assert_eq!(
                request.head.all(name),
                [""; 0],
                "{name} in {:?}",
                request.head
            );
        }
        for value in request.head.all("connection") {
            assert_eq!(value.to_ascii_lowercase(), "keep-alive");
        }
    }
    assert_eq!(task.requests()[0].head.one("x-yours"), Some("2"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_cannot_name_away_what_the_gateway_says_of_it() {
    let [task] = origins([Behaviour::Answer]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints([&task])]).await;
    for name in [
        "X-Forwarded-For",
        "X-Forwarded-Proto",
        "X-Forwarded-Host",
        "Host",
        "Cookie",
        "Content-Length",
    ] {
        let mut client = edge.client().await;
        let lines = format!("Connection: close, {name}\r\n");
        client.get_with("web.test", "/", &lines).await;
    }
    for request in task.requests() {
        assert_eq!(request.head.one("host"), Some("web.test"));
        assert_eq!(request.head.one("x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(request.head.one("x-forwarded-proto"), Some("http"));
        assert_eq!(request.head.one("x-forwarded-host"), Some("web.test"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_of_the_tasks_connection_do_not_reach_the_client() {
    let said = "HTTP/1.1 200 OK\r\nConnection: close, X-Mine\r\nX-Mine: 1\r\nX-Yours: 2\r\n\
                Keep-Alive: timeout=1\r\nContent-Length: 2\r\n\r\nok";
    let [task] = origins([Behaviour::Say(said)]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints([&task])]).await;
    let mut client = edge.client().await;
    for _ in 0..2 {
        // The task closes its connection; the client's lives on.
        let answer = client.get("web.test", "/").await;
        assert_eq!((answer.status, answer.body.as_str()), (200, "ok"));
        assert_eq!(answer.head.one("x-mine"), None, "{answer:?}");
        assert_ne!(
            answer.head.one("keep-alive"),
            Some("timeout=1"),
            "{answer:?}"
        );
        assert_eq!(answer.head.one("x-yours"), Some("2"));
    }
}

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: web.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn websocket_passes_both_ways_beyond_the_response_timeout() {
    let [task] = origins([Behaviour::Hand]).await;
    let response_timeout = Duration::from_millis(200);
    let service = Service::new("web", "web.test")
        .sticky()
        .policy(|policy| policy.response_timeout = response_timeout);
    let edge = Edge::start(&[service.endpoints([&task])]).await;
    let mut client = edge.client().await;
    client.send(UPGRADE).await;
    let mut exchange = task.handed().await;
    assert_eq!(exchange.head.one("upgrade"), Some("websocket"));
    let connection = exchange.head.one("connection").expect("it is nominated");
    assert_eq!(connection.to_ascii_lowercase(), "upgrade");
    assert_eq!(
        exchange.head.one("sec-websocket-key"),
        Some("dGhlIHNhbXBsZSBub25jZQ==")
    );
    assert_eq!(exchange.head.one("x-forwarded-for"), Some("127.0.0.1"));

    exchange.wire.send(SWITCH).await.unwrap();
    let switched = client.wire.head().await.expect("an answer");
    assert_eq!(switched.status(), 101);
    assert_eq!(
        switched.one("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    let cookie = format!("CONTAINERID={}; path=/", task.container);
    assert_eq!(switched.all("set-cookie"), [cookie]);

    for turn in 0..3u8 {
        // Silence for longer than an answer may take.
        pause(response_timeout * 2).await;
        client.send([0x81, 1, turn]).await;
        let frame = bounded(exchange.wire.exactly(3)).await;
        assert_eq!(frame, Some(vec![0x81, 1, turn]));
        exchange.wire.send([0x82, 1, turn]).await.unwrap();
        let frame = bounded(client.wire.exactly(3)).await;
        assert_eq!(frame, Some(vec![0x82, 1, turn]));
    }
    // The end of one side is the end of the other.
    drop(exchange);
    assert_eq!(client.closed().await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_a_websocket_ends_it_for_the_task() {
    let [task] = origins([Behaviour::Hand]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints([&task])]).await;
    let mut client = edge.client().await;
    client.send(UPGRADE).await;
    let mut exchange = task.handed().await;
    exchange.wire.send(SWITCH).await.unwrap();
    client.wire.head().await.expect("an answer");
    client.send("words").await;
    assert_eq!(
        bounded(exchange.wire.exactly(5)).await,
        Some(b"words".to_vec())
    );
    drop(client);
    assert_eq!(bounded(exchange.wire.rest()).await, b"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_websocket_ends_after_the_idle_time_out() {
    let [task] = origins([Behaviour::Hand]).await;
    let service = Service::new("web", "web.test")
        .policy(|policy| policy.idle_timeout = Duration::from_millis(500));
    let edge = Edge::start(&[service.endpoints([&task])]).await;
    let mut client = edge.client().await;
    client.send(UPGRADE).await;
    let mut exchange = task.handed().await;
    exchange.wire.send(SWITCH).await.unwrap();
    client.wire.head().await.expect("an answer");
    assert_eq!(client.closed().await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_upgrade_is_an_ordinary_answer() {
    let refused = "HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno";
    let [task] = origins([Behaviour::Say(refused)]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints([&task])]).await;
    let mut client = edge.client().await;
    let answer = client.request(UPGRADE).await;
    assert_eq!((answer.status, answer.body.as_str()), (403, "no"));
    // What follows was meant for a WebSocket that never was; as an ordinary request it is one of its own.
    client
        .send("GET /smuggled HTTP/1.1\r\nHost: web.test\r\n\r\n")
        .await;
    client.try_answer("GET").await;
    assert!(
        task.requests()
            .iter()
            .all(|it| it.head.one("host") == Some("web.test"))
    );
}
