//! An endpoint that is new gets a part of its share, which grows.

use std::time::Duration;

use hiveway::core::model::route::Balance;

use crate::eventually::eventually;

use super::edge::Edge;
use super::origin::{Behaviour, Origin, origins};
use super::service::Service;

fn web(balance: &Balance, slow_start: Duration) -> Service {
    Service::new("web", "web.test").policy(|policy| {
        policy.balance = balance.clone();
        policy.slow_start = slow_start;
    })
}

/// How many of so many requests, each with a key of its own, came to an endpoint.
async fn share(edge: &Edge, origin: &Origin, requests: usize) -> usize {
    let mut client = edge.client().await;
    let mut count = 0;
    for key in 0..requests {
        let line = format!("X-User: user-{key}\r\n");
        let answer = client.get_with("web.test", "/", &line).await;
        count += usize::from(answer.body == origin.container);
    }
    count
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_endpoint_gets_a_tenth_of_its_share_by_every_method() {
    let hour = Duration::from_secs(3600);
    for method in [
        Balance::RoundRobin,
        Balance::Random,
        Balance::LeastRequest,
        Balance::PeakEwma,
        Balance::HashHeader("x-user".into()),
    ] {
        let [a, b, c, new] = &origins([Behaviour::Answer; 4]).await;
        let edge = Edge::start(&[web(&method, hour).endpoints([a, b, c])]).await;
        if method == Balance::RoundRobin {
            assert_eq!(
                share(&edge, a, 60).await,
                20,
                "all of the first snapshot are warm"
            );
        }
        edge.publish(&[web(&method, hour).endpoints([a, b, c, new])])
            .await;
        // A tenth of a quarter would be 8; all of its share 75.
        let count = share(&edge, new, 300).await;
        assert!(count < 40, "{method:?}: {count}");
        if method == Balance::RoundRobin {
            assert!(count > 4, "{count}");
        }
        // It is new by its own age, not by that of a snapshot.
        edge.publish(&[web(&method, hour).endpoints([a, b, new])])
            .await;
        let count = share(&edge, new, 300).await;
        assert!(count < 50, "{method:?}: {count}");
        edge.publish(&[web(&method, Duration::ZERO).endpoints([a, b, new])])
            .await;
        let count = share(&edge, new, 300).await;
        if method != Balance::PeakEwma {
            assert!((50..150).contains(&count), "{method:?}: {count}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_share_is_whole_when_the_time_is_over() {
    let lasts = Duration::from_secs(3);
    let [a, b, new] = &origins([Behaviour::Answer; 3]).await;
    let service = || web(&Balance::RoundRobin, lasts);
    let edge = Edge::start(&[service().endpoints([a, b])]).await;
    edge.publish(&[service().endpoints([a, b, new])]).await;
    assert!(share(&edge, new, 60).await < 18);
    let whole = async || match share(&edge, new, 60).await {
        20 => Ok(()),
        other => Err(other.to_string()),
    };
    eventually("a third of all", Duration::from_secs(20), whole)
        .await
        .expect("it grows");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_all_are_new_they_share_evenly() {
    let [a, b] = &origins([Behaviour::Answer; 2]).await;
    let service = || web(&Balance::RoundRobin, Duration::from_secs(3600));
    let edge = Edge::start(&[service()]).await;
    edge.publish(&[service().endpoints([a, b])]).await;
    let count = share(&edge, a, 100).await;
    assert!((48..=52).contains(&count), "{count}");
}
