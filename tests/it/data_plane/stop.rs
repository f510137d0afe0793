//! A stop in peace: nothing new, what is in flight ends, and the gateway returns.

use std::time::Duration;

use tokio::net::TcpStream;

use crate::bounded::bounded;

use super::client::Client;
use super::edge::Edge;
use super::origin::{Behaviour, Origin, origins};
use super::service::Service;

const GET: &str = "GET / HTTP/1.1\r\nHost: web.test\r\n\r\n";
const DONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone";

async fn edge(task: &Origin, grace: Duration) -> Edge {
    let service = Service::new("web", "web.test").endpoints([task]);
    Edge::start_with(|config| config.grace = grace, &[service]).await
}

/// Waits until connections to both listeners are refused.
async fn refuses(edge: &Edge) {
    for address in [edge.internal, edge.public] {
        let refused = async {
            while TcpStream::connect(address).await.is_ok() {
                tokio::task::yield_now().await;
            }
        };
        bounded(refused).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_flight_ends_in_peace_while_nothing_new_is_taken() {
    let [task] = origins([Behaviour::Hand]).await;
    let mut edge = edge(&task, Duration::from_secs(3600)).await;
    let mut unrouted = edge.client().await;
    unrouted.get("nobody.test", "/").await;
    let mut silent = edge.client().await;
    let mut outside = Client::connect(edge.public).await;
    outside.get("nobody.test", "/").await;
    let mut client = edge.client().await;
    client.send(GET).await;
    let mut exchange = task.handed().await;

    edge.stop.cancel();
    refuses(&edge).await;
    for idle in [&mut unrouted, &mut silent, &mut outside] {
        assert_eq!(idle.closed().await, "");
    }
    exchange.wire.send(DONE).await.unwrap();
    let answer = client.answer("GET").await;
    assert_eq!(answer.body, "done");
    assert_eq!(client.closed().await, "", "the connection takes no more");
    edge.ended().await.expect("a stop is no failure");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upload_that_has_begun_is_finished() {
    let [task] = origins([Behaviour::Answer]).await;
    let mut edge = edge(&task, Duration::from_secs(3600)).await;
    let mut client = edge.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 4\r\n\r\nha")
        .await;
    let arrived = async {
        while !task.bytes().ends_with("ha") {
            tokio::task::yield_now().await;
        }
    };
    bounded(arrived).await;
    edge.stop.cancel();
    refuses(&edge).await;
    client.send("lf").await;
    assert_eq!(client.answer("POST").await.body, task.container);
    edge.ended().await.expect("a stop is no failure");
    assert_eq!(task.requests()[0].body, b"half");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_no_longer_than_its_grace() {
    let [task] = origins([Behaviour::Hang]).await;
    let mut edge = edge(&task, Duration::from_millis(300)).await;
    let mut client = edge.client().await;
    client.send(GET).await;
    task.received(1).await;
    edge.stop.cancel();
    edge.ended()
        .await
        .expect("the end of the grace is no failure");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_without_connections_stops_at_once() {
    let mut edge = Edge::cold(|config| config.grace = Duration::from_secs(3600));
    edge.stop.cancel();
    edge.ended().await.expect("a stop is no failure");
    refuses(&edge).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn last_snapshot_serves_after_its_publisher_is_gone() {
    let [task] = origins([Behaviour::Answer]).await;
    let mut edge = edge(&task, Duration::from_secs(10)).await;
    edge.lose_publisher();
    assert_eq!(edge.get("web.test", "/").await.body, task.container);
    edge.stop.cancel();
    edge.ended().await.expect("a stop is no failure");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_at_work_is_taken_leave_of_by_an_answer() {
    let [task] = origins([Behaviour::Answer]).await;
    let mut edge = edge(&task, Duration::from_secs(10)).await;
    let mut client = edge.client().await;
    assert_eq!(client.get("web.test", "/").await.status, 200);
    edge.stop.cancel();
    refuses(&edge).await;
    let answer = client.get("web.test", "/").await;
    assert_eq!(
        (answer.status, answer.head.one("connection")),
        (200, Some("close"))
    );
    assert_eq!(client.closed().await, "");
    edge.ended().await.expect("a stop is no failure");
}
