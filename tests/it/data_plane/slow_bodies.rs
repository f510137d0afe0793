//! Bodies that drip hold a connection, a request and a place at their task: they are ended. What is slow for a good reason is not.

use std::num::NonZeroU32;
use std::time::Duration;

use bytes::Bytes;
use http::Request;

use crate::bounded::bounded;
use crate::pause::pause;

use super::edge::Edge;
use super::grpc::GrpcTask;
use super::http2::{self, head, part, push};
use super::origin::{Behaviour, Origin, origins};
use super::service::Service;

/// From one piece of a slow body to the next.
const PAUSE: Duration = Duration::from_millis(50);

/// One in which a byte every [`PAUSE`] is far too slow.
async fn edge(services: &[Service]) -> Edge {
    let change = |config: &mut hiveway::gateway::Config| {
        config.limits.min_body_rate = NonZeroU32::new(1_000);
        config.limits.body_patience = Duration::from_millis(500);
    };
    Edge::start_with(change, services).await
}

async fn stage(behaviour: Behaviour) -> (Edge, Origin) {
    let [task] = origins([behaviour]).await;
    let edge = edge(&[Service::new("web", "web.test").endpoints([&task])]).await;
    (edge, task)
}

const REFUSED: &str = "hiveway_refused_connections_total{reason=\"slow-body\"}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_drips_is_ended_and_said_so() {
    let (edge, task) = stage(Behaviour::Answer).await;
    for (framing, piece) in [
        ("Content-Length: 1000", "x"),
        ("Transfer-Encoding: chunked", "1\r\nx\r\n"),
    ] {
        let mut client = edge.client().await;
        let head = format!("POST / HTTP/1.1\r\nHost: web.test\r\n{framing}\r\n\r\n");
        client.send(head).await;
        let told = async {
            for _ in 0..500 {
                tokio::select! {
                    told = client.wire.some() => return told.unwrap_or_default(),
                    () = pause(PAUSE) => {}
                }
                let _ = client.wire.send(piece).await;
            }
            panic!("it goes on for ever");
        };
        let told = bounded(told).await;
        let told = String::from_utf8_lossy(&told).into_owned() + &client.closed().await;
        assert!(told.starts_with("HTTP/1.1 408 "), "{framing}: {told}");
        assert!(
            told.contains("X-Hiveway-Reason: slow-body\r\n"),
            "{framing}: {told}"
        );
    }
    assert_eq!(task.requests(), []);
    let metrics = edge.metrics.render(None);
    assert!(metrics.contains(&format!("{REFUSED} 2\n")), "{metrics}");
    // It says nothing of the task.
    assert_eq!(edge.get("web.test", "/").await.body, task.container);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_http2_body_costs_its_request_not_the_connection() {
    let (edge, task) = stage(Behaviour::Answer).await;
    let mut client = http2::Client::connect(edge.internal).await;
    let request = Request::post("http://web.test/").body(()).unwrap();
    let (response, mut stream) = client.start(request, false).await.unwrap();
    let mut answer = std::pin::pin!(http2::answer(response));
    let answer = async {
        for _ in 0..500 {
            tokio::select! {
                answer = &mut answer => return answer.expect("an answer"),
                () = pause(PAUSE) => {}
            }
            let _ = push(&mut stream, Bytes::from_static(b"x"), false).await;
        }
        panic!("it goes on for ever");
    };
    bounded(answer).await.assert_refused(408, "slow-body");
    assert_eq!(client.get("web.test", "/").await.body, task.container);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_whole_in_time_is_never_too_slow() {
    let (edge, _task) = stage(Behaviour::Answer).await;
    // Fast enough at every moment, and for longer than the patience.
    let mut client = edge.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 20000\r\n\r\n")
        .await;
    for _ in 0..20 {
        client.send([b'x'; 1_000]).await;
        pause(PAUSE).await;
    }
    assert_eq!(client.answer("POST").await.status, 200);
    // A silence that the last byte ends.
    let mut client = edge.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 2\r\n\r\nx")
        .await;
    pause(PAUSE * 20).await;
    client.send("x").await;
    assert_eq!(client.answer("POST").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_its_task_holds_up_is_not_to_blame() {
    let (edge, task) = stage(Behaviour::Hand).await;
    let mut client = edge.client().await;
    let size = 20_000_000;
    client
        .send(format!(
            "POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: {size}\r\n\r\n"
        ))
        .await;
    let mut exchange = task.handed().await;
    exchange.wire.stop_recording();
    let uploaded = async {
        client.send(vec![b'u'; size]).await;
        client.answer("POST").await
    };
    let read = async {
        // Three times as long as the patience.
        for _ in 0..3 {
            pause(Duration::from_millis(1_500)).await;
            assert_eq!(exchange.wire.discard(size / 4).await, size / 4);
        }
        assert_eq!(bounded(exchange.wire.discard(size / 4)).await, size / 4);
        exchange
            .wire
            .send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
            .await
            .unwrap();
    };
    let (answer, ()) = bounded(async { tokio::join!(uploaded, read) }).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_and_websockets_have_no_floor() {
    const TURNS: usize = 30;
    let grpc = GrpcTask::start().await;
    let [task] = origins([Behaviour::Hand]).await;
    let edge = edge(&[
        Service::new("echo", "grpc://echo.test").at(grpc.address),
        Service::new("web", "web.test").endpoints([&task]),
    ])
    .await;
    let call = async {
        let mut client = http2::Client::connect(edge.internal).await;
        let request = Request::post("http://echo.test/pkg.Echo/Talk")
            .header("content-type", "application/grpc")
            .body(());
        let (response, mut stream) = client.start(request.unwrap(), false).await.unwrap();
        let mut body = head(response).await.unwrap().into_body();
        for _ in 0..TURNS {
            pause(PAUSE).await;
            push(&mut stream, Bytes::from_static(b"x"), false)
                .await
                .unwrap();
            assert_eq!(part(&mut body).await.unwrap().unwrap(), "x");
        }
    };
    bounded(call).await;
    let mut client = edge.client().await;
    client
        .send(
            "GET / HTTP/1.1\r\nHost: web.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        )
        .await;
    let mut exchange = task.handed().await;
    let said =
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    exchange.wire.send(said).await.unwrap();
    bounded(client.wire.head()).await.expect("an answer");
    for _ in 0..TURNS {
        pause(PAUSE).await;
        client.send("x").await;
        assert_eq!(bounded(exchange.wire.exactly(1)).await, Some(b"x".to_vec()));
        exchange.wire.send("y").await.unwrap();
        assert_eq!(bounded(client.wire.exactly(1)).await, Some(b"y".to_vec()));
    }
    assert!(!edge.metrics.render(None).contains(REFUSED));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_the_task_answers_the_rest_of_a_body_may_take_its_time() {
    const TURNS: usize = 30;
    let (edge, task) = stage(Behaviour::Hand).await;
    let mut client = edge.client().await;
    client
        .send(format!(
            "POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: {}\r\n\r\n",
            TURNS + 1
        ))
        .await;
    client.send("x").await;
    let mut exchange = task.handed().await;
    assert_eq!(bounded(exchange.wire.exactly(1)).await, Some(b"x".to_vec()));
    let said = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    exchange.wire.send(said).await.unwrap();
    bounded(client.wire.head()).await.expect("an answer");
    // Three times as long as the patience.
    for _ in 0..TURNS {
        pause(PAUSE).await;
        client.send("x").await;
        assert_eq!(bounded(exchange.wire.exactly(1)).await, Some(b"x".to_vec()));
        exchange.wire.send("1\r\ny\r\n").await.unwrap();
        assert_eq!(bounded(client.wire.chunk()).await, Some(b"y".to_vec()));
    }
    exchange.wire.send("0\r\n\r\n").await.unwrap();
    assert_eq!(bounded(client.wire.chunk()).await, Some(vec![]));
    assert!(!edge.metrics.render(None).contains(REFUSED));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_floor_a_body_may_drip() {
    let [task] = origins([Behaviour::Answer]).await;
    let change = |config: &mut hiveway::gateway::Config| {
        config.limits.min_body_rate = None;
        config.limits.body_patience = Duration::from_millis(1);
    };
    let edge = Edge::start_with(
        change,
        &[Service::new("web", "web.test").endpoints([&task])],
    )
    .await;
    let mut client = edge.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 10\r\n\r\n")
        .await;
    for _ in 0..10 {
        pause(PAUSE).await;
        client.send("x").await;
    }
    assert_eq!(client.answer("POST").await.status, 200);
}
