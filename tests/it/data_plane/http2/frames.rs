//! Frames of HTTP/2 written by hand, for what no client's library would send.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use crate::bounded::bounded;

use super::super::socket::Socket;
use super::super::wire::Wire;

pub(in super::super) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(in super::super) const DATA: u8 = 0;
pub(in super::super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(in super::super) const RST_STREAM: u8 = 3;
pub(in super::super) const SETTINGS: u8 = 4;
pub(super) const PUSH_PROMISE: u8 = 5;
pub(in super::super) const PING: u8 = 6;
pub(in super::super) const GO_AWAY: u8 = 7;
pub(in super::super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(in super::super) const ACK: u8 = 1;
pub(in super::super) const END_STREAM: u8 = 1;
pub(in super::super) const END_HEADERS: u8 = 4;
pub(super) const PADDED: u8 = 8;
pub(super) const PRIORITISED: u8 = 32;

/// `ENHANCE_YOUR_CALM`, the reason for those who ask too much.
pub(in super::super) const CALM: u32 = 11;

/// One frame.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(in super::super) kind: u8,
    pub(in super::super) flags: u8,
    pub(in super::super) stream: u32,
    pub(in super::super) payload: Vec<u8>,
}

impl Frame {
    /// The status of an answer, where it is one of those that HPACK has a number for.
    pub(super) fn status(&self) -> Option<u16> {
        let known = [200, 204, 206, 304, 400, 404, 500];
        let first = *self.payload.first().filter(|_| self.kind == HEADERS)?;
        known.get(usize::from(first).checked_sub(0x88)?).copied()
    }

    /// Whether it is no part of an answer.
    pub(in super::super) fn is_control(&self) -> bool {
        self.kind != HEADERS && self.kind != DATA
    }

    /// The reason of a reset or a farewell.
    pub(super) fn reason(&self) -> u32 {
        let place = if self.kind == GO_AWAY { 4 } else { 0 };
        let bytes = self.payload[place..place + 4]
            .try_into()
            .expect("four bytes");
        u32::from_be_bytes(bytes)
    }
}

/// A frame's bytes.
pub(in super::super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len())
        .expect("a small payload")
        .to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// A header in HPACK, written out and not to be remembered.
pub(in super::super) fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[0][..], &text(name), &text(value)].concat()
}

/// A text in HPACK, without Huffman's code.
pub(super) fn text(bytes: &[u8]) -> Vec<u8> {
    let mut coded = Vec::new();
    if bytes.len() < 127 {
        coded.push(u8::try_from(bytes.len()).expect("below 127"));
    } else {
        coded.push(127);
        let mut rest = bytes.len() - 127;
        while rest >= 128 {
            coded.push(u8::try_from(rest % 128).expect("below 128") | 128);
            rest /= 128;
        }
        coded.push(u8::try_from(rest).expect("below 128"));
    }
    coded.extend(bytes);
    coded
}

/// The list of headers of a GET, with more behind it.
pub(super) fn list(headers: &[(&str, &str)]) -> Vec<u8> {
    headers
        .iter()
        .flat_map(|(name, value)| literal(name.as_bytes(), value.as_bytes()))
        .collect()
}

/// The headers that every request has.
pub(super) const PLAIN: [(&str, &str); 4] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "web.test"),
    (":path", "/"),
];

/// A client's connection on which frames are written by hand.
pub(crate) struct RawClient {
    pub(in super::super) wire: Wire,
}

impl RawClient {
    /// One that has not said anything yet.
    pub(super) async fn silent(to: SocketAddr) -> Self {
        let stream = bounded(TcpStream::connect(to)).await.expect("a listener");
        Self::on(stream)
    }

    /// The same on a connection that was opened already.
    pub(in super::super) fn on(stream: impl Into<Socket>) -> Self {
        let wire = Wire::new(stream);
        Self { wire }
    }

    /// One that has opened as HTTP/2.
    pub(super) async fn connect(to: SocketAddr) -> Self {
        Self::silent(to).await.open().await
    }

    /// Opens as HTTP/2.
    pub(in super::super) async fn open(mut self) -> Self {
        let opening = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        self.send(opening).await;
        self
    }

    pub(in super::super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        bounded(self.wire.send(bytes)).await.expect("it is read");
    }

    /// Sends as much as the other side takes; false when it takes no more.
    pub(super) async fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        bounded(self.wire.send(bytes)).await.is_ok()
    }

    /// The next frame; none when the connection has ended.
    pub(in super::super) async fn next(&mut self) -> Option<Frame> {
        bounded(async {
            let head = self.wire.exactly(9).await?;
            let number = |bytes: &[u8]| {
                let bytes = bytes.iter().map(|byte| u32::from(*byte));
                bytes.fold(0, |number, byte| (number << 8) | byte)
            };
            let payload = self.wire.exactly(number(&head[..3]) as usize).await?;
            Some(Frame {
                kind: head[3],
                flags: head[4],
                stream: number(&head[5..9]),
                payload,
            })
        })
        .await
    }

    /// The next frame of these kinds; none when the connection has ended without one.
    pub(super) async fn next_of(&mut self, kinds: &[u8]) -> Option<Frame> {
        loop {
            let frame = self.next().await?;
            if kinds.contains(&frame.kind) {
                return Some(frame);
            }
        }
    }
}
