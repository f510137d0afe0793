//! One end of a connection, with what was received and not used yet.

use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;

use super::message::{Framing, Head};
use super::socket::Socket;

/// A connection of a client or of a task.
pub(super) struct Wire {
    stream: Socket,
    buffer: Vec<u8>,
    /// Where a task keeps all that it receives.
    record: Option<watch::Sender<Vec<u8>>>,
}

impl Wire {
    pub(super) fn new(stream: impl Into<Socket>) -> Self {
        let stream = stream.into();
        stream.tcp().set_nodelay(true).expect("an open socket");
        Self {
            stream,
            buffer: Vec::new(),
            record: None,
        }
    }

    /// A connection that also keeps what it receives elsewhere.
    pub(super) fn recorded(stream: TcpStream, record: watch::Sender<Vec<u8>>) -> Self {
        Self {
            record: Some(record),
            ..Self::new(stream)
        }
    }

    /// Reads from now on without keeping it elsewhere: what follows is large.
    pub(super) fn stop_recording(&mut self) {
        self.record = None;
    }

    /// This end's address.
    pub(super) fn address(&self) -> SocketAddr {
        self.stream.tcp().local_addr().expect("an open socket")
    }

    /// The connection's end will be a reset.
    pub(super) fn reset_when_dropped(&self) {
        self.stream.tcp().set_zero_linger().expect("an open socket");
    }

    pub(super) async fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref()).await?;
        self.stream.flush().await
    }

    /// Tells the other side that nothing more comes from this one.
    pub(super) async fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown().await
    }

    /// Receives more; 0 at the end.
    async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(64 * 1024);
        let before = self.buffer.len();
        let count = self.stream.read_buf(&mut self.buffer).await?;
        if let Some(record) = &self.record {
            record.send_modify(|all| all.extend_from_slice(&self.buffer[before..]));
        }
        Ok(count)
    }

    /// Everything up to and without `end`; none when the connection ends before that.
    pub(super) async fn until(&mut self, end: &[u8]) -> Option<Vec<u8>> {
        loop {
            let found = self.buffer.windows(end.len()).position(|it| it == end);
            if let Some(place) = found {
                let taken = self.buffer.drain(..place + end.len()).take(place);
                return Some(taken.collect());
            }
            if !matches!(self.fill().await, Ok(1..)) {
                return None;
            }
        }
    }

    /// The next head; none when the connection ends before it is whole.
    pub(super) async fn head(&mut self) -> Option<Head> {
        let text = self.until(b"\r\n\r\n").await?;
        Some(Head::parse(&String::from_utf8_lossy(&text)))
    }

    /// The next so many bytes; none when the connection ends before that.
    pub(super) async fn exactly(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < count {
            if !matches!(self.fill().await, Ok(1..)) {
                return None;
            }
        }
        Some(self.buffer.drain(..count).collect())
    }

    /// Whatever comes next, at least one byte; none at the end.
    pub(super) async fn some(&mut self) -> Option<Vec<u8>> {
        if self.buffer.is_empty() && !matches!(self.fill().await, Ok(1..)) {
            return None;
        }
        Some(std::mem::take(&mut self.buffer))
    }

    /// The next chunk of a chunked body, empty for the last; none when the connection ends or it is not well formed.
    pub(super) async fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = self.until(b"\r\n").await?;
        let size = usize::from_str_radix(std::str::from_utf8(&size).ok()?, 16).ok()?;
        let bytes = self.exactly(size).await?;
        (self.exactly(2).await? == b"\r\n").then_some(bytes)
    }

    /// A whole body; none when the connection ends before that.
    pub(super) async fn body(&mut self, framing: Framing) -> Option<Vec<u8>> {
        match framing {
            Framing::Length(length) => self.exactly(length).await,
            Framing::Chunked => {
                let mut body = Vec::new();
                loop {
                    let chunk = self.chunk().await?;
                    if chunk.is_empty() {
                        return Some(body);
                    }
                    body.extend(chunk);
                }
            }
            Framing::UntilClose => Some(self.rest().await),
        }
    }

    /// Everything that still comes before the other side closes.
    pub(super) async fn rest(&mut self) -> Vec<u8> {
        while matches!(self.fill().await, Ok(1..)) {}
        std::mem::take(&mut self.buffer)
    }

    /// Whether the connection ends here, and the other side said so.
    pub(super) async fn ended_well(&mut self) -> bool {
        matches!(self.fill().await, Ok(0)) && self.buffer.is_empty()
    }

    /// Receives so many bytes and forgets them; tells how many came.
    pub(super) async fn discard(&mut self, count: usize) -> usize {
        let mut left = count;
        loop {
            let now = self.buffer.len().min(left);
            self.buffer.drain(..now);
            left -= now;
            if left == 0 || !matches!(self.fill().await, Ok(1..)) {
                return count - left;
            }
        }
    }
}
