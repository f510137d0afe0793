//! Answers that fall silent: a stream of events may for the idle time-out, anything else for the response time-out, and neither
//! is taken for a whole answer when it is cut off.

use std::time::Duration;

use crate::bounded::bounded;
use crate::pause::pause;

use super::client::Client;
use super::edge::Edge;
use super::origin::{Behaviour, Exchange, origins};
use super::service::Service;

const LONG: Duration = Duration::from_secs(3600);
const SHORT: Duration = Duration::from_secs(1);

/// A request with these header lines that has got the head of its answer, and what keeps it alive.
async fn begun(response: Duration, idle: Duration, lines: &str) -> (Client, Exchange, impl Sized) {
    let [task] = origins([Behaviour::Hand]).await;
    let service = Service::new("web", "web.test").policy(|policy| {
        policy.response_timeout = response;
        policy.idle_timeout = idle;
    });
    let edge = Edge::start(&[service.endpoints([&task])]).await;
    let mut client = edge.client().await;
    client
        .send(format!("GET / HTTP/1.1\r\nHost: web.test\r\n{lines}\r\n"))
        .await;
    let mut exchange = task.handed().await;
    exchange
        .wire
        .send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await
        .unwrap();
    bounded(client.wire.head()).await.expect("a head");
    (client, exchange, (task, edge))
}

const EVENTS: &str = "Accept: text/event-stream\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_events_outlives_the_response_time_out() {
    let (mut client, mut exchange, _stage) = begun(SHORT / 5, LONG, EVENTS).await;
    for _ in 0..3 {
        // Silence for longer than a response may take.
        pause(SHORT).await;
        exchange.wire.send("9\r\ndata: 1\n\n\r\n").await.unwrap();
        let event = bounded(client.wire.chunk()).await;
        assert_eq!(event.as_deref(), Some(&b"data: 1\n\n"[..]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn event_stream_is_cut_off_after_the_idle_timeout() {
    let (mut client, mut exchange, _stage) = begun(LONG, SHORT, EVENTS).await;
    exchange.wire.send("9\r\ndata: 1\n\n\r\n").await.unwrap();
    let told = client.closed().await;
    assert_eq!(told, "9\r\ndata: 1\n\n\r\n", "not taken for a whole one");
    assert_eq!(bounded(exchange.wire.rest()).await, b"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_stalled_response_is_cut_off_by_the_response_timeout() {
    let (mut client, mut exchange, _stage) = begun(SHORT, LONG, "Accept: */*\r\n").await;
    exchange.wire.send("1\r\nx\r\n").await.unwrap();
    assert_eq!(bounded(client.wire.chunk()).await, Some(b"x".to_vec()));
    assert_eq!(client.closed().await, "", "not taken for a whole one");
    assert_eq!(bounded(exchange.wire.rest()).await, b"");
}
