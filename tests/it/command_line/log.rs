//! What strangers can make a process write into its log: nothing of what other crates say.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::process::Process;
use crate::authority::Authority;
use crate::bounded::bounded;
use crate::eventually::eventually;
use crate::folder::Folder;
use hiveway::tools::demo::request::{Target, ask};

/// A client's first message of TLS 1.2 that asks for this name.
fn hello(name: &[u8]) -> Vec<u8> {
    let short = |length: usize| u16::try_from(length).expect("short").to_be_bytes();
    let server_name = [
        &[0, 0][..],
        &short(name.len() + 5),
        &short(name.len() + 3),
        &[0],
        &short(name.len()),
        name,
    ]
    .concat();
    let groups = [0, 10, 0, 4, 0, 2, 0, 23];
    let signatures = [0, 13, 0, 4, 0, 2, 4, 3];
    let extensions = [&server_name[..], &groups, &signatures].concat();
    let body = [
        &[3, 3][..],
        &[7; 32],
        // No session, one cipher, no compression.
        &[0, 0, 2, 0xc0, 0x2b, 1, 0],
        &short(extensions.len()),
        &extensions,
    ]
    .concat();
    let message = [&[1, 0][..], &short(body.len()), &body].concat();
    [&[22, 3, 1][..], &short(message.len()), &message].concat()
}

/// Sends bytes and reads until the other side has nothing more to say for a moment.
async fn send(to: SocketAddr, bytes: &[u8]) {
    bounded(async {
        let mut stream = TcpStream::connect(to).await.expect("a listener");
        stream.write_all(bytes).await.expect("it is read");
        let mut answer = [0; 4096];
        let read = stream.read(&mut answer).await;
        assert!(read.expect("an answer") > 0);
    })
    .await;
}

struct Started {
    process: Process,
    internal: SocketAddr,
    tls: SocketAddr,
    admin: SocketAddr,
    _folders: [Folder; 2],
}

impl Started {
    async fn with(log: &str) -> Self {
        let inventory = Folder::with("inventory.json", r#"{ "services": [] }"#);
        let certificates = Folder::new();
        let pair = Authority::new("the test").vouch(&["shop.test"]);
        std::fs::write(certificates.file("shop.pem"), pair.combined()).expect("a folder");
        let arguments = format!(
            "--inventory {} --certs {} --listen-internal 127.0.0.1:0 --listen-public-tls 127.0.0.1:0 \
             --admin 127.0.0.1:0 --grace 1s --log-format json",
            inventory.file("inventory.json"),
            certificates.path().display()
        );
        let arguments = arguments.split_whitespace().map(str::to_owned);
        let mut process = Process::start(arguments, [("HIVEWAY_LOG", log.to_owned())]);
        let line = process.listens().await;
        let address = |name: &str| {
            let address = line[name].as_str().expect("an address");
            address.parse().expect("an address")
        };
        Self {
            internal: address("internal"),
            tls: address("public_tls"),
            admin: address("admin"),
            process,
            _folders: [inventory, certificates],
        }
    }

    /// Makes rustls and h2 complain, as anybody can who reaches the listeners.
    async fn provoke(&self) {
        for name in [&b"203.0.113.9"[..], b"not a name", &[0xff; 200]] {
            send(self.tls, &hello(name)).await;
        }
        let settings = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        let unasked = [&[0, 0, 8, 6, 1, 0, 0, 0, 0][..], b"attacker"].concat();
        let opening = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &settings[..]].concat();
        send(self.internal, &[opening, unasked.repeat(20)].concat()).await;
    }

    /// Waits until a counter is above zero.
    async fn counts(&self, series: &str) {
        let url: Target = format!("http://{}/metrics", self.admin).parse().unwrap();
        let look = async || {
            let answer = ask(&url, http::Method::GET, Duration::from_secs(10)).await;
            let body = answer.expect("metrics").body;
            let text = String::from_utf8_lossy(&body).into_owned();
            let value = text.lines().find_map(|line| line.strip_prefix(series));
            match value.map(str::trim) {
                Some(value) if value != "0" => Ok(()),
                _ => Err(text),
            }
        };
        let counted = eventually(series, Duration::from_secs(20), look).await;
        counted.unwrap_or_else(|error| panic!("{error}"));
    }

    async fn log(self) -> String {
        self.process.terminate();
        self.process.ended().await.stderr
    }
}

#[tokio::test]
async fn strangers_cannot_write_into_the_log() {
    let started = Started::with("").await;
    started.provoke().await;
    for name in ["rustls", "h2"] {
        let series = format!("hiveway_library_log_lines_total{{crate=\"{name}\",level=\"warn\"}}");
        started.counts(&series).await;
    }
    let log = started.log().await;
    for stranger in ["rustls", "h2::", "Illegal SNI", "PING ack"] {
        assert!(!log.contains(stranger), "{stranger} in {log}");
    }
}

#[tokio::test]
async fn a_crate_that_the_filter_names_is_written() {
    let mut started = Started::with("rustls=warn,h2=warn").await;
    started.provoke().await;
    started.process.line_with("Illegal SNI").await;
    started.process.line_with("PING ack").await;
}
