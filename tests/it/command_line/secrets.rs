//! Passwords out of a Docker secret, as the binary reads them where Docker mounts it.

use std::net::SocketAddr;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::process::Process;
use super::scene::Server;
use crate::bounded::bounded;
use crate::eventually::eventually;
use crate::folder::Folder;

/// `s3cret`.
const HASH: &str = "$2b$04$LhRHyYb92TBsI3aIYbm2MOSl1HD09/qy8U8dBaQhwZ4egNNkmpBGq";
/// `alice:s3cret`.
const ALICE: &str = "Authorization: Basic YWxpY2U6czNjcmV0\r\n";

/// What is answered to a request for this host and path with these further lines.
async fn answer(to: SocketAddr, host: &str, path: &str, lines: &str) -> String {
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{lines}Connection: close\r\n\r\n");
    let asked = async {
        let mut stream = TcpStream::connect(to).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok::<_, std::io::Error>(answer)
    };
    bounded(asked).await.expect("an answer")
}

/// Waits until Alice gets this status.
async fn alice_gets(gateway: SocketAddr, status: &str) {
    let look = async || {
        let answer = answer(gateway, "web.local", "/", ALICE).await;
        let told = answer.starts_with(&format!("HTTP/1.1 {status} "));
        if told { Ok(()) } else { Err(answer) }
    };
    let told = eventually("Alice is answered", Duration::from_secs(30), look).await;
    assert_eq!(told, Ok(()), "{status}");
}

#[tokio::test]
async fn service_admits_only_the_users_of_its_secret() {
    let server = Server::start(61).await;
    let guard = ("hiveway.routing.basic_auth", "secret:shop");
    let service = server.service("web", "web.local", &[guard]);
    let inventory = json!({ "services": [service] }).to_string();
    let (folder, secrets) = (Folder::with("inventory.json", &inventory), Folder::new());
    let secret = secrets.file("shop");
    std::fs::write(&secret, format!("alice:{HASH}\n")).expect("a file");
    let (inventory, mounted) = (folder.file("inventory.json"), secrets.file(""));
    let arguments = [
        "--inventory",
        &inventory,
        "--secrets",
        &mounted,
        "--listen-internal",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--grace",
        "1s",
        "--log-format",
        "json",
    ];
    let mut process = Process::start(arguments.map(str::to_owned), []);
    let line = process.listens().await;
    let address = |name: &str| -> SocketAddr {
        let address = line[name].as_str().expect("an address");
        address.parse().expect("an address")
    };
    let (admin, gateway) = (address("admin"), address("internal"));
    alice_gets(gateway, "200").await;
    let refused = answer(gateway, "web.local", "/", "").await;
    assert!(refused.starts_with("HTTP/1.1 401 "), "{refused}");

    std::fs::remove_file(&secret).expect("it can be removed");
    alice_gets(gateway, "401").await;
    let told = process.line_with("labels_rejected").await;
    for part in ["secret:shop", "No such file", "--secrets"] {
        assert!(told.contains(part), "{told}");
    }
    std::fs::write(&secret, format!("alice:{HASH}\nhunter2\n")).expect("a file");
    alice_gets(gateway, "200").await;
    let told = process.line_with("labels_rejected").await;
    assert!(
        told.contains("line 2") && !told.contains("hunter2"),
        "{told}"
    );
    for path in ["/snapshot", "/v1/status", "/events"] {
        let shown = answer(admin, "admin", path, "").await;
        assert!(shown.contains("web"), "{path}: {shown}");
        assert!(
            !shown.contains("LhRHyYb92") && !shown.contains("hunter2"),
            "{path}: {shown}"
        );
    }
    process.terminate();
    assert_eq!(process.ended().await.code, 0);
}
