//! Requests while the snapshot changes under them.

use hiveway::core::model::snapshot::EndpointState;

use super::edge::Edge;
use super::origin::{Behaviour, origins};
use super::service::Service;

const GET: &str = "GET / HTTP/1.1\r\nHost: web.test\r\n\r\n";
const DONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draining_endpoint_gets_nothing_new_and_ends_what_it_has() {
    let origins = origins([Behaviour::Hand, Behaviour::Answer]).await;
    let [draining, other] = &origins;
    let service = Service::new("web", "web.test").sticky().endpoints(&origins);
    let edge = Edge::start(std::slice::from_ref(&service)).await;
    let mut early = edge.client().await;
    let bound = format!("Cookie: CONTAINERID={}\r\n", draining.container);
    let get = format!("GET / HTTP/1.1\r\nHost: web.test\r\n{bound}\r\n");
    early.send(get).await;
    let mut exchange = draining.handed().await;

    edge.publish(&[service.endpoint(draining, EndpointState::Draining)])
        .await;
    let mut client = edge.client().await;
    for _ in 0..6 {
        let answer = client.get_with("web.test", "/", &bound).await;
        assert_eq!(answer.body, other.container);
    }
    exchange.wire.send(DONE).await.unwrap();
    assert_eq!(early.answer("GET").await.body, "done");
    assert_eq!(draining.requests().len(), 1);
    // The same connection goes on where the new snapshot says.
    let answer = early.get_with("web.test", "/", &bound).await;
    assert_eq!(answer.body, other.container);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn within_a_service_draining_endpoints_are_passed_over() {
    let origins = origins([Behaviour::Answer; 3]).await;
    let [first, second, third] = &origins;
    let service = Service::new("web", "web.test")
        .endpoint(first, EndpointState::Draining)
        .endpoint(second, EndpointState::Ready)
        .endpoint(third, EndpointState::Draining);
    let edge = Edge::start(&[service]).await;
    let mut client = edge.client().await;
    for _ in 0..6 {
        assert_eq!(client.get("web.test", "/").await.body, second.container);
    }
    assert_eq!((first.requests(), third.requests()), (vec![], vec![]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_endpoint_serves_while_it_drains() {
    let origins = origins([Behaviour::Answer; 2]).await;
    let service = Service::new("web", "web.test")
        .endpoint(&origins[0], EndpointState::Draining)
        .endpoint(&origins[1], EndpointState::Starting);
    let edge = Edge::start(&[service]).await;
    let mut client = edge.client().await;
    for _ in 0..3 {
        assert_eq!(client.get("web.test", "/").await.body, origins[0].container);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_that_fail_beyond_belief_go_on_serving() {
    let origins = origins([Behaviour::Answer; 2]).await;
    let failing = |believed: bool| {
        origins
            .iter()
            .fold(Service::new("web", "web.test"), |service, origin| {
                service.endpoint(origin, EndpointState::Failing)
            })
            .probes_disbelieved(!believed)
    };
    let edge = Edge::start(&[failing(false)]).await;
    assert_eq!(edge.get("web.test", "/").await.status, 200);
    edge.publish(&[failing(true)]).await;
    let answer = edge.get("web.test", "/").await;
    answer.assert_refused(503, "no-endpoint");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_not_disturbed_when_its_route_vanishes() {
    let [origin] = origins([Behaviour::Hand]).await;
    let edge = Edge::start(&[Service::new("web", "web.test")
        .sticky()
        .endpoints([&origin])])
    .await;
    let mut client = edge.client().await;
    client.send(GET).await;
    let mut exchange = origin.handed().await;
    let (head, body) = DONE.split_at(DONE.len() - 2);
    exchange.wire.send(head).await.unwrap();
    edge.publish(&[]).await;
    exchange.wire.send(body).await.unwrap();
    let answer = client.answer("GET").await;
    assert_eq!(answer.body, "done");
    let cookie = format!("CONTAINERID={}; path=/", origin.container);
    assert_eq!(answer.head.all("set-cookie"), [cookie]);
    client
        .get("web.test", "/")
        .await
        .assert_refused(404, "no-route");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_retry_stays_with_the_snapshot_that_its_request_began_with() {
    let origins = origins([Behaviour::Hand; 2]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints(&origins)]).await;
    let mut client = edge.client().await;
    client.send(GET).await;
    let (first, other) = tokio::select! {
        exchange = origins[0].handed() => (exchange, &origins[1]),
        exchange = origins[1].handed() => (exchange, &origins[0]),
    };
    edge.publish(&[]).await;
    drop(first);
    other.handed().await.wire.send(DONE).await.unwrap();
    assert_eq!(client.answer("GET").await.body, "done");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_fails_while_snapshots_follow_each_other() {
    let origins = origins([Behaviour::Answer; 3]).await;
    let without = |out: usize| {
        origins.iter().enumerate().fold(
            Service::new("web", "web.test"),
            |service, (index, origin)| {
                let state = match index == out {
                    true => EndpointState::Draining,
                    false => EndpointState::Ready,
                };
                service.endpoint(origin, state)
            },
        )
    };
    let edge = Edge::start(&[without(0)]).await;
    let changes = async {
        for turn in 0..60 {
            edge.publish(&[without(turn % 4)]).await;
        }
    };
    tokio::pin!(changes);
    let mut client = edge.client().await;
    let mut asked = 0;
    loop {
        tokio::select! {
            biased;
            answer = client.get("web.test", "/") => {
                assert_eq!(answer.status, 200, "{answer:?}");
                asked += 1;
            }
            () = &mut changes => break,
        }
    }
    assert!(asked > 0);
}
