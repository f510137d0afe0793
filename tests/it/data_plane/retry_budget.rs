//! Requests that fail are tried again within a budget, so that an outage is not made worse.

use std::time::Duration;

use hiveway::core::routing::ejection::Policy;
use tokio::time::Instant;

use crate::bounded::bounded;

use super::edge::Edge;
use super::origin::{Behaviour, origins};
use super::service::Service;

fn count(edge: &Edge, name: &str) -> u64 {
    edge.metric(name, "web").parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fifth_more_requests_are_made_and_no_more() {
    let origins = origins([Behaviour::Close, Behaviour::Answer]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints(&origins)]).await;
    let began = Instant::now();
    let mut statuses = Vec::new();
    for _ in 0..200 {
        let answer = edge.get("web.test", "/").await;
        if answer.status != 200 {
            answer.assert_refused(502, "response-failed");
        }
        statuses.push(answer.status);
    }
    assert_eq!(statuses[..12], [200; 12], "there is a reserve");
    let retries = count(&edge, "hiveway_retries_total");
    let refused = count(&edge, "hiveway_retries_refused_total");
    let failed = statuses.iter().filter(|it| **it == 502).count() as u64;
    assert_eq!(refused, failed);
    // Half of the requests that were served by a retry, and those that were not, met the broken endpoint first.
    assert!(
        (90..=110).contains(&(retries + refused)),
        "{retries} {refused}"
    );
    let most = 10 + 200 / 5 + began.elapsed().as_secs() + 1;
    assert!(refused > 0 && retries <= most, "{retries} of {most}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn request_without_a_connection_is_retried_elsewhere() {
    let origins = origins([Behaviour::Refuse, Behaviour::Answer, Behaviour::Refuse]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints(&origins)]).await;
    for _ in 0..200 {
        assert_eq!(edge.get("web.test", "/").await.status, 200);
    }
    assert!(count(&edge, "hiveway_retries_total") > 100);
    assert_eq!(count(&edge, "hiveway_retries_refused_total"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_ejection_no_request_is_lost_to_a_dead_endpoint() {
    let origins = origins([Behaviour::Answer, Behaviour::Answer]).await;
    let [mut dies, stays] = origins;
    let eject = |config: &mut hiveway::gateway::Config| {
        config.judged_every = hiveway::gateway::JUDGED_EVERY;
        config.ejection = Some(Policy {
            first: Duration::from_secs(3600),
            ..Policy::default()
        });
    };
    let service = Service::new("web", "web.test").endpoints([&dies, &stays]);
    let edge = Edge::start_with(eject, &[service]).await;
    let mut client = edge.client().await;
    let mut get = async || client.get("web.test", "/").await.status;
    // What was well for a second bears what an outage costs until it is found out.
    for _ in 0..1500 {
        assert_eq!(get().await, 200);
    }
    dies.crash().await;
    let ejected = async {
        while count(&edge, "hiveway_ejected_endpoints") == 0 {
            assert_eq!(get().await, 200);
        }
    };
    bounded(ejected).await;
    assert!(count(&edge, "hiveway_retries_total") > 0);
    assert_eq!(count(&edge, "hiveway_retries_refused_total"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_are_refused_buy_no_retries() {
    let [task] = origins([Behaviour::Close]).await;
    let [other] = origins([Behaviour::Close]).await;
    let guarded = Service::new("web", "web.test/guarded")
        .route("web.test")
        .at(task.address)
        .at(other.address);
    let refused = guarded.clone().middleware(|it| it.max_body_bytes = Some(1));
    let edge = Edge::start(&[refused]).await;
    let mut client = edge.client().await;
    // Each would be a fifth of a retry.
    for _ in 0..200 {
        let request = "POST / HTTP/1.1\r\nHost: web.test\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n";
        let mut client = edge.client().await;
        client
            .request(request)
            .await
            .assert_refused(413, "body-too-large");
    }
    let began = Instant::now();
    for _ in 0..50 {
        client.get("web.test", "/").await;
        client = edge.client().await;
    }
    let retries = count(&edge, "hiveway_retries_total");
    let most = 10 + 50 / 5 + began.elapsed().as_secs() + 1;
    assert!(retries <= most, "{retries} of {most}");
}
