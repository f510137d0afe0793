//! HTTP/2 in clear, with prior knowledge: what comes to tasks and back, and that one request holds up no other.

mod cheap_frames;
mod client;
pub(crate) mod conformance;
mod flood;
pub(super) mod frames;
mod malformed;
mod opening;
mod reset;
mod stop;
mod streams;

use http::Request;

use super::edge::Edge;
use super::local_replies::comes_to;
use super::origin::{Behaviour, origins};
use super::service::Service;

pub(super) use self::client::{Answer, Client, answer, converse, get, head, part, push};
pub(super) use self::frames::RawClient;

const WEB: &str = "web.test";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_request_reaches_its_task_as_http1_and_back() {
    let said = "HTTP/1.1 201 Created\r\nContent-Length: 4\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=5\r\n\
        X-Hop: 1\r\nX-Mine: 2\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\n\r\ndone";
    let [task] = origins([Behaviour::Say(said)]).await;
    let edge = Edge::start(&[Service::new("web", WEB).endpoints([&task])]).await;
    let mut client = Client::connect(edge.internal).await;
    let request = Request::get("http://WEB.test:80/path?query=1")
        .header("cookie", "first=1")
        .header("cookie", "second=2; third=3")
        .header("te", "trailers")
        .header("x-forwarded-for", "1.2.3.4")
        .body(())
        .unwrap();
    let answer = client.request(request).await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (201, "done"));
    let names: Vec<_> = answer
        .headers
        .keys()
        .map(http::HeaderName::as_str)
        .collect();
    for absent in ["connection", "keep-alive", "x-hop", "transfer-encoding"] {
        assert!(!names.contains(&absent), "{names:?}");
    }
    assert_eq!(answer.headers["x-mine"], "2");
    assert_eq!(answer.headers.get_all("set-cookie").iter().count(), 2);

    let request = task.received(1).await.remove(0);
    assert_eq!(request.head.first, "GET /path?query=1 HTTP/1.1");
    for (name, value) in [
        ("host", Some("WEB.test:80")),
        ("cookie", Some("first=1; second=2; third=3")),
        ("x-forwarded-for", Some("127.0.0.1")),
        ("x-forwarded-proto", Some("http")),
        ("x-forwarded-host", Some("WEB.test:80")),
        ("transfer-encoding", None),
        ("content-length", None),
    ] {
        assert_eq!(request.head.one(name), value, "{name}: {:?}", request.head);
    }
    assert!(!task.bytes().contains("\r\n:"), "{}", task.bytes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_connection_has_at_most_a_hundred_open_requests() {
    let [task] = origins([Behaviour::Hand]).await;
    let edge = Edge::start(&[Service::new("web", WEB).endpoints([&task])]).await;
    let mut client = Client::connect(edge.internal).await;
    let mut answers = Vec::new();
    let mut exchanges = Vec::new();
    for number in 0..100 {
        let request = get(WEB, &format!("/{number}"));
        answers.push(client.start(request, true).await.unwrap().0);
        exchanges.push(task.handed().await);
    }
    assert_eq!(client.allowed(), 100);
    // The last is answered first: none waits for another.
    for mut exchange in exchanges.into_iter().rev() {
        let path = exchange.head.first.split(' ').nth(1).unwrap().to_owned();
        let length = path.len();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{path}");
        exchange.wire.send(answer).await.unwrap();
    }
    for (number, response) in answers.into_iter().enumerate() {
        assert_eq!(answer(response).await.unwrap().body, format!("/{number}"));
    }
    let metrics = edge.metrics.render(None);
    assert!(
        metrics.contains("hiveway_connections{listener=\"internal\"} 1\n"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_request_is_balanced_and_counted_for_itself() {
    let tasks = origins([Behaviour::Answer, Behaviour::Answer]).await;
    let edge = Edge::start(&[Service::new("web", WEB).endpoints(&tasks)]).await;
    let mut client = Client::connect(edge.internal).await;
    for _ in 0..10 {
        assert_eq!(client.get(WEB, "/").await.status, 200);
    }
    assert_eq!(tasks.each_ref().map(|task| task.requests().len()), [5, 5]);
    let labels = [("service", "web"), ("code", "200"), ("method", "GET")];
    comes_to(&edge, "hiveway_requests_total", &labels, 10).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_gateways_own_answers_have_a_status_a_reason_and_a_line() {
    let [task] = origins([Behaviour::Answer]).await;
    let edge = Edge::start(&[
        Service::new("web", "web.local").endpoints([&task]),
        Service::new("empty", "empty.test"),
        Service::new("secure", "https://secure.test").endpoints([&task]),
    ])
    .await;
    let mut inside = Client::connect(edge.internal).await;
    let mut outside = Client::connect(edge.public).await;
    assert_eq!(inside.get("web.local", "/").await.status, 200);
    // The listener counts, as with HTTP/1.
    let answer = outside.get("web.local", "/").await;
    answer.assert_refused(404, "no-route");
    inside
        .get("empty.test", "/")
        .await
        .assert_refused(503, "no-endpoint");
    let answer = inside.get("secure.test", "/a").await;
    // Nothing here terminates TLS: a redirect would lead to a port where nothing listens.
    answer.assert_refused(404, "no-tls");
    let head = Request::head("http://nobody.test/").body(()).unwrap();
    let answer = inside.request(head).await.unwrap();
    assert_eq!((answer.status, answer.body.as_str()), (404, ""));
    let connect = Request::connect("web.local:80").body(()).unwrap();
    assert_eq!(inside.request(connect).await.unwrap().status, 405);
    // All of that on one connection, which is none the worse for it.
    assert_eq!(inside.get("web.local", "/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_dies_costs_its_request_and_not_the_connection() {
    let tasks = origins([Behaviour::Reset, Behaviour::Answer]).await;
    let service = Service::new("web", WEB).policy(|policy| policy.retries = 0);
    let edge = Edge::start(&[service.endpoints(&tasks)]).await;
    let mut client = Client::connect(edge.internal).await;
    let mut statuses = Vec::new();
    for _ in 0..2 {
        statuses.push(client.get(WEB, "/").await.status);
    }
    for _ in 0..2 {
        let head = Request::head(format!("http://{WEB}/")).body(()).unwrap();
        statuses.push(client.request(head).await.unwrap().status);
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 502, 502]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_is_too_large_is_refused_alone() {
    let [task] = origins([Behaviour::Answer]).await;
    let edge = Edge::start(&[Service::new("web", WEB).endpoints([&task])]).await;
    let mut client = Client::connect(edge.internal).await;
    let large = |lines: usize, bytes: usize| {
        let mut request = get(WEB, "/");
        for line in 0..lines {
            let name = http::HeaderName::try_from(format!("x-{line}")).unwrap();
            request
                .headers_mut()
                .insert(name, "a".repeat(bytes).try_into().unwrap());
        }
        request
    };
    assert_eq!(client.request(large(200, 100)).await.unwrap().status, 200);
    let answer = client.request(large(300, 1)).await.unwrap();
    answer.assert_refused(431, "bad-request");
    assert_eq!(client.request(large(3, 30_000)).await.unwrap().status, 431);
    let answer = client.get(WEB, &format!("/{}", "b".repeat(33_000))).await;
    answer.assert_refused(414, "bad-request");
    assert_eq!(client.get(WEB, "/").await.status, 200);
    assert_eq!(task.requests().len(), 2);
}
