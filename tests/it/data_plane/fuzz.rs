//! Bytes that nobody would send: none of them makes the gateway panic, or keeps it from answering others.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::TestRunner;

use super::client::Client;
use super::edge::Edge;
use super::origin::{Behaviour, origins};
use super::service::Service;

/// How often each kind is tried.
const TRIES: usize = 300;

/// Counts panics outside of tests' own sources: the task of a connection would die of one without a word.
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn watch_panics() {
    let before = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        let own = |place: &std::panic::Location<'_>| place.file().starts_with("tests/");
        if !panic.location().is_some_and(own) {
            PANICS.fetch_add(1, Ordering::Relaxed);
        }
        before(panic);
    }));
}

/// Texts that are made of what requests are made of.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let token = proptest::sample::select(vec![
        "GET",
        "POST",
        "HEAD",
        "CONNECT",
        "OPTIONS",
        "PRI",
        " ",
        "\t",
        "/",
        "*",
        "//",
        "/%zz",
        "?",
        "#",
        "http://",
        "@",
        ":",
        "web.test",
        "web.test:80",
        "[::1]",
        "HTTP/1.1",
        "HTTP/1.0",
        "HTTP/2.0",
        "HTTP/9",
        "\r\n",
        "\r\n",
        "\r\n\r\n",
        "\n",
        "\r",
        "\0",
        "\u{7f}",
        "\u{e9}",
        "Host: web.test\r\n",
        "Host:",
        "Content-Length: 3\r\n",
        "Content-Length:",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding:",
        "Connection: close\r\n",
        "Connection:",
        "Upgrade: websocket\r\n",
        "Expect: 100-continue\r\n",
        "Cookie: CONTAINERID=",
        "X-Forwarded-For: ",
        "GET / HTTP/1.1\r\n",
        "3\r\nabc\r\n",
        "0\r\n",
        "ffffffffffffffff\r\n",
        "abc",
        ";",
        ",",
        "SM\r\n\r\n",
    ])
    .prop_map(|token| token.as_bytes().to_vec());
    let piece = prop_oneof![
        12 => token,
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::collection::vec(piece, 1..24).prop_map(|pieces| pieces.concat())
}

/// An opening of HTTP/2 with frames behind it, sound ones and others.
fn frames() -> impl Strategy<Value = Vec<u8>> {
    let sound: &[u8] = b"\x82\x86\x84\x41\x08web.test";
    let payload = prop_oneof![
        3 => Just(sound.to_vec()),
        1 => Just([sound, b"\x00\x04name\x05value"].concat()),
        2 => proptest::collection::vec(any::<u8>(), 0..30),
        1 => Just(Vec::new()),
        1 => Just(vec![0; 4]),
        1 => Just(vec![0; 8]),
    ];
    let frame = (0u8..12, any::<u8>(), 0u32..8, payload, 0usize..40).prop_map(
        |(kind, flags, stream, payload, lie)| {
            // One length in forty is a lie.
            let length = payload.len() + usize::from(lie == 0);
            let length = u32::try_from(length)
                .expect("a small payload")
                .to_be_bytes();
            let flags = if flags % 3 == 0 { flags } else { flags & 5 | 4 };
            [
                &length[1..],
                &[kind, flags],
                &stream.to_be_bytes()[..],
                &payload,
            ]
            .concat()
        },
    );
    proptest::collection::vec(frame, 0..12).prop_map(|frames| {
        let opening = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
        [&opening[..], &frames.concat()].concat()
    })
}

async fn withstands(kind: impl Strategy<Value = Vec<u8>>) {
    watch_panics();
    let [task] = origins([Behaviour::Answer]).await;
    let service = Service::new("web", "web.test").policy(|policy| {
        policy.response_timeout = Duration::from_millis(500);
    });
    let edge = Edge::start_with(
        |config| {
            config.limits.head = Duration::from_millis(500);
            config.limits.keep_alive = Duration::from_secs(1);
        },
        &[service.endpoints([&task])],
    )
    .await;
    let mut runner = TestRunner::deterministic();
    for _ in 0..TRIES {
        let bytes = kind.new_tree(&mut runner).expect("a value").current();
        let mut client = Client::connect(edge.internal).await;
        // Who is refused may not get to the end of it.
        let _ = client.wire.send(&bytes).await;
        let _ = client.wire.finish().await;
        client.closed().await;
        let panics = PANICS.load(Ordering::Relaxed);
        assert_eq!(panics, 0, "{}", bytes.escape_ascii());
    }
    let answer = edge.get("web.test", "/").await;
    assert_eq!(answer.body, task.container);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_text_makes_the_gateway_panic() {
    withstands(text()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_frames_make_the_gateway_panic() {
    withstands(frames()).await;
}
