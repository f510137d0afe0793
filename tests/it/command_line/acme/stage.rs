//! A controller that orders certificates, and a gateway without an engine that follows it and is what the server looks at.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hiveway::tools::demo::request::{Target, ask};
use http::Method;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::super::following::{Running, Service};
use super::pebble::{Pebble, Wanted, free};
use crate::bounded::bounded;
use crate::eventually::eventually;
use crate::folder::Folder;

/// The processes of one test.
pub(super) struct Stage {
    pub(super) service: Service,
    pub(super) edge: Running,
    /// The state of the controller.
    pub(super) state: Folder,
    control: SocketAddr,
}

impl Stage {
    /// Starts the gateway; there is no controller yet.
    pub(super) async fn start(hosts: &[&str]) -> Self {
        let service = Service::start().await;
        service.claim(hosts);
        let control = free();
        let words =
            "--edge --listen-public 127.0.0.1:0 --listen-public-tls 127.0.0.1:0 --controllers";
        let place = control.to_string();
        let arguments: Vec<_> = words.split(' ').chain([&*place]).collect();
        let edge = Running::start(&service, &arguments).await;
        Self {
            service,
            edge,
            state: Folder::new(),
            control,
        }
    }

    /// A server that looks at the gateway.
    pub(super) async fn pebble(&self, validity: Duration) -> Pebble {
        let wanted = Wanted {
            http: self.edge.address("public").port(),
            tls: self.edge.address("public_tls").port(),
            validity,
        };
        Pebble::start(wanted).await
    }

    /// Starts the controller, which serves no client itself.
    pub(super) async fn controller(&self, pebble: &Pebble, more: &[&str]) -> Running {
        let (inventory, control) = (self.service.folder.file("inventory.json"), self.control);
        let (control, state) = (control.to_string(), self.state.file(""));
        let arguments = [
            "--inventory",
            &inventory,
            "--controllers",
            "127.0.0.1:1",
            "--listen-control",
            &control,
            "--state-dir",
            &state,
            "--acme-directory",
            &pebble.directory,
            "--acme-root",
            &pebble.root,
            "--acme-contact",
            "admin@example.com",
            "--acme-agree",
        ];
        Running::start(&self.service, &[&arguments[..], more].concat()).await
    }

    /// The files that the controller keeps of the server.
    pub(super) fn kept(&self) -> Vec<std::path::PathBuf> {
        let servers = std::fs::read_dir(self.state.path().join("acme")).expect("a folder");
        let servers = servers.map(|it| it.expect("a folder").path());
        let files = servers.flat_map(|server| {
            let files = std::fs::read_dir(server).expect("a folder");
            files
                .map(|it| it.expect("a file").path())
                .collect::<Vec<_>>()
        });
        files.collect()
    }

    /// Opens TLS with the gateway for a host, trusting these.
    pub(super) async fn open(&self, host: &str, roots: &RootCertStore) -> TlsStream<TcpStream> {
        let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots.clone())
            .with_no_client_auth();
        let name = ServerName::try_from(host.to_owned()).expect("a name");
        let connector = TlsConnector::from(Arc::new(config));
        // It is told of a moment before the listener has it.
        let look = async || {
            let stream = TcpStream::connect(self.edge.address("public_tls")).await;
            let stream = stream.map_err(|error| error.to_string())?;
            let opened = bounded(connector.connect(name.clone(), stream)).await;
            opened.map_err(|error| error.to_string())
        };
        eventually(
            "a certificate that is trusted",
            Duration::from_secs(20),
            look,
        )
        .await
        .expect("a handshake")
    }

    /// Asks for a host by TLS, and gives what it was shown.
    pub(super) async fn get(&self, host: &str, roots: &RootCertStore) -> CertificateDer<'static> {
        let mut stream = self.open(host, roots).await;
        let request = format!("GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
        stream
            .write_all(request.as_bytes())
            .await
            .expect("it is read");
        let mut answer = String::new();
        let read = stream.read_to_string(&mut answer);
        bounded(read).await.expect("an answer and an end");
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        let shown = stream.get_ref().1.peer_certificates();
        shown.expect("a certificate")[0].clone()
    }
}

/// What an admin listener says under a path.
pub(super) async fn told(process: &Running, path: &str) -> String {
    let target: Target = format!("http://{}{path}", process.address("admin"))
        .parse()
        .expect("a URL");
    let answer = ask(&target, Method::GET, Duration::from_secs(10)).await;
    let body = answer.expect("an answer").body;
    String::from_utf8(body.to_vec()).expect("text")
}

/// The next event of this kind that a process logs.
pub(super) async fn event(process: &mut Running, kind: &str) -> Value {
    let kind = format!("\"kind\":\"{kind}\"");
    let line = process.process.line_with(&kind).await;
    serde_json::from_str(&line).expect("JSON")
}
