//! Bodies that are larger than a service allows.

use super::super::edge::Edge;
use super::super::message::Framing;
use super::super::origin::{Behaviour, Origin, origins};
use super::super::service::Service;
use crate::bounded::bounded;

async fn edge(task: &Origin, most: u64) -> Edge {
    let service = Service::new("web", "web.test").middleware(|it| it.max_body_bytes = Some(most));
    Edge::start(&[service.endpoints([task])]).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn body_declared_too_large_is_rejected_before_it_is_sent() {
    let [task] = origins([Behaviour::Answer]).await;
    let edge = edge(&task, 1_000).await;
    let head = "POST / HTTP/1.1\r\nHost: web.test\r\n";
    for lines in ["", "Expect: 100-continue\r\n"] {
        let mut client = edge.client().await;
        client
            .send(format!("{head}{lines}Content-Length: 1001\r\n\r\n"))
            .await;
        let answer = client.answer("POST").await;
        answer.assert_refused(413, "body-too-large");
        assert_eq!(answer.head.one("connection"), Some("close"));
    }
    assert_eq!(task.requests(), []);
    let body = "x".repeat(1_000);
    let whole = format!("{head}Content-Length: 1000\r\n\r\n{body}");
    assert_eq!(edge.client().await.request(&whole).await.status, 200);
    assert_eq!(task.received(1).await.remove(0).body.len(), 1_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_in_chunks_is_cut_off_where_it_becomes_too_large() {
    let [task] = origins([Behaviour::Answer]).await;
    let edge = edge(&task, 100_000).await;
    let head = "POST / HTTP/1.1\r\nHost: web.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let chunk = format!("2710\r\n{}\r\n", "y".repeat(10_000));

    // Exactly as much as is allowed.
    let whole = format!("{head}{}0\r\n\r\n", chunk.repeat(10));
    assert_eq!(edge.client().await.request(&whole).await.status, 200);
    assert_eq!(task.received(1).await.remove(0).body.len(), 100_000);

    // A client that goes on sending reads the answer all the same.
    let mut client = edge.client().await;
    client.send(head).await;
    for _ in 0..200 {
        client.send(&chunk).await;
    }
    client.send("0\r\n\r\n").await;
    let answer = client.answer("POST").await;
    answer.assert_refused(413, "body-too-large");
    assert_eq!(client.closed().await, "");
    assert_eq!(
        task.requests().len(),
        1,
        "the task never got the whole request"
    );
    // It is the client's fault, and the task is as well as before.
    assert_eq!(edge.get("web.test", "/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_through_a_websocket_is_no_body() {
    let [task] = origins([Behaviour::Hand]).await;
    let edge = edge(&task, 10).await;
    let mut client = edge.client().await;
    let asked = "GET / HTTP/1.1\r\nHost: web.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    client.send(asked).await;
    let mut exchange = task.handed().await;
    let switched = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    exchange.wire.send(switched).await.expect("it is read");
    assert_eq!(
        bounded(client.wire.head()).await.expect("a head").status(),
        101
    );
    for _ in 0..5 {
        client.send(&[b'z'; 100]).await;
        let received = bounded(exchange.wire.body(Framing::Length(100))).await;
        assert_eq!(received, Some(vec![b'z'; 100]));
    }
}
