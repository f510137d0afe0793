//! Clients that take their requests back: some may, and those that do nothing else are told to calm down, while everybody else
//! goes on being answered.

use crate::bounded::bounded;

use super::super::edge::Edge;
use super::super::origin::{Behaviour, Origin, origins};
use super::super::service::Service;
use super::client::{Client, get};
use super::flood::memory;
use super::frames::{
    CALM, END_HEADERS, END_STREAM, GO_AWAY, HEADERS, PLAIN, RST_STREAM, RawClient, frame, list,
};

async fn stage(behaviour: Behaviour) -> (Edge, Origin, Origin) {
    let [task, other] = origins([behaviour, Behaviour::Answer]).await;
    let services = [
        Service::new("web", "web.test").endpoints([&task]),
        Service::new("other", "other.test").endpoints([&other]),
    ];
    (Edge::start(&services).await, task, other)
}

/// A reset by the client: `CANCEL`.
fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_requests_taken_back_at_once_ends_and_others_go_on() {
    let (edge, task, other) = stage(Behaviour::Hang).await;
    let mut neighbour = Client::connect(edge.internal).await;
    assert_eq!(neighbour.get("other.test", "/").await.status, 200);
    let before = memory();
    let flood = async {
        for _ in 0..20 {
            let mut client = RawClient::connect(edge.internal).await;
            let mut stream = 1;
            let pairs = |from: u32| -> Vec<u8> {
                (from..from + 2_000)
                    .step_by(2)
                    .flat_map(|stream| {
                        let head = frame(HEADERS, END_HEADERS | END_STREAM, stream, &list(&PLAIN));
                        [head, reset(stream)].concat()
                    })
                    .collect()
            };
            // A hundred thousand of them, unless somebody ends it.
            while stream < 200_000 && client.try_send(pairs(stream)).await {
                stream += 2_000;
            }
            assert!(stream < 200_000, "nobody ended it");
        }
    };
    let going_on = async {
        let mut answered = 0;
        loop {
            assert_eq!(neighbour.get("other.test", "/").await.status, 200);
            assert_eq!(edge.get("other.test", "/").await.status, 200);
            answered += 2;
            if answered >= 200 {
                return;
            }
        }
    };
    bounded(async { tokio::join!(flood, going_on) }).await;
    assert_eq!(neighbour.get("other.test", "/").await.body, other.container);
    let grown = memory().saturating_sub(before);
    assert!(grown < 100_000_000, "{grown} bytes more");
    // Few of them cost the task anything.
    let cost = task.requests().len();
    assert!(cost <= 20 * 200, "{cost} requests came to the task");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_that_resets_every_stream_gets_enhance_your_calm() {
    let (edge, task, _other) = stage(Behaviour::Hang).await;
    let mut client = RawClient::connect(edge.internal).await;
    let mut sent: u32 = 0;
    let ended = async {
        loop {
            let stream = 2 * sent + 1;
            sent += 1;
            let head = frame(HEADERS, END_HEADERS | END_STREAM, stream, &list(&PLAIN));
            if sent > 1_000 || !client.try_send(head).await {
                return;
            }
            // It comes to the task, so that all the work is done, or it does not any more.
            let came = task.received(sent as usize);
            tokio::select! {
                _ = came => {}
                _ = client.next_of(&[GO_AWAY]) => return,
            }
            if !client.try_send(reset(stream)).await {
                return;
            }
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), ended)
        .await
        .expect("an end");
    assert!((200..400).contains(&sent), "{sent}");
    let line = "hiveway_refused_connections_total{reason=\"http2-resets\"} 1\n";
    let counted = async {
        while !edge.metrics.render(None).contains(line) {
            tokio::task::yield_now().await;
        }
    };
    bounded(counted).await;
    assert_eq!(edge.get("other.test", "/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_may_take_back_some_of_what_it_asks_for() {
    let (edge, task, _other) = stage(Behaviour::Hang).await;
    let mut client = Client::connect(edge.internal).await;
    for round in 0..250 {
        let (response, mut stream) = client.start(get("web.test", "/"), true).await.unwrap();
        task.received(round + 1).await;
        stream.send_reset(h2::Reason::CANCEL);
        drop(response);
        for _ in 0..2 {
            assert_eq!(client.get("other.test", "/").await.status, 200);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_farewell_to_a_flood_says_why() {
    let (edge, _task, _other) = stage(Behaviour::Hang).await;
    let mut client = RawClient::connect(edge.internal).await;
    let flood: Vec<u8> = (1..1_000)
        .step_by(2)
        .flat_map(|stream| {
            let head = frame(HEADERS, END_HEADERS | END_STREAM, stream, &list(&PLAIN));
            [head, reset(stream)].concat()
        })
        .collect();
    client.try_send(flood).await;
    let farewell = client.next_of(&[GO_AWAY]).await.expect("a farewell");
    assert_eq!(farewell.reason(), CALM);
}
