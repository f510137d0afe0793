//! A client that sends what it is told, byte for byte.

use std::net::{IpAddr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream};

use crate::bounded::bounded;

use super::message::Head;
use super::socket::Socket;
use super::wire::Wire;

/// A client's connection.
pub(super) struct Client {
    pub(super) wire: Wire,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) head: Head,
    pub(super) body: String,
}

impl Client {
    pub(super) async fn connect(to: SocketAddr) -> Self {
        let stream = bounded(TcpStream::connect(to)).await.expect("a listener");
        Self {
            wire: Wire::new(stream),
        }
    }

    /// A client on a connection that was opened already.
    pub(super) fn on(stream: impl Into<Socket>) -> Self {
        Self {
            wire: Wire::new(stream),
        }
    }

    /// A client with an address of its own.
    pub(super) async fn connect_from(from: IpAddr, to: SocketAddr) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind((from, 0).into()).expect("a loopback address");
        let stream = bounded(socket.connect(to)).await.expect("a listener");
        Self {
            wire: Wire::new(stream),
        }
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        bounded(self.wire.send(bytes)).await.expect("it is read");
    }

    /// A plain GET with further header lines, each ended by CRLF.
    pub(super) async fn get_with(&mut self, host: &str, path: &str, lines: &str) -> Answer {
        self.request(&format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\n{lines}\r\n"
        ))
        .await
    }

    pub(super) async fn get(&mut self, host: &str, path: &str) -> Answer {
        self.get_with(host, path, "").await
    }

    /// Sends a request and reads its answer.
    pub(super) async fn request(&mut self, text: &str) -> Answer {
        self.send(text).await;
        let method = text.split(' ').next().expect("a method");
        self.answer(method).await
    }

    /// The next answer.
    pub(super) async fn answer(&mut self, method: &str) -> Answer {
        self.try_answer(method).await.expect("a whole answer")
    }

    /// The next answer; none when the connection ends before it is whole.
    pub(super) async fn try_answer(&mut self, method: &str) -> Option<Answer> {
        bounded(async {
            let head = self.wire.head().await?;
            let body = self.wire.body(head.answer_framing(method)).await?;
            Some(Answer {
                status: head.status(),
                head,
                body: String::from_utf8(body).expect("text"),
            })
        })
        .await
    }

    /// Waits for the other side to close, and tells what it sent before.
    pub(super) async fn closed(&mut self) -> String {
        String::from_utf8_lossy(&bounded(self.wire.rest()).await).into_owned()
    }
}

impl Answer {
    /// Checks an answer of the gateway's own: its status, its reason, one line for people.
    #[track_caller]
    pub(super) fn assert_refused(&self, status: u16, reason: &str) {
        let shown = (self.status, self.head.one("x-hiveway-reason"));
        assert_eq!(shown, (status, Some(reason)), "{self:?}");
        let line = self.body.strip_suffix('\n').expect("a whole line");
        assert!(!line.is_empty() && !line.contains('\n'), "{self:?}");
    }
}
