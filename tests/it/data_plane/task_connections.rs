//! How many connections to tasks requests may use: in all, and those of one client, of whatever kind they are.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::select_all;
use hiveway::core::event::Event;
use hiveway::gateway::{Config, ListenerName};
use http::Request;
use tokio::net::TcpSocket;

use crate::bounded::bounded;
use crate::eventually::eventually;

use super::client::Client;
use super::edge::Edge;
use super::grpc::GrpcTask;
use super::http2;
use super::origin::{Behaviour, Origin, origins};
use super::service::Service;

const GREEDY: [u8; 4] = [127, 0, 0, 66];
const MODEST: [u8; 4] = [127, 0, 0, 7];
const PROXY: [u8; 4] = [127, 0, 9, 1];

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: slow.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

const SLOW: &str = "GET / HTTP/1.1\r\nHost: slow.test\r\n\r\n";
const QUICK: &str = "GET / HTTP/1.1\r\nHost: web.test\r\n\r\n";

fn eight(config: &mut Config) {
    config.limits.task_connections = NonZeroUsize::new(8);
}

/// A service that behaves like this, and one that answers.
async fn stage(slow: Behaviour, change: impl FnOnce(&mut Config)) -> (Edge, [Origin; 2]) {
    let tasks = origins([slow, Behaviour::Answer]).await;
    let services = [
        Service::new("slow", "slow.test").endpoints([&tasks[0]]),
        Service::new("web", "web.test").endpoints([&tasks[1]]),
    ];
    (Edge::start_with(change, &services).await, tasks)
}

async fn from(address: [u8; 4], to: SocketAddr) -> Client {
    Client::connect_from(IpAddr::from(address), to).await
}

async fn http2_from(address: [u8; 4], to: SocketAddr) -> http2::Client {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.bind((address, 0).into()).expect("a free port");
    http2::Client::on(bounded(socket.connect(to)).await.expect("a listener")).await
}

/// Waits until a figure of the gateway is this.
async fn shows(edge: &Edge, figure: &str) {
    let line = format!("{figure}\n");
    let look = async || {
        let metrics = edge.metrics.render(None);
        if metrics.contains(&line) {
            Ok(())
        } else {
            Err(metrics)
        }
    };
    let shown = eventually(figure, Duration::from_secs(20), look).await;
    shown.expect("a figure");
}

/// Others are served at once while a client holds what it may.
async fn assert_others_are_served(edge: &Edge) {
    for _ in 0..3 {
        let mut other = from(MODEST, edge.internal).await;
        let asked = tokio::time::timeout(Duration::from_millis(900), other.request(QUICK));
        assert_eq!(asked.await.expect("it does not wait").status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_of_one_client_leave_connections_to_others() {
    let (edge, _tasks) = stage(Behaviour::Hang, eight).await;
    let mut answers = Vec::new();
    let mut clients = Vec::new();
    for _ in 0..2 {
        let mut client = http2_from(GREEDY, edge.internal).await;
        for _ in 0..20 {
            let started = client.start(http2::get("slow.test", "/"), true).await;
            answers.push(started.expect("a stream").0);
        }
        clients.push(client);
    }
    shows(&edge, "hiveway_task_connections 4").await;
    assert_others_are_served(&edge).await;
    let reason = "max-task-connections-per-client";
    shows(
        &edge,
        &format!("hiveway_local_replies_total{{service=\"slow\",reason=\"{reason}\"}} 36"),
    )
    .await;

    // Each is refused on its own, and the connection goes on.
    let (first, _, answers) = bounded(select_all(answers)).await;
    let (head, mut body) = first.expect("an answer").into_parts();
    let line = http2::part(&mut body)
        .await
        .expect("a body")
        .expect("a line");
    let refused = http2::Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: String::from_utf8(line.to_vec()).expect("text"),
        trailers: None,
    };
    refused.assert_refused(503, reason);
    assert_eq!(refused.headers["retry-after"], "1");

    // Reported once, with the client.
    let Event::LimitReached {
        limit,
        reason: said,
    } = edge.event().await
    else {
        panic!("another event");
    };
    assert_eq!(&*limit, reason);
    assert!(said.contains("client 127.0.0.66 "), "{said}");
    assert_eq!(edge.told().await, None);

    drop((answers, clients));
    shows(&edge, "hiveway_task_connections 0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_of_http_1_and_websockets_count_as_well() {
    for (behaviour, request) in [
        (Behaviour::Hang, SLOW.to_owned()),
        (Behaviour::Begin(SWITCH), UPGRADE.to_owned()),
        (
            Behaviour::Hang,
            SLOW.replace("GET", "POST")
                .replace("\r\n\r\n", "\r\nContent-Length: 100000\r\n\r\n"),
        ),
    ] {
        // A task that switches has to stay.
        let behaviour = match behaviour {
            Behaviour::Begin(_) => Behaviour::Hand,
            behaviour => behaviour,
        };
        let (edge, tasks) = stage(behaviour, eight).await;
        let mut held = Vec::new();
        let mut exchanges = Vec::new();
        for _ in 0..4 {
            let mut client = from(GREEDY, edge.internal).await;
            client.send(&request).await;
            if let Behaviour::Hand = behaviour {
                let mut exchange = tasks[0].handed().await;
                exchange.wire.send(SWITCH).await.expect("it is open");
                exchanges.push(exchange);
            }
            held.push(client);
        }
        shows(&edge, "hiveway_task_connections 4").await;
        let mut fifth = from(GREEDY, edge.internal).await;
        let refused = fifth.request(&request).await;
        refused.assert_refused(503, "max-task-connections-per-client");
        assert_others_are_served(&edge).await;

        // Who waits is given the first that is free, at once.
        let mut waits = from(GREEDY, edge.internal).await;
        waits.send(QUICK).await;
        shows(&edge, "hiveway_task_connections_waiting 1").await;
        held.pop();
        exchanges.pop();
        assert_eq!(bounded(waits.answer("GET")).await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_clients_together_are_bounded_and_proxies_are_not_one() {
    let (edge, _tasks) = stage(Behaviour::Hang, |config| {
        eight(config);
        config.trusted_proxies = vec!["127.0.9.0/24".parse().expect("a network")];
        config.proxy_protocol = vec![ListenerName::Public];
    })
    .await;
    let mut held = Vec::new();
    for (client, count) in [("203.0.113.9", 4), ("203.0.113.10", 2)] {
        for _ in 0..count {
            let mut wire = from(PROXY, edge.public).await;
            wire.send(format!("PROXY TCP4 {client} 10.0.0.1 5000 80\r\n{SLOW}"))
                .await;
            held.push(wire);
        }
    }
    shows(&edge, "hiveway_task_connections 6").await;
    let mut third = from(PROXY, edge.public).await;
    third
        .send(format!(
            "PROXY TCP4 203.0.113.10 10.0.0.1 5000 80\r\n{SLOW}"
        ))
        .await;
    let refused = third.answer("GET").await;
    refused.assert_refused(503, "max-task-connections-per-client");

    // A proxy that stands for many has what is left.
    for _ in 0..2 {
        let mut wire = from(PROXY, edge.internal).await;
        wire.send(SLOW).await;
        held.push(wire);
    }
    shows(&edge, "hiveway_task_connections 8").await;
    for address in [PROXY, MODEST] {
        let refused = from(address, edge.internal).await.request(QUICK).await;
        refused.assert_refused(503, "max-task-connections");
    }
    held.clear();
    assert_others_are_served(&edge).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_wait_for_an_endpoint_use_no_connection() {
    let [task] = origins([Behaviour::Answer]).await;
    let waits =
        Service::new("waits", "waits.test").policy(|policy| policy.hold = Duration::from_secs(20));
    let web = Service::new("web", "web.test").endpoints([&task]);
    let edge = Edge::start_with(eight, &[waits, web]).await;
    let mut client = http2_from(GREEDY, edge.internal).await;
    let mut answers = Vec::new();
    for _ in 0..50 {
        let started = client.start(http2::get("waits.test", "/"), true).await;
        answers.push(started.expect("a stream").0);
    }
    shows(&edge, "hiveway_queued_requests{service=\"waits\"} 50").await;
    assert_eq!(client.get("web.test", "/").await.status, 200);
    shows(&edge, "hiveway_task_connections 0").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_that_share_a_connection_count_as_one() {
    let task = GrpcTask::start().await;
    let service = Service::new("echo", "grpc://echo.test").at(task.address);
    let edge = Edge::start_with(eight, &[service]).await;
    let mut client = http2_from(GREEDY, edge.internal).await;
    let mut calls = Vec::new();
    for number in 0..50 {
        let call = Request::post("http://echo.test/pkg.Echo/Say")
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(())
            .expect("a request");
        let (answer, mut stream) = client.start(call, false).await.expect("a stream");
        let sent = http2::push(&mut stream, Bytes::from_static(b"hello"), false);
        sent.await.expect("it is taken");
        // One after another, so that the first has opened the connection.
        let mut body = http2::head(answer).await.expect("a head").into_body();
        let echo = http2::part(&mut body).await.expect("a body");
        assert_eq!(echo.as_deref(), Some(&b"hello"[..]), "{number}");
        calls.push((stream, body));
    }
    shows(&edge, "hiveway_task_connections 1").await;
    drop(calls.remove(0));
    shows(&edge, "hiveway_task_connections 1").await;
    drop(calls);
    shows(&edge, "hiveway_task_connections 0").await;
}
