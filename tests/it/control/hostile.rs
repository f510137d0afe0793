//! Whoever does not hold the secret, or does not speak the language.

use std::net::SocketAddr;
use std::sync::Arc;

use hiveway::core::event::Event;
use hiveway::core::protocol::{AcmeShare, AgentMessage, ToController, ToNode};
use hiveway::sync::transport::{self, Error};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::controllers::Controller;
use super::node::Node;
use super::relay::Relay;
use super::{OTHER_SECRET, SECRET, identity, snapshot};
use crate::bounded::bounded;
use crate::fake_engine::until;

#[tokio::test]
async fn node_with_another_secret_is_rejected_and_logged() {
    let mut controller = Controller::start(Some(snapshot(1, 1, &["a.local"]))).await;
    let mut node = Node::start_with(OTHER_SECRET, &[controller.address], None, None).await;
    let mut told = Vec::new();
    for event in [node.event().await, controller.event().await] {
        let Event::PeerRefused { peer, reason } = event else {
            panic!("{event:?}");
        };
        assert_eq!(&*peer, "127.0.0.1");
        told.push(reason);
    }
    for reason in told {
        assert!(reason.contains("it has another control secret"), "{reason}");
        assert!(reason.contains("--control-secret-file"), "{reason}");
    }
    until("it is said in readiness, too", || {
        node.readiness
            .report()
            .to_string()
            .contains("another control secret")
    })
    .await;
    assert!(node.snapshots.borrow().is_none());
    assert!(matches!(
        transport::connect(controller.address, &identity(OTHER_SECRET).await).await,
        Err(Error::Secret)
    ));
}

#[tokio::test]
async fn nothing_crosses_in_clear() {
    const TOLD: &[u8] = b"whispered-name.local";
    let controller = Controller::start(Some(snapshot(1, 1, &["whispered-name.local"]))).await;
    let relay = Relay::to(controller.address).await;
    let mut node = Node::start(&[relay.address]).await;
    node.steers_by(&snapshot(1, 1, &["whispered-name.local"]))
        .await;
    let seen = relay.seen();
    assert!(seen.len() > 500, "{} bytes passed", seen.len());
    for clear in [TOLD, b"snapshot", b"hello", SECRET.as_bytes()] {
        let found = seen.windows(clear.len()).any(|window| window == clear);
        assert!(!found, "{}", String::from_utf8_lossy(clear));
    }
}

#[tokio::test]
async fn a_peer_without_a_key_is_told_nothing_and_cannot_speak() {
    let mut controller = Controller::start(Some(snapshot(1, 1, &["a.local"]))).await;
    // TLS as anybody speaks it, who takes any certificate and shows none.
    let openssl = |arguments: &[&str]| {
        let mut command = tokio::process::Command::new("openssl");
        command.args(arguments).kill_on_drop(true);
        command
    };
    let address = controller.address.to_string();
    let mut client = openssl(&["s_client", "-quiet", "-connect", &address]);
    client.stdin(std::process::Stdio::null());
    if let Ok(output) = bounded(client.output()).await {
        let told = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(!told.contains("a.local"), "{told}");
    }
    for clear in ["GET /snapshot HTTP/1.1\r\n\r\n", "{\"say\":\"leave\"}"] {
        assert_eq!(
            answer(controller.address, clear.as_bytes()).await.len(),
            0,
            "{clear}"
        );
    }
    assert!(controller.notes.try_recv().is_err());
    // It serves others all the same.
    let mut node = Node::start(&[controller.address]).await;
    node.steers_by(&snapshot(1, 1, &["a.local"])).await;
}

/// What comes back for these bytes, but for TLS' own alerts.
async fn answer(address: SocketAddr, bytes: &[u8]) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    stream.write_all(bytes).await.expect("it reads");
    let mut answer = Vec::new();
    // A reset is an end as well.
    let _ = bounded(stream.read_to_end(&mut answer)).await;
    const ALERT: u8 = 21;
    match answer.first() {
        Some(&ALERT) if answer.len() < 16 => Vec::new(),
        _ => answer,
    }
}

#[tokio::test]
async fn malformed_message_closes_only_its_own_connection() {
    let mut controller = Controller::start(Some(snapshot(1, 1, &["a.local"]))).await;
    let mut node = Node::start(&[controller.address]).await;
    node.steers_by(&snapshot(1, 1, &["a.local"])).await;
    let identity = identity(SECRET).await;
    let nonsense = serde_json::json!({ "say": "obey" });
    for hello in [true, false] {
        let opened = transport::connect(controller.address, &identity).await;
        let (mut sender, mut receiver, _) = opened.expect("the same secret");
        if hello {
            let hello = ToController::Hello {
                node: None,
                version: "0".into(),
                by_hand: Arc::default(),
                acme: AcmeShare::Nothing,
                public: false,
            };
            sender.send(&hello).await.expect("it hears");
        }
        sender.send(&nonsense).await.expect("it hears");
        while bounded(receiver.next::<ToNode>()).await.is_ok() {}
    }
    controller.publish(snapshot(1, 2, &["b.local"]));
    node.steers_by(&snapshot(1, 2, &["b.local"])).await;
    assert_eq!(node.events_so_far(), ["controller_followed"]);
    assert!(!matches!(
        controller.notes.try_recv(),
        Ok(AgentMessage::Report(_))
    ));
}

#[tokio::test]
async fn whoever_opens_connections_without_end_keeps_nobody_else_out() {
    let controller = Controller::start(Some(snapshot(1, 1, &["a.local"]))).await;
    let refused = || controller.metrics.control().refused.get();
    let mut held = Vec::new();
    // They say nothing, and are given up after a while; so they come faster than that.
    while refused() == 0 {
        let socket = TcpSocket::new_v4().expect("a socket");
        let elsewhere = SocketAddr::from(([127, 0, 0, 2], 0));
        socket.bind(elsewhere).expect("a loopback address");
        let stream = bounded(socket.connect(controller.address)).await;
        held.push(stream.expect("it listens"));
        assert!(held.len() < 2000, "nothing was turned away");
    }
    let mut node = Node::start(&[controller.address]).await;
    node.steers_by(&snapshot(1, 1, &["a.local"])).await;
}
