//! A task whose node loses its cable says nothing: no reset, no end of the connection. No request hangs on it.
//!
//! Every time-out of a policy is an hour here, so that what ends a request is not one of them.

use std::net::Ipv4Addr;
use std::time::Duration;

use tokio::net::TcpSocket;

use crate::bounded::bounded;
use crate::needs::needed;
use crate::pause::pause;

use super::edge::Edge;
use super::namespace::Namespace;
use super::origin::{Behaviour, Origin, origins};
use super::service::Service;

const GET: &str = "GET / HTTP/1.1\r\nHost: web.test\r\n\r\n";
const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const UPGRADE: &str =
    "GET /chat HTTP/1.1\r\nHost: web.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const SWITCH: &str =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

fn service() -> Service {
    Service::new("web", "web.test").policy(|policy| {
        let hour = Duration::from_secs(3600);
        policy.response_timeout = hour;
        policy.idle_timeout = hour;
    })
}

/// A service with one task behind a cable and, on the same port, one beside the gateway.
struct Scene {
    namespace: Namespace,
    far: Origin,
    near: Origin,
    edge: Edge,
}

impl Scene {
    async fn set(far: Behaviour) -> Self {
        let namespace = needed(Namespace::make()).await;
        let (far, near) = loop {
            let socket = namespace.socket();
            let port = socket.local_addr().expect("a bound socket").port();
            let beside = TcpSocket::new_v4().expect("a socket");
            if beside
                .bind((Ipv4Addr::new(127, 0, 0, 2), port).into())
                .is_ok()
            {
                let near = Origin::start(beside, Behaviour::Answer);
                break (Origin::start(socket, far), near);
            }
        };
        let edge = Edge::start(&[service().on("n1", [&near]).on("n2", [&far])]).await;
        Self {
            namespace,
            far,
            near,
            edge,
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a network namespace: make test"]
async fn request_on_a_pooled_connection_to_a_dead_node_is_retried() {
    let scene = Scene::set(Behaviour::Answer).await;
    let mut client = scene.edge.client().await;
    // Both have been asked and have a connection in the pool.
    for _ in 0..2 {
        assert_eq!(client.request(GET).await.status, 200);
    }
    scene.far.received(1).await;
    scene.namespace.cut().await;
    for _ in 0..2 {
        let answer = client.request(GET).await;
        assert_eq!(answer.body, scene.near.container);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a network namespace: make test"]
async fn a_request_whose_task_dies_before_it_answers_goes_elsewhere() {
    let scene = Scene::set(Behaviour::Hang).await;
    let mut clients = [scene.edge.client().await, scene.edge.client().await];
    for client in &mut clients {
        client.send(GET).await;
    }
    // It has the request, and its kernel has said so: nothing is under way when the cable is cut.
    scene.far.received(1).await;
    scene.namespace.cut().await;
    for client in &mut clients {
        assert_eq!(client.answer("GET").await.body, scene.near.container);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a network namespace: make test"]
async fn an_upload_to_a_dead_node_ends_soon_and_says_so() {
    let scene = Scene::set(Behaviour::Hand).await;
    let only = service().on("n2", [&scene.far]);
    scene.edge.publish(&[only]).await;
    let mut client = scene.edge.client().await;
    let head = "POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 100000000\r\n\r\n";
    client.send(head).await;
    let exchange = scene.far.handed().await;
    assert_eq!(exchange.head.all("connection"), ["close"]);
    scene.namespace.cut().await;
    client.send(vec![0; 10_000]).await;
    let answer = client.answer("POST").await;
    answer.assert_refused(502, "response-failed");
    drop(exchange);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs a network namespace: make test"]
async fn a_websocket_to_a_dead_node_ends_soon_idle_or_not() {
    let scene = Scene::set(Behaviour::Hand).await;
    let only = service().on("n2", [&scene.far]);
    scene.edge.publish(&[only]).await;
    let mut exchanges = Vec::new();
    let mut clients = [scene.edge.client().await, scene.edge.client().await];
    for client in &mut clients {
        client.send(UPGRADE).await;
        let mut exchange = scene.far.handed().await;
        exchange.wire.send(SWITCH).await.unwrap();
        bounded(client.wire.head()).await.expect("an answer");
        exchanges.push(exchange);
    }
    scene.namespace.cut().await;
    let [idle, talking] = &mut clients;
    talking.send([0x81, 1, 7]).await;
    assert_eq!(talking.closed().await, "");
    assert_eq!(idle.closed().await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_reading_task_is_not_taken_for_dead() {
    let [task] = origins([Behaviour::Hand]).await;
    let edge = Edge::start(&[service().endpoints([&task])]).await;
    let mut client = edge.client().await;
    let size = 20_000_000;
    let head = format!("POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: {size}\r\n\r\n");
    client.send(head).await;
    let mut exchange = task.handed().await;
    exchange.wire.stop_recording();
    let uploaded = async {
        client.send(vec![0; size]).await;
        client.answer("POST").await
    };
    let read = async {
        // Twice as long as a peer that acknowledges nothing is given: its kernel does, and says that it has no room.
        pause(Duration::from_secs(6)).await;
        let body = bounded(exchange.wire.exactly(size)).await;
        assert_eq!(body.map(|it| it.len()), Some(size));
        exchange.wire.send(OK).await.unwrap();
    };
    let (answer, ()) = tokio::join!(uploaded, read);
    assert_eq!(answer.status, 200);
}
