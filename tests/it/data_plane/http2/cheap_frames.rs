//! Frames that cost a client nothing and the gateway work: each kind ends its connection, with the reason, and is counted.
//!
//! The client reads all that it is sent, so nothing but the count of frames can stop it.

use super::super::edge::Edge;
use super::super::origin::{Behaviour, Origin, origins};
use super::super::service::Service;
use super::frames::{
    ACK, CALM, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GO_AWAY, HEADERS, PADDED, PING,
    PLAIN, PRIORITY, RST_STREAM, RawClient, SETTINGS, WINDOW_UPDATE, frame, list, literal,
};

/// Frames in one burst, which is answered before the next is sent.
const BURST: usize = 100;

/// The number of frames by which every flood has to be over.
const BOUND: usize = 20_000;

/// A priority on stream 0 with the weight 16.
const PRIORITY_PAYLOAD: [u8; 5] = [0, 0, 0, 0, 15];

/// A task that does not answer, and one that does.
async fn stage() -> (Edge, Origin, Origin) {
    let [hanging, other] = origins([Behaviour::Hang, Behaviour::Answer]).await;
    let services = [
        Service::new("web", "web.test").endpoints([&hanging]),
        Service::new("other", "other.test").endpoints([&other]),
    ];
    (Edge::start(&services).await, hanging, other)
}

fn request(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &list(&PLAIN))
}

/// A request whose body is still to come.
fn upload() -> Vec<u8> {
    let mut headers = PLAIN.to_vec();
    headers[0].1 = "POST";
    frame(HEADERS, END_HEADERS, 1, &list(&headers))
}

/// A request that has come and gone: the client resets it.
fn closed() -> Vec<u8> {
    [request(1), reset(1)].concat()
}

fn reset(stream: u32) -> Vec<u8> {
    frame(RST_STREAM, 0, stream, &8u32.to_be_bytes())
}

fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

/// The number of the stream that this round opens.
fn fresh(round: usize) -> u32 {
    2 * u32::try_from(round).expect("a small number") + 1
}

/// Sends what each round makes until the connection ends. Returns the number of rounds, and the
/// last word of the gateway.
async fn flood(
    edge: &Edge,
    opening: &[u8],
    mut round: impl FnMut(usize) -> Vec<u8>,
) -> (usize, Option<Frame>) {
    let mut client = RawClient::connect(edge.internal).await;
    client.send(opening).await;
    let mut sent = 0;
    while sent < BOUND {
        let mut burst: Vec<u8> = (sent..sent + BURST).flat_map(&mut round).collect();
        sent += BURST;
        // A continued head must not be interrupted; everything else ends in a question.
        let asks = !matches!(burst.get(3), Some(&CONTINUATION));
        let mark = u64::try_from(sent).expect("a small number").to_be_bytes();
        if asks {
            burst.extend(frame(PING, 0, 0, &mark));
        }
        if !client.try_send(&burst).await {
            return (sent, client.next_of(&[GO_AWAY]).await);
        }
        if !asks {
            continue;
        }
        loop {
            match client.next_of(&[PING, GO_AWAY]).await {
                Some(told) if told.kind == PING && told.payload == mark => break,
                Some(told) if told.kind == PING => {}
                told => return (sent, told),
            }
        }
    }
    (sent, None)
}

/// Each row: what it is and where it was reported, the frames before it, and its rounds.
type Row = (&'static str, Vec<u8>, Box<dyn FnMut(usize) -> Vec<u8>>);

fn repeated(name: &'static str, opening: Vec<u8>, frame: Vec<u8>) -> Row {
    (name, opening, Box::new(move |_| frame.clone()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_flood_of_cheap_frames_is_told_to_calm_down() {
    let (edge, _hanging, _other) = stage().await;
    let window = |size: u32| frame(SETTINGS, 0, 0, &[&[0, 4], &size.to_be_bytes()[..]].concat());
    let rows: Vec<Row> = vec![
        repeated("CVE-2019-9512: PING", vec![], frame(PING, 0, 0, &[7; 8])),
        repeated(
            "RFC 9113 6.7: PING ACK for nothing",
            vec![],
            frame(PING, ACK, 0, &[7; 8]),
        ),
        repeated(
            "CVE-2019-9515: empty SETTINGS",
            vec![],
            frame(SETTINGS, 0, 0, &[]),
        ),
        (
            "CVE-2019-9515: SETTINGS that move every window",
            request(1),
            Box::new(move |round| window(65_535 + (round % 2) as u32)),
        ),
        repeated(
            "CVE-2020-11080: SETTINGS of thousands of entries",
            vec![],
            frame(SETTINGS, 0, 0, &[0, 5, 0, 0, 0x40, 0].repeat(2_500)),
        ),
        repeated(
            "CVE-2019-9513: PRIORITY of one stream",
            request(1),
            frame(PRIORITY, 0, 1, &PRIORITY_PAYLOAD),
        ),
        (
            "CVE-2019-9513: PRIORITY of streams that do not exist",
            vec![],
            Box::new(|round| frame(PRIORITY, 0, fresh(round), &PRIORITY_PAYLOAD)),
        ),
        repeated(
            "RFC 9218 7.1: PRIORITY_UPDATE",
            vec![],
            frame(16, 0, 0, b"\0\0\0\x01u=1"),
        ),
        repeated(
            "WINDOW_UPDATE of the connection",
            vec![],
            window_update(0, 1),
        ),
        repeated("WINDOW_UPDATE of a stream", request(1), window_update(1, 1)),
        repeated(
            "WINDOW_UPDATE of a closed stream",
            closed(),
            window_update(1, 1),
        ),
        repeated("RST_STREAM of a closed stream", closed(), reset(1)),
        repeated(
            "RFC 9113 4.1: frames of an unknown type",
            vec![],
            frame(0x42, 0, 0, &[0; 16]),
        ),
        repeated(
            "CVE-2019-9518: empty DATA",
            upload(),
            frame(DATA, 0, 1, &[]),
        ),
        repeated(
            "CVE-2019-9518: DATA of padding only",
            upload(),
            frame(DATA, PADDED, 1, &[1, 0]),
        ),
        repeated(
            "DATA for a closed stream",
            closed(),
            frame(DATA, 0, 1, b"x"),
        ),
        repeated(
            "CVE-2024-27316: empty CONTINUATION",
            frame(HEADERS, END_STREAM, 1, &list(&PLAIN)),
            frame(CONTINUATION, 0, 1, &[]),
        ),
        (
            "HEADERS beyond the limit of streams",
            (0..100).flat_map(|round| request(fresh(round))).collect(),
            Box::new(|round| request(fresh(round + 100))),
        ),
        (
            "CVE-2019-9514: malformed requests",
            vec![],
            Box::new(|round| {
                let block = [list(&PLAIN), literal(b"connection", b"close")].concat();
                frame(HEADERS, END_HEADERS | END_STREAM, fresh(round), &block)
            }),
        ),
    ];
    for (index, (name, opening, round)) in rows.into_iter().enumerate() {
        let (sent, told) = flood(&edge, &opening, round).await;
        assert!(sent < BOUND, "{name}: {sent} frames were taken");
        let told = told.unwrap_or_else(|| panic!("{name}: it ended without a word"));
        assert_eq!(told.kind, GO_AWAY, "{name}: {told:?}");
        assert_eq!(told.reason(), CALM, "{name}: {told:?}");
        edge.counts(&format!(
            "hiveway_refused_connections_total{{reason=\"http2-flood\"}} {}",
            index + 1
        ))
        .await;
        assert_eq!(edge.get("other.test", "/").await.status, 200, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_that_make_the_gateway_reset_them_end() {
    // CVE-2025-8671, "MadeYouReset": a request is at work, and then its client breaks the rules of
    // its stream, so that the server takes it back.
    type Break = (&'static str, fn(u32) -> Vec<u8>);
    let breaks: [Break; 5] = [
        ("a window grown by nothing", |stream| {
            window_update(stream, 0)
        }),
        ("a window grown beyond its bound", |stream| {
            window_update(stream, 0x7fff_ffff)
        }),
        ("a stream that depends on itself", |stream| {
            let own = [&stream.to_be_bytes()[..], &[15]].concat();
            frame(PRIORITY, 0, stream, &own)
        }),
        ("data after the end", |stream| frame(DATA, 0, stream, b"x")),
        ("a head after the end", |stream| request(stream)),
    ];
    for (name, breaks) in breaks {
        let (edge, hanging, _other) = stage().await;
        let round = |round: usize| [request(fresh(round)), breaks(fresh(round))].concat();
        let (sent, told) = flood(&edge, &[], round).await;
        assert!(sent < BOUND, "{name}: {sent} requests were taken");
        if let Some(told) = told {
            assert_ne!(told.reason(), 0, "{name}: {told:?}");
        }
        let cost = hanging.requests().len();
        assert!(cost <= 450, "{name}: {cost} requests came to the task");
        assert_eq!(edge.get("other.test", "/").await.status, 200, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_answer_each_piece_of_a_body_go_on() {
    // gRPC libraries measure the line by a PING for each piece that arrives, and give room for each
    // at once; older Firefoxes send a PRIORITY with each request.
    const PIECES: usize = 5_000;
    let [task] = origins([Behaviour::Hand]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints([&task])]).await;
    let mut client = RawClient::connect(edge.internal).await;
    client
        .send([frame(PRIORITY, 0, 3, &PRIORITY_PAYLOAD), request(1)].concat())
        .await;
    let mut exchange = task.handed().await;
    let said = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    exchange.wire.send(said).await.unwrap();
    client.next_of(&[HEADERS]).await.expect("a head");
    for number in 0..PIECES {
        exchange.wire.send("1\r\nx\r\n").await.unwrap();
        let piece = client.next_of(&[DATA, GO_AWAY]).await.expect("a piece");
        assert_eq!(piece.kind, DATA, "after {number}: {piece:?}");
        let answers = [
            window_update(0, 1),
            window_update(1, 1),
            frame(PING, 0, 0, &[7; 8]),
        ];
        client.send(answers.concat()).await;
    }
    exchange.wire.send("0\r\n\r\n").await.unwrap();
    let end = client.next_of(&[DATA, GO_AWAY]).await.expect("an end");
    assert_eq!((end.kind, end.flags), (DATA, END_STREAM), "{end:?}");
}
