//! What happens to a request whose task fails it: whether another is asked, and what the client is told.

use std::time::Duration;

use super::edge::Edge;
use super::origin::{Behaviour, Request, origins};
use super::service::Service;

/// A POST with a body of its own.
fn post(host: &str, body: &str) -> String {
    let length = body.len();
    format!("POST / HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n{body}")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_connection_sends_any_request_elsewhere_whole() {
    let origins = origins([Behaviour::Refuse, Behaviour::Answer, Behaviour::Refuse]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints(&origins)]).await;
    let mut client = edge.client().await;
    for turn in 0..6 {
        let body = format!("order {turn}");
        let answer = client.request(&post("web.test", &body)).await;
        assert_eq!(answer.body, origins[1].container);
    }
    let bodies: Vec<_> = origins[1]
        .requests()
        .into_iter()
        .map(|it| it.body)
        .collect();
    let expected: Vec<_> = (0..6)
        .map(|turn| format!("order {turn}").into_bytes())
        .collect();
    assert_eq!(bodies, expected, "each came once and whole");
    let told = edge.metrics.render(None);
    let counted = told
        .lines()
        .find_map(|line| line.strip_prefix("hiveway_retries_total{service=\"web\"} "));
    assert!(counted.is_some_and(|it| it != "0"), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn aborting_task_is_replaced_for_idempotent_requests() {
    let origins = origins([Behaviour::Close, Behaviour::Answer]).await;
    let [broken, well] = &origins;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints(&origins)]).await;
    let mut client = edge.client().await;
    for method in ["GET", "HEAD", "OPTIONS"] {
        for _ in 0..2 {
            let request = format!("{method} / HTTP/1.1\r\nHost: web.test\r\n\r\n");
            assert_eq!(client.request(&request).await.status, 200, "{method}");
        }
    }
    for _ in 0..2 {
        let put = post("web.test", "state").replace("POST", "PUT");
        assert_eq!(client.request(&put).await.status, 200);
    }
    let puts = well.received(8).await.split_off(6);
    assert!(puts.iter().all(|it| it.body == b"state"), "{puts:?}");
    for method in ["GET", "HEAD", "OPTIONS", "PUT"] {
        let met = |it: &Request| it.head.first.starts_with(method);
        assert!(broken.requests().iter().any(met), "{method} met it first");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_post_that_a_task_may_have_seen_is_never_sent_twice() {
    let origins = origins([Behaviour::Close, Behaviour::Answer]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints(&origins)]).await;
    let mut statuses = Vec::new();
    for turn in 0..4 {
        let mut client = edge.client().await;
        let answer = client
            .request(&post("web.test", &format!("order {turn}")))
            .await;
        if answer.status != 200 {
            answer.assert_refused(502, "response-failed");
        }
        statuses.push(answer.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 502, 502]);
    let [broken, well] = origins.map(|origin| origin.requests().len());
    assert_eq!((broken, well), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_retries_the_first_failure_is_the_answer() {
    let origins = origins([Behaviour::Refuse, Behaviour::Answer]).await;
    let service = Service::new("web", "web.test").policy(|policy| policy.retries = 0);
    let edge = Edge::start(&[service.endpoints(&origins)]).await;
    let mut statuses = Vec::new();
    for _ in 0..4 {
        let answer = edge.get("web.test", "/").await;
        if answer.status != 200 {
            answer.assert_refused(502, "connect-failed");
        }
        statuses.push(answer.status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 502, 502]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_further_endpoints_are_tried_and_no_more() {
    let origins = origins([Behaviour::Close; 5]).await;
    let service = Service::new("web", "web.test").policy(|policy| policy.retries = 3);
    let edge = Edge::start(&[service.endpoints(&origins)]).await;
    let answer = edge.get("web.test", "/").await;
    answer.assert_refused(502, "response-failed");
    let asked: usize = origins.iter().map(|it| it.requests().len()).sum();
    assert_eq!(asked, 4);
    assert!(
        origins.iter().all(|it| it.requests().len() < 2),
        "no one twice"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_all_refuse_the_client_is_told_so_and_may_ask_again() {
    let mut origins = origins([Behaviour::Refuse, Behaviour::Refuse, Behaviour::Answer]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints(&origins)]).await;
    origins[2].crash().await;
    let answer = edge.get("web.test", "/").await;
    answer.assert_refused(502, "connect-failed");
    assert!(answer.body.contains("web"), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silent_task_costs_one_timeout_and_no_retry() {
    let origins = origins([Behaviour::Hang; 2]).await;
    let service = Service::new("web", "web.test")
        .policy(|policy| policy.response_timeout = Duration::from_millis(300));
    let edge = Edge::start(&[service.endpoints(&origins)]).await;
    let answer = edge.get("web.test", "/").await;
    answer.assert_refused(504, "response-timeout");
    let asked: usize = origins.iter().map(|it| it.requests().len()).sum();
    assert_eq!(asked, 1, "it may still be at work on it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn once_an_answer_has_begun_nobody_else_is_asked() {
    let origins = origins([Behaviour::Hand; 2]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints(&origins)]).await;
    let mut client = edge.client().await;
    client
        .send("GET / HTTP/1.1\r\nHost: web.test\r\n\r\n")
        .await;
    let mut exchange = tokio::select! {
        exchange = origins[0].handed() => exchange,
        exchange = origins[1].handed() => exchange,
    };
    let begun = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun";
    exchange.wire.send(begun).await.unwrap();
    drop(exchange);
    let received = client.closed().await;
    assert!(received.starts_with("HTTP/1.1 200 OK\r\n"), "{received}");
    assert!(
        received.ends_with("\r\n\r\nbegun"),
        "nothing is made up: {received}"
    );
    let asked: usize = origins.iter().map(|it| it.requests().len()).sum();
    assert_eq!(asked, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stale_connection_of_the_only_task_is_no_failure() {
    let [origin] = origins([Behaviour::Hand]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints([&origin])]).await;
    let mut client = edge.client().await;
    let get = "GET / HTTP/1.1\r\nHost: web.test\r\n\r\n";
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    client.send(get).await;
    let mut first = origin.handed().await;
    first.wire.send(ok).await.unwrap();
    assert_eq!(client.answer("GET").await.status, 200);
    // The pooled connection takes the next request and dies under it, as one does that its task closes at that moment.
    client.send(get).await;
    first
        .wire
        .head()
        .await
        .expect("the same connection is used");
    drop(first);
    let mut second = origin.handed().await;
    second.wire.send(ok).await.unwrap();
    assert_eq!(client.answer("GET").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bound_client_whose_task_refuses_is_bound_anew() {
    let origins = origins([Behaviour::Refuse, Behaviour::Answer]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").sticky().endpoints(&origins)]).await;
    let named = format!("Cookie: CONTAINERID={}\r\n", origins[0].container);
    let answer = edge.client().await.get_with("web.test", "/", &named).await;
    assert_eq!(answer.body, origins[1].container);
    let expected = format!("CONTAINERID={}; path=/", origins[1].container);
    assert_eq!(answer.head.all("set-cookie"), [expected]);
}
