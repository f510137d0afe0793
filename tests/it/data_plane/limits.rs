//! What a client may cost: the size of a head, the time for a head, the time between two requests.

use std::num::NonZeroU32;
use std::time::Duration;

use hiveway::gateway::{Config, Limits, TcpProbes};

use crate::bounded::bounded;
use crate::pause::pause;

use super::edge::Edge;
use super::origin::{Behaviour, Origin, origins};
use super::service::Service;

async fn edge(task: &Origin, change: impl FnOnce(&mut Config)) -> Edge {
    Edge::start_with(change, &[Service::new("web", "web.test").endpoints([task])]).await
}

#[test]
fn the_limits_stand_by_default() {
    let expected = Limits {
        connections: None,
        connections_per_client: None,
        task_connections: None,
        task_connections_per_client: None,
        head: Duration::from_secs(10),
        keep_alive: Duration::from_secs(75),
        min_body_rate: NonZeroU32::new(100),
        body_patience: Duration::from_secs(60),
        held: 1024,
        tcp_probes: TcpProbes {
            idle: Duration::from_secs(60),
            interval: Duration::from_secs(15),
            count: 4,
        },
    };
    assert_eq!(Limits::default(), expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_larger_than_64_kib_is_refused() {
    let [task] = origins([Behaviour::Answer]).await;
    let edge = edge(&task, |_| {}).await;
    let line = |bytes: usize| format!("X-Large: {}\r\n", "a".repeat(bytes));
    let several = |count: usize| format!("X-Several: {}\r\n", "b".repeat(1_000)).repeat(count);
    for lines in [line(60_000), several(60)] {
        assert_eq!(
            edge.client()
                .await
                .get_with("web.test", "/", &lines)
                .await
                .status,
            200
        );
    }
    let passed = task.requests().len();
    for lines in [line(65_536), line(900_000), several(70)] {
        let mut client = edge.client().await;
        let answer = client.get_with("web.test", "/", &lines).await;
        answer.assert_refused(431, "bad-request");
        assert_eq!(client.closed().await, "");
    }
    for (length, lines) in [(33_000, line(100)), (65_000, line(600)), (900_000, line(1))] {
        let long = format!("/{}", "c".repeat(length));
        let mut client = edge.client().await;
        let answer = client.get_with("web.test", &long, &lines).await;
        answer.assert_refused(414, "bad-request");
        assert_eq!(client.closed().await, "");
    }
    assert_eq!(task.requests().len(), passed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_of_too_many_lines_is_refused() {
    let [task] = origins([Behaviour::Answer]).await;
    let edge = edge(&task, |_| {}).await;
    // Host is one more.
    let lines = |count| "X: 1\r\n".repeat(count);
    assert_eq!(
        edge.client()
            .await
            .get_with("web.test", "/", &lines(255))
            .await
            .status,
        200
    );
    let mut client = edge.client().await;
    let answer = client.get_with("web.test", "/", &lines(256)).await;
    answer.assert_refused(431, "bad-request");
    assert_eq!(client.closed().await, "");
    assert_eq!(task.requests().len(), 1);
}

/// Sends one byte every now and then, until there is an answer; tells whether that was a refusal.
async fn drip(client: &mut super::client::Client, bytes: &str, gap: Duration) -> bool {
    for byte in bytes.as_bytes().chunks(1) {
        tokio::select! {
            told = client.wire.some() => {
                return told.is_some_and(|told| told.starts_with(b"HTTP/1.1 408 "));
            }
            () = pause(gap) => {}
        }
        if client.wire.send(byte).await.is_err() {
            return true;
        }
    }
    false
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dripping_head_is_cut_off_by_its_total_time() {
    let [task] = origins([Behaviour::Answer]).await;
    let edge = edge(&task, |config| {
        config.limits.head = Duration::from_millis(500);
    })
    .await;
    let head = format!("GET / HTTP/1.1\r\nHost: web.test\r\nX: {}", "a".repeat(600));
    let pause = Duration::from_millis(50);
    // Every pause is far below the limit, the whole drip far above it: 30 s.
    let mut first = edge.client().await;
    let mut second = edge.client().await;
    assert_eq!(second.get("web.test", "/").await.status, 200);
    let both = async {
        tokio::join!(
            drip(&mut first, &head, pause),
            drip(&mut second, &head, pause)
        )
    };
    assert_eq!(bounded(both).await, (true, true));
    // A head that stops altogether ends in the same way.
    let mut third = edge.client().await;
    third.send("GET / HTTP/1.1\r\nHo").await;
    let told = third.closed().await;
    assert!(
        told.contains("X-Hiveway-Reason: client-timeout\r\n"),
        "{told}"
    );
    assert_eq!(task.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_a_slow_body_nor_idling_counts_towards_a_heads_time() {
    let [task] = origins([Behaviour::Answer]).await;
    let edge = edge(&task, |config| {
        config.limits.head = Duration::from_millis(200);
    })
    .await;
    let mut client = edge.client().await;
    for _ in 0..2 {
        client
            .send("POST / HTTP/1.1\r\nHost: web.test\r\nContent-Length: 4\r\n\r\n")
            .await;
        assert!(!drip(&mut client, "slow", Duration::from_millis(150)).await);
        assert_eq!(client.answer("POST").await.status, 200);
        // Idle for longer than a head may take.
        pause(Duration::from_millis(500)).await;
    }
    // A head in two pieces starts its own clock.
    client.send("GET / HTTP/1.1\r\nHo").await;
    pause(Duration::from_millis(20)).await;
    client.send("st: web.test\r\n\r\n").await;
    assert_eq!(client.answer("GET").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_idle_connection_is_closed() {
    let [task] = origins([Behaviour::Answer]).await;
    let edge = edge(&task, |config| {
        config.limits.keep_alive = Duration::from_secs(1);
    })
    .await;
    for host in ["web.test", "nobody.test"] {
        let mut client = edge.client().await;
        client.get(host, "/").await;
        assert_eq!(client.closed().await, "", "after an answer for {host}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_connections_are_counted_by_listener() {
    let [task] = origins([Behaviour::Answer]).await;
    let edge = edge(&task, |_| {}).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        let mut client = edge.client().await;
        client.get("web.test", "/").await;
        clients.push(client);
    }
    let internal = |count: usize| {
        let line = format!("hiveway_connections{{listener=\"internal\"}} {count}\n");
        edge.metrics.render(None).contains(&line)
    };
    let reached = |count: usize| async move {
        while !internal(count) {
            tokio::task::yield_now().await;
        }
    };
    bounded(reached(3)).await;
    drop(clients);
    bounded(reached(0)).await;
}
