//! What the requests to each endpoint come to, as operators are shown it.

use std::time::Duration;

use super::edge::Edge;
use super::local_replies::{comes_to, sum};
use super::origin::{Behaviour, Origin, origins};
use super::service::Service;
use crate::pause::pause;

const REQUESTS: &str = "hiveway_endpoint_requests_total";
const IN_FLIGHT: &str = "hiveway_endpoint_requests_in_flight";
const WAITS: &str = "hiveway_endpoint_wait_seconds_total";
const GET: &str = "GET / HTTP/1.1\r\nHost: web.test\r\n\r\n";

fn task(origin: &Origin) -> String {
    format!("task-{}", origin.address)
}

/// Waits until the requests to a task have come to this.
async fn came_to(edge: &Edge, origin: &Origin, outcome: &str, count: u64) {
    let labels = [("task", &*task(origin)), ("outcome", outcome)];
    comes_to(edge, REQUESTS, &labels, count).await;
}

/// How long requests waited for a task, added up.
fn waited(edge: &Edge, origin: &Origin) -> f64 {
    let text = edge.figures();
    let task = format!("task=\"{}\"", task(origin));
    let mut lines = text.lines();
    let line = lines.find(|it| it.starts_with(WAITS) && it.contains(&task));
    let value = line.and_then(|it| it.rsplit(' ').next()).expect("a sample");
    value.parse().expect("a number")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_slow_endpoint_stands_out_by_its_wait() {
    let slow = Behaviour::Slow(Duration::from_millis(200));
    let [slow, quick] = &origins([slow, Behaviour::Answer]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints([slow, quick])]).await;
    for _ in 0..6 {
        assert_eq!(edge.get("web.test", "/").await.status, 200);
    }
    for origin in [slow, quick] {
        came_to(&edge, origin, "answered", 3).await;
    }
    let (of_slow, of_quick) = (waited(&edge, slow), waited(&edge, quick));
    assert!(of_slow >= 0.6, "{of_slow}");
    assert!(of_quick < of_slow / 3.0, "{of_quick} of {of_slow}");
    let figures = edge.figures();
    let container = format!("container=\"{}\"", &slow.container[..12]);
    assert!(figures.contains(&container), "{figures}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_outcome_counts_at_the_endpoint_it_was_tried_at() {
    const FAILS: &str = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    for (behaviour, retries, outcome, status) in [
        (Behaviour::Say(FAILS), 0, "failed", 503),
        (Behaviour::Refuse, 0, "broken", 502),
        (Behaviour::Close, 0, "broken", 502),
        (Behaviour::Refuse, 1, "broken", 200),
        (Behaviour::Hang, 0, "failed", 504),
    ] {
        let [bad, well] = &origins([behaviour, Behaviour::Answer]).await;
        let service = Service::new("web", "web.test").policy(|policy| {
            policy.retries = retries;
            policy.response_timeout = Duration::from_millis(200);
        });
        let edge = Edge::start(&[service.endpoints([bad, well])]).await;
        let mut met = Vec::new();
        for _ in 0..2 {
            met.push(edge.get("web.test", "/").await.status);
        }
        assert!(met.contains(&status), "{behaviour:?}: {met:?}");
        came_to(&edge, bad, outcome, 1).await;
        came_to(&edge, well, "answered", 1 + u64::from(retries)).await;
        for origin in [bad, well] {
            comes_to(&edge, IN_FLIGHT, &[("task", &task(origin))], 0).await;
        }
        assert_eq!(sum(&edge, REQUESTS, &[("task", &task(bad))]), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_gives_up_is_no_fault_but_shows_the_wait() {
    let [hangs] = &origins([Behaviour::Hang]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints([hangs])]).await;
    let mut client = edge.client().await;
    client.send(GET).await;
    hangs.received(1).await;
    comes_to(&edge, IN_FLIGHT, &[("task", &task(hangs))], 1).await;
    pause(Duration::from_millis(100)).await;
    drop(client);
    came_to(&edge, hangs, "aborted", 1).await;
    comes_to(&edge, IN_FLIGHT, &[("task", &task(hangs))], 0).await;
    assert!(waited(&edge, hangs) >= 0.1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_upload_does_not_make_its_endpoint_look_slow() {
    let [quick] = &origins([Behaviour::Answer]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints([quick])]).await;
    let mut client = edge.client().await;
    client
        .send("POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 2\r\n\r\na")
        .await;
    let labels = [("task", &*task(quick))];
    comes_to(&edge, IN_FLIGHT, &labels, 1).await;
    pause(Duration::from_millis(300)).await;
    client.send("b").await;
    assert_eq!(client.answer("POST").await.status, 200);
    came_to(&edge, quick, "answered", 1).await;
    let waited = waited(&edge, quick);
    assert!(waited < 0.3, "{waited}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_figures_of_an_endpoint_go_with_its_task() {
    let [goes, stays] = &origins([Behaviour::Answer; 2]).await;
    let web = |origins: &[&Origin]| {
        let origins = origins.iter().copied();
        [Service::new("web", "web.test").endpoints(origins)]
    };
    let edge = Edge::start(&web(&[goes, stays])).await;
    for _ in 0..2 {
        edge.get("web.test", "/").await;
    }
    came_to(&edge, goes, "answered", 1).await;
    edge.publish(&web(&[stays])).await;
    assert!(!edge.figures().contains(&task(goes)));
    assert_eq!(sum(&edge, REQUESTS, &[("task", &task(stays))]), 1);
    // It is counted from nothing if it comes back.
    edge.publish(&web(&[goes, stays])).await;
    came_to(&edge, goes, "answered", 0).await;
}
