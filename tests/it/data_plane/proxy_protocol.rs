//! Connections in front of which a proxy says whose they are.

use std::net::IpAddr;

use hiveway::gateway::ListenerName;

use super::client::Client;
use super::edge::Edge;
use super::origin::{Behaviour, Origin, origins};
use super::service::Service;

const REQUEST: &str = "GET / HTTP/1.1\r\nHost: web.test\r\n\r\n";

/// A gateway whose public listener is told whose connections are by proxies on 127.0.9.0/24.
async fn stage() -> (Edge, Origin) {
    let [task] = origins([Behaviour::Answer]).await;
    let trusting = |config: &mut hiveway::gateway::Config| {
        config.trusted_proxies = vec!["127.0.9.0/24".parse().expect("a network")];
        config.proxy_protocol = vec![ListenerName::Public];
    };
    let service = Service::new("web", "web.test").endpoints([&task]);
    (Edge::start_with(trusting, &[service]).await, task)
}

async fn from(address: [u8; 4], to: std::net::SocketAddr) -> Client {
    Client::connect_from(IpAddr::from(address), to).await
}

const PROXY: [u8; 4] = [127, 0, 9, 1];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trusted_proxy_names_the_client_for_all_requests() {
    let (edge, task) = stage().await;
    let version_2 = [
        &b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c"[..],
        &[203, 0, 113, 9, 10, 0, 0, 1, 0x13, 0x88, 0, 80],
    ]
    .concat();
    let version_1 = b"PROXY TCP4 203.0.113.9 10.0.0.1 5000 80\r\n".to_vec();
    let unknown = b"PROXY UNKNOWN\r\n".to_vec();
    let local = b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0".to_vec();
    let mut count = 0;
    for (header, told) in [
        (version_1, "203.0.113.9"),
        (version_2, "203.0.113.9"),
        (unknown, "unknown"),
        (local, "127.0.9.1"),
    ] {
        let mut client = from(PROXY, edge.public).await;
        // The header comes with the request, byte by byte, or before it: all the same.
        for byte in &header {
            client.send([*byte]).await;
        }
        for _ in 0..2 {
            assert_eq!(client.request(REQUEST).await.status, 200);
            count += 1;
            let head = task.received(count).await.remove(count - 1).head;
            assert_eq!(head.one("x-forwarded-for"), Some(told));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_the_proxy_does_not_know_is_not_the_proxy() {
    let (edge, task) = stage().await;
    let near = "127.0.0.0/8".parse().expect("a network");
    let near = Service::new("near", "web.test").middleware(|it| it.allow = Some(vec![near]));
    edge.publish(&[near.endpoints([&task])]).await;
    let said = "GET / HTTP/1.1\r\nHost: web.test\r\nX-Forwarded-For: 127.0.0.1\r\n\r\n";
    for (header, status) in [
        (&b"\r\n\r\n\0\r\nQUIT\n\x20\x00\0\0"[..], 200),
        (b"PROXY TCP4 127.0.0.9 10.0.0.1 5000 80\r\n", 200),
        (b"PROXY TCP4 203.0.113.9 10.0.0.1 5000 80\r\n", 403),
        (b"PROXY UNKNOWN\r\n", 403),
        (b"\r\n\r\n\0\r\nQUIT\n\x21\x00\0\0", 403),
    ] {
        for request in [REQUEST, said] {
            let mut client = from(PROXY, edge.public).await;
            client.send(header).await;
            let answer = client.request(request).await;
            let header = String::from_utf8_lossy(header);
            assert_eq!(answer.status, status, "{header:?} {request}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_else_is_asked_or_believed() {
    let (edge, task) = stage().await;
    let header = "PROXY TCP4 203.0.113.9 10.0.0.1 5000 80\r\n";
    for (address, to) in [([127, 0, 0, 77], edge.public), (PROXY, edge.internal)] {
        let mut client = from(address, to).await;
        assert_eq!(client.request(REQUEST).await.status, 200);
        let mut client = from(address, to).await;
        let answer = client.request(&format!("{header}{REQUEST}")).await;
        assert_eq!(answer.status, 400, "{address:?}");
    }
    for request in task.requests() {
        assert_ne!(request.head.one("x-forwarded-for"), Some("203.0.113.9"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn missing_proxy_header_is_rejected_and_counted() {
    let (edge, task) = stage().await;
    for beginning in [REQUEST, "PROXY TCP4 203.0.113.9\r\n", "PROXY TCP9 "] {
        let mut client = from(PROXY, edge.public).await;
        client.send(beginning).await;
        if beginning.ends_with(' ') {
            client.send("x".repeat(200)).await;
        }
        assert_eq!(client.closed().await, "", "{beginning:?}");
    }
    let refused = edge.metrics.refused_connections("proxy-protocol").get();
    assert_eq!((refused, task.requests().len()), (3, 0));
}
