//! Bodies over HTTP/2 pass as they come, whatever their size, and at the pace of whoever is slower.

use std::time::Duration;

use bytes::Bytes;
use http::Request;

use crate::bounded::bounded;

use super::super::edge::Edge;
use super::super::message::Framing;
use super::super::origin::{Behaviour, Origin, origins};
use super::super::service::Service;
use super::client::{Client, answer, get, head, part, push};

const HUNDRED_MEGABYTES: usize = 100_000_000;

async fn stage(behaviour: Behaviour) -> (Edge, Origin, Client) {
    let [task] = origins([behaviour]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints([&task])]).await;
    let client = Client::connect(edge.internal).await;
    (edge, task, client)
}

fn post(length: Option<usize>) -> Request<()> {
    let request = Request::post("http://web.test/");
    let request = match length {
        Some(length) => request.header("content-length", length),
        None => request,
    };
    request.body(()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_sent_events_arrive_one_by_one() {
    let (_edge, task, mut client) = stage(Behaviour::Hand).await;
    let (response, _) = client
        .start(get("web.test", "/events"), true)
        .await
        .unwrap();
    let mut exchange = task.handed().await;
    let said =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    exchange.wire.send(said).await.unwrap();
    let response = head(response).await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let mut body = response.into_body();
    for turn in 0..5 {
        let event = format!("data: {turn}\n\n");
        let chunk = format!("{:x}\r\n{event}\r\n", event.len());
        exchange.wire.send(chunk).await.unwrap();
        // It comes while the task is silent.
        assert_eq!(part(&mut body).await.unwrap().unwrap(), event);
    }
    exchange.wire.send("0\r\n\r\n").await.unwrap();
    let last = part(&mut body).await.unwrap();
    assert!(last.is_none_or(|last| last.is_empty()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_without_a_length_is_sent_on_in_chunks_as_it_comes() {
    let (_edge, task, mut client) = stage(Behaviour::Hand).await;
    let (response, mut stream) = client.start(post(None), false).await.unwrap();
    let mut exchange = task.handed().await;
    assert_eq!(exchange.head.request_framing(), Framing::Chunked);
    for text in ["one", "two"] {
        push(&mut stream, Bytes::from_static(text.as_bytes()), false)
            .await
            .unwrap();
        let chunk = bounded(exchange.wire.chunk()).await;
        assert_eq!(chunk.as_deref(), Some(text.as_bytes()));
    }
    stream.send_data(Bytes::new(), true).unwrap();
    assert_eq!(bounded(exchange.wire.chunk()).await, Some(vec![]));
    exchange
        .wire
        .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(answer(response).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expect_100_continue_gets_its_response() {
    let (_edge, task, mut client) = stage(Behaviour::Hand).await;
    let request = Request::post("http://web.test/")
        .header("expect", "100-continue")
        .header("content-length", 4);
    let (response, mut stream) = client
        .start(request.body(()).unwrap(), false)
        .await
        .unwrap();
    let mut exchange = task.handed().await;
    assert_eq!(exchange.head.one("expect"), Some("100-continue"));
    exchange
        .wire
        .send("HTTP/1.1 100 Continue\r\n\r\n")
        .await
        .unwrap();
    push(&mut stream, Bytes::from_static(b"body"), true)
        .await
        .unwrap();
    assert_eq!(
        bounded(exchange.wire.exactly(4)).await,
        Some(b"body".to_vec())
    );
    let said = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    exchange.wire.send(said).await.unwrap();
    assert_eq!(answer(response).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_streams_up() {
    let (_edge, task, mut client) = stage(Behaviour::Hand).await;
    let request = post(Some(HUNDRED_MEGABYTES));
    let (response, mut stream) = client.start(request, false).await.unwrap();
    let mut exchange = task.handed().await;
    assert_eq!(
        exchange.head.request_framing(),
        Framing::Length(HUNDRED_MEGABYTES)
    );
    exchange.wire.stop_recording();
    let part = Bytes::from(vec![b'u'; 1_000_000]);
    let send = async {
        for _ in 0..HUNDRED_MEGABYTES / part.len() {
            push(&mut stream, part.clone(), false).await.unwrap();
        }
        stream.send_data(Bytes::new(), true).unwrap();
    };
    let ((), received) =
        bounded(async { tokio::join!(send, exchange.wire.discard(HUNDRED_MEGABYTES)) }).await;
    assert_eq!(received, HUNDRED_MEGABYTES);
    exchange
        .wire
        .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(answer(response).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_body_flows_at_the_clients_pace_and_delays_no_other() {
    let (_edge, task, mut client) = stage(Behaviour::Hand).await;
    let (response, _) = client.start(get("web.test", "/large"), true).await.unwrap();
    let mut exchange = task.handed().await;
    let said = format!("HTTP/1.1 200 OK\r\nContent-Length: {HUNDRED_MEGABYTES}\r\n\r\n");
    exchange.wire.send(said).await.unwrap();
    let part_sent = vec![b'd'; 1_000_000];
    let mut send = std::pin::pin!(async {
        for _ in 0..HUNDRED_MEGABYTES / part_sent.len() {
            exchange.wire.send(&part_sent).await.unwrap();
        }
    });
    let mut body = head(response).await.unwrap().into_body();
    let held_up = tokio::time::timeout(Duration::from_secs(1), &mut send).await;
    assert!(held_up.is_err(), "all of it went somewhere");
    // Answers without a body still pass, where the client has room for nothing else.
    let other = client.request(Request::head("http://nobody.test/").body(()).unwrap());
    assert_eq!(other.await.unwrap().status, 404);
    let receive = async {
        let mut received = 0;
        while let Some(part) = part(&mut body).await.unwrap() {
            received += part.len();
        }
        received
    };
    let ((), received) = bounded(async { tokio::join!(send, receive) }).await;
    assert_eq!(received, HUNDRED_MEGABYTES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unread_uploads_do_not_delay_others_on_their_connection() {
    let (_edge, task, mut client) = stage(Behaviour::Hand).await;
    let mut stuck = Vec::new();
    for _ in 0..2 {
        let (_response, mut stream) = client
            .start(post(Some(HUNDRED_MEGABYTES)), false)
            .await
            .unwrap();
        let exchange = task.handed().await;
        let part = Bytes::from(vec![b's'; HUNDRED_MEGABYTES / 10]);
        let sent = push(&mut stream, part, false);
        // Until nothing more of it is taken.
        assert!(
            tokio::time::timeout(Duration::from_secs(1), sent)
                .await
                .is_err()
        );
        stuck.push((_response, stream, exchange));
    }
    let (response, mut stream) = client.start(post(Some(100_000)), false).await.unwrap();
    let mut exchange = task.handed().await;
    let send = push(&mut stream, Bytes::from(vec![b'f'; 100_000]), true);
    let (sent, received) =
        bounded(async { tokio::join!(send, exchange.wire.discard(100_000)) }).await;
    sent.unwrap();
    assert_eq!(received, 100_000);
    exchange
        .wire
        .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(answer(response).await.unwrap().status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_takes_its_request_back_ends_it_for_the_task() {
    let (_edge, task, mut client) = stage(Behaviour::Hand).await;
    for length in [None, Some(10)] {
        let (response, mut stream) = client.start(post(length), false).await.unwrap();
        push(&mut stream, Bytes::from_static(b"half"), false)
            .await
            .unwrap();
        let mut exchange = task.handed().await;
        stream.send_reset(h2::Reason::CANCEL);
        drop(response);
        let rest = bounded(exchange.wire.rest()).await;
        let rest = String::from_utf8_lossy(&rest);
        // The task does not take what it has for a whole body.
        assert!(!rest.ends_with("0\r\n\r\n"), "{rest:?}");
        assert!(rest.is_empty() || rest.contains("half"), "{rest:?}");
    }
    // An answer that is under way, too.
    let (response, _) = client.start(get("web.test", "/"), true).await.unwrap();
    let mut exchange = task.handed().await;
    let said = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n";
    exchange.wire.send(said).await.unwrap();
    drop(head(response).await.unwrap());
    assert_eq!(bounded(exchange.wire.rest()).await, b"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_breaks_off_is_not_taken_for_a_whole_one() {
    for said in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let (_edge, _task, mut client) = stage(Behaviour::Begin(said)).await;
        let answer = client.request(get("web.test", "/")).await;
        assert!(answer.is_err(), "{answer:?}");
    }
}
