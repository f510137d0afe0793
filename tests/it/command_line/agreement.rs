//! What `explain` shows for a request, compared with what the gateway does with it: both are asked of
//! the same process, for every listener.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hiveway::tools::demo::request::{Target, ask};
use http::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{
    AlertDescription, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
};

use super::process::Process;
use crate::authority::Authority;
use crate::bounded::bounded;
use crate::eventually::eventually;
use crate::folder::Folder;

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// How long an answer is waited for where none is expected.
const UNHEARD: Duration = Duration::from_secs(2);

const LISTENERS: [&str; 3] = ["internal", "public", "public_tls"];

/// The hosts that are asked for, each with what its services ask for.
const HOSTS: [(&str, &str); 13] = [
    ("any.test", "any.test; any.local"),
    ("any.local", ""),
    ("secure.test", "https://secure.test; https://secure.local"),
    ("secure.local", ""),
    ("plain.test", "http://plain.test"),
    ("down.test", "down.test"),
    ("bare.test", "bare.test; https://lonely.test"),
    ("lonely.test", ""),
    ("a.wild.test", "https://*.wild.test"),
    // A certificate's wildcard stands for one label (RFC 6125, section 6.4.3).
    ("a.b.wild.test", ""),
    ("db.test", "tcp://db.test"),
    ("db.local", "http://elsewhere.test"),
    ("nobody.test", ""),
];

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// A task answers.
    Forwarded,
    /// The gateway answers with this status and reason.
    Answered(u16, String),
    /// TLS is refused: there is no certificate for the name.
    UnknownName,
    /// No request can be sent there.
    NotSpoken,
}

/// The gateways, by what they listen on, and whether clients on loopback are trusted proxies.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn explain_says_what_the_gateway_does() {
    let authority = Authority::new("the test");
    let certificates = Folder::new();
    let names = ["any.test", "secure.test", "plain.test", "down.test"];
    authority.vouch(&names).write(certificates.path(), "site");
    authority
        .vouch(&["*.wild.test"])
        .write(certificates.path(), "wild");
    let with_default = Folder::new();
    authority
        .vouch(&names)
        .write(with_default.path(), "default");
    let tls = |folder: &Folder| {
        format!(
            "--listen-public-tls 127.0.0.1:0 --certs {}",
            folder.file("")
        )
    };
    let inside = "--listen-internal 127.0.0.1:0";
    let both = format!("{inside} --listen-public 127.0.0.1:0");
    let trusting = "--trusted-proxies 127.0.0.0/8";
    let (own, any) = (tls(&certificates), tls(&with_default));
    for flags in [
        inside.to_owned(),
        both.clone(),
        format!("{both} {own}"),
        format!("{both} {any}"),
        format!("{both} {trusting}"),
        format!("{both} {own} {trusting}"),
        format!("--listen-internal off {own}"),
        format!("--listen-internal off --listen-public 127.0.0.1:0 {trusting}"),
    ] {
        let gateway = Gateway::start(&flags).await;
        let mut wrong = Vec::new();
        for (host, _) in HOSTS {
            for scheme in ["http", "https"] {
                gateway.compare(scheme, host, &mut wrong).await;
            }
        }
        assert!(wrong.is_empty(), "{flags}\n{}", wrong.join("\n"));
        gateway.process.terminate();
        assert_eq!(gateway.process.ended().await.code, 0, "{flags}");
    }
}

struct Gateway {
    process: Process,
    admin: SocketAddr,
    /// By name, where they are.
    listeners: Vec<(&'static str, SocketAddr)>,
    trusting: bool,
    _folder: Folder,
    _tasks: JoinSet<()>,
}

impl Gateway {
    async fn start(flags: &str) -> Self {
        let mut tasks = JoinSet::new();
        let port = answering(&mut tasks, OK).await;
        // What takes connections by TLS itself answers with an alert of its own.
        let passed = answering(&mut tasks, &[21, 3, 3, 0, 2, 2, 80]).await;
        let claims = HOSTS.iter().filter(|(_, claims)| !claims.is_empty());
        let services = claims.map(|(name, claims)| {
            let port = if claims.starts_with("tcp") { passed } else { port };
            let task = json!({ "container": "c1".repeat(32), "address": "127.0.0.1" });
            json!({
                "name": name,
                "labels": { format!("hiveway.routing.port_{port}"): claims, "hiveway.probe.url": "none" },
                "tasks": if *name == "down.test" { json!([]) } else { json!([task]) },
            })
        });
        let inventory = json!({ "services": services.collect::<Vec<_>>() });
        let folder = Folder::with("inventory.json", &inventory.to_string());
        let file = folder.file("inventory.json");
        let words =
            format!("--inventory {file} --admin 127.0.0.1:0 --grace 1s --log-format json {flags}");
        let mut process = Process::start(words.split(' ').map(str::to_owned), []);
        let line = process.listens().await;
        let address = |name: &str| line[name].as_str().and_then(|it| it.parse().ok());
        let gateway = Self {
            process,
            admin: address("admin").expect("an address"),
            listeners: LISTENERS
                .into_iter()
                .filter_map(|name| Some((name, address(name)?)))
                .collect(),
            trusting: flags.contains("--trusted-proxies"),
            _folder: folder,
            _tasks: tasks,
        };
        let look = async || {
            let report = gateway.told("/ready").await;
            let ready = report["ready"] == true;
            if ready {
                Ok(())
            } else {
                Err(report.to_string())
            }
        };
        let ready = eventually("it is ready", Duration::from_secs(30), look).await;
        ready.expect("it warmed up");
        gateway
    }

    async fn told(&self, path: &str) -> Value {
        let target: Target = format!("http://{}{path}", self.admin)
            .parse()
            .expect("a URL");
        let answer = ask(&target, Method::GET, Duration::from_secs(10)).await;
        serde_json::from_slice(&answer.expect("an answer").body).expect("JSON")
    }

    /// Asks both about one request by every listener, and notes where they differ.
    async fn compare(&self, scheme: &str, host: &str, wrong: &mut Vec<String>) {
        let query = format!("/v1/explain?url={scheme}://{host}/x&client=127.0.0.1");
        let told = self.told(&query).await;
        let steps = told["steps"].as_array().expect("a list");
        for (name, address) in &self.listeners {
            let step = steps.iter().find(|it| {
                let says = it["says"].as_str().expect("text");
                it["about"] == "listener" && says.contains(&format!(", {address}: "))
            });
            let step = step.unwrap_or_else(|| panic!("{name} is a step: {told}"));
            let expected = expected(step, &told["outcome"]);
            let by_tls = *name == "public_tls";
            let asked = async {
                match scheme {
                    "https" if self.trusting && !by_tls => by_proxy(*address, host).await,
                    "https" => by_tls_to(*address, host).await,
                    _ => plain(*address, host, "").await,
                }
            };
            let done = match expected {
                // Who speaks another protocol waits for the end of a time-out: one host stands for all.
                End::NotSpoken if host != HOSTS[0].0 => End::NotSpoken,
                End::NotSpoken => timeout(UNHEARD, asked).await.unwrap_or(End::NotSpoken),
                _ => asked.await,
            };
            // With a trusted proxy both ways are open, and one of them is explained.
            let other = expected == End::NotSpoken && self.trusting && scheme == "https";
            if done != expected && !other {
                wrong.push(format!(
                    "{scheme}://{host}/ by {name}: {done:?}, but {expected:?} is said: {}",
                    told["outcome"]
                ));
            }
        }
    }
}

/// What is explained of one listener.
fn expected(step: &Value, outcome: &Value) -> End {
    if step["verdict"] == "stops" {
        let says = step["says"].as_str().expect("text");
        return match says.contains("404 no-route") {
            true => End::Answered(404, "no-route".to_owned()),
            false => End::NotSpoken,
        };
    }
    if outcome["forwarded"] == true {
        return End::Forwarded;
    }
    let reason = outcome["reason"].as_str().expect("a reason");
    match outcome["status"].as_u64() {
        Some(status) => End::Answered(status.try_into().expect("a status"), reason.to_owned()),
        None if reason == "unknown-name" => End::UnknownName,
        None => End::NotSpoken,
    }
}

/// A server that answers everything alike. Its port.
async fn answering(tasks: &mut JoinSet<()>, says: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("a bound address").port();
    tasks.spawn(async move {
        let mut answering = JoinSet::new();
        while let Ok((mut client, _)) = listener.accept().await {
            answering.spawn(async move {
                let mut head = [0; 4096];
                let _ = client.read(&mut head).await;
                let _ = client.write_all(says).await;
            });
        }
    });
    port
}

async fn by_proxy(address: SocketAddr, host: &str) -> End {
    plain(address, host, "X-Forwarded-Proto: https\r\n").await
}

async fn plain(address: SocketAddr, host: &str, lines: &str) -> End {
    let mut stream = TcpStream::connect(address).await.expect("it listens");
    let request = format!("GET /x HTTP/1.1\r\nHost: {host}\r\n{lines}Connection: close\r\n\r\n");
    let _ = stream.write_all(request.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = bounded(stream.read_to_end(&mut answer)).await;
    read(&answer)
}

async fn by_tls_to(address: SocketAddr, host: &str) -> End {
    let config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anything))
        .with_no_client_auth();
    let connector = TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from(host.to_owned()).expect("a name");
    let stream = TcpStream::connect(address).await.expect("it listens");
    let mut stream = match bounded(connector.connect(name, stream)).await {
        Ok(stream) => stream,
        Err(error) => {
            let alert = error.get_ref().and_then(|it| it.downcast_ref());
            return match alert {
                Some(Error::AlertReceived(AlertDescription::UnrecognisedName)) => End::UnknownName,
                // The answer of the task behind a TCP route.
                Some(Error::AlertReceived(AlertDescription::InternalError)) => End::Forwarded,
                _ => End::NotSpoken,
            };
        }
    };
    let request = format!("GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .await
        .expect("it is read");
    let mut answer = Vec::new();
    let _ = bounded(stream.read_to_end(&mut answer)).await;
    read(&answer)
}

fn read(answer: &[u8]) -> End {
    let text = String::from_utf8_lossy(answer).to_lowercase();
    let Some(status) = text.strip_prefix("http/1.1 ") else {
        return End::NotSpoken;
    };
    let status: u16 = status[..3].parse().expect("a status");
    match text.split_once("x-hiveway-reason: ") {
        Some((_, reason)) => {
            let reason = reason.lines().next().unwrap_or_default();
            End::Answered(status, reason.to_owned())
        }
        None => End::Forwarded,
    }
}

/// Takes every certificate: which one is shown is not what is asked here.
#[derive(Debug)]
struct Anything;

impl ServerCertVerifier for Anything {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}
