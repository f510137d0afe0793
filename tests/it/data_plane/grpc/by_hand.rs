//! A task that speaks HTTP/2 frame by frame, as a test tells it.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::TcpListener;

use crate::bounded::bounded;

use super::super::http2::RawClient;
use super::super::http2::frames::{
    ACK, DATA, END_HEADERS, END_STREAM, GO_AWAY, HEADERS, PING, PREFACE, RST_STREAM, SETTINGS,
    WINDOW_UPDATE, frame, literal,
};

/// A task that accepts connections only when a test wants one.
pub(super) struct TaskByHand {
    pub(super) address: SocketAddr,
    listener: TcpListener,
}

/// A connection to it.
pub(super) struct Connection {
    frames: RawClient,
    /// The stream that opened last.
    pub(super) last: u32,
}

/// A stream that has no part in what a test sends on the connection.
pub(super) const NO_STREAM: u32 = 0;

/// The greatest number of a stream, which a server that will close names first (RFC 9113, section
/// 6.8).
pub(super) const ANY_STREAM: u32 = (1 << 31) - 1;

impl TaskByHand {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
        let listener = listener.expect("a free port");
        let address = listener.local_addr().expect("a bound socket");
        Self { address, listener }
    }

    /// Two of one service: they have one port.
    pub(super) async fn pair() -> [Self; 2] {
        loop {
            let first = Self::start().await;
            let beside = (Ipv4Addr::new(127, 0, 0, 2), first.address.port());
            if let Ok(listener) = TcpListener::bind(beside).await {
                let address = listener.local_addr().expect("a bound socket");
                return [first, Self { address, listener }];
            }
        }
    }

    /// The next connection, opened as HTTP/2.
    pub(super) async fn connection(&self) -> Connection {
        let (stream, _) = bounded(self.listener.accept()).await.expect("a connection");
        let mut frames = RawClient::on(stream);
        let preface = bounded(frames.wire.exactly(PREFACE.len())).await;
        assert_eq!(preface.as_deref(), Some(PREFACE));
        // SETTINGS_INITIAL_WINDOW_SIZE, and the same for the connection: no test waits for windows.
        let room = (1_u32 << 20).to_be_bytes();
        let windows = [&[0, 4][..], &room].concat();
        let settings = [
            frame(SETTINGS, 0, NO_STREAM, &windows),
            frame(WINDOW_UPDATE, 0, NO_STREAM, &room),
            frame(SETTINGS, ACK, NO_STREAM, &[]),
        ];
        frames.send(settings.concat()).await;
        Connection { frames, last: 0 }
    }

    /// Whether nothing has connected that was not accepted.
    pub(super) async fn is_left_alone(&self) -> bool {
        let accepted = self.listener.accept();
        let soon = tokio::time::timeout(std::time::Duration::from_millis(100), accepted);
        soon.await.is_err()
    }
}

impl Connection {
    /// Waits for the next request and the first part of its body.
    pub(super) async fn part(&mut self) -> Vec<u8> {
        loop {
            let next = self.frames.next().await.expect("the connection goes on");
            match next.kind {
                HEADERS => self.last = next.stream,
                DATA => return next.payload,
                _ => {}
            }
        }
    }

    /// Waits for the next request to come whole, and gives its body.
    pub(super) async fn request(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            let next = self.frames.next().await.expect("the connection goes on");
            match next.kind {
                HEADERS => self.last = next.stream,
                DATA => body.extend(&next.payload),
                _ => continue,
            }
            if next.flags & END_STREAM != 0 {
                return body;
            }
        }
    }

    /// Answers the last request with a status of gRPC alone.
    pub(super) async fn answer(&mut self) {
        // The first is `:status: 200`, which HPACK has a number for.
        let headers = [
            vec![0x88],
            literal(b"content-type", b"application/grpc"),
            literal(b"grpc-status", b"0"),
        ];
        let flags = END_HEADERS | END_STREAM;
        let bytes = frame(HEADERS, flags, self.last, &headers.concat());
        self.frames.send(bytes).await;
    }

    /// Ends the last request with a reason.
    pub(super) async fn reset(&mut self, reason: u32) {
        let bytes = frame(RST_STREAM, 0, self.last, &reason.to_be_bytes());
        self.frames.send(bytes).await;
    }

    /// Says that no stream beyond `last` was worked on, and none will be.
    pub(super) async fn go_away(&mut self, last: u32, reason: u32) {
        let payload = [last.to_be_bytes(), reason.to_be_bytes()].concat();
        let bytes = frame(GO_AWAY, 0, NO_STREAM, &payload);
        self.frames.send(bytes).await;
    }

    /// Waits until the other side has read all that was sent: frames are read in their order.
    pub(super) async fn settled(&mut self) {
        self.frames.send(frame(PING, 0, NO_STREAM, &[0; 8])).await;
        while self.frames.next().await.expect("an answer").kind != PING {}
    }

    /// Waits until the other side has ended the connection.
    pub(super) async fn ended(&mut self) {
        while self.frames.next().await.is_some() {}
    }
}
