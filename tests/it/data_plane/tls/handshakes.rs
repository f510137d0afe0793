//! Handshakes: which versions are spoken, and what one may cost.

use std::time::Duration;

use hiveway::gateway::TlsLimits;
use tokio::net::TcpStream;
use tokio_rustls::rustls::{AlertDescription, Error, version};

use super::super::client::Client;
use super::super::dead_client::assert_probed;
use super::super::origin::{Behaviour, origins};
use super::super::service::Service;
use super::{Secure, open};
use crate::bounded::bounded;
use crate::pause::pause;

const WEB: [(&str, &[&str]); 1] = [("web", &["web.test"])];

#[test]
fn the_limits_stand_by_default() {
    let expected = TlsLimits {
        handshake: Duration::from_secs(10),
        at_once: 4096,
    };
    assert_eq!(TlsLimits::default(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_1_2_and_1_3_are_spoken_with_http_1_1_inside() {
    let [task] = origins([Behaviour::Answer]).await;
    let secure = Secure::start(&WEB, &[Service::new("web", "web.test").endpoints([&task])]).await;
    for version in [&version::TLS12, &version::TLS13] {
        for (offered, chosen) in [
            (&[][..], None),
            (&["http/1.1"], Some("http/1.1")),
            (&["h3", "http/1.1"], Some("http/1.1")),
            // `curl --http1.0` of Debian 12 offers this alone.
            (&["http/1.0"], Some("http/1.0")),
            (&["http/1.0", "http/1.1"], Some("http/1.1")),
            (&["http/0.9", "http/1.0"], Some("http/1.0")),
        ] {
            let mut config = secure.trusting(version);
            config.alpn_protocols = offered.iter().map(|it| it.as_bytes().to_vec()).collect();
            let opened = open(secure.address(), "web.test", config).await;
            let mut opened = opened.expect("a version that is spoken");
            assert_eq!(opened.protocol.as_deref(), chosen.map(str::as_bytes));
            for _ in 0..2 {
                let answer = opened.client.get("web.test", "/").await;
                assert_eq!(answer.body, task.container);
            }
        }
    }
}

// RFC 7301, section 3.2. nginx since 1.21.4 and Go's servers (Traefik, Caddy) do so; HAProxy goes
// on without a protocol.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn protocols_that_are_not_spoken_are_refused_by_their_alert() {
    let secure = Secure::start(&WEB, &[]).await;
    let refused = Error::AlertReceived(AlertDescription::NoApplicationProtocol);
    let lists: [&[&str]; 4] = [&["h3"], &["http/0.9"], &["imap", "xmpp-client"], &["H2"]];
    for (count, offered) in (1..).zip(lists) {
        let mut config = secure.trusting(&version::TLS13);
        config.alpn_protocols = offered.iter().map(|it| it.as_bytes().to_vec()).collect();
        let opened = open(secure.address(), "web.test", config).await;
        assert_eq!(opened.err(), Some(refused.clone()), "{offered:?}");
        secure.refused("incompatible", count).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kernel_probes_silent_clients_by_tls() {
    let secure = Secure::start(&WEB, &[]).await;
    let mut client = secure.client("web.test").await;
    client.get("web.test", "/").await;
    assert_probed(secure.address(), client.wire.address()).await;
}

/// A client's first message in TLS 1.1, as OpenSSL 1.0 would send it for `web.test`.
fn hello_of_tls_1_1() -> Vec<u8> {
    let name = b"web.test";
    let length = name.len() as u8;
    let mut server_name = vec![0, 0, 0, length + 5, 0, length + 3, 0, 0, length];
    server_name.extend(name);
    let groups = [0, 10, 0, 4, 0, 2, 0, 23];
    let points = [0, 11, 0, 2, 1, 0];
    let signatures = [0, 13, 0, 4, 0, 2, 4, 3];
    let extensions = [&server_name[..], &groups, &points, &signatures].concat();
    let mut body = vec![3, 2];
    body.extend([7; 32]);
    // No session, three ciphers, no compression.
    body.extend([0, 0, 6, 0xc0, 0x13, 0xc0, 0x09, 0x00, 0x2f, 1, 0]);
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let mut message = vec![1, 0];
    message.extend((body.len() as u16).to_be_bytes());
    message.extend(body);
    let mut record = vec![22, 3, 1];
    record.extend((message.len() as u16).to_be_bytes());
    record.extend(message);
    record
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tls_1_1_is_refused() {
    let secure = Secure::start(&WEB, &[]).await;
    let mut client = Client::connect(secure.address()).await;
    client.send(hello_of_tls_1_1()).await;
    let told = bounded(client.wire.rest()).await;
    // A fatal alert: protocol_version.
    assert_eq!(
        (told.first(), &told[5..]),
        (Some(&21), &[2, 70][..]),
        "{told:?}"
    );
    secure.refused("incompatible", 1).await;
    // The same message is a good one, but for its version.
    let mut newer = hello_of_tls_1_1();
    (newer[10], newer[49]) = (3, 0x2b);
    let mut client = Client::connect(secure.address()).await;
    client.send(newer).await;
    assert_eq!(bounded(client.wire.exactly(1)).await, Some(vec![22]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_handshake_is_cut_off() {
    let secure = Secure::start_with(
        |config| {
            let tls = config.tls.as_mut().expect("TLS");
            tls.limits.handshake = Duration::from_millis(300);
        },
        &WEB,
        &[],
    )
    .await;
    let mut silent = Client::connect(secure.address()).await;
    assert_eq!(silent.closed().await, "");
    secure.refused("timeout", 1).await;
    // One that drips is cut off by its total time.
    let mut dripping = Client::connect(secure.address()).await;
    let drip = async {
        for byte in hello_of_tls_1_1() {
            if dripping.wire.send([byte]).await.is_err() {
                return true;
            }
            pause(Duration::from_millis(20)).await;
        }
        false
    };
    assert!(bounded(drip).await, "the whole message was waited for");
    secure.refused("timeout", 2).await;
    // Time that passes after it counts for nothing.
    let mut client = secure.client("web.test").await;
    pause(Duration::from_millis(600)).await;
    client
        .get("nobody.test", "/")
        .await
        .assert_refused(421, "misdirected");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_more_handshakes_are_begun_than_may_be_under_way() {
    let secure = Secure::start_with(
        |config| config.tls.as_mut().expect("TLS").limits.at_once = 2,
        &WEB,
        &[],
    )
    .await;
    let served = secure.client("web.test").await;
    let silent = [
        Client::connect(secure.address()).await,
        Client::connect(secure.address()).await,
    ];
    secure
        .shows("hiveway_connections{listener=\"public-tls\"} 3")
        .await;
    // The two may have been counted before they took their places.
    let full = async {
        loop {
            let stream = TcpStream::connect(secure.address())
                .await
                .expect("a listener");
            if Client::on(stream).wire.rest().await.is_empty() {
                return;
            }
        }
    };
    bounded(full).await;
    secure.refused("too-many", 1).await;
    drop(silent);
    secure.refused("gone", 2).await;
    secure.open("web.test").await;
    drop(served);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_tls_is_refused() {
    let secure = Secure::start(&WEB, &[]).await;
    let mut client = Client::connect(secure.address()).await;
    client
        .send("GET / HTTP/1.1\r\nHost: web.test\r\n\r\n")
        .await;
    let told = bounded(client.wire.rest()).await;
    assert_eq!(told.first(), Some(&21), "an alert: {told:?}");
    secure.refused("malformed", 1).await;
}
