//! Frames that cost their sender little: each kind of flood ends, in bounded memory, and others are answered meanwhile.

use crate::bounded::bounded;

use super::super::edge::Edge;
use super::super::origin::{Behaviour, Origin, origins};
use super::super::service::Service;
use super::client::Client;
use super::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GO_AWAY, HEADERS, PING, PLAIN, RST_STREAM,
    RawClient, SETTINGS, frame, list, literal, text,
};

/// The bytes of memory that this process holds, gateway and all.
pub(super) fn memory() -> usize {
    let statistics = std::fs::read_to_string("/proc/self/statm").expect("Linux");
    let pages = statistics.split(' ').nth(1).expect("the resident pages");
    pages.parse::<usize>().expect("a number") * 4096
}

async fn stage() -> (Edge, Origin) {
    let [task] = origins([Behaviour::Answer]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints([&task])]).await;
    (edge, task)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_that_is_continued_without_end_is_ended() {
    let (edge, task) = stage().await;
    for piece in [&b""[..], &[0x00, 1, b'x', 1, b'y'], &[0x42; 16_000]] {
        let mut client = RawClient::connect(edge.internal).await;
        client
            .send(frame(HEADERS, END_STREAM, 1, &list(&PLAIN)))
            .await;
        let pieces = frame(CONTINUATION, 0, 1, piece).repeat(100);
        let flood = async {
            for round in 0..10_000 {
                if !client.try_send(&pieces).await {
                    return Some(round);
                }
            }
            None
        };
        assert!(
            bounded(flood).await.is_some(),
            "a million frames were taken"
        );
    }
    assert_eq!(task.bytes(), "");
    assert_eq!(edge.get("web.test", "/").await.body, task.container);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_few_bytes_that_stand_for_many_headers_are_not_unpacked() {
    let (edge, task) = stage().await;
    let before = memory();
    for _ in 0..20 {
        let mut client = RawClient::connect(edge.internal).await;
        // A header of nearly four kilobytes, to be remembered, and then named by one byte sixteen thousand times.
        let remembered = [&[0x40][..], &text(b"x-bomb"), &text(&[b'b'; 3_900])].concat();
        let mut block = [list(&PLAIN), remembered].concat();
        block.extend([0xbe; 12_000]);
        client
            .send(frame(HEADERS, END_HEADERS | END_STREAM, 1, &block))
            .await;
        let told = client.next_of(&[HEADERS, RST_STREAM, GO_AWAY]).await;
        if let Some(told) = told.filter(|it| it.kind == HEADERS) {
            // 431, which HPACK has no number for.
            assert_eq!(told.status(), None, "{told:?}");
        }
    }
    assert_eq!(task.bytes(), "");
    let grown = memory().saturating_sub(before);
    assert!(grown < 100_000_000, "{grown} bytes more");
    assert_eq!(edge.get("web.test", "/").await.body, task.container);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_are_read_no_faster_than_their_replies_are_sent() {
    let (edge, task) = stage().await;
    for flood in [
        frame(PING, 0, 0, &[0; 8]),
        frame(SETTINGS, 0, 0, &[]),
        // Another window each time.
        [4u32, 5]
            .map(|size| frame(SETTINGS, 0, 0, &[&[0, 4], &size.to_be_bytes()[..]].concat()))
            .concat(),
    ] {
        let before = memory();
        let mut client = RawClient::connect(edge.internal).await;
        let flood = flood.repeat(1_000);
        // The answers are never read, so at some time nothing more is taken, or the connection ends.
        let rounds = async {
            for _ in 0..10_000 {
                let sent = tokio::time::timeout(
                    std::time::Duration::from_secs(1),
                    client.wire.send(&flood),
                );
                if !matches!(sent.await, Ok(Ok(()))) {
                    return true;
                }
            }
            false
        };
        assert!(bounded(rounds).await, "ten million frames were taken");
        let grown = memory().saturating_sub(before);
        assert!(grown < 100_000_000, "{grown} bytes more");
    }
    assert_eq!(edge.get("web.test", "/").await.body, task.container);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn empty_pieces_of_a_body_are_ended() {
    let (edge, _task) = stage().await;
    let mut client = RawClient::connect(edge.internal).await;
    let mut headers = PLAIN.to_vec();
    headers[0].1 = "POST";
    client
        .send(frame(HEADERS, END_HEADERS, 1, &list(&headers)))
        .await;
    let flood = frame(DATA, 0, 1, &[]).repeat(1_000);
    let rounds = async {
        for _ in 0..1_000 {
            if !client.try_send(&flood).await {
                return true;
            }
        }
        false
    };
    assert!(bounded(rounds).await, "a million frames were taken");
    assert_eq!(edge.get("web.test", "/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_that_make_no_sense_end_their_connection_alone() {
    let (edge, task) = stage().await;
    let mut neighbour = Client::connect(edge.internal).await;
    for bytes in [
        frame(DATA, 0, 0, b"x"),
        frame(DATA, 0, 1, b"x"),
        frame(HEADERS, END_HEADERS, 2, &list(&PLAIN)),
        frame(HEADERS, END_HEADERS, 1, &[0xff; 100]),
        frame(HEADERS, END_HEADERS, 1, &[0x80]),
        // A header without a name, which some kept for nothing (CVE-2019-9516).
        frame(HEADERS, END_HEADERS, 1, &literal(b"", b"")),
        frame(CONTINUATION, END_HEADERS, 1, &list(&PLAIN)),
        frame(PING, 0, 0, &[0; 7]),
        frame(PING, ACK, 1, &[0; 8]),
        frame(SETTINGS, ACK, 0, &[0; 6]),
        frame(SETTINGS, 0, 0, &[0, 4, 0xff, 0xff, 0xff, 0xff]),
        frame(5, END_HEADERS, 1, &[0, 0, 0, 2]),
        frame(8, 0, 0, &[0; 4]),
        frame(8, 0, 0, &[0x7f, 0xff, 0xff, 0xff]),
        vec![0xff; 64],
        b"GET / HTTP/1.1\r\nHost: web.test\r\n\r\n".to_vec(),
    ] {
        let mut client = RawClient::connect(edge.internal).await;
        client.send(&bytes).await;
        let told = client.next_of(&[GO_AWAY, RST_STREAM]).await;
        if let Some(told) = told {
            assert_ne!(told.reason(), 0, "{bytes:?}: {told:?}");
        }
        assert_eq!(neighbour.get("web.test", "/").await.body, task.container);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn answers_that_a_client_does_not_read_are_not_kept_for_it() {
    const LARGE: usize = 20_000_000;
    let [task] = origins([Behaviour::Hand]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints([&task])]).await;
    let mut client = RawClient::connect(edge.internal).await;
    // As much as may be under way: the client's word for it is all that h2 would ask.
    let windows = [
        frame(SETTINGS, 0, 0, &[0, 4, 0x7f, 0xff, 0xff, 0xff]),
        frame(8, 0, 0, &0x7fff_0000u32.to_be_bytes()),
    ];
    client.send(windows.concat()).await;
    let before = memory();
    let mut sending = tokio::task::JoinSet::new();
    for stream in (1..40).step_by(2) {
        client
            .send(frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                stream,
                &list(&PLAIN),
            ))
            .await;
        let mut exchange = task.handed().await;
        sending.spawn(async move {
            let said = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}\r\n\r\n");
            exchange.wire.send(said).await.unwrap();
            let part = vec![b'd'; 100_000];
            for _ in 0..LARGE / part.len() {
                if exchange.wire.send(&part).await.is_err() {
                    return;
                }
            }
        });
    }
    // Twenty answers of twenty megabytes would be four hundred.
    let ended = tokio::time::timeout(std::time::Duration::from_secs(2), sending.join_next()).await;
    assert!(ended.is_err(), "all of an answer went somewhere");
    let grown = memory().saturating_sub(before);
    assert!(grown < 100_000_000, "{grown} bytes more");
}
