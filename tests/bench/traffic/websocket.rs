//! A WebSocket on which one message after another comes back.

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::HOST;
use crate::backend::{ECHO_PATH, WEBSOCKET_ACCEPT, head_end};
use crate::load::Exchange;

/// The length of a message.
const MESSAGE: usize = 64;

/// What opens a binary message in one frame.
const OPENS: u8 = 0x82;

/// An open WebSocket.
pub(crate) struct WebSocket {
    stream: TcpStream,
    /// A message as clients send them: masked.
    sent: Vec<u8>,
    /// The same as servers send them.
    expected: Vec<u8>,
    buffer: Vec<u8>,
}

impl WebSocket {
    /// Upgrades a connection.
    pub(crate) async fn open(mut stream: TcpStream) -> anyhow::Result<Self> {
        // The key of RFC 6455, section 1.3, whose answer is known.
        let request = format!(
            "GET {ECHO_PATH} HTTP/1.1\r\nHost: {HOST}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut head = Vec::new();
        while head_end(&head).is_none() {
            let read = stream.read_buf(&mut head).await.context("reading")?;
            ensure!(read > 0, "the proxy closed a connection");
        }
        let text = String::from_utf8_lossy(&head);
        ensure!(
            text.starts_with("HTTP/1.1 101 ") && text.contains(WEBSOCKET_ACCEPT),
            "answered {text:?}"
        );
        let message: Vec<u8> = (0..MESSAGE).map(|place| b'a' + place as u8 % 26).collect();
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let masked = message.iter().zip(mask.iter().cycle());
        let length = MESSAGE as u8;
        let mut sent = vec![OPENS, 0x80 | length];
        sent.extend(mask);
        sent.extend(masked.map(|(byte, mask)| byte ^ mask));
        Ok(Self {
            stream,
            sent,
            expected: [&[OPENS, length][..], &message].concat(),
            buffer: vec![0; 2 + MESSAGE],
        })
    }
}

impl Exchange for WebSocket {
    async fn exchange(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.sent).await.context("sending")?;
        let read = self.stream.read_exact(&mut self.buffer).await;
        read.context("reading")?;
        ensure!(
            self.buffer == self.expected,
            "another message than the one that was sent"
        );
        Ok(())
    }
}
