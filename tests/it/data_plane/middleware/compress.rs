//! Answers are compressed where all sides gain by it, and left alone elsewhere.

use std::io::{Read as _, Write};

use bytes::Bytes;
use hiveway::core::model::middleware::Encoding;
use http::Request;

use super::super::edge::Edge;
use super::super::grpc::GrpcTask;
use super::super::http2;
use super::super::message::Head;
use super::super::origin::{Behaviour, origins};
use super::super::service::Service;
use crate::bounded::bounded;

/// An answer of this type with further header lines, whose body is the letter so many times.
fn said(lines: &str, letters: usize) -> Behaviour {
    let body = "a".repeat(letters);
    let text = format!("HTTP/1.1 200 OK\r\n{lines}Content-Length: {letters}\r\n\r\n{body}");
    Behaviour::Say(text.leak())
}

async fn edge(task: Behaviour, offered: &[Encoding]) -> (Edge, super::super::origin::Origin) {
    let [task] = origins([task]).await;
    let service = Service::new("web", "web.test").middleware(|it| it.compress = offered.to_vec());
    (Edge::start(&[service.endpoints([&task])]).await, task)
}

async fn get(edge: &Edge, method: &str, lines: &str) -> (Head, Vec<u8>) {
    let mut client = edge.client().await;
    client
        .send(format!(
            "{method} / HTTP/1.1\r\nHost: web.test\r\n{lines}\r\n"
        ))
        .await;
    bounded(async {
        let head = client.wire.head().await.expect("a head");
        let body = client.wire.body(head.answer_framing(method)).await;
        (head, body.expect("a whole body"))
    })
    .await
}

/// What a body holds; it has to be whole.
pub(super) fn decompressed(encoding: &str, body: &[u8]) -> Vec<u8> {
    let mut reader: Box<dyn std::io::Read + '_> = match encoding {
        "gzip" => Box::new(flate2::read::GzDecoder::new(body)),
        "br" => Box::new(brotli::Decompressor::new(body, 0)),
        "zstd" => Box::new(zstd::Decoder::new(body).expect("memory")),
        other => panic!("{other}"),
    };
    let mut whole = Vec::new();
    reader.read_to_end(&mut whole).expect("it is whole");
    whole
}

const JSON: &str = "Content-Type: application/json\r\nETag: \"x\"\r\nAccept-Ranges: bytes\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_compressed_as_the_client_likes_it() {
    let (edge, _task) = edge(said(JSON, 10_000), &Encoding::ALL).await;
    for (accept, encoding) in [
        ("gzip, br, zstd", "zstd"),
        ("gzip, deflate, br", "br"),
        ("gzip", "gzip"),
        ("br;q=0.1, zstd;q=0.5, gzip;q=0.9", "gzip"),
    ] {
        let (head, body) = get(&edge, "GET", &format!("Accept-Encoding: {accept}\r\n")).await;
        assert_eq!(head.one("content-encoding"), Some(encoding), "{accept}");
        assert_eq!(head.one("vary"), Some("Accept-Encoding"));
        assert_eq!(head.one("content-length"), None);
        assert_eq!(head.one("accept-ranges"), None);
        let tag = format!("W/\"x-hw-{encoding}\"");
        assert_eq!(head.one("etag"), Some(&*tag));
        assert!(body.len() < 1_000, "{} bytes", body.len());
        assert_eq!(
            decompressed(encoding, &body),
            vec![b'a'; 10_000],
            "{accept}"
        );
    }
    // Who cannot read it gets it as it is, and caches are told that others do not.
    for (method, accept) in [
        ("GET", ""),
        ("GET", "Accept-Encoding: identity, br;q=0.5\r\n"),
        ("GET", "Accept-Encoding: gzip;q=0\r\n"),
        ("HEAD", ""),
    ] {
        let (head, body) = get(&edge, method, accept).await;
        assert_eq!(head.one("content-encoding"), None, "{method} {accept}");
        assert_eq!(
            head.one("vary"),
            Some("Accept-Encoding"),
            "{method} {accept}"
        );
        assert_eq!(head.one("etag"), Some("\"x\""));
        if method == "GET" {
            assert_eq!(body.len(), 10_000);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_in_chunks_is_compressed_to_its_end() {
    let chunks = "3e8\r\n".to_owned() + &"b".repeat(1_000) + "\r\n";
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";
    let text = format!("{head}{}0\r\n\r\n", chunks.repeat(20));
    let (edge, _task) = edge(Behaviour::Say(text.leak()), &Encoding::ALL).await;
    let mut client = edge.client().await;
    for encoding in ["gzip", "br", "zstd", "gzip"] {
        let lines = format!("Host: web.test\r\nAccept-Encoding: {encoding}\r\n\r\n");
        client.send(format!("GET / HTTP/1.1\r\n{lines}")).await;
        let body = bounded(async {
            let head = client.wire.head().await.expect("a head");
            assert_eq!(head.one("content-encoding"), Some(encoding));
            client.wire.body(head.answer_framing("GET")).await
        });
        let body = body.await.expect("a whole body");
        assert_eq!(decompressed(encoding, &body), vec![b'b'; 20_000]);
    }
}

/// Reads a body while it comes.
trait Unpacker: Write {
    /// What came out since it was last asked.
    fn out(&mut self) -> Vec<u8>;
}

impl Unpacker for flate2::write::GzDecoder<Vec<u8>> {
    fn out(&mut self) -> Vec<u8> {
        std::mem::take(self.get_mut())
    }
}

impl Unpacker for brotli::DecompressorWriter<Vec<u8>> {
    fn out(&mut self) -> Vec<u8> {
        std::mem::take(self.get_mut())
    }
}

impl Unpacker for zstd::stream::write::Decoder<'_, Vec<u8>> {
    fn out(&mut self) -> Vec<u8> {
        std::mem::take(self.get_mut())
    }
}

fn unpacker(encoding: &str) -> Box<dyn Unpacker> {
    let into = Vec::new();
    match encoding {
        "gzip" => Box::new(flate2::write::GzDecoder::new(into)),
        "br" => Box::new(brotli::DecompressorWriter::new(into, 0)),
        _ => Box::new(zstd::stream::write::Decoder::new(into).expect("memory")),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_comes_piece_by_piece_is_sent_on_piece_by_piece() {
    let (edge, task) = edge(Behaviour::Hand, &Encoding::ALL).await;
    for encoding in ["gzip", "br", "zstd"] {
        let mut client = edge.client().await;
        let lines = format!("Host: web.test\r\nAccept-Encoding: {encoding}\r\n\r\n");
        client.send(format!("GET / HTTP/1.1\r\n{lines}")).await;
        let mut exchange = task.handed().await;
        let head =
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n";
        exchange.wire.send(head).await.expect("it is read");
        let head = bounded(client.wire.head()).await.expect("a head");
        assert_eq!(head.one("content-encoding"), Some(encoding));
        let mut unpacker = unpacker(encoding);
        for number in 1..=5 {
            let piece = format!("piece {number}");
            let chunk = format!("{:x}\r\n{piece}\r\n", piece.len());
            exchange.wire.send(chunk).await.expect("it is read");
            // The task sends nothing more before the client has read this.
            let mut read: Vec<u8> = Vec::new();
            while read != piece.as_bytes() {
                let chunk = bounded(client.wire.chunk()).await.expect("a chunk");
                assert!(!chunk.is_empty(), "{encoding}: the end came too soon");
                unpacker.write_all(&chunk).expect("it can be read");
                unpacker.flush().expect("it can be read");
                read.extend(unpacker.out());
            }
        }
        exchange.wire.send("0\r\n\r\n").await.expect("it is read");
        while !bounded(client.wire.chunk())
            .await
            .expect("an end")
            .is_empty()
        {}
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_does_not_gain_by_it_is_left_alone() {
    for (lines, letters) in [
        ("Content-Type: application/json\r\n", 1_023),
        ("Content-Type: image/png\r\n", 10_000),
        (
            "Content-Type: text/plain\r\nContent-Encoding: gzip\r\n",
            10_000,
        ),
        (
            "Content-Type: text/plain\r\nContent-Encoding: br\r\n",
            10_000,
        ),
        (
            "Content-Type: text/plain\r\nCache-Control: no-transform\r\n",
            10_000,
        ),
        ("Content-Type: text/event-stream\r\n", 10_000),
        ("", 10_000),
    ] {
        let (edge, _task) = edge(said(lines, letters), &Encoding::ALL).await;
        let (head, body) = get(&edge, "GET", "Accept-Encoding: gzip, zstd\r\n").await;
        assert_eq!(body, vec![b'a'; letters], "{lines}");
        assert_eq!(head.one("vary"), None, "{lines}");
        let before = lines.contains("Content-Encoding");
        assert_eq!(head.one("content-encoding").is_some(), before, "{lines}");
    }
    // And nothing is compressed that nobody asked to have compressed.
    let (edge, _task) = edge(said(JSON, 10_000), &[]).await;
    let (head, body) = get(&edge, "GET", "Accept-Encoding: gzip\r\n").await;
    assert_eq!((head.one("vary"), body.len()), (None, 10_000));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn grpc_route_is_not_compressed_and_keeps_its_trailers() {
    let task = GrpcTask::start().await;
    let service = Service::new("echo", "grpc://echo.test").middleware(|it| {
        it.compress = Encoding::ALL.to_vec();
    });
    let edge = Edge::start(&[service.at(task.address)]).await;
    let mut client = http2::Client::connect(edge.internal).await;
    // Also what says that it is no gRPC: anything that comes by HTTP/2 may have trailers.
    for (method, kind) in [("Say", "application/grpc+proto"), ("Text", "text/plain")] {
        let request = Request::post(format!("http://echo.test/pkg.Echo/{method}"))
            .header("content-type", kind)
            .header("accept-encoding", "gzip")
            .body(());
        let (response, mut stream) = client.start(request.unwrap(), false).await.unwrap();
        let message = Bytes::from(vec![b'a'; 10_000]);
        http2::push(&mut stream, message, true).await.unwrap();
        let answer = http2::answer(response).await.unwrap();
        assert_eq!(answer.headers["content-type"], kind);
        assert_eq!(answer.headers.get("content-encoding"), None, "{kind}");
        assert_eq!(answer.body, "a".repeat(10_000), "{kind}");
        let trailers = answer.trailers.expect("trailers");
        assert_eq!(trailers["grpc-status"], "0", "{kind}");
        assert_eq!(trailers["x-trailer"], "kept", "{kind}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_of_http_1_are_dropped_and_leave_the_answer_whole() {
    let text = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTrailer: X-Trailer\r\nTransfer-Encoding: chunked\r\n\r\n\
        5\r\nwhole\r\n0\r\nX-Trailer: lost\r\n\r\n";
    for offered in [&[][..], &Encoding::ALL[..]] {
        let (edge, task) = edge(Behaviour::Say(text), offered).await;
        let (head, body) = get(&edge, "GET", "Accept-Encoding: gzip\r\n").await;
        let body = match head.one("content-encoding") {
            Some(encoding) => decompressed(encoding, &body),
            None => body,
        };
        assert_eq!(body, b"whole");
        // The connections are fit for what comes next.
        let mut client = edge.client().await;
        for _ in 0..2 {
            client
                .send("GET / HTTP/1.1\r\nHost: web.test\r\n\r\n")
                .await;
            bounded(client.wire.head()).await.expect("a head");
            assert_eq!(bounded(client.wire.chunk()).await, Some(b"whole".to_vec()));
            assert_eq!(
                bounded(client.wire.exactly(5)).await,
                Some(b"0\r\n\r\n".to_vec())
            );
        }
        assert_eq!(task.requests().len(), 3);
    }
}
