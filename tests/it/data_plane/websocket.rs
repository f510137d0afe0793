//! WebSockets pass byte for byte: whatever the frames, however they are cut, in both directions at once.

use crate::bounded::bounded;

use super::client::Client;
use super::edge::Edge;
use super::origin::{Behaviour, Exchange, Origin, origins};
use super::service::Service;

const UPGRADE: &str = "GET /chat HTTP/1.1\r\nHost: web.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                       Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
                       Sec-WebSocket-Protocol: chat, superchat\r\n\
                       Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n";

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                      Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
                      Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;
const LAST: u8 = 0x80;
const COMPRESSED: u8 = 0x40;

/// A frame as RFC 6455 writes it; those of clients are masked.
fn frame(first: u8, payload: &[u8], masked: bool) -> Vec<u8> {
    let bit = if masked { 0x80 } else { 0 };
    let mut bytes = vec![first];
    match payload.len() {
        short @ ..126 => bytes.push(bit | u8::try_from(short).expect("below 126")),
        long @ ..65_536 => {
            bytes.push(bit | 126);
            bytes.extend(u16::try_from(long).expect("below 65 536").to_be_bytes());
        }
        longer => {
            bytes.push(bit | 127);
            bytes.extend((longer as u64).to_be_bytes());
        }
    }
    if !masked {
        bytes.extend(payload);
        return bytes;
    }
    let mask = [0x37, 0xfa, 0x21, 0x3d];
    bytes.extend(mask);
    let coded = payload.iter().zip(mask.iter().cycle());
    bytes.extend(coded.map(|(byte, mask)| byte ^ mask));
    bytes
}

/// A conversation with all that WebSocket has: messages whole and in pieces, control frames among them, the lengths at which
/// the form of a frame changes, a megabyte, and things that no good client says, which are the task's to judge.
fn conversation(masked: bool) -> Vec<Vec<u8>> {
    let megabyte: Vec<u8> = (0..1_048_576u32).map(|it| (it % 251) as u8).collect();
    let mut frames = vec![
        frame(LAST | TEXT, "grüße".as_bytes(), masked),
        frame(TEXT, b"in ", masked),
        frame(LAST | PING, b"are you there?", masked),
        frame(0, b"three ", masked),
        frame(LAST | PONG, b"yes", masked),
        frame(LAST, b"pieces", masked),
        frame(
            LAST | COMPRESSED | TEXT,
            &[0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00],
            masked,
        ),
        frame(LAST | TEXT, &[0xff, 0xfe], masked),
        frame(LAST | 0x30 | 7, b"reserved", masked),
        frame(LAST | BINARY, &megabyte, masked),
    ];
    for length in [0, 1, 125, 126, 127, 128, 65_535, 65_536] {
        frames.push(frame(LAST | BINARY, &megabyte[..length], masked));
    }
    frames
}

async fn upgraded() -> (Client, Exchange, (Edge, Origin)) {
    let [task] = origins([Behaviour::Hand]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints([&task])]).await;
    let mut client = edge.client().await;
    client.send(UPGRADE).await;
    let mut exchange = task.handed().await;
    for (name, value) in [
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("sec-websocket-protocol", "chat, superchat"),
        (
            "sec-websocket-extensions",
            "permessage-deflate; client_max_window_bits",
        ),
    ] {
        assert_eq!(exchange.head.one(name), Some(value));
    }
    exchange.wire.send(SWITCH).await.unwrap();
    exchange.wire.stop_recording();
    let head = bounded(client.wire.head()).await.expect("an answer");
    assert_eq!(head.status(), 101);
    assert_eq!(head.one("sec-websocket-protocol"), Some("chat"));
    assert_eq!(
        head.one("sec-websocket-extensions"),
        Some("permessage-deflate")
    );
    (client, exchange, (edge, task))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_frame_passes_as_it_is_in_both_directions_at_once() {
    let (mut client, mut exchange, _stage) = upgraded().await;
    let (asked, said) = (conversation(true).concat(), conversation(false).concat());
    let to_task = bounded(async {
        // Two sides that both speak before they listen would wait for each other, so each has its turns.
        let mut received = (Vec::new(), Vec::new());
        for (out, back) in asked.chunks(100_003).zip(said.chunks(100_003)) {
            let ((), sent) = tokio::join!(client.send(out), exchange.wire.send(back));
            sent.unwrap();
            let (there, here) = tokio::join!(
                exchange.wire.exactly(out.len()),
                client.wire.exactly(back.len())
            );
            received.0.extend(there.expect("all of it"));
            received.1.extend(here.expect("all of it"));
        }
        received
    })
    .await;
    // Those of clients are longer by their masks.
    let done = said.len().div_ceil(100_003) * 100_003;
    let done = done.min(asked.len());
    assert!(to_task.0 == asked[..done], "what the task was sent");
    assert!(to_task.1 == said, "what the client was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn frames_pass_however_they_are_cut() {
    let (mut client, mut exchange, _stage) = upgraded().await;
    for whole in [
        frame(LAST | TEXT, b"byte by byte", true),
        frame(LAST | PING, b"", true),
    ] {
        for byte in &whole {
            client.send([*byte]).await;
            assert_eq!(bounded(exchange.wire.exactly(1)).await, Some(vec![*byte]));
        }
    }
    for whole in [
        frame(LAST | TEXT, b"byte by byte", false),
        frame(LAST | PONG, b"", false),
    ] {
        for byte in &whole {
            exchange.wire.send([*byte]).await.unwrap();
            assert_eq!(bounded(client.wire.exactly(1)).await, Some(vec![*byte]));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_reason_of_an_end_passes_whoever_ends_it() {
    for code in [1000u16, 1001, 1002, 1011, 3000, 4999] {
        let (mut client, mut exchange, _stage) = upgraded().await;
        let reason = [&code.to_be_bytes()[..], "genug für heute".as_bytes()].concat();
        let (ask, agree) = (
            frame(LAST | CLOSE, &reason, true),
            frame(LAST | CLOSE, &reason, false),
        );
        client.send(&ask).await;
        assert_eq!(bounded(exchange.wire.exactly(ask.len())).await, Some(ask));
        exchange.wire.send(&agree).await.unwrap();
        drop(exchange);
        assert_eq!(bounded(client.wire.rest()).await, agree, "{code}");

        let (mut client, mut exchange, _stage) = upgraded().await;
        exchange.wire.send(&agree).await.unwrap();
        assert_eq!(bounded(client.wire.exactly(agree.len())).await, Some(agree));
        let ask = frame(LAST | CLOSE, &reason, true);
        client.send(&ask).await;
        drop(client);
        assert_eq!(bounded(exchange.wire.rest()).await, ask, "{code}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_client_sends_right_behind_its_request_is_not_lost() {
    let [task] = origins([Behaviour::Hand]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints([&task])]).await;
    let mut client = edge.client().await;
    let greeting = frame(LAST | TEXT, b"first", true);
    client.send([UPGRADE.as_bytes(), &greeting].concat()).await;
    let mut exchange = task.handed().await;
    let welcome = frame(LAST | TEXT, b"welcome", false);
    exchange
        .wire
        .send([SWITCH.as_bytes(), &welcome].concat())
        .await
        .unwrap();
    bounded(client.wire.head()).await.expect("an answer");
    assert_eq!(
        bounded(client.wire.exactly(welcome.len())).await,
        Some(welcome)
    );
    assert_eq!(
        bounded(exchange.wire.exactly(greeting.len())).await,
        Some(greeting)
    );
}
