//! SIGTERM: in peace the first time, at once the second.

use std::net::SocketAddr;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::bounded::bounded;

use super::process::Process;
use crate::folder::Folder;

/// A process with one service, whose one task answers when the test says so.
struct Running {
    process: Process,
    internal: SocketAddr,
    admin: SocketAddr,
    task: TcpListener,
    _folder: Folder,
}

impl Running {
    async fn start() -> Self {
        let task = TcpListener::bind("127.0.0.2:0").await.expect("a free port");
        let port = task.local_addr().expect("a bound address").port();
        let inventory = json!({ "services": [{
            "name": "slow",
            "labels": {
                format!("hiveway.routing.port_{port}"): "slow.local",
                "hiveway.probe.url": "none",
            },
            "tasks": [{ "container": "c1".repeat(32), "address": "127.0.0.2" }],
        }] });
        let folder = Folder::with("inventory.json", &inventory.to_string());
        let arguments = [
            "--inventory",
            &folder.file("inventory.json"),
            "--listen-internal",
            "127.0.0.1:0",
            "--admin",
            "127.0.0.1:0",
            "--grace",
            "1h",
            "--log-format",
            "json",
        ];
        let mut process = Process::start(arguments.map(str::to_owned), []);
        let line = process.listens().await;
        let address = |name: &str| {
            let address = line[name].as_str().expect("an address");
            address.parse().expect("an address")
        };
        process.line_with("route slow.local/ added").await;
        Self {
            internal: address("internal"),
            admin: address("admin"),
            process,
            task,
            _folder: folder,
        }
    }

    /// Sends a request and waits until the task has it: the client's side, and the task's.
    async fn in_flight(&self) -> (TcpStream, TcpStream) {
        let mut client = TcpStream::connect(self.internal).await.expect("it listens");
        let request = b"GET / HTTP/1.1\r\nHost: slow.local\r\n\r\n";
        client.write_all(request).await.expect("it reads");
        let (mut task, _) = bounded(self.task.accept()).await.expect("a connection");
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let more = bounded(task.read_buf(&mut head)).await.expect("a head");
            assert_ne!(more, 0, "the connection lives");
        }
        (client, task)
    }

    /// What admin says about readiness: the status line and the body.
    async fn ready(&self) -> String {
        let mut client = TcpStream::connect(self.admin).await.expect("it listens");
        let request = b"GET /ready HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n";
        client.write_all(request).await.expect("it reads");
        let mut answer = String::new();
        bounded(client.read_to_string(&mut answer))
            .await
            .expect("an answer");
        answer
    }

    /// Waits until readiness says so.
    async fn becomes(&self, status: &str, reason: &str) {
        let becomes = async {
            loop {
                let answer = self.ready().await;
                if answer.starts_with(&format!("HTTP/1.1 {status} ")) && answer.contains(reason) {
                    return;
                }
            }
        };
        bounded(becomes).await;
    }
}

#[tokio::test]
async fn a_first_sigterm_lets_requests_end_and_says_so_meanwhile() {
    let running = Running::start().await;
    running.becomes("200", "").await;
    let (mut client, mut task) = running.in_flight().await;
    running.process.terminate();
    running.becomes("503", "SIGTERM").await;
    let refused = async {
        while TcpStream::connect(running.internal).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    bounded(refused).await;

    let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\ndone";
    task.write_all(answer).await.expect("it reads");
    let mut received = String::new();
    bounded(client.read_to_string(&mut received))
        .await
        .expect("an answer");
    assert!(received.starts_with("HTTP/1.1 200 OK\r\n"), "{received}");
    assert!(received.ends_with("\r\n\r\ndone"), "{received}");
    let ended = running.process.ended().await;
    assert_eq!((ended.code, &*ended.stdout), (0, ""));
    assert!(ended.stderr.contains("SIGTERM"), "{}", ended.stderr);
}

#[tokio::test]
async fn a_second_sigterm_ends_it_at_once() {
    let running = Running::start().await;
    let (mut client, _task) = running.in_flight().await;
    running.process.terminate();
    running.becomes("503", "SIGTERM").await;
    running.process.terminate();
    let ended = running.process.ended().await;
    assert_eq!(ended.code, 1);
    let last = ended.stderr.lines().last();
    assert!(
        last.is_some_and(|it| it.contains("second SIGTERM")),
        "{last:?}"
    );
    let mut rest = Vec::new();
    // Cut off, by an end or a reset.
    let _ = bounded(client.read_to_end(&mut rest)).await;
    assert_eq!(rest, b"");
}
