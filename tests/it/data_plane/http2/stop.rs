//! A stop in peace over HTTP/2: a farewell, nothing new, and what is in flight ends.

use std::time::Duration;

use crate::bounded::bounded;

use super::super::edge::Edge;
use super::super::origin::{Behaviour, origins};
use super::super::service::Service;
use super::client::{Client, answer, get};
use super::frames::{
    END_HEADERS, END_STREAM, GO_AWAY, HEADERS, PLAIN, RawClient, SETTINGS, frame, list,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_in_flight_end_in_peace_while_nothing_new_is_taken() {
    let [task] = origins([Behaviour::Hand]).await;
    let service = Service::new("web", "web.test").endpoints([&task]);
    let mut edge = Edge::start_with(
        |config| config.grace = Duration::from_secs(3600),
        &[service],
    )
    .await;
    let mut idle = Client::connect(edge.internal).await;
    idle.get("nobody.test", "/").await;
    let mut client = Client::connect(edge.internal).await;
    let (first, _) = client.start(get("web.test", "/1"), true).await.unwrap();
    let (second, _) = client.start(get("web.test", "/2"), true).await.unwrap();
    let mut exchanges = [task.handed().await, task.handed().await];

    edge.stop.cancel();
    idle.closed().await.expect("a farewell is no failure");
    // As soon as the farewell is read, the client's own library takes no more.
    let refused = async {
        while let Ok((response, _)) = client.start(get("nobody.test", "/"), true).await {
            if answer(response).await.is_err() {
                break;
            }
        }
    };
    bounded(refused).await;
    for exchange in &mut exchanges {
        let done = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone";
        exchange.wire.send(done).await.unwrap();
    }
    for response in [first, second] {
        assert_eq!(answer(response).await.unwrap().body, "done");
    }
    client.closed().await.expect("a farewell is no failure");
    edge.ended().await.expect("a stop is no failure");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_that_ignores_goaway_does_not_delay_the_stop() {
    let [task] = origins([Behaviour::Answer]).await;
    let service = Service::new("web", "web.test").endpoints([&task]);
    let mut edge = Edge::start_with(
        |config| config.grace = Duration::from_secs(3600),
        &[service],
    )
    .await;
    let mut client = RawClient::connect(edge.internal).await;
    client.next_of(&[SETTINGS]).await.expect("it speaks HTTP/2");
    client
        .send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &list(&PLAIN)))
        .await;
    client.next_of(&[HEADERS]).await.expect("an answer");
    edge.stop.cancel();
    let farewell = client.next_of(&[GO_AWAY]).await.expect("a farewell");
    assert_eq!(farewell.reason(), 0);
    edge.ended().await.expect("a stop is no failure");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_a_request_no_longer_than_its_grace() {
    let [task] = origins([Behaviour::Hang]).await;
    let service = Service::new("web", "web.test").endpoints([&task]);
    let mut edge = Edge::start_with(
        |config| config.grace = Duration::from_millis(300),
        &[service],
    )
    .await;
    let mut client = Client::connect(edge.internal).await;
    let _waiting = client.start(get("web.test", "/"), true).await.unwrap();
    task.received(1).await;
    edge.stop.cancel();
    edge.ended()
        .await
        .expect("the end of the grace is no failure");
}
