//! How the requests of a service are spread over its endpoints, by method, and while endpoints come and go.

use std::collections::BTreeMap;
use std::time::Duration;

use hiveway::core::model::route::Balance;

use super::client::Client;
use super::edge::Edge;
use super::origin::{Behaviour, Exchange, Origin, origins};
use super::service::Service;

const GET: &str = "GET / HTTP/1.1\r\nHost: web.test\r\n\r\n";
const DONE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone";

fn web(balance: Balance) -> Service {
    Service::new("web", "web.test").policy(|policy| policy.balance = balance)
}

/// How many of so many requests, one after another, each endpoint has served.
async fn served<const N: usize>(
    edge: &Edge,
    origins: &[&Origin; N],
    requests: usize,
) -> [usize; N] {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut client = edge.client().await;
    for _ in 0..requests {
        let answer = client.get("web.test", "/").await;
        assert_eq!(answer.status, 200, "{answer:?}");
        *counts.entry(answer.body).or_default() += 1;
    }
    origins.map(|origin| counts.remove(&origin.container).unwrap_or_default())
}

/// Sends requests until one is kept by the endpoint.
async fn occupied(edge: &Edge, origin: &Origin) -> (Client, Exchange) {
    for _ in 0..200 {
        let mut client = edge.client().await;
        client.send(GET).await;
        tokio::select! {
            exchange = origin.handed() => return (client, exchange),
            _answered_by_another = client.wire.head() => {}
        }
    }
    panic!("none of 200 requests came to it");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_is_busy_gets_nothing_while_another_is_idle() {
    let origins = origins([Behaviour::Hand, Behaviour::Answer]).await;
    let [busy, idle] = &origins;
    let edge = Edge::start(&[web(Balance::LeastRequest).endpoints(&origins)]).await;
    let (mut client, mut exchange) = occupied(&edge, busy).await;
    assert_eq!(served(&edge, &[busy, idle], 40).await, [0, 40]);
    // A snapshot does not make it forget.
    edge.publish(&[web(Balance::LeastRequest).endpoints(&origins)])
        .await;
    assert_eq!(served(&edge, &[busy, idle], 40).await, [0, 40]);
    exchange.wire.send(DONE).await.unwrap();
    assert_eq!(client.answer("GET").await.body, "done");
    drop(exchange);
    occupied(&edge, busy).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_answers_slowly_gets_little() {
    // Slower than a busy machine ever makes the fast one.
    let slow = Behaviour::Slow(Duration::from_millis(1500));
    let origins = origins([slow, Behaviour::Answer]).await;
    let [slow, fast] = &origins;
    let edge = Edge::start(&[web(Balance::PeakEwma).endpoints(&origins)]).await;
    let [slow, fast] = served(&edge, &[slow, fast], 60).await;
    assert_eq!(slow + fast, 60);
    assert!(slow <= 6, "{slow} of 60, of which half would be its share");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_that_fails_at_once_is_not_taken_for_the_fastest() {
    let origins = origins([Behaviour::Reset, Behaviour::Slow(Duration::from_millis(10))]).await;
    let [broken, well] = &origins;
    let edge = Edge::start(&[web(Balance::PeakEwma).endpoints(&origins)]).await;
    assert_eq!(served(&edge, &[broken, well], 60).await, [0, 60]);
    assert!(broken.requests().len() <= 6, "{}", broken.requests().len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_gets_its_part_while_endpoints_come_and_go() {
    for method in [
        Balance::RoundRobin,
        Balance::Random,
        Balance::LeastRequest,
        Balance::PeakEwma,
    ] {
        let [a, b, c, d] = &origins([Behaviour::Answer; 4]).await;
        let edge = Edge::start(&[web(method.clone()).endpoints([a, b])]).await;
        let two = served(&edge, &[a, b, c, d], 200).await;
        edge.publish(&[web(method.clone()).endpoints([a, b, c, d])])
            .await;
        let four = served(&edge, &[a, b, c, d], 400).await;
        edge.publish(&[web(method.clone()).endpoints([b, c, d])])
            .await;
        let three = served(&edge, &[a, b, c, d], 300).await;
        match method {
            Balance::RoundRobin => {
                assert_eq!((two, four), ([100, 100, 0, 0], [100; 4]));
                assert_eq!(three, [0, 100, 100, 100]);
            }
            // The times of answers differ by chance and by far, so that only the bounds are sure.
            Balance::PeakEwma => {
                assert!(four.iter().all(|it| *it < 300), "{four:?}");
                assert_eq!((two[2..] == [0, 0], three[0]), (true, 0));
            }
            // Six deviations from the mean of a hundred.
            _ => {
                let near = |count: &usize| (50..150).contains(count);
                assert!(two[..2].iter().all(near), "{method:?} {two:?}");
                assert!(four.iter().all(near), "{method:?} {four:?}");
                assert!(three[1..].iter().all(near), "{method:?} {three:?}");
                assert_eq!((two[2..] == [0, 0], three[0]), (true, 0), "{method:?}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_clients_are_shared_by_weight_and_bound_ones_stay() {
    let [blue, green] = &origins([Behaviour::Answer; 2]).await;
    let share = |name, weight, origin| {
        web(Balance::LeastRequest)
            .named(name)
            .sticky()
            .policy(|policy| policy.weight = weight)
            .endpoints([origin])
    };
    let edge = Edge::start(&[share("blue", 90, blue), share("green", 10, green)]).await;
    let [to_blue, to_green] = served(&edge, &[blue, green], 200).await;
    assert!((178..=182).contains(&to_blue) && to_green == 200 - to_blue);
    let mut client = edge.client().await;
    let bound = format!("Cookie: CONTAINERID={}\r\n", green.container);
    for _ in 0..20 {
        let answer = client.get_with("web.test", "/", &bound).await;
        assert_eq!(answer.body, green.container);
    }
}
