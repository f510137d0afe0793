//! HTTP/2 told from HTTP/1 by the first bytes: whatever their number, they decide, and none holds the connection for ever.

use std::time::Duration;

use super::super::client::Client as Http1;
use super::super::edge::Edge;
use super::super::origin::{Behaviour, Origin, origins};
use super::super::service::Service;
use super::frames::{
    END_HEADERS, END_STREAM, GO_AWAY, HEADERS, PLAIN, PREFACE, RawClient, SETTINGS, frame, list,
};
use crate::pause::pause;

async fn edge(limit: Duration) -> (Edge, Origin) {
    let [task] = origins([Behaviour::Answer]).await;
    let service = Service::new("web", "web.test").endpoints([&task]);
    let edge = Edge::start_with(
        |config| {
            config.limits.head = limit;
            config.limits.keep_alive = limit;
        },
        &[service],
    )
    .await;
    (edge, task)
}

const LONG: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_secs(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preface_may_come_byte_by_byte() {
    let (edge, _task) = edge(LONG).await;
    let mut client = RawClient::silent(edge.internal).await;
    let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, &list(&PLAIN));
    let all = [PREFACE, &frame(SETTINGS, 0, 0, &[]), &request].concat();
    for byte in all {
        client.send([byte]).await;
        // Each is a packet of its own, and is seen as one.
        pause(Duration::from_millis(2)).await;
    }
    let answer = client.next_of(&[HEADERS]).await.expect("an answer");
    assert_eq!((answer.stream, answer.status()), (1, Some(200)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_an_opening_may_come_at_once() {
    let (edge, task) = edge(LONG).await;
    let mut client = RawClient::silent(edge.internal).await;
    let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, &list(&PLAIN));
    client
        .send([PREFACE, &frame(SETTINGS, 0, 0, &[]), &request].concat())
        .await;
    let answer = client.next_of(&[HEADERS]).await.expect("an answer");
    assert_eq!(answer.status(), Some(200));
    assert_eq!(task.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preface_that_is_not_finished_ends_with_the_time_for_a_head() {
    let (edge, _task) = edge(SHORT).await;
    for part in [1, 3, 14, 18, 23] {
        let mut client = edge.client().await;
        client.send(&PREFACE[..part]).await;
        let told = client.closed().await;
        assert!(told.starts_with("HTTP/1.1 408 "), "{part}: {told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn methods_that_begin_like_the_preface_are_served() {
    let (edge, task) = edge(LONG).await;
    for method in ["P", "PR", "PRI", "PUT", "POST", "PATCH", "PROPFIND"] {
        let mut client = edge.client().await;
        let head = format!("{method} / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 0\r\n\r\n");
        for byte in head.bytes() {
            client.send([byte]).await;
        }
        let answer = client.answer(method).await;
        assert_eq!((answer.status, &answer.body), (200, &task.container));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_shorter_than_the_preface_is_answered_at_once() {
    let (edge, _task) = edge(LONG).await;
    // What a load balancer in front asks for by default.
    let answer = edge
        .client()
        .await
        .request("OPTIONS / HTTP/1.0\r\n\r\n")
        .await;
    answer.assert_refused(404, "no-route");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http_2_is_not_taken_behind_another_request_nor_by_half() {
    let (edge, task) = edge(LONG).await;
    let mut client = edge.client().await;
    assert_eq!(client.get("web.test", "/").await.status, 200);
    client
        .send([PREFACE, &frame(SETTINGS, 0, 0, &[])].concat())
        .await;
    let told = client.closed().await;
    assert!(
        told.is_empty() || told.starts_with("HTTP/1.1 400 "),
        "{told}"
    );
    let mut client = Http1::connect(edge.internal).await;
    client
        .send("PRI * HTTP/2.0\r\n\r\nGET / HTTP/1.1\r\nHost: web.test\r\n\r\n")
        .await;
    let told = client.closed().await;
    assert!(
        told.is_empty() || told.starts_with("HTTP/1.1 400 "),
        "{told}"
    );
    assert_eq!(task.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_is_told_farewell_and_closed() {
    let (edge, _task) = edge(SHORT).await;
    let mut used = RawClient::connect(edge.internal).await;
    let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, &list(&PLAIN));
    used.send(request).await;
    assert!(used.next_of(&[HEADERS]).await.is_some());
    // This one does not even send its settings.
    let mut silent = RawClient::silent(edge.internal).await;
    silent.send(PREFACE).await;
    for client in [&mut used, &mut silent] {
        let farewell = client.next_of(&[GO_AWAY]).await.expect("a farewell");
        assert_eq!(farewell.reason(), 0);
        // Neither answers it, and both are closed nevertheless.
        while client.next().await.is_some() {}
    }
}
