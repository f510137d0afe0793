//! Bodies pass as they come: unbuffered, whatever their size.

use std::time::Duration;

use crate::bounded::bounded;

use super::client::Client;
use super::edge::Edge;
use super::message::Framing;
use super::origin::{Behaviour, Exchange, Origin, origins};
use super::service::Service;

const HUNDRED_MEGABYTES: usize = 100_000_000;

/// A request on its way: the client that sent it, and the task that goes on with it by hand.
struct Passing {
    client: Client,
    exchange: Exchange,
    /// Kept, since both serve for as long as they live.
    _edge: Edge,
    _task: Origin,
}

impl Passing {
    async fn begin(request: &str) -> Self {
        let [task] = origins([Behaviour::Hand]).await;
        let edge = Edge::start(&[Service::new("web", "web.test").endpoints([&task])]).await;
        let mut client = edge.client().await;
        client.send(request).await;
        let exchange = task.handed().await;
        Self {
            client,
            exchange,
            _edge: edge,
            _task: task,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn server_sent_events_arrive_one_by_one() {
    let Passing {
        mut client,
        mut exchange,
        _edge,
        _task,
    } = Passing::begin(
        "GET /events HTTP/1.1\r\nHost: web.test\r\nAccept: text/event-stream\r\n\r\n",
    )
    .await;
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
    exchange.wire.send(head).await.unwrap();
    let head = bounded(client.wire.head())
        .await
        .expect("the head comes before any event");
    assert_eq!(head.one("content-type"), Some("text/event-stream"));
    for turn in 0..5 {
        let event = format!("data: {turn}\n\n");
        let chunk = format!("{:x}\r\n{event}\r\n", event.len());
        exchange.wire.send(chunk).await.unwrap();
        // It comes while the task is silent.
        assert_eq!(bounded(client.wire.chunk()).await, Some(event.into_bytes()));
    }
    exchange.wire.send("0\r\n\r\n").await.unwrap();
    assert_eq!(bounded(client.wire.chunk()).await, Some(vec![]));
    drop(exchange);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_a_stream_ends_it_for_the_task() {
    let Passing {
        mut client,
        mut exchange,
        _edge,
        _task,
    } = Passing::begin("GET / HTTP/1.1\r\nHost: web.test\r\n\r\n").await;
    let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n";
    exchange.wire.send(head).await.unwrap();
    bounded(client.wire.head()).await.expect("the head");
    drop(client);
    assert_eq!(bounded(exchange.wire.rest()).await, b"");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_may_end_with_its_connection() {
    let Passing {
        mut client,
        mut exchange,
        _edge,
        _task,
    } = Passing::begin("GET / HTTP/1.1\r\nHost: web.test\r\n\r\n").await;
    exchange
        .wire
        .send("HTTP/1.1 200 OK\r\n\r\nuntil the end")
        .await
        .unwrap();
    drop(exchange);
    assert_eq!(client.answer("GET").await.body, "until the end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_http_1_0_gets_no_chunks_that_it_cannot_read() {
    for end in ["0\r\n\r\n", ""] {
        let Passing {
            mut client,
            mut exchange,
            _edge,
            _task,
        } = Passing::begin("GET / HTTP/1.0\r\nHost: web.test\r\nConnection: keep-alive\r\n\r\n")
            .await;
        let chunks =
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nplain\r\n{end}");
        exchange.wire.send(chunks).await.unwrap();
        drop(exchange);
        let told = client.closed().await;
        let (head, body) = told.split_once("\r\n\r\n").expect("a whole head");
        assert!(
            !head.to_ascii_lowercase().contains("transfer-encoding"),
            "{told}"
        );
        assert_eq!(body, "plain", "{told}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_streams_up() {
    let [task] = origins([Behaviour::Hand]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints([&task])]).await;
    let mut client = edge.client().await;
    let head =
        format!("POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: {HUNDRED_MEGABYTES}\r\n\r\n");
    client.send(head).await;
    // The task has the head before the client has sent any of the body.
    let mut exchange = task.handed().await;
    assert_eq!(
        exchange.head.request_framing(),
        Framing::Length(HUNDRED_MEGABYTES)
    );
    exchange.wire.stop_recording();
    let part = vec![b'u'; 1_000_000];
    let send = async {
        for _ in 0..HUNDRED_MEGABYTES / part.len() {
            client.send(&part).await;
        }
    };
    let ((), received) =
        bounded(async { tokio::join!(send, exchange.wire.discard(HUNDRED_MEGABYTES)) }).await;
    assert_eq!(received, HUNDRED_MEGABYTES);
    exchange
        .wire
        .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.answer("POST").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_body_streams_down_at_the_clients_pace() {
    let Passing {
        mut client,
        mut exchange,
        _edge,
        _task,
    } = Passing::begin("GET / HTTP/1.1\r\nHost: web.test\r\n\r\n").await;
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {HUNDRED_MEGABYTES}\r\n\r\n");
    exchange.wire.send(head).await.unwrap();
    let part = vec![b'd'; 1_000_000];
    let mut send = std::pin::pin!(async {
        for _ in 0..HUNDRED_MEGABYTES / part.len() {
            exchange.wire.send(&part).await.unwrap();
        }
    });
    // A client that does not read holds the task up: nothing keeps the rest of the answer in memory.
    let held_up = tokio::time::timeout(Duration::from_secs(1), &mut send).await;
    assert!(held_up.is_err(), "all of it went somewhere");
    let receive = async {
        let head = client.wire.head().await.expect("the head");
        assert_eq!(head.one("content-length"), Some("100000000"));
        client.wire.discard(HUNDRED_MEGABYTES).await
    };
    let ((), received) = bounded(async { tokio::join!(send, receive) }).await;
    assert_eq!(received, HUNDRED_MEGABYTES);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunked_upload_passes_chunk_by_chunk() {
    let Passing {
        mut client,
        mut exchange,
        _edge,
        _task,
    } = Passing::begin("POST / HTTP/1.1\r\nHost: web.test\r\nTransfer-Encoding: chunked\r\n\r\n")
        .await;
    assert_eq!(exchange.head.request_framing(), Framing::Chunked);
    for text in ["one", "two", "three"] {
        client
            .send(format!("{:x};ignored=1\r\n{text}\r\n", text.len()))
            .await;
        let chunk = bounded(exchange.wire.chunk()).await;
        assert_eq!(chunk.as_deref(), Some(text.as_bytes()));
    }
    client.send("0\r\n\r\n").await;
    assert_eq!(bounded(exchange.wire.chunk()).await, Some(vec![]));
    exchange
        .wire
        .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    assert_eq!(client.answer("POST").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn expect_100_continue_is_answered_by_the_task() {
    let [task] = origins([Behaviour::Hand]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").sticky().endpoints([&task])]).await;
    let mut client = edge.client().await;
    client.send("POST / HTTP/1.1\r\nHost: web.test\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n").await;
    let mut exchange = task.handed().await;
    exchange
        .wire
        .send("HTTP/1.1 100 Continue\r\n\r\n")
        .await
        .unwrap();
    let interim = bounded(client.wire.head())
        .await
        .expect("an interim answer");
    assert_eq!(
        (interim.status(), interim.all("set-cookie").len()),
        (100, 0)
    );
    client.send("body").await;
    assert_eq!(
        bounded(exchange.wire.exactly(4)).await,
        Some(b"body".to_vec())
    );
    exchange
        .wire
        .send("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
        .await
        .unwrap();
    let answer = client.answer("POST").await;
    assert_eq!(
        (answer.status, answer.head.all("set-cookie").len()),
        (200, 1)
    );
}
