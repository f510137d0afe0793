//! Requests by TLS: which routes serve them, what tasks and clients are told, and how their connections end.

use std::sync::Arc;
use std::time::Duration;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::version;

use super::super::client::Client;
use super::super::origin::{Behaviour, origins};
use super::super::service::Service;
use super::super::slow_readers::{Sips, drip, hasty};
use super::Secure;
use crate::bounded::bounded;

const CERTIFICATES: [(&str, &[&str]); 1] = [("web", &["web.test", "*.web.test"])];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_routes_scheme_says_who_is_served() {
    let [any, secure_only, plain_only] = origins([Behaviour::Answer; 3]).await;
    let services = [
        Service::new("any", "web.test").endpoints([&any]),
        Service::new("secure", "https://secure.web.test").endpoints([&secure_only]),
        Service::new("plain", "http://plain.web.test").endpoints([&plain_only]),
    ];
    let secure = Secure::start(&CERTIFICATES, &services).await;
    let mut plain = Client::connect(secure.edge.public).await;
    assert_eq!(plain.get("web.test", "/").await.body, any.container);
    assert_eq!(
        plain.get("plain.web.test", "/").await.body,
        plain_only.container
    );
    let answer = plain.get("secure.web.test", "/a?b=c").await;
    answer.assert_refused(308, "tls-only");
    assert_eq!(
        answer.head.one("location"),
        Some("https://secure.web.test/a?b=c")
    );

    let mut by_tls = secure.client("web.test").await;
    assert_eq!(by_tls.get("web.test", "/").await.body, any.container);
    assert_eq!(
        by_tls.get("secure.web.test", "/").await.body,
        secure_only.container
    );
    by_tls
        .get("plain.web.test", "/")
        .await
        .assert_refused(404, "no-route");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_told_that_its_client_came_by_tls() {
    let [task] = origins([Behaviour::Answer]).await;
    let services = [Service::new("web", "web.test")
        .route("https://secure.web.test")
        .endpoints([&task])];
    let secure = Secure::start(&CERTIFICATES, &services).await;
    let said = "X-Forwarded-Proto: http\r\nX-Forwarded-For: 10.1.1.1\r\nForwarded: for=10.1.1.1;proto=http\r\n";
    let mut by_tls = secure.client("web.test").await;
    assert_eq!(by_tls.get_with("web.test", "/", said).await.status, 200);
    let mut plain = Client::connect(secure.edge.public).await;
    let said = said.replace("http\r\n", "https\r\n");
    assert_eq!(plain.get_with("web.test", "/", &said).await.status, 200);
    let heads = task.received(2).await;
    for (request, proto) in heads.iter().zip(["https", "http"]) {
        let head = &request.head;
        assert_eq!(head.one("x-forwarded-proto"), Some(proto));
        assert_eq!(head.one("x-forwarded-for"), Some("127.0.0.1"));
        assert_eq!(head.one("x-forwarded-host"), Some("web.test"));
        assert_eq!(head.one("forwarded"), None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_proxy_that_comes_by_tls_speaks_for_its_client() {
    let [task] = origins([Behaviour::Answer]).await;
    let services = [Service::new("web", "https://web.test").endpoints([&task])];
    let secure = Secure::start_with(
        |config| config.trusted_proxies = vec!["127.0.0.0/8".parse().expect("a network")],
        &CERTIFICATES,
        &services,
    )
    .await;
    let mut proxy = secure.client("web.test").await;
    let answer = proxy
        .get_with("web.test", "/", "X-Forwarded-Proto: http\r\n")
        .await;
    answer.assert_refused(308, "tls-only");
    for lines in ["X-Forwarded-Proto: https\r\n", ""] {
        assert_eq!(
            proxy.get_with("web.test", "/", lines).await.body,
            task.container
        );
    }
    let heads = task.received(2).await;
    assert!(
        heads
            .iter()
            .all(|it| it.head.one("x-forwarded-proto") == Some("https"))
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_by_tls_say_how_long_to_come_by_nothing_else() {
    let [strict] = origins([Behaviour::Say(
        "HTTP/1.1 200 OK\r\nStrict-Transport-Security: max-age=1\r\nContent-Length: 0\r\n\r\n",
    )])
    .await;
    let [silent, forgetting] = origins([Behaviour::Answer; 2]).await;
    let hsts = |seconds| {
        move |policy: &mut hiveway::core::model::route::RoutingPolicy| policy.hsts_seconds = seconds
    };
    let services = [
        Service::new("strict", "web.test")
            .endpoints([&strict])
            .policy(hsts(Some(31_536_000))),
        Service::new("silent", "silent.web.test").endpoints([&silent]),
        Service::new("forgetting", "forgetting.web.test")
            .endpoints([&forgetting])
            .policy(hsts(Some(0))),
    ];
    let secure = Secure::start(&CERTIFICATES, &services).await;
    let mut by_tls = secure.client("web.test").await;
    for (host, expected) in [
        ("web.test", Some("max-age=31536000")),
        ("silent.web.test", None),
        ("forgetting.web.test", Some("max-age=0")),
    ] {
        let answer = by_tls.get(host, "/").await;
        let told = answer.head.one("strict-transport-security");
        assert_eq!((answer.status, told), (200, expected), "{host}");
    }
    let mut plain = Client::connect(secure.edge.public).await;
    let answer = plain.get("forgetting.web.test", "/").await;
    assert_eq!(answer.head.one("strict-transport-security"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_passes() {
    let [task] = origins([Behaviour::Hand]).await;
    let secure = Secure::start(
        &CERTIFICATES,
        &[
            Service::new("web", "wss://web.test".replace("wss", "https").as_str())
                .endpoints([&task]),
        ],
    )
    .await;
    let mut client = secure.client("web.test").await;
    client
        .send(
            "GET /chat HTTP/1.1\r\nHost: web.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
        )
        .await;
    let mut exchange = task.handed().await;
    let accepted = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    exchange.wire.send(accepted).await.unwrap();
    let head = bounded(client.wire.head()).await.expect("an answer");
    assert_eq!(head.status(), 101);
    for turn in 0_u8..3 {
        client.send([turn; 100]).await;
        assert_eq!(
            bounded(exchange.wire.exactly(100)).await,
            Some(vec![turn; 100])
        );
        exchange.wire.send(vec![turn + 100; 70_000]).await.unwrap();
        assert_eq!(
            bounded(client.wire.exactly(70_000)).await,
            Some(vec![turn + 100; 70_000])
        );
    }
    drop(exchange);
    assert_eq!(client.closed().await, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn large_bodies_pass_both_ways() {
    let [task] = origins([Behaviour::Hand]).await;
    let secure = Secure::start(
        &CERTIFICATES,
        &[Service::new("web", "web.test").endpoints([&task])],
    )
    .await;
    let mut client = secure.client("web.test").await;
    const SIZE: usize = 5_000_000;
    client
        .send(format!(
            "POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: {SIZE}\r\n\r\n"
        ))
        .await;
    let mut exchange = task.handed().await;
    exchange.wire.stop_recording();
    let body = vec![b'u'; SIZE];
    let (received, ()) =
        bounded(async { tokio::join!(exchange.wire.discard(SIZE), client.send(&body)) }).await;
    assert_eq!(received, SIZE);
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
    exchange.wire.send(head).await.unwrap();
    let down = async {
        let (sent, answer) = tokio::join!(exchange.wire.send(&body), client.answer("POST"));
        sent.unwrap();
        answer
    };
    assert_eq!(bounded(down).await.body.len(), SIZE);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_completes_requests_and_closes_idle_connections() {
    let [task] = origins([Behaviour::Hand]).await;
    let services = [Service::new("web", "web.test").endpoints([&task])];
    let mut secure = Secure::start_with(
        |config| config.grace = Duration::from_secs(3600),
        &CERTIFICATES,
        &services,
    )
    .await;
    let mut idle = secure.client("web.test").await;
    idle.get("nobody.web.test", "/").await;
    let mut handshaking = Client::connect(secure.address()).await;
    let mut client = secure.client("web.test").await;
    client
        .send("GET / HTTP/1.1\r\nHost: web.test\r\n\r\n")
        .await;
    let mut exchange = task.handed().await;
    secure.edge.stop.cancel();
    assert_eq!(handshaking.closed().await, "");
    // A connection by TLS that ends without a word of it is an error to its client.
    assert_eq!(bounded(idle.wire.some()).await, None);
    assert!(idle.wire.ended_well().await, "the client was told");
    exchange
        .wire
        .send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone")
        .await
        .unwrap();
    assert_eq!(client.answer("GET").await.body, "done");
    secure.edge.ended().await.expect("a stop is no failure");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_ends_with_a_word() {
    let secure = Secure::start_with(
        |config| config.limits.keep_alive = Duration::from_millis(300),
        &CERTIFICATES,
        &[],
    )
    .await;
    let mut client = secure.client("web.test").await;
    client
        .get("web.test", "/")
        .await
        .assert_refused(404, "no-route");
    assert!(
        bounded(client.wire.ended_well()).await,
        "the client was told"
    );
    secure
        .shows("hiveway_connections{listener=\"public-tls\"} 0")
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_taken_at_a_trickle_is_cut_off() {
    let [task] = origins([Behaviour::Hand]).await;
    let services = [Service::new("web", "web.test").endpoints([&task])];
    let secure = Secure::start_with(hasty, &CERTIFICATES, &services).await;
    let connector = TlsConnector::from(Arc::new(secure.trusting(&version::TLS13)));
    let stream = Sips::slowly(secure.address()).await;
    let name = ServerName::try_from("web.test").expect("a name");
    let opened = bounded(connector.connect(name, stream)).await;
    drip(opened.expect("a handshake"), &task).await;
    let cut = secure.edge.metrics.refused_connections("slow-reader");
    assert_eq!(cut.get(), 1);
}
