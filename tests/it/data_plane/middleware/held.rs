//! Who may not come in does not wait for an endpoint either.

use std::time::Duration;

use hiveway::core::model::middleware::{Credential, Middleware, PasswordHash, Redirect};
use hiveway::core::model::snapshot::EndpointState;

use super::super::client::Client;
use super::super::edge::Edge;
use super::super::origin::{Behaviour, origins};
use super::super::service::Service;
use crate::eventually::eventually;

const HOUR: Duration = Duration::from_secs(3600);

/// `s3cret`.
const HASH: &str = "$2b$04$LhRHyYb92TBsI3aIYbm2MOSl1HD09/qy8U8dBaQhwZ4egNNkmpBGq";
/// `alice:s3cret`.
const ALICE: &str = "Authorization: Basic YWxpY2U6czNjcmV0\r\n";

fn web(change: impl FnOnce(&mut Middleware)) -> Service {
    let service = Service::new("web", "web.test").middleware(change);
    service.policy(|policy| policy.hold = HOUR)
}

fn guarded(middleware: &mut Middleware) {
    middleware.rate_limit = Some(2);
    middleware.max_body_bytes = Some(3);
    middleware.basic_auth = Some(vec![Credential {
        user: "alice".into(),
        hash: PasswordHash(HASH.into()),
    }]);
}

async fn held(edge: &Edge, count: &str) {
    let look = async || match edge.metric("hiveway_queued_requests", "web") {
        held if held == count => Ok(()),
        held => Err(held),
    };
    let waited = eventually("so many wait", Duration::from_secs(20), look).await;
    assert_eq!(waited, Ok(()), "{count}");
}

/// Two requests of somebody who is let in, and who are as many as the rate allows.
async fn two_wait(edge: &Edge) -> [Client; 2] {
    let mut clients = [edge.client().await, edge.client().await];
    for (client, waiting) in clients.iter_mut().zip(["1", "2"]) {
        client.send(post(ALICE, "abc")).await;
        held(edge, waiting).await;
    }
    clients
}

fn post(lines: &str, body: &str) -> String {
    let length = body.len();
    format!("POST / HTTP/1.1\r\nHost: web.test\r\n{lines}Content-Length: {length}\r\n\r\n{body}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_refused_or_sent_elsewhere_takes_no_place_in_line() {
    let [task] = origins([Behaviour::Hang]).await;
    let redirect = |it: &mut Middleware| {
        it.redirect = Some(Redirect {
            status: 308,
            target: "https://new.test".into(),
        });
    };
    let nobody = |it: &mut Middleware| it.allow = Some(vec![]);
    let shut = |it: &mut Middleware| it.basic_auth = Some(vec![]);
    let small = |it: &mut Middleware| it.max_body_bytes = Some(3);
    let cases: [(Service, u16, &str); 4] = [
        (web(redirect), 308, "redirect"),
        (web(nobody), 403, "not-allowed"),
        (web(shut), 401, "unauthorized"),
        (web(small), 413, "body-too-large"),
    ];
    for (service, status, reason) in cases {
        let edge = Edge::start(std::slice::from_ref(&service)).await;
        let refused = edge.client().await.request(&post("", "long")).await;
        refused.assert_refused(status, reason);
        // As where there is one.
        edge.publish(&[service.endpoints([&task])]).await;
        let refused = edge.client().await.request(&post("", "long")).await;
        refused.assert_refused(status, reason);
        assert_eq!(
            edge.metric("hiveway_requests_queued_total", "web"),
            "0",
            "{reason}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_let_in_before_the_wait_is_not_asked_or_counted_again() {
    let [task] = origins([Behaviour::Answer]).await;
    let edge = Edge::start(&[web(guarded).endpoint(&task, EndpointState::Starting)]).await;
    let clients = two_wait(&edge).await;
    edge.publish(&[web(guarded).endpoints([&task])]).await;
    for mut client in clients {
        assert_eq!(client.answer("POST").await.status, 200);
    }
    let heads = task.received(2).await;
    for request in heads {
        assert_eq!(request.head.one("x-forwarded-user"), Some("alice"));
        assert_eq!(request.head.one("authorization"), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_while_the_guard_changes_is_asked_again() {
    waits_and_is_asked_again(web(|it| it.max_body_bytes = Some(3))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn queued_request_is_checked_again_when_the_guard_changes() {
    let [gone] = origins([Behaviour::Refuse]).await;
    waits_and_is_asked_again(web(|_| {}).endpoints([&gone])).await;
}

async fn waits_and_is_asked_again(service: Service) {
    let [task] = origins([Behaviour::Answer]).await;
    let edge = Edge::start(&[service]).await;
    let mut client = edge.client().await;
    client.send(post("", "abc")).await;
    held(&edge, "1").await;
    edge.publish(&[web(guarded).endpoints([&task])]).await;
    client
        .answer("POST")
        .await
        .assert_refused(401, "unauthorized");
    held(&edge, "0").await;
    assert_eq!(task.requests(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retried_request_is_not_counted_again() {
    let [gone, task] = origins([Behaviour::Refuse, Behaviour::Answer]).await;
    let edge = Edge::start(&[web(guarded).endpoints([&gone])]).await;
    let clients = two_wait(&edge).await;
    edge.publish(&[web(guarded).endpoints([&task])]).await;
    for mut client in clients {
        assert_eq!(client.answer("POST").await.status, 200);
    }
    for request in task.received(2).await {
        assert_eq!(request.head.one("x-forwarded-user"), Some("alice"));
    }
}
