//! Whole processes that follow each other: a controller, and gateways without an engine.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hiveway::tools::demo::request::{Target, ask};
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::ClientConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::ServerName;

use super::process::Process;
use crate::authority::Authority;
use crate::bounded::bounded;
use crate::eventually::eventually;
use crate::folder::Folder;

/// A service that answers every request, and the inventory that names it.
pub(super) struct Service {
    pub(super) folder: Folder,
    port: u16,
    _running: JoinSet<()>,
}

impl Service {
    pub(super) async fn start() -> Self {
        let task = TcpListener::bind("127.0.0.2:0").await.expect("a free port");
        let port = task.local_addr().expect("a bound address").port();
        let mut running = JoinSet::new();
        running.spawn(async move {
            let mut answering = JoinSet::new();
            while let Ok((client, _)) = task.accept().await {
                answering.spawn(answer(client));
            }
        });
        let folder = Folder::with("secret", "0123456789abcdef0123456789abcdef\n");
        let service = Self {
            folder,
            port,
            _running: running,
        };
        service.claim(&["first.local"]);
        service
    }

    /// Has the inventory say that the service claims these hosts.
    pub(super) fn claim(&self, hosts: &[&str]) {
        let inventory = json!({ "services": [{
            "name": "web",
            "labels": {
                format!("hiveway.routing.port_{}", self.port): hosts.join(";"),
                "hiveway.probe.url": "none",
            },
            "tasks": [{ "container": "c1".repeat(32), "address": "127.0.0.2" }],
        }] });
        // Moved into its place, so that half a file is never read.
        let draft = self.folder.path().join("draft");
        std::fs::write(&draft, inventory.to_string()).expect("a writable folder");
        std::fs::rename(draft, self.folder.path().join("inventory.json")).expect("the same folder");
    }
}

async fn answer(mut client: TcpStream) {
    let mut head = [0; 4096];
    let _ = client.read(&mut head).await;
    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
    let _ = client.write_all(answer).await;
}

/// A running process.
pub(super) struct Running {
    pub(super) process: Process,
    listens: Value,
}

impl Running {
    pub(super) async fn start(service: &Service, arguments: &[&str]) -> Self {
        let common =
            "--listen-internal 127.0.0.1:0 --admin 127.0.0.1:0 --grace 1s --log-format json";
        let secret = service.folder.file("secret");
        let arguments = arguments
            .iter()
            .copied()
            .chain(common.split(' '))
            .chain(["--control-secret-file", &secret]);
        let mut process = Process::start(arguments.map(str::to_owned), []);
        let listens = process.listens().await;
        Self { process, listens }
    }

    pub(super) async fn controller(service: &Service, address: &str) -> Self {
        let inventory = service.folder.file("inventory.json");
        let arguments = ["--inventory", &inventory, "--listen-control", address];
        Self::start(
            service,
            &[&arguments[..], &["--controllers", "127.0.0.1:1"]].concat(),
        )
        .await
    }

    async fn edge(service: &Service, controllers: &str) -> Self {
        let state = service.folder.file("state");
        let arguments = [
            "--edge",
            "--controllers",
            controllers,
            "--state-dir",
            &state,
        ];
        Self::start(service, &arguments).await
    }

    pub(super) fn address(&self, name: &str) -> SocketAddr {
        let address = self.listens[name].as_str().expect("an address");
        address.parse().expect("an address")
    }

    /// Waits until it answers requests for this host so.
    pub(super) async fn answers(&self, host: &str, status: u16) {
        let target: Target = format!("http://{host}/").parse().expect("a URL");
        let target = target.through(self.address("internal"));
        let mut last = String::new();
        let asked = async {
            loop {
                let answer = ask(&target, Method::GET, Duration::from_secs(5)).await;
                if answer.as_ref().is_ok_and(|answer| answer.status == status) {
                    return;
                }
                last = format!("{answer:?}");
            }
        };
        let asked = tokio::time::timeout(Duration::from_secs(30), asked).await;
        assert!(asked.is_ok(), "{host}: {status} did not come: {last}");
    }

    pub(super) async fn end(self) {
        self.process.terminate();
        assert_eq!(self.process.ended().await.code, 0);
    }
}

#[tokio::test]
async fn gateway_without_an_engine_serves_the_last_known_routes() {
    let service = Service::start().await;
    let controller = Running::controller(&service, "127.0.0.1:0").await;
    let address = controller.address("control").to_string();
    let edge = Running::edge(&service, &address).await;
    edge.answers("first.local", 200).await;
    edge.answers("second.local", 404).await;
    service.claim(&["first.local", "second.local"]);
    edge.answers("second.local", 200).await;

    controller.end().await;
    edge.answers("second.local", 200).await;
    edge.end().await;
    let mut edge = Running::edge(&service, &address).await;
    edge.process.line_with("began with snapshot").await;
    edge.answers("second.local", 200).await;
    edge.process.line_with("routes are frozen").await;

    service.claim(&["first.local"]);
    let controller = Running::controller(&service, &address).await;
    edge.answers("second.local", 404).await;
    edge.answers("first.local", 200).await;
    edge.end().await;
    controller.end().await;
}

#[tokio::test]
async fn gateway_without_certificates_gets_its_controllers() {
    let service = Service::start().await;
    service.claim(&["shop.test"]);
    let authority = Authority::new("the test");
    let certificates = Folder::new();
    let pair = authority.vouch(&["shop.test"]);
    pair.write(certificates.path(), "shop");
    let inventory = service.folder.file("inventory.json");
    let folder = certificates.file("");
    let words = "--listen-control 127.0.0.1:0 --controllers 127.0.0.1:1 --certs";
    let arguments: Vec<_> = words.split(' ').chain([&*folder]).collect();
    let arguments = [&arguments[..], &["--inventory", &inventory]].concat();
    let controller = Running::start(&service, &arguments).await;
    let address = controller.address("control").to_string();
    let state = service.folder.file("state");
    let words = "--edge --listen-public-tls 127.0.0.1:0 --controllers";
    let arguments: Vec<_> = words.split(' ').chain([&*address]).collect();
    let arguments = [&arguments[..], &["--state-dir", &state]].concat();
    let mut edge = Running::start(&service, &arguments).await;
    let line = edge.process.line_with("certificate_loaded").await;
    assert!(line.contains("shop.test"), "{line}");

    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(authority.roots())
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("shop.test").expect("a name");
    // It is told of a moment before the listener has it.
    let opened = eventually(
        "the given certificate",
        Duration::from_secs(20),
        async || {
            let stream = TcpStream::connect(edge.address("public_tls")).await;
            let stream = stream.map_err(|error| error.to_string())?;
            let opened = bounded(connector.connect(name.clone(), stream)).await;
            opened.map_err(|error| error.to_string())
        },
    );
    let mut stream = opened.await.expect("a handshake");
    let request = b"GET / HTTP/1.1\r\nHost: shop.test\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.expect("it is read");
    let mut answer = String::new();
    let read = stream.read_to_string(&mut answer);
    bounded(read).await.expect("an answer and an end");
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");

    // The key is shown nowhere, and kept nowhere.
    let key = pair.key.lines().nth(1).expect("a line of the key");
    for process in [&controller, &edge] {
        for path in ["snapshot", "metrics", "events"] {
            let target: Target = format!("http://{}/{path}", process.address("admin"))
                .parse()
                .expect("a URL");
            let answer = ask(&target, Method::GET, Duration::from_secs(5)).await;
            let shown = format!("{answer:?}");
            assert!(shown.contains("200") && !shown.contains(key), "{shown}");
        }
    }
    for file in std::fs::read_dir(&state).expect("a folder") {
        let text = std::fs::read_to_string(file.expect("a file").path());
        assert!(!text.expect("text").contains(key));
    }
    edge.end().await;
    controller.end().await;
}
