//! The access log goes to standard output, and nothing else does.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::bounded::bounded;
use crate::folder::Folder;

use super::process::Process;

#[tokio::test]
async fn requests_are_written_to_standard_output_also_the_last() {
    let folder = Folder::with("inventory.json", r#"{ "services": [] }"#);
    let arguments = [
        "--inventory",
        &folder.file("inventory.json"),
        "--listen-internal",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--log-format",
        "json",
    ];
    let variables = [
        ("HIVEWAY_ACCESS_LOG", "all".to_owned()),
        ("HIVEWAY_TRACE_HEADERS", "true".to_owned()),
    ];
    let mut process = Process::start(arguments.map(str::to_owned), variables);
    let line = process.listens().await;
    let internal = line["internal"].as_str().expect("an address");
    let internal: SocketAddr = internal.parse().expect("an address");
    let mut answers = String::new();
    for _ in 0..3 {
        bounded(async {
            let mut stream = TcpStream::connect(internal).await.expect("a listener");
            let request = "GET /a?token=1 HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";
            stream
                .write_all(request.as_bytes())
                .await
                .expect("it is read");
            stream.read_to_string(&mut answers).await.expect("text");
        })
        .await;
    }
    process.terminate();
    let ended = process.ended().await;
    assert_eq!(ended.code, 0, "{ended:?}");
    let lines: Vec<serde_json::Value> = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON and nothing else"))
        .collect();
    assert_eq!(lines.len(), 3, "{}", ended.stdout);
    for line in lines {
        assert_eq!(
            (&line["host"], &line["path"]),
            (&"a.test".into(), &"/a".into())
        );
        let id = line["request_id"].as_str().expect("an id");
        assert!(
            answers.contains(&format!("X-Request-Id: {id}\r\n")),
            "{answers}"
        );
    }
}
