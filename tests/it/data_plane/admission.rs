//! How many may connect: in all, and from one address.

use std::net::IpAddr;
use std::num::NonZeroUsize;

use hiveway::gateway::Config;

use crate::bounded::bounded;

use super::client::Client;
use super::edge::Edge;
use super::origin::{Behaviour, Origin, origins};
use super::service::Service;

async fn stage(change: impl FnOnce(&mut Config)) -> (Edge, Origin) {
    let [task] = origins([Behaviour::Answer]).await;
    let service = Service::new("web", "web.test").endpoints([&task]);
    (Edge::start_with(change, &[service]).await, task)
}

fn refused(edge: &Edge, reason: &str) -> u64 {
    let metrics = edge.metrics.render(None);
    let start = format!("hiveway_refused_connections_total{{reason=\"{reason}\"}} ");
    let line = metrics.lines().find_map(|line| line.strip_prefix(&start));
    line.map_or(0, |count| count.parse().expect("a count"))
}

/// Tries to be served until it is.
async fn served_at_last(connect: impl AsyncFn() -> Client) {
    let served = async {
        loop {
            let mut client = connect().await;
            let _ = client
                .wire
                .send("GET / HTTP/1.1\r\nHost: web.test\r\n\r\n")
                .await;
            if client.try_answer("GET").await.is_some() {
                return;
            }
        }
    };
    bounded(served).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_over_the_limit_is_closed_and_open_ones_go_on() {
    let (edge, _task) = stage(|config| {
        config.limits.connections = NonZeroUsize::new(3);
        // All are one client's.
        config.limits.connections_per_client = NonZeroUsize::new(3);
    })
    .await;
    // The connection that published has ended by now, or does soon.
    served_at_last(async || edge.client().await).await;
    let mut open = Vec::new();
    let full = async {
        while refused(&edge, "max-connections") == 0 {
            let mut client = edge.client().await;
            let _ = client
                .wire
                .send("GET / HTTP/1.1\r\nHost: web.test\r\n\r\n")
                .await;
            if let Some(answer) = client.try_answer("GET").await {
                assert_eq!(answer.status, 200);
                open.push(client);
            }
        }
    };
    bounded(full).await;
    assert!((1..=3).contains(&open.len()), "{}", open.len());
    // Whichever listener it comes to, and without a word.
    let mut outside = Client::connect(edge.public).await;
    assert_eq!(outside.closed().await, "");
    for client in &mut open {
        assert_eq!(client.get("web.test", "/").await.status, 200);
    }
    drop(open);
    served_at_last(async || edge.client().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_cannot_take_the_places_of_others() {
    let (edge, _task) = stage(|config| {
        config.limits.connections_per_client = NonZeroUsize::new(2);
        config.trusted_proxies = vec!["127.0.0.9/32".parse().unwrap()];
    })
    .await;
    let greedy: IpAddr = "127.0.0.7".parse().unwrap();
    let modest: IpAddr = "127.0.0.8".parse().unwrap();
    let proxy: IpAddr = "127.0.0.9".parse().unwrap();
    let mut open = Vec::new();
    for (from, count) in [(greedy, 2), (modest, 1), (proxy, 5)] {
        for _ in 0..count {
            let mut client = Client::connect_from(from, edge.internal).await;
            assert_eq!(client.get("web.test", "/").await.status, 200, "{from}");
            open.push(client);
        }
    }
    let mut third = Client::connect_from(greedy, edge.internal).await;
    assert_eq!(third.closed().await, "");
    assert_eq!(refused(&edge, "max-connections-per-client"), 1);
    open.remove(0);
    served_at_last(async || Client::connect_from(greedy, edge.internal).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_default_one_address_leaves_as_many_as_it_has() {
    let (edge, _task) = stage(|config| config.limits.connections = NonZeroUsize::new(20)).await;
    let greedy: IpAddr = "127.0.0.7".parse().unwrap();
    let modest: IpAddr = "127.0.0.8".parse().unwrap();
    let mut open = Vec::new();
    let full = async {
        while refused(&edge, "max-connections-per-client") == 0 {
            let mut client = Client::connect_from(greedy, edge.internal).await;
            let _ = client
                .wire
                .send("GET / HTTP/1.1\r\nHost: web.test\r\n\r\n")
                .await;
            if let Some(answer) = client.try_answer("GET").await {
                assert_eq!(answer.status, 200);
                open.push(client);
            }
        }
    };
    bounded(full).await;
    assert!((9..=10).contains(&open.len()), "{}", open.len());
    let mut other = Client::connect_from(modest, edge.internal).await;
    assert_eq!(other.get("web.test", "/").await.status, 200);
    let event = edge.event().await.to_string();
    assert!(event.contains("client 127.0.0.7 "), "{event}");
}
