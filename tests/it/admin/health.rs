//! The health check against real listeners.

use std::time::Duration;

use hiveway::tools::healthcheck;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::fixture::Admin;

const TIMEOUT: Duration = Duration::from_secs(10);

async fn failure(url: &str, timeout: Duration) -> String {
    let error = healthcheck::run(url, timeout).await.expect_err("unhealthy");
    let text = error.to_string();
    assert!(!text.contains('\n'), "{text}");
    text
}

#[tokio::test]
async fn a_ready_instance_is_healthy_and_one_that_stops_is_not() {
    let admin = Admin::start().await;
    let url = format!("http://{}", admin.address);
    admin.readiness.require("snapshot", Ok(()));
    admin
        .readiness
        .inform("engine", Err("connection refused".into()));
    healthcheck::run(&url, TIMEOUT).await.expect("healthy");

    admin.readiness.require("stopping", Err("SIGTERM".into()));
    assert_eq!(
        failure(&url, TIMEOUT).await,
        format!(
            "{url}/ready answers 503 Service Unavailable, not ready: stopping: SIGTERM; engine: connection refused; \
             {url}/events and the log tell how it came to this"
        )
    );
}

#[tokio::test]
async fn where_nothing_listens_the_check_says_so() {
    let url = format!("http://{}", Admin::start().await.stop().await);
    assert_eq!(
        failure(&url, TIMEOUT).await,
        format!(
            "cannot connect to the admin listener at {url}: Connection refused (os error 111); is hiveway running \
             there, with --admin on this address?"
        )
    );
}

#[tokio::test]
async fn another_program_is_told_from_hiveway() {
    for (answer, expected) in [
        (
            "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello",
            "answers 200 OK and no readiness report",
        ),
        ("SSH-2.0-OpenSSH_9.2\r\n", "no answer from"),
        ("", "no answer from"),
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let other = async {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.expect("a request");
            assert!(request[..read].starts_with(b"GET /ready HTTP/1.1\r\n"));
            stream.write_all(answer.as_bytes()).await.expect("sent");
        };
        let (text, ()) = tokio::join!(failure(&url, TIMEOUT), other);
        assert!(text.contains(expected), "{text}");
        assert!(
            text.ends_with("is another program listening there?"),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_silent_instance_is_not_waited_for_longer_than_asked() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    let text = failure(&url, Duration::from_millis(50)).await;
    assert!(
        text.starts_with(&format!("no answer from {url}/ready within 50ms;")),
        "{text}"
    );
}

#[tokio::test]
async fn a_wrong_address_is_explained() {
    assert_eq!(
        failure("https://127.0.0.1:9900", TIMEOUT).await,
        "admin URL \"https://127.0.0.1:9900\": the admin listener speaks plain http, not https; write it as \
         http://HOST:PORT (--admin-url, HIVEWAY_ADMIN_URL)"
    );
}
