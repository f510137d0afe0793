//! Requests that wait for an endpoint: for one to come into rotation, or for one to have room.

use std::sync::Arc;
use std::time::Duration;

use hiveway::core::model::route::Balance;
use hiveway::core::model::snapshot::EndpointState;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::eventually::eventually;

use super::client::Client;
use super::edge::Edge;
use super::origin::{Behaviour, Exchange, Origin, origins};
use super::service::Service;

const HOUR: Duration = Duration::from_secs(3600);
const GET: &str = "GET / HTTP/1.1\r\nHost: web.test\r\n\r\n";
const DONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone";

/// A service for whose endpoints requests wait so long.
fn web(hold: Duration) -> Service {
    Service::new("web", "web.test").policy(|policy| policy.hold = hold)
}

/// Waits until so many requests wait.
async fn held(edge: &Edge, count: usize) {
    let expected = count.to_string();
    let look = async || match edge.metric("hiveway_queued_requests", "web") {
        held if held == expected => Ok(()),
        held => Err(held),
    };
    eventually("so many wait", Duration::from_secs(20), look)
        .await
        .unwrap_or_else(|error| panic!("{count}: {error}"));
}

/// The next request of a task, by the same connection or by another.
async fn after(mut last: Exchange, origin: &Origin) -> Exchange {
    tokio::select! {
        exchange = origin.handed() => exchange,
        head = last.wire.head() => {
            last.head = head.expect("the next request");
            last
        }
    }
}

/// Sends a request that has to wait.
async fn waiting(edge: &Edge, request: &str) -> Client {
    let before: usize = edge
        .metric("hiveway_queued_requests", "web")
        .parse()
        .expect("a number");
    let mut client = edge.client().await;
    client.send(request).await;
    held(edge, before + 1).await;
    client
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_without_an_endpoint_waits_until_one_comes() {
    let [origin] = origins([Behaviour::Answer]).await;
    let starting = web(HOUR).endpoint(&origin, EndpointState::Starting);
    let edge = Edge::start(&[starting]).await;
    let post = "POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 5\r\n\r\norder";
    let mut clients = [
        waiting(&edge, post).await,
        waiting(&edge, post).await,
        waiting(&edge, post).await,
    ];
    // Another snapshot that brings none changes nothing.
    edge.publish(&[web(HOUR)]).await;
    held(&edge, 3).await;
    edge.publish(&[web(HOUR).endpoints([&origin])]).await;
    for client in &mut clients {
        assert_eq!(client.answer("POST").await.body, origin.container);
    }
    held(&edge, 0).await;
    assert_eq!(edge.metric("hiveway_requests_queued_total", "web"), "3");
    let bodies: Vec<_> = origin.requests().into_iter().map(|it| it.body).collect();
    assert_eq!(bodies, [b"order"; 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_wait_ends_after_its_time_with_what_was_missing() {
    let [origin] = origins([Behaviour::Hang]).await;
    let hold = Duration::from_millis(400);
    let edge = Edge::start(&[web(hold)]).await;
    let began = Instant::now();
    let answer = edge.get("web.test", "/").await;
    answer.assert_refused(503, "no-endpoint");
    assert_eq!(answer.head.one("retry-after"), Some("1"));
    assert!(began.elapsed() >= hold);
    let full = web(hold).policy(|policy| policy.max_in_flight = Some(1));
    edge.publish(&[full.endpoints([&origin])]).await;
    let mut first = edge.client().await;
    first.send(GET).await;
    origin.received(1).await;
    let began = Instant::now();
    let answer = edge.get("web.test", "/").await;
    answer.assert_refused(503, "overloaded");
    assert!(began.elapsed() >= hold);
    held(&edge, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_time_for_it_nobody_waits() {
    let edge = Edge::start(&[Service::new("web", "web.test")]).await;
    let answer = edge.get("web.test", "/").await;
    answer.assert_refused(503, "no-endpoint");
    assert_eq!(edge.metric("hiveway_requests_queued_total", "web"), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_too_many_wait_the_next_is_refused_at_once() {
    let [origin] = origins([Behaviour::Answer]).await;
    let few = |config: &mut hiveway::gateway::Config| config.limits.held = 2;
    let edge = Edge::start_with(few, &[web(HOUR)]).await;
    let mut clients = [waiting(&edge, GET).await, waiting(&edge, GET).await];
    for _ in 0..3 {
        let answer = edge.get("web.test", "/").await;
        answer.assert_refused(503, "queue-full");
    }
    edge.publish(&[web(HOUR).endpoints([&origin])]).await;
    for client in &mut clients {
        assert_eq!(client.answer("GET").await.body, origin.container);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_came_first_is_served_first() {
    let [origin] = origins([Behaviour::Hand]).await;
    let service = web(HOUR).policy(|policy| policy.max_in_flight = Some(1));
    let edge = Edge::start(&[service.endpoints([&origin])]).await;
    let mut client = edge.client().await;
    client.send(GET).await;
    let mut exchange = origin.handed().await;
    let mut line = Vec::new();
    for place in 1..=5 {
        let request = GET.replace("GET /", &format!("GET /{place}"));
        line.push((place, waiting(&edge, &request).await));
    }
    for (place, next) in line {
        exchange.wire.send(DONE).await.unwrap();
        assert_eq!(client.answer("GET").await.body, "done");
        client = next;
        exchange = after(exchange, &origin).await;
        assert_eq!(exchange.head.first, format!("GET /{place} HTTP/1.1"));
    }
    exchange.wire.send(DONE).await.unwrap();
    assert_eq!(client.answer("GET").await.body, "done");
    held(&edge, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_waits_no_longer() {
    let edge = Edge::start(&[web(HOUR)]).await;
    let first = waiting(&edge, GET).await;
    let post = "POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 9\r\n\r\nhalf";
    let second = waiting(&edge, post).await;
    drop(first);
    held(&edge, 1).await;
    drop(second);
    held(&edge, 0).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_ends_the_wait_at_once() {
    let mut edge = Edge::start_with(|config| config.grace = HOUR, &[web(HOUR)]).await;
    let mut client = waiting(&edge, GET).await;
    edge.stop.cancel();
    client
        .answer("GET")
        .await
        .assert_refused(503, "no-endpoint");
    edge.ended().await.expect("a stop is no failure");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_service_goes_the_wait_is_over() {
    let edge = Edge::start(&[web(HOUR)]).await;
    let mut clients = [waiting(&edge, GET).await, waiting(&edge, GET).await];
    edge.publish(&[]).await;
    for client in &mut clients {
        client.answer("GET").await.assert_refused(404, "no-route");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_of_one_replica_survives_its_update() {
    let [old, new] = origins([Behaviour::Refuse, Behaviour::Answer]).await;
    // It is stopped before its successor runs, and takes no connections any more.
    let stopping = web(HOUR).endpoint(&old, EndpointState::Draining);
    let edge = Edge::start(&[stopping]).await;
    let post = "POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 5\r\n\r\norder";
    let mut first = waiting(&edge, post).await;
    let ended = web(HOUR).endpoint(&old, EndpointState::Ended);
    edge.publish(std::slice::from_ref(&ended)).await;
    let mut second = waiting(&edge, GET).await;
    let starting = ended.endpoint(&new, EndpointState::Starting);
    edge.publish(&[starting]).await;
    held(&edge, 2).await;
    edge.publish(&[web(HOUR).endpoints([&new])]).await;
    assert_eq!(first.answer("POST").await.body, new.container);
    assert_eq!(second.answer("GET").await.body, new.container);
    let whole = new.requests().into_iter().any(|it| it.body == b"order");
    assert!(whole, "{:?}", new.requests());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn recovered_endpoint_serves_the_queued_requests() {
    let [mut origin] = origins([Behaviour::Refuse]).await;
    let service = || web(HOUR).policy(|policy| policy.retries = 1);
    let edge = Edge::start(&[service().endpoints([&origin])]).await;
    let mut client = waiting(&edge, GET).await;
    // No other endpoint, and this one has refused: another snapshot alone does not send it there again.
    edge.publish(&[service().endpoints([&origin])]).await;
    held(&edge, 1).await;
    edge.publish(&[service().endpoint(&origin, EndpointState::Failing)])
        .await;
    origin.listen(Behaviour::Answer);
    edge.publish(&[service().endpoints([&origin])]).await;
    assert_eq!(client.answer("GET").await.body, origin.container);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_that_was_broken_off_does_not_wait() {
    let [origin] = origins([Behaviour::Close]).await;
    let edge = Edge::start(&[web(HOUR).endpoints([&origin])]).await;
    let answer = edge.get("web.test", "/").await;
    answer.assert_refused(502, "response-failed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_waits_for_room_elsewhere() {
    let origins = origins([Behaviour::Refuse, Behaviour::Hand]).await;
    let service = web(HOUR).policy(|policy| policy.max_in_flight = Some(1));
    let edge = Edge::start(&[service.endpoints(&origins)]).await;
    let mut first = edge.client().await;
    first.send(GET).await;
    let mut exchange = origins[1].handed().await;
    let mut second = waiting(&edge, GET).await;
    exchange.wire.send(DONE).await.unwrap();
    assert_eq!(first.answer("GET").await.body, "done");
    let mut exchange = after(exchange, &origins[1]).await;
    exchange.wire.send(DONE).await.unwrap();
    assert_eq!(second.answer("GET").await.body, "done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_wait_nobody_is_forgotten() {
    let origins = origins([Behaviour::Slow(Duration::from_millis(1)); 2]).await;
    for balance in [Balance::RoundRobin, Balance::LeastRequest] {
        let service = web(HOUR).policy(|policy| {
            policy.max_in_flight = Some(1);
            policy.balance = balance.clone();
        });
        let edge = Arc::new(Edge::start(&[service.endpoints(&origins)]).await);
        let mut clients = JoinSet::new();
        for number in 0..40 {
            let edge = edge.clone();
            clients.spawn(async move {
                let mut client = edge.client().await;
                for _ in 0..10 {
                    assert_eq!(client.get("web.test", "/").await.status, 200);
                }
                if number % 4 == 0 {
                    // Some leave while they wait, or while they are served.
                    client.send(GET).await;
                }
            });
        }
        while let Some(ended) = clients.join_next().await {
            ended.expect("each is answered");
        }
        held(&edge, 0).await;
        assert_ne!(edge.metric("hiveway_requests_queued_total", "web"), "0");
    }
}
