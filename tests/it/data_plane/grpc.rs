//! gRPC: routes of `grpc://` speak HTTP/2 to their tasks, calls pass both ways with their trailers, and the gateway's own answers
//! are such that a client of gRPC understands.

mod by_hand;
mod refused;
mod task;

use bytes::Bytes;
use http::{HeaderMap, Request, Version};

pub(super) use self::task::GrpcTask;
use super::edge::Edge;
use super::http2::{Answer, Client, answer, converse, get, head, part, push};
use super::local_replies::comes_to;
use super::origin::{Behaviour, origins};
use super::service::Service;

fn call(host: &str, path: &str) -> Request<()> {
    Request::post(format!("http://{host}{path}"))
        .header("content-type", "application/grpc+proto")
        .header("te", "trailers")
        .header("grpc-timeout", "10S")
        .body(())
        .unwrap()
}

/// Makes a call with one message, and reads its answer.
async fn unary(client: &mut Client, host: &str, message: &'static str) -> Answer {
    let (response, mut stream) = client
        .start(call(host, "/pkg.Echo/Say"), false)
        .await
        .unwrap();
    // A call that is refused is not read to its end.
    let _ = push(&mut stream, Bytes::from_static(message.as_bytes()), true).await;
    answer(response).await.expect("an answer")
}

fn status(headers: &HeaderMap) -> Option<&str> {
    headers
        .get("grpc-status")
        .map(|it| it.to_str().expect("text"))
}

/// Checks an answer of the gateway's own, which is a status alone.
#[track_caller]
fn assert_refused(answer: &Answer, code: &str, reason: &str) {
    let told = answer
        .headers
        .get("x-hiveway-reason")
        .map(|it| it.to_str().expect("text"));
    let shown = (
        answer.status,
        status(&answer.headers),
        told,
        answer.body.as_str(),
    );
    assert_eq!(shown, (200, Some(code), Some(reason), ""), "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/grpc");
    assert!(!answer.headers["grpc-message"].is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_passes_with_its_message_and_trailers() {
    let task = GrpcTask::start().await;
    let edge = Edge::start(&[Service::new("echo", "grpc://echo.test").at(task.address)]).await;
    let mut client = Client::connect(edge.internal).await;
    let answer = unary(&mut client, "echo.test", "hello").await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (200, "hello"),
        "{answer:?}"
    );
    assert_eq!(answer.headers["content-type"], "application/grpc+proto");
    let trailers = answer.trailers.expect("trailers");
    assert_eq!(status(&trailers), Some("0"));
    assert_eq!(trailers["x-trailer"], "kept");

    let request = task.requests().remove(0);
    assert_eq!(request.version, Version::HTTP_2);
    assert_eq!(request.uri.to_string(), "http://echo.test/pkg.Echo/Say");
    for (name, value) in [
        ("content-type", "application/grpc+proto"),
        ("te", "trailers"),
        ("grpc-timeout", "10S"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-forwarded-host", "echo.test"),
    ] {
        assert_eq!(request.headers[name], value);
    }
    for absent in ["host", "connection", "transfer-encoding"] {
        assert!(!request.headers.contains_key(absent), "{request:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_pass_one_by_one_both_ways() {
    let task = GrpcTask::start().await;
    let edge = Edge::start(&[Service::new("echo", "grpc://echo.test").at(task.address)]).await;
    let mut client = Client::connect(edge.internal).await;
    let request = call("echo.test", "/pkg.Echo/Talk");
    let (response, mut stream) = client.start(request, false).await.unwrap();
    let trailers = converse(response, &mut stream).await;
    assert_eq!(status(&trailers), Some("0"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_status_alone_and_a_refusal_of_the_tasks_pass_as_they_are() {
    let task = GrpcTask::start().await;
    let edge = Edge::start(&[Service::new("echo", "grpc://echo.test").at(task.address)]).await;
    let mut client = Client::connect(edge.internal).await;
    let answer = client
        .request(call("echo.test", "/pkg.Echo/Refuse"))
        .await
        .unwrap();
    assert_eq!(
        (answer.status, status(&answer.headers)),
        (200, Some("5")),
        "{answer:?}"
    );
    assert_eq!(answer.headers["grpc-message"], "not here");
    assert_eq!(answer.headers.get("x-hiveway-reason"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_is_taken_back_ends_for_the_task() {
    let task = GrpcTask::start().await;
    let edge = Edge::start(&[Service::new("echo", "grpc://echo.test").at(task.address)]).await;
    let mut client = Client::connect(edge.internal).await;
    let (response, mut stream) = client
        .start(call("echo.test", "/pkg.Echo/Talk"), false)
        .await
        .unwrap();
    let mut body = head(response).await.unwrap().into_body();
    push(&mut stream, Bytes::from_static(b"one"), false)
        .await
        .unwrap();
    part(&mut body).await.unwrap();
    stream.send_reset(h2::Reason::CANCEL);
    drop(body);
    task.broken_off(1).await;
    // The connection to the task goes on.
    assert_eq!(unary(&mut client, "echo.test", "next").await.body, "next");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_one_connection_are_spread_and_multiplexed() {
    let tasks = [GrpcTask::start().await, GrpcTask::start().await];
    // Two services share the route, since tasks of one have one port.
    let services = [
        Service::new("one", "grpc://echo.test").at(tasks[0].address),
        Service::new("two", "grpc://echo.test").at(tasks[1].address),
    ];
    let edge = Edge::start(&services).await;
    let mut client = Client::connect(edge.internal).await;
    for _ in 0..20 {
        assert_eq!(unary(&mut client, "echo.test", "x").await.body, "x");
    }
    assert_eq!(tasks.each_ref().map(|task| task.requests().len()), [10, 10]);
    // One call after another needs one connection each.
    assert_eq!(tasks.each_ref().map(GrpcTask::connections), [1, 1]);
    let mut open = Vec::new();
    for _ in 0..50 {
        let (response, stream) = client
            .start(call("echo.test", "/pkg.Echo/Talk"), false)
            .await
            .unwrap();
        open.push((head(response).await.unwrap(), stream));
    }
    assert_eq!(tasks.each_ref().map(GrpcTask::connections), [1, 1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateways_own_answers_to_calls_are_statuses_of_grpc() {
    let [refuses, speaks_http_1] = origins([Behaviour::Refuse, Behaviour::Answer]).await;
    let services = [
        Service::new("empty", "grpc://empty.test"),
        Service::new("dead", "grpc://dead.test").endpoints([&refuses]),
        Service::new("old", "grpc://old.test").endpoints([&speaks_http_1]),
    ];
    let edge = Edge::start(&services).await;
    let mut client = Client::connect(edge.internal).await;
    for (host, code, reason) in [
        ("nobody.test", "12", "no-route"),
        ("empty.test", "14", "no-endpoint"),
        ("dead.test", "14", "connect-failed"),
        ("old.test", "14", "response-failed"),
    ] {
        let answer = unary(&mut client, host, "hello").await;
        assert_refused(&answer, code, reason);
    }
    // What they are counted as is what anyone else would have been answered.
    let labels = [("service", "dead"), ("code", "502"), ("method", "POST")];
    comes_to(&edge, "hiveway_requests_total", &labels, 1).await;
    // Others are answered as ever.
    client
        .get("nobody.test", "/")
        .await
        .assert_refused(404, "no-route");
    client
        .get("empty.test", "/")
        .await
        .assert_refused(503, "no-endpoint");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_http_1_is_told_what_it_lacks() {
    let task = GrpcTask::start().await;
    let edge = Edge::start(&[Service::new("echo", "grpc://echo.test").at(task.address)]).await;
    let mut client = edge.client().await;
    let answer = client.get("echo.test", "/").await;
    answer.assert_refused(426, "http2-only");
    assert_eq!(answer.head.one("upgrade"), Some("h2c"));
    assert_eq!(task.connections(), 0);
    // The connection can go on, elsewhere.
    client
        .get("nobody.test", "/")
        .await
        .assert_refused(404, "no-route");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_requests_of_http_2_pass_to_such_a_task_as_well() {
    let task = GrpcTask::start().await;
    let edge = Edge::start(&[Service::new("echo", "grpc://echo.test").at(task.address)]).await;
    let mut client = Client::connect(edge.internal).await;
    let answer = client
        .request(get("echo.test", "/health?full=1"))
        .await
        .unwrap();
    assert_eq!(answer.status, 200);
    assert_eq!(task.requests()[0].uri.path(), "/health");
}
