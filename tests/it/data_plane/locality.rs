//! Endpoints on the gateway's own node are preferred where that is asked for, and while there are any.

use hiveway::core::model::snapshot::EndpointState;

use super::edge::Edge;
use super::origin::{Behaviour, Origin, origins};
use super::service::Service;

/// A gateway on node n1 that prefers its own.
async fn edge(service: Service) -> Edge {
    let near = |config: &mut hiveway::gateway::Config| {
        config.node = Some("n1".into());
        config.prefer_local = true;
    };
    Edge::start_with(near, &[service]).await
}

fn web() -> Service {
    Service::new("web", "web.test")
}

/// Who served so many requests of clients without a cookie.
async fn served(edge: &Edge, requests: usize) -> Vec<String> {
    let mut client = edge.client().await;
    let mut served = Vec::new();
    for _ in 0..requests {
        served.push(client.get("web.test", "/").await.body);
    }
    served
}

fn count(served: &[String], origin: &Origin) -> usize {
    served.iter().filter(|it| **it == origin.container).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_clients_go_to_the_own_node_in_turn_and_bound_ones_stay() {
    let [far, near, other] = origins([Behaviour::Answer; 3]).await;
    let service = web().sticky().on("n2", [&far]).on("n1", [&near, &other]);
    let edge = edge(service).await;
    let served = served(&edge, 6).await;
    assert_eq!((count(&served, &near), count(&served, &other)), (3, 3));
    let cookie = format!("Cookie: CONTAINERID={}\r\n", far.container);
    let mut client = edge.client().await;
    for _ in 0..3 {
        let answer = client.get_with("web.test", "/", &cookie).await;
        assert_eq!(answer.body, far.container);
        assert_eq!(answer.head.all("set-cookie"), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn they_spill_over_while_the_own_node_has_none_in_rotation() {
    let [near, far, farther] = origins([Behaviour::Answer; 3]).await;
    let edge = edge(web().on("n1", [&near]).on("n2", [&far, &farther])).await;
    assert_eq!(count(&served(&edge, 4).await, &near), 4);
    for state in [EndpointState::Draining, EndpointState::Failing] {
        let drained = web().endpoint_on("n1", &near, state);
        edge.publish(&[drained.on("n2", [&far, &farther])]).await;
        let served = served(&edge, 4).await;
        assert_eq!((count(&served, &far), count(&served, &farther)), (2, 2));
    }
    edge.publish(&[web().on("n1", [&near]).on("n2", [&far, &farther])])
        .await;
    assert_eq!(count(&served(&edge, 4).await, &near), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_request_is_retried_on_its_own_node_then_anywhere() {
    let [near, other, far] =
        origins([Behaviour::Refuse, Behaviour::Answer, Behaviour::Answer]).await;
    let edge = edge(web().on("n1", [&near, &other]).on("n2", [&far])).await;
    assert_eq!(count(&served(&edge, 4).await, &other), 4);
    edge.publish(&[web().on("n1", [&near]).on("n2", [&far])])
        .await;
    assert_eq!(count(&served(&edge, 4).await, &far), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_wish_or_without_a_known_node_all_take_turns() {
    let origins = origins([Behaviour::Answer; 2]).await;
    let [near, far] = &origins;
    for (node, prefer_local) in [(Some("n1"), false), (None, true), (Some("n3"), true)] {
        let change = |config: &mut hiveway::gateway::Config| {
            config.node = node.map(Into::into);
            config.prefer_local = prefer_local;
        };
        let edge = Edge::start_with(change, &[web().on("n1", [near]).on("n2", [far])]).await;
        let served = served(&edge, 4).await;
        assert_eq!((count(&served, near), count(&served, far)), (2, 2));
    }
}
