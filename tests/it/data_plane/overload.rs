//! So many requests at once for each endpoint, and no way to end a request that would leave its place taken.

use std::time::Duration;

use hiveway::core::model::route::Balance;

use crate::eventually::eventually;

use super::client::Client;
use super::edge::Edge;
use super::origin::{Behaviour, Exchange, Origin, origins};
use super::service::Service;

const GET: &str = "GET / HTTP/1.1\r\nHost: web.test\r\n\r\n";
const DONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone";
const UPGRADE: &str =
    "GET / HTTP/1.1\r\nHost: web.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

/// A service whose endpoints work on so many requests at once.
fn web(most: u32) -> Service {
    Service::new("web", "web.test").policy(|policy| policy.max_in_flight = Some(most))
}

/// Sends a request that its task keeps, as soon as there is room: a client reads the end of an answer a moment before the
/// gateway counts the request as ended.
async fn keep(edge: &Edge, origin: &Origin, request: &str) -> (Client, Exchange) {
    eventually("there is room", Duration::from_secs(20), async || {
        let mut client = edge.client().await;
        client.send(request).await;
        tokio::select! {
            exchange = origin.handed() => Ok((client, exchange)),
            answer = async { client.wire.head().await.expect("a head") } => Err(answer.first),
        }
    })
    .await
    .expect("room")
}

/// Waits until a request is answered by the task, which has room for one.
async fn has_room(edge: &Edge, origin: &Origin) {
    let (mut client, mut exchange) = keep(edge, origin, GET).await;
    exchange.wire.send(DONE).await.expect("it is read");
    assert_eq!(client.answer("GET").await.body, "done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_finds_all_endpoints_full_is_told_so_whatever_the_method() {
    for method in [
        Balance::RoundRobin,
        Balance::Random,
        Balance::LeastRequest,
        Balance::PeakEwma,
        Balance::HashSource,
    ] {
        let origins = origins([Behaviour::Hang; 3]).await;
        let service = web(2).policy(|policy| policy.balance = method.clone());
        let edge = Edge::start(&[service.endpoints(&origins)]).await;
        let mut clients = Vec::new();
        for _ in 0..6 {
            let mut client = edge.client().await;
            client.send(GET).await;
            clients.push(client);
        }
        for origin in &origins {
            origin.received(2).await;
        }
        let answer = edge.get("web.test", "/").await;
        answer.assert_refused(503, "overloaded");
        assert_eq!(answer.head.one("retry-after"), Some("1"));
        assert!(answer.body.contains("service web"), "{answer:?}");
        assert!(
            origins.iter().all(|it| it.requests().len() == 2),
            "{method:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_way_in_which_a_request_ends_makes_room() {
    let [origin] = origins([Behaviour::Hand]).await;
    let service = web(1).policy(|policy| {
        policy.response_timeout = Duration::from_millis(300);
        policy.retries = 1;
    });
    let edge = Edge::start(&[service.endpoints([&origin])]).await;
    // Answered.
    has_room(&edge, &origin).await;
    // Broken off before the answer.
    let (mut client, exchange) = keep(&edge, &origin, GET).await;
    edge.get("web.test", "/")
        .await
        .assert_refused(503, "overloaded");
    drop(exchange);
    client
        .answer("GET")
        .await
        .assert_refused(502, "response-failed");
    has_room(&edge, &origin).await;
    // Within the answer.
    let (mut client, mut exchange) = keep(&edge, &origin, GET).await;
    let begun = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun";
    exchange.wire.send(begun).await.unwrap();
    drop(exchange);
    assert!(client.closed().await.ends_with("begun"));
    has_room(&edge, &origin).await;
    // The client leaves, before the answer and within it.
    for begun in ["", begun] {
        let (mut client, mut exchange) = keep(&edge, &origin, GET).await;
        exchange.wire.send(begun).await.unwrap();
        if !begun.is_empty() {
            client.wire.head().await.expect("the head");
        }
        drop(client);
        has_room(&edge, &origin).await;
    }
    // Too late.
    let (mut client, _exchange) = keep(&edge, &origin, GET).await;
    client
        .answer("GET")
        .await
        .assert_refused(504, "response-timeout");
    has_room(&edge, &origin).await;
    // An upgraded connection counts until it ends.
    let (mut client, mut exchange) = keep(&edge, &origin, UPGRADE).await;
    exchange.wire.send(SWITCH).await.unwrap();
    client.wire.head().await.expect("the head");
    edge.get("web.test", "/")
        .await
        .assert_refused(503, "overloaded");
    drop((client, exchange));
    has_room(&edge, &origin).await;
    // The client leaves an upload that was answered before its end.
    let post = "POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 100000\r\n\r\nbegun";
    let (mut client, mut exchange) = keep(&edge, &origin, post).await;
    exchange.wire.send(DONE).await.unwrap();
    client.wire.head().await.expect("an answer");
    drop(client);
    has_room(&edge, &origin).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retried_request_frees_its_slot_and_takes_the_next() {
    let origins = origins([Behaviour::Refuse, Behaviour::Hand]).await;
    let edge = Edge::start(&[web(1).endpoints(&origins)]).await;
    let kept = keep(&edge, &origins[1], GET).await;
    // The dead one has room each time and never keeps a request, and the other has none.
    for _ in 0..4 {
        edge.get("web.test", "/")
            .await
            .assert_refused(502, "connect-failed");
    }
    drop(kept);
    has_room(&edge, &origins[1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sticky_client_of_a_full_endpoint_keeps_its_cookie() {
    let origins = origins([Behaviour::Hand, Behaviour::Answer]).await;
    let [own, other] = &origins;
    let edge = Edge::start(&[web(1).sticky().endpoints(&origins)]).await;
    let bound = format!(
        "GET / HTTP/1.1\r\nHost: web.test\r\nCookie: CONTAINERID={}\r\n\r\n",
        own.container
    );
    let (mut client, mut exchange) = keep(&edge, own, &bound).await;
    for _ in 0..3 {
        let answer = edge.client().await.request(&bound).await;
        assert_eq!(answer.body, other.container);
        assert_eq!(answer.head.all("set-cookie"), [""; 0]);
    }
    exchange.wire.send(DONE).await.unwrap();
    assert_eq!(client.answer("GET").await.body, "done");
    drop(exchange);
    // It goes back as soon as there is room.
    let back = async || {
        let mut client = edge.client().await;
        client.send(&bound).await;
        tokio::select! {
            _back = own.handed() => Ok(()),
            answer = client.answer("GET") => Err(format!("{answer:?}")),
        }
    };
    eventually("it is back", Duration::from_secs(20), back)
        .await
        .expect("it goes back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_limit_holds_over_snapshots_and_can_be_changed_by_one() {
    let [origin] = origins([Behaviour::Hand]).await;
    let edge = Edge::start(&[web(1).endpoints([&origin])]).await;
    let first = keep(&edge, &origin, GET).await;
    edge.publish(&[web(1).endpoints([&origin])]).await;
    edge.get("web.test", "/")
        .await
        .assert_refused(503, "overloaded");
    edge.publish(&[web(2).endpoints([&origin])]).await;
    let second = keep(&edge, &origin, GET).await;
    edge.publish(&[web(1).endpoints([&origin])]).await;
    drop(first);
    drop(second);
    has_room(&edge, &origin).await;
}
