//! Calls that a task has refused before it did anything for them: they go elsewhere, and no others
//! do.
//!
//! RFC 9113: a stream with a greater number than a `GOAWAY` names (section 6.8), or one that was
//! reset with `REFUSED_STREAM` (section 8.7), was not worked on, whatever its method. Envoy, nginx
//! and the clients of gRPC repeat both.

use bytes::Bytes;
use hiveway::core::routing::ejection::Policy;
use http::Request;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::super::edge::Edge;
use super::super::http2::{Answer, Client, answer, get, push};
use super::super::service::Service;
use super::by_hand::{ANY_STREAM, Connection, NO_STREAM, TaskByHand};
use super::{assert_refused, call, status};
use crate::bounded::bounded;

const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

/// How a task takes leave of a request that has come whole.
#[derive(Clone, Copy, Debug)]
enum Farewell {
    /// Of its stream alone.
    Reset(u32),
    /// Of the connection: this stream was not worked on.
    Beyond(u32),
    /// Of the connection, which it closes, although it may have worked on this stream.
    Within(u32),
}

impl Farewell {
    async fn send(self, connection: &mut Connection) {
        match self {
            Self::Reset(reason) => connection.reset(reason).await,
            Self::Beyond(reason) => connection.go_away(NO_STREAM, reason).await,
            Self::Within(reason) => connection.go_away(connection.last, reason).await,
        }
    }
}

fn echo(tasks: &[&TaskByHand]) -> Service {
    let service = Service::new("echo", "grpc://echo.test");
    tasks
        .iter()
        .fold(service, |service, task| service.at(task.address))
}

/// A call with one message.
async fn say(client: &mut Client) -> Answer {
    send(client, call("echo.test", "/pkg.Echo/Say")).await
}

/// A request with one message, and its answer.
async fn send(client: &mut Client, request: Request<()>) -> Answer {
    let (response, mut stream) = client.start(request, false).await.expect("a stream");
    // A call that is refused is not read to its end.
    let _ = push(&mut stream, Bytes::from_static(b"hello"), true).await;
    answer(response).await.expect("an answer")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_was_not_worked_on_goes_to_another_task() {
    for farewell in [
        Farewell::Reset(REFUSED_STREAM),
        Farewell::Beyond(NO_ERROR),
        Farewell::Beyond(INTERNAL_ERROR),
    ] {
        let tasks = TaskByHand::pair().await;
        let edge = Edge::start(&[echo(&[&tasks[0], &tasks[1]])]).await;
        let mut client = Client::connect(edge.internal).await;
        let task = async {
            let mut first = tokio::select! {
                first = tasks[0].connection() => (first, &tasks[1]),
                first = tasks[1].connection() => (first, &tasks[0]),
            };
            assert_eq!(first.0.request().await, b"hello", "{farewell:?}");
            farewell.send(&mut first.0).await;
            let mut second = first.1.connection().await;
            assert_eq!(second.request().await, b"hello", "{farewell:?}");
            second.answer().await;
            (first.0, second)
        };
        let (answer, _open) = bounded(async { tokio::join!(say(&mut client), task) }).await;
        assert_eq!(status(&answer.headers), Some("0"), "{farewell:?}");
        assert_eq!(edge.metric("hiveway_retries_total", "echo"), "1");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_of_one_task_is_asked_again() {
    // The stream is refused, and the connection is not; or a new connection is needed.
    let task = TaskByHand::start().await;
    let edge = Edge::start(&[echo(&[&task])]).await;
    let mut client = Client::connect(edge.internal).await;
    let served = async {
        let mut connection = task.connection().await;
        connection.request().await;
        connection.reset(REFUSED_STREAM).await;
        connection.request().await;
        connection.go_away(1, NO_ERROR).await;
        let mut next = task.connection().await;
        assert_eq!(next.request().await, b"hello");
        next.answer().await;
        connection.ended().await;
        next
    };
    let (answer, _open) = bounded(async { tokio::join!(say(&mut client), served) }).await;
    assert_eq!(status(&answer.headers), Some("0"));
    assert_eq!(edge.metric("hiveway_retries_total", "echo"), "2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_may_have_been_worked_on_is_not_sent_twice() {
    for farewell in [
        Farewell::Within(NO_ERROR),
        Farewell::Within(INTERNAL_ERROR),
        Farewell::Reset(INTERNAL_ERROR),
        Farewell::Reset(CANCEL),
        // Not to be asked again at once is what the task asks for.
        Farewell::Reset(ENHANCE_YOUR_CALM),
        Farewell::Beyond(ENHANCE_YOUR_CALM),
    ] {
        let task = TaskByHand::start().await;
        let edge = Edge::start(&[echo(&[&task])]).await;
        let mut client = Client::connect(edge.internal).await;
        let served = async {
            let mut connection = task.connection().await;
            connection.request().await;
            farewell.send(&mut connection).await;
            if let Farewell::Reset(_) = farewell {
                return Some(connection);
            }
            None
        };
        let (answer, _open) = bounded(async { tokio::join!(say(&mut client), served) }).await;
        assert_refused(&answer, "14", "response-failed");
        assert_eq!(edge.metric("hiveway_retries_total", "echo"), "0");
        assert!(task.is_left_alone().await, "{farewell:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_get_is_not_repeated_for_a_task_that_wants_calm() {
    for farewell in [
        Farewell::Reset(ENHANCE_YOUR_CALM),
        Farewell::Beyond(ENHANCE_YOUR_CALM),
    ] {
        let tasks = TaskByHand::pair().await;
        let edge = Edge::start(&[echo(&[&tasks[0], &tasks[1]])]).await;
        let mut client = Client::connect(edge.internal).await;
        let served = async {
            let (mut connection, other) = tokio::select! {
                first = tasks[0].connection() => (first, &tasks[1]),
                first = tasks[1].connection() => (first, &tasks[0]),
            };
            connection.request().await;
            farewell.send(&mut connection).await;
            (connection, other)
        };
        let asked = client.request(get("echo.test", "/"));
        let (answer, (_open, other)) = bounded(async { tokio::join!(asked, served) }).await;
        answer
            .expect("an answer")
            .assert_refused(502, "response-failed");
        assert!(other.is_left_alone().await, "{farewell:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_will_close_gets_no_new_streams() {
    let task = TaskByHand::start().await;
    let edge = Edge::start(&[echo(&[&task])]).await;
    let mut first = Client::connect(edge.internal).await;
    let mut second = Client::connect(edge.internal).await;
    let closing = Notify::new();
    let later = async {
        closing.notified().await;
        say(&mut second).await
    };
    let served = async {
        let mut old = task.connection().await;
        old.request().await;
        // As a server of gRPC does whose connections have a greatest age.
        old.go_away(ANY_STREAM, NO_ERROR).await;
        old.settled().await;
        closing.notify_one();
        let mut new = task.connection().await;
        new.request().await;
        new.answer().await;
        old.answer().await;
        (old, new)
    };
    let all = async { tokio::join!(say(&mut first), later, served) };
    let (first, second, _open) = bounded(all).await;
    for answer in [first, second] {
        assert_eq!(status(&answer.headers), Some("0"));
    }
    assert_eq!(edge.metric("hiveway_retries_total", "echo"), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_wants_calm_costs_no_later_call() {
    let task = TaskByHand::start().await;
    let edge = Edge::start(&[echo(&[&task])]).await;
    let mut first = Client::connect(edge.internal).await;
    let mut second = Client::connect(edge.internal).await;
    let closing = Notify::new();
    let later = async {
        closing.notified().await;
        say(&mut second).await
    };
    let served = async {
        let mut old = task.connection().await;
        old.request().await;
        old.go_away(old.last, ENHANCE_YOUR_CALM).await;
        old.settled().await;
        closing.notify_one();
        let mut new = task.connection().await;
        new.request().await;
        new.answer().await;
        old.answer().await;
        (old, new)
    };
    let all = async { tokio::join!(say(&mut first), later, served) };
    let (first, second, _open) = bounded(all).await;
    for answer in [first, second] {
        assert_eq!(status(&answer.headers), Some("0"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_under_way_goes_on_at_the_next_task() {
    let tasks = TaskByHand::pair().await;
    let edge = Edge::start(&[echo(&[&tasks[0], &tasks[1]])]).await;
    let mut client = Client::connect(edge.internal).await;
    let request = call("echo.test", "/pkg.Echo/Talk");
    let (response, mut stream) = client.start(request, false).await.expect("a stream");
    let one = push(&mut stream, Bytes::from_static(b"one"), false);
    bounded(one).await.expect("it is taken");
    let (mut first, other) = bounded(async {
        tokio::select! {
            first = tasks[0].connection() => (first, &tasks[1]),
            first = tasks[1].connection() => (first, &tasks[0]),
        }
    })
    .await;
    assert_eq!(first.part().await, b"one");
    first.reset(REFUSED_STREAM).await;
    let mut second = other.connection().await;
    assert_eq!(second.part().await, b"one");
    let two = push(&mut stream, Bytes::from_static(b"two"), true);
    bounded(two).await.expect("it is taken");
    assert_eq!(second.request().await, b"two");
    second.answer().await;
    let answer = answer(response).await.expect("an answer");
    assert_eq!(status(&answer.headers), Some("0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_not_kept_is_not_sent_again() {
    let tasks = TaskByHand::pair().await;
    let edge = Edge::start(&[echo(&[&tasks[0], &tasks[1]])]).await;
    let mut client = Client::connect(edge.internal).await;
    let request = call("echo.test", "/pkg.Echo/Say");
    let (response, mut stream) = client.start(request, false).await.expect("a stream");
    let large = Bytes::from(vec![b'a'; 100_000]);
    let sent = push(&mut stream, large, true);
    let served = async {
        let (mut connection, other) = tokio::select! {
            first = tasks[0].connection() => (first, &tasks[1]),
            first = tasks[1].connection() => (first, &tasks[0]),
        };
        assert_eq!(connection.request().await.len(), 100_000);
        connection.reset(REFUSED_STREAM).await;
        (connection, other)
    };
    let (_, (_open, other)) = bounded(async { tokio::join!(sent, served) }).await;
    let answer = answer(response).await.expect("an answer");
    assert_refused(&answer, "14", "response-failed");
    assert!(other.is_left_alone().await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_again_and_again_is_paid_from_the_budget() {
    let task = TaskByHand::start().await;
    let eject = |config: &mut hiveway::gateway::Config| {
        config.ejection = Some(Policy::default());
    };
    let edge = Edge::start_with(eject, &[echo(&[&task])]).await;
    let mut client = Client::connect(edge.internal).await;
    let began = Instant::now();
    let calls = async {
        for _ in 0..10 {
            assert_refused(&say(&mut client).await, "14", "response-failed");
        }
    };
    let refusing = async {
        let mut connection = task.connection().await;
        loop {
            connection.request().await;
            connection.reset(REFUSED_STREAM).await;
        }
    };
    bounded(async {
        tokio::select! {
            () = calls => {}
            () = refusing => {}
        }
    })
    .await;
    let count = |name| -> u64 { edge.metric(name, "echo").parse().expect("a number") };
    // The reserve, a fifth of the calls, and one a second.
    let most = 10 + 10 / 5 + began.elapsed().as_secs() + 1;
    let retries = count("hiveway_retries_total");
    assert!((8..=most).contains(&retries), "{retries} of {most}");
    assert!(count("hiveway_retries_refused_total") > 0);
    // A task that refuses is busy and not broken, as one that answers 503 is.
    assert_eq!(count("hiveway_ejected_endpoints"), 0);
}
