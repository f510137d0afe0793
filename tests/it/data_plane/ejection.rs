//! Endpoints to which requests fail get none for a while.

use std::time::Duration;

use hiveway::core::event::{EndpointRef, Event};
use hiveway::core::routing::ejection::Policy;
use hiveway::gateway::Config;

use crate::bounded::bounded;

use super::edge::Edge;
use super::origin::{Behaviour, Origin, origins};
use super::service::Service;

/// For longer than any test runs.
const LONG: Duration = Duration::from_secs(3600);

const ERROR: &str = "HTTP/1.1 500 Internal Server Error\r\nContent-Length: 5\r\n\r\nerror";
const POST: &str = "POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 4\r\n\r\nbody";

fn web() -> Service {
    Service::new("web", "web.test")
}

async fn edge(change: impl FnOnce(&mut Policy), services: &[Service]) -> Edge {
    let mut policy = Policy {
        first: LONG,
        longest: LONG,
        ..Policy::default()
    };
    change(&mut policy);
    let change = |config: &mut Config| config.ejection = Some(policy);
    Edge::start_with(change, services).await
}

/// Repeats a request until the gateway has told something. None is under way then.
async fn until_told(edge: &Edge, request: impl AsyncFn()) -> Event {
    let told = async {
        loop {
            request().await;
            if let Some(event) = edge.told().await {
                return event;
            }
        }
    };
    bounded(told).await
}

/// Sends a request by a new connection, whatever becomes of it.
async fn send(edge: &Edge, request: &str) {
    let mut client = edge.client().await;
    client.send(request).await;
    client.try_answer("POST").await;
}

fn ejected(event: &Event) -> (&EndpointRef, &str) {
    match event {
        Event::EndpointEjected {
            endpoint, reason, ..
        } => (endpoint, reason),
        other => panic!("{other}"),
    }
}

fn metric(edge: &Edge, name: &str) -> String {
    let told = edge.metrics.render(None);
    let sample = format!("{name}{{service=\"web\"}} ");
    let value = told.lines().find_map(|line| line.strip_prefix(&sample));
    value
        .unwrap_or_else(|| panic!("{name} in {told}"))
        .to_owned()
}

/// Checks that an origin gets no requests, and that none has to be retried.
async fn assert_out(edge: &Edge, out: &Origin) {
    let (retried, received) = (metric(edge, "hiveway_retries_total"), out.requests().len());
    for _ in 0..10 {
        let answer = edge.client().await.request(POST).await;
        assert_eq!(answer.status, 200);
    }
    assert_eq!(metric(edge, "hiveway_retries_total"), retried);
    assert_eq!(out.requests().len(), received);
    assert_eq!(metric(edge, "hiveway_ejected_endpoints"), "1");
    assert_eq!(metric(edge, "hiveway_ejections_total"), "1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_refuses_connections_is_ejected() {
    let origins = origins([Behaviour::Answer, Behaviour::Refuse, Behaviour::Answer]).await;
    let edge = edge(|_| {}, &[web().endpoints(&origins)]).await;
    let event = until_told(&edge, async || send(&edge, POST).await).await;
    let (endpoint, _) = ejected(&event);
    assert_eq!(&*endpoint.service, "web");
    assert_eq!(endpoint.container.as_str(), origins[1].container);
    assert_eq!(endpoint.address, origins[1].address.ip());
    let shown: Vec<_> = edge.ejected.borrow().keys().cloned().collect();
    assert_eq!(shown, std::slice::from_ref(&endpoint.task));
    let sentence = event.to_string();
    assert!(
        sentence.contains("nothing from this gateway for 3600 s: ")
            && sentence.ends_with("requests in a row broke"),
        "{sentence}"
    );
    assert_out(&edge, &origins[1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_breaks_requests_off_is_ejected() {
    let begun = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun";
    for behaviour in [Behaviour::Close, Behaviour::Reset, Behaviour::Begin(begun)] {
        let origins = origins([behaviour, Behaviour::Answer]).await;
        let edge = edge(|_| {}, &[web().endpoints(&origins)]).await;
        let event = until_told(&edge, async || send(&edge, POST).await).await;
        let (endpoint, _) = ejected(&event);
        assert_eq!(endpoint.container.as_str(), origins[0].container);
        assert_out(&edge, &origins[0]).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_of_5xx_ejects_only_where_that_is_asked_for() {
    let origins = origins([Behaviour::Answer, Behaviour::Say(ERROR)]).await;
    let edge = edge(
        |policy| policy.failed_percent = Some(50),
        &[web().endpoints(&origins)],
    )
    .await;
    let event = until_told(&edge, async || send(&edge, POST).await).await;
    let (endpoint, reason) = ejected(&event);
    assert_eq!(endpoint.container.as_str(), origins[1].container);
    assert!(
        reason.ends_with("were answered 5xx or not in time"),
        "{reason}"
    );
    assert!(origins[1].requests().len() >= 20);
    assert_out(&edge, &origins[1]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_endpoint_is_used_whatever_it_does() {
    let [origin] = origins([Behaviour::Refuse]).await;
    let others = origins([Behaviour::Refuse; 2]).await;
    let services = [
        web().endpoints([&origin]),
        Service::new("other", "other.test").endpoints(&others),
    ];
    let edge = edge(|_| {}, &services).await;
    for _ in 0..10 {
        let answer = edge.get("web.test", "/").await;
        answer.assert_refused(502, "connect-failed");
    }
    // Another service tells that it has been judged since.
    let get = "GET / HTTP/1.1\r\nHost: other.test\r\n\r\n";
    let event = until_told(&edge, async || send(&edge, get).await).await;
    assert_eq!(&*ejected(&event).0.service, "other");
    let answer = edge.get("web.test", "/").await;
    answer.assert_refused(502, "connect-failed");
    let answer = edge.get("other.test", "/").await;
    answer.assert_refused(502, "connect-failed");
    assert_eq!(metric(&edge, "hiveway_ejected_endpoints"), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_bound_to_an_ejected_endpoint_is_bound_anew() {
    let origins = origins([Behaviour::Close, Behaviour::Answer]).await;
    let edge = edge(|_| {}, &[web().sticky().endpoints(&origins)]).await;
    let cookie = format!("Cookie: CONTAINERID={}\r\n", origins[0].container);
    let bound = POST.replace("\r\n\r\n", &format!("\r\n{cookie}\r\n"));
    until_told(&edge, async || send(&edge, &bound).await).await;
    let answer = edge.client().await.request(&bound).await;
    assert_eq!(answer.body, origins[1].container);
    let expected = format!("CONTAINERID={}; path=/", origins[1].container);
    assert_eq!(answer.head.all("set-cookie"), [expected]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_in_flight_to_an_ejected_endpoint_ends_in_peace() {
    let origins = origins([Behaviour::Hand, Behaviour::Answer]).await;
    let edge = edge(|_| {}, &[web().sticky().endpoints(&origins)]).await;
    let cookie = format!("Cookie: CONTAINERID={}\r\n", origins[0].container);
    let bound = POST.replace("\r\n\r\n", &format!("\r\n{cookie}\r\n"));
    let mut client = edge.client().await;
    client.send(&bound).await;
    let mut exchange = origins[0].handed().await;
    let event = until_told(&edge, async || {
        let mut client = edge.client().await;
        client.send(&bound).await;
        tokio::select! {
            broken = origins[0].handed() => drop(broken),
            // It is ejected already.
            _answer = client.answer("POST") => {}
        }
    });
    let event = event.await;
    ejected(&event);
    let answer = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone";
    exchange.wire.send(answer).await.unwrap();
    assert_eq!(client.answer("POST").await.body, "done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoint_returns_and_is_ejected_longer_if_it_still_fails() {
    let origins = origins([Behaviour::Close, Behaviour::Answer]).await;
    let short = |policy: &mut Policy| policy.first = Duration::from_millis(1500);
    let edge = edge(short, &[web().endpoints(&origins)]).await;
    let event = until_told(&edge, async || send(&edge, POST).await).await;
    let container = ejected(&event).0.container.clone();
    assert_eq!(container.as_str(), origins[0].container);
    let event = edge.event().await;
    let Event::EndpointReinstated { endpoint } = event else {
        panic!("{event}")
    };
    assert_eq!(endpoint.container, container);
    let before = origins[0].requests().len();
    let event = until_told(&edge, async || send(&edge, POST).await).await;
    assert!(
        ejected(&event).1.starts_with("the first request"),
        "{event}"
    );
    let Event::EndpointEjected { seconds, .. } = event else {
        panic!("{event}")
    };
    assert_eq!(seconds, 3);
    assert!(origins[0].requests().len() > before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failing_node_is_ejected_but_not_its_only_service() {
    let [shop, shop_too, far_shop] =
        origins([Behaviour::Refuse, Behaviour::Refuse, Behaviour::Answer]).await;
    let [api, far_api] = origins([Behaviour::Refuse, Behaviour::Answer]).await;
    let [only] = origins([Behaviour::Answer]).await;
    let services = [
        web().on("n1", [&shop, &shop_too]).on("n2", [&far_shop]),
        Service::new("api", "api.test")
            .on("n1", [&api])
            .on("n2", [&far_api]),
        Service::new("only", "only.test").on("n1", [&only]),
    ];
    let edge = edge(|_| {}, &services).await;
    let both = async || {
        edge.get("web.test", "/").await;
        edge.get("api.test", "/").await;
    };
    let (node, endpoints) = loop {
        // Some may be ejected alone before.
        let event = until_told(&edge, both).await;
        if let Event::NodeEjected {
            node, endpoints, ..
        } = event
        {
            break (node, endpoints);
        }
    };
    assert_eq!((node.as_str(), endpoints), ("n1", 4));
    assert_eq!(metric(&edge, "hiveway_ejected_endpoints"), "2");
    let retried = metric(&edge, "hiveway_retries_total");
    for _ in 0..4 {
        assert_eq!(edge.get("web.test", "/").await.body, far_shop.container);
        assert_eq!(edge.get("only.test", "/").await.body, only.container);
    }
    assert_eq!(metric(&edge, "hiveway_retries_total"), retried);
}
