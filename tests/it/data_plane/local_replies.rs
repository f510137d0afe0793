//! Replies of the gateway's own: each counts for the service that it is about, and its log line
//! names that service.

use std::time::Duration;

use hiveway::core::model::middleware::{Credential, PasswordHash, Redirect};
use hiveway::observe::access_log::{Format, Selection};
use serde_json::Value;

use super::access_log::{Logged, PROXY};
use super::client::Client;
use super::edge::Edge;
use super::http2::{self, get};
use super::origin::{Behaviour, origins};
use super::service::Service;
use crate::eventually::eventually;

/// The samples of a metric with these labels, added up.
pub(super) fn sum(edge: &Edge, name: &str, labels: &[(&str, &str)]) -> u64 {
    let text = edge.figures();
    let samples = text.lines().filter(|line| {
        let named = line
            .strip_prefix(name)
            .is_some_and(|it| it.starts_with('{'));
        let has = |(label, value): &(&str, &str)| line.contains(&format!("{label}=\"{value}\""));
        named && labels.iter().all(has)
    });
    let values = samples.map(|line| line.rsplit(' ').next().expect("a value"));
    values
        .map(|it| it.parse::<u64>().expect("a whole number"))
        .sum()
}

/// Waits until a metric with these labels is this.
pub(super) async fn comes_to(edge: &Edge, name: &str, labels: &[(&str, &str)], count: u64) {
    let look = async || match sum(edge, name, labels) {
        seen if seen == count => Ok(()),
        seen => Err(format!("{seen} of {count}")),
    };
    let reached = eventually(name, Duration::from_secs(10), look).await;
    let text = edge.figures();
    let told = text.lines().filter(|line| line.starts_with(name));
    assert_eq!(
        reached,
        Ok(()),
        "{labels:?}: {:#?}",
        told.collect::<Vec<_>>()
    );
}

fn moved() -> Option<Redirect> {
    Some(Redirect {
        status: 302,
        target: "https://new.test".into(),
    })
}

fn users() -> Option<Vec<Credential>> {
    let hash = "$2b$04$LhRHyYb92TBsI3aIYbm2MOSl1HD09/qy8U8dBaQhwZ4egNNkmpBGq";
    Some(vec![Credential {
        user: "alice".into(),
        hash: PasswordHash(hash.into()),
    }])
}

/// A request for `/` of a service's host, with further lines.
fn request(service: &str, lines: &str) -> String {
    format!("GET / HTTP/1.1\r\nHost: {service}.test\r\n{lines}\r\n")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_reply_counts_for_the_service_it_is_about() {
    let [answers, refuses, closes, hangs, full] = origins([
        Behaviour::Answer,
        Behaviour::Refuse,
        Behaviour::Close,
        Behaviour::Hang,
        Behaviour::Hang,
    ])
    .await;
    let named = |name: &str| Service::new(name, &format!("{name}.test"));
    let served = |name: &str| named(name).endpoints([&answers]);
    let services = [
        named("down"),
        named("waits").policy(|it| it.hold = Duration::from_millis(50)),
        named("full")
            .policy(|it| it.max_in_flight = Some(1))
            .endpoints([&full]),
        served("far").middleware(|it| it.allow = Some(vec![])),
        served("limited").middleware(|it| it.rate_limit = Some(1)),
        served("shut").middleware(|it| it.basic_auth = users()),
        served("small").middleware(|it| it.max_body_bytes = Some(3)),
        named("moved").middleware(|it| it.redirect = moved()),
        served("going").middleware(|it| it.redirect = moved()),
        Service::new("secure", "https://secure.test").endpoints([&answers]),
        Service::new("grpc", "grpc://grpc.test").endpoints([&answers]),
        named("refuses").endpoints([&refuses]),
        named("breaks")
            .policy(|it| it.retries = 0)
            .endpoints([&closes]),
        named("slow")
            .policy(|it| {
                it.retries = 0;
                it.response_timeout = Duration::from_millis(50);
            })
            .endpoints([&hangs]),
        Service::new("plain", "http://plain.test").endpoints([&answers]),
        served("well"),
        served("long"),
    ];
    let mut logged = Logged::start(Selection::All, Format::Json, &services).await;
    let mut busy = logged.edge.client().await;
    busy.send(request("full", "")).await;
    full.received(1).await;
    // The bucket of this client is empty after it.
    let mut limited = logged.edge.client().await;
    while limited.get("limited.test", "/").await.status == 200 {}
    while logged.json().await["status"] != 429 {}
    let labels = [("service", "limited"), ("class", "4xx")];
    let limited_before = sum(&logged.edge, "hiveway_requests_total", &labels);

    let large = "Content-Length: 4\r\n\r\nabcd";
    let two = "Content-Length: 1\r\nContent-Length: 1\r\n";
    // Longer than a target may be, and more lines than a head may have.
    let long = "x".repeat(33 * 1024);
    let endless = "X-Line: y\r\n".repeat(300);
    for (service, request, status, reason) in [
        ("down", request("down", ""), 503, "no-endpoint"),
        ("waits", request("waits", ""), 503, "no-endpoint"),
        ("full", request("full", ""), 503, "overloaded"),
        ("far", request("far", ""), 403, "not-allowed"),
        ("limited", request("limited", ""), 429, "rate-limit"),
        ("shut", request("shut", ""), 401, "unauthorized"),
        ("small", request("small", large), 413, "body-too-large"),
        ("moved", request("moved", ""), 302, "redirect"),
        ("going", request("going", ""), 302, "redirect"),
        ("secure", request("secure", ""), 308, "tls-only"),
        ("grpc", request("grpc", ""), 426, "http2-only"),
        ("refuses", request("refuses", ""), 502, "connect-failed"),
        ("breaks", request("breaks", ""), 502, "response-failed"),
        ("slow", request("slow", ""), 504, "response-timeout"),
        ("well", request("well", two), 400, "bad-request"),
        (
            "long",
            request("long", "").replace("/ ", &format!("/{long} ")),
            414,
            "bad-request",
        ),
    ] {
        let answer = logged.edge.client().await.request(&request).await;
        answer.assert_refused(status, reason);
        let line = logged.json().await;
        let told = (&line["service"], &line["status"], &line["reason"]);
        let expected = (&service.into(), &status.into(), &reason.into());
        assert_eq!(told, expected, "{line}");
        let class = format!("{}xx", status / 100);
        let before = match service {
            "limited" => limited_before,
            _ => 0,
        };
        let labels = [("service", service), ("class", &*class)];
        let count = before + 1;
        comes_to(&logged.edge, "hiveway_requests_total", &labels, count).await;
        let labels = [("service", service), ("reason", reason)];
        assert!(sum(&logged.edge, "hiveway_local_replies_total", &labels) > 0);
    }
    // A route that is not served by TLS is a route all the same.
    let mut proxy = Client::connect_from(PROXY, logged.edge.internal).await;
    let secure = request("plain", "X-Forwarded-Proto: https\r\n");
    let answer = proxy.request(&secure).await;
    answer.assert_refused(404, "no-route");
    assert_eq!(logged.json().await["service"], "plain");
    let labels = [("service", "plain"), ("reason", "no-route")];
    comes_to(&logged.edge, "hiveway_local_replies_total", &labels, 1).await;
    // What no service is about stays unrouted: a head that is not read, and a host that no service
    // claims.
    let mut client = logged.edge.client().await;
    let answer = client.request(&request("well", &endless)).await;
    answer.assert_refused(431, "bad-request");
    let answer = logged.edge.get("nobody.test", "/").await;
    answer.assert_refused(404, "no-route");
    assert_eq!(logged.json().await["service"], Value::Null);
    for (reason, count) in [("bad-request", 1), ("no-route", 1)] {
        let labels = [("reason", reason)];
        comes_to(
            &logged.edge,
            "hiveway_unrouted_requests_total",
            &labels,
            count,
        )
        .await;
    }
    let told = logged.edge.figures();
    let unrouted = told
        .lines()
        .filter(|it| it.starts_with("hiveway_unrouted_requests_total"));
    // Before its first snapshot the gateway knows no service.
    assert_eq!(unrouted.filter(|it| !it.contains("warming-up")).count(), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_leaves_while_it_waits_counts_there() {
    let hour = Duration::from_secs(3600);
    let service = Service::new("web", "web.test").policy(|it| it.hold = hour);
    let mut logged = Logged::start(Selection::All, Format::Json, &[service]).await;
    let mut client = logged.edge.client().await;
    client.send(request("web", "")).await;
    comes_to(
        &logged.edge,
        "hiveway_queued_requests",
        &[("service", "web")],
        1,
    )
    .await;
    drop(client);
    let mut client = http2::Client::connect(logged.edge.internal).await;
    let by_http_2 = client.start(get("web.test", "/"), true).await;
    comes_to(
        &logged.edge,
        "hiveway_requests_queued_total",
        &[("service", "web")],
        2,
    )
    .await;
    drop((by_http_2, client));
    for _ in 0..2 {
        let line = logged.json().await;
        let told = (&line["service"], &line["status"]);
        assert_eq!(told, (&"web".into(), &499.into()), "{line}");
    }
    let labels = [("service", "web"), ("class", "4xx")];
    comes_to(&logged.edge, "hiveway_requests_total", &labels, 2).await;
    assert_eq!(sum(&logged.edge, "hiveway_unrouted_requests_total", &[]), 0);
}
