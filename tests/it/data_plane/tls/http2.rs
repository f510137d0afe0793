//! HTTP/2 by TLS, agreed on in the handshake (ALPN): the same as in clear, and what TLS adds to it.

use std::sync::Arc;

use bytes::Bytes;
use http::Request;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version;

use super::super::grpc::GrpcTask;
use super::super::http2::{Client, RawClient, answer, conformance, converse, push};
use super::super::message::Framing;
use super::super::origin::{Behaviour, origins};
use super::super::service::Service;
use super::Secure;
use crate::bounded::bounded;

const CERTIFICATES: [(&str, &[&str]); 1] = [("web", &["web.test", "*.web.test", "hangs.test"])];

impl Secure {
    /// A connection on which HTTP/2 was agreed on, of a client that offers HTTP/1.1 as well.
    async fn agreed(&self) -> TlsStream<TcpStream> {
        let mut config = self.trusting(&version::TLS13);
        config.alpn_protocols = ["h2", "http/1.1"].map(|it| it.as_bytes().to_vec()).into();
        let name = ServerName::try_from("web.test").expect("a name");
        let stream = bounded(TcpStream::connect(self.address())).await;
        let stream = stream.expect("a listener");
        stream.set_nodelay(true).expect("an open socket");
        let connecting = TlsConnector::from(Arc::new(config)).connect(name, stream);
        let stream = bounded(connecting).await.expect("a handshake");
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        stream
    }

    async fn http2(&self) -> Client {
        Client::on(self.agreed().await).await
    }
}

fn get(host: &str, path: &str) -> Request<()> {
    let request = Request::get(format!("https://{host}{path}"));
    request.body(()).expect("a request")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn http2_request_over_tls_reaches_its_task_as_http1() {
    let [task] = origins([Behaviour::Answer]).await;
    let service = Service::new("web", "https://web.test").policy(|it| it.hsts_seconds = Some(60));
    let secure = Secure::start(&CERTIFICATES, &[service.endpoints([&task])]).await;
    let mut client = secure.http2().await;
    let told = client
        .request(get("web.test", "/path?query=1"))
        .await
        .unwrap();
    assert_eq!((told.status, &told.body), (200, &task.container));
    assert_eq!(told.headers["strict-transport-security"], "max-age=60");
    let (response, mut stream) = client
        .start(Request::post("https://web.test/").body(()).unwrap(), false)
        .await
        .unwrap();
    push(&mut stream, Bytes::from_static(b"a body"), true)
        .await
        .unwrap();
    assert_eq!(answer(response).await.unwrap().status, 200);

    let requests = task.received(2).await;
    assert_eq!(requests[0].head.first, "GET /path?query=1 HTTP/1.1");
    for (name, value) in [
        ("host", "web.test"),
        ("x-forwarded-proto", "https"),
        ("x-forwarded-for", "127.0.0.1"),
    ] {
        assert_eq!(requests[0].head.one(name), Some(value));
    }
    assert_eq!(requests[1].head.request_framing(), Framing::Chunked);
    assert_eq!(requests[1].body, b"a body");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundred_requests_are_open_and_none_waits_for_another() {
    let [task] = origins([Behaviour::Hand]).await;
    let services = [Service::new("web", "web.test").endpoints([&task])];
    let secure = Secure::start(&CERTIFICATES, &services).await;
    let mut client = secure.http2().await;
    let mut answers = Vec::new();
    let mut exchanges = Vec::new();
    for number in 0..100 {
        let request = get("web.test", &format!("/{number}"));
        answers.push(client.start(request, true).await.unwrap().0);
        exchanges.push(task.handed().await);
    }
    for mut exchange in exchanges.into_iter().rev() {
        let path = exchange.head.first.split(' ').nth(1).unwrap().to_owned();
        let length = path.len();
        let said = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{path}");
        exchange.wire.send(said).await.unwrap();
    }
    for (number, response) in answers.into_iter().enumerate() {
        assert_eq!(answer(response).await.unwrap().body, format!("/{number}"));
    }
    secure
        .shows("hiveway_connections{listener=\"public-tls\"} 1")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_of_grpc_pass_message_by_message_with_their_trailers() {
    let task = GrpcTask::start().await;
    let services = [Service::new("echo", "grpc://web.test").at(task.address)];
    let secure = Secure::start(&CERTIFICATES, &services).await;
    let mut client = secure.http2().await;
    let call = Request::post("https://web.test/pkg.Echo/Talk")
        .header("content-type", "application/grpc")
        .header("te", "trailers");
    let (response, mut stream) = client.start(call.body(()).unwrap(), false).await.unwrap();
    let trailers = converse(response, &mut stream).await;
    assert_eq!(trailers["grpc-status"], "0");
    assert_eq!(trailers["x-trailer"], "kept");
    assert_eq!(task.requests()[0].headers["x-forwarded-proto"], "https");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_pass_both_ways() {
    const SIZE: usize = 5_000_000;
    let [task] = origins([Behaviour::Hand]).await;
    let services = [Service::new("web", "web.test").endpoints([&task])];
    let secure = Secure::start(&CERTIFICATES, &services).await;
    let mut client = secure.http2().await;
    let request = Request::post("https://web.test/").header("content-length", SIZE);
    let (response, mut stream) = client
        .start(request.body(()).unwrap(), false)
        .await
        .unwrap();
    let mut exchange = task.handed().await;
    exchange.wire.stop_recording();
    let send = push(&mut stream, Bytes::from(vec![b'u'; SIZE]), true);
    let (sent, received) = bounded(async { tokio::join!(send, exchange.wire.discard(SIZE)) }).await;
    sent.unwrap();
    assert_eq!(received, SIZE);
    let said = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
    let body = vec![b'd'; SIZE];
    let send = async {
        exchange.wire.send(said).await.unwrap();
        exchange.wire.send(&body).await.unwrap();
    };
    let ((), told) = bounded(async { tokio::join!(send, answer(response)) }).await;
    assert_eq!(told.unwrap().body.len(), SIZE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosts_that_share_a_connection_have_to_be_on_its_certificate() {
    let tasks = origins([Behaviour::Answer; 2]).await;
    let services = [
        Service::new("web", "web.test").endpoints([&tasks[0]]),
        Service::new("other", "api.web.test")
            .route("other.test")
            .endpoints([&tasks[1]]),
    ];
    let secure = Secure::start(&CERTIFICATES, &services).await;
    let mut client = secure.http2().await;
    for (host, task) in [("web.test", &tasks[0]), ("api.web.test", &tasks[1])] {
        let told = client.request(get(host, "/")).await.unwrap();
        assert_eq!(told.body, task.container);
    }
    let told = client.request(get("other.test", "/")).await.unwrap();
    told.assert_refused(421, "misdirected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_does_not_open_as_agreed_is_refused() {
    let secure = Secure::start(&CERTIFICATES, &[]).await;
    let mut client = RawClient::on(secure.agreed().await);
    client
        .send("GET / HTTP/1.1\r\nHost: web.test\r\n\r\n")
        .await;
    // Settings may come before the farewell, and no answer in text.
    while let Some(frame) = client.next().await {
        assert!(frame.is_control(), "{frame:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_is_asked_of_a_server_holds() {
    let (_tasks, services) = conformance::services().await;
    let secure = Secure::start(&CERTIFICATES, &services).await;
    conformance::hold(async || RawClient::on(secure.agreed().await).open().await).await;
}
