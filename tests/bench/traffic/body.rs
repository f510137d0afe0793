//! Bodies of 1 MiB, one after another on a connection of HTTP/1.1.

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::HOST;
use crate::backend::{LARGE_BODY, LARGE_PATH};
use crate::client::{announced, answer, check};
use crate::load::Exchange;

/// The size of a read.
const READ: usize = 64 * 1024;

/// Answers with large bodies.
pub(crate) struct Download {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl Download {
    pub(crate) fn new(stream: TcpStream) -> Self {
        let request = format!("GET {LARGE_PATH} HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
        Self {
            stream,
            request: request.into_bytes(),
            buffer: vec![0; READ],
        }
    }
}

impl Exchange for Download {
    async fn exchange(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.request).await?;
        let mut filled = 0;
        let (end, answer) = loop {
            filled += read(&mut self.stream, &mut self.buffer[filled..]).await?;
            if let Some(head) = announced(&self.buffer[..filled])? {
                break head;
            }
        };
        let length = answer.body;
        ensure!(
            length == LARGE_BODY,
            "a body of {length} bytes, not {LARGE_BODY}"
        );
        let mut received = filled - end;
        while received < length {
            received += read(&mut self.stream, &mut self.buffer).await?;
        }
        ensure!(received == length, "bytes behind the body");
        Ok(())
    }
}

/// Requests with large bodies.
pub(crate) struct Upload {
    stream: TcpStream,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl Upload {
    pub(crate) fn new(stream: TcpStream) -> Self {
        let head = format!(
            "POST / HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {LARGE_BODY}\r\n\
             Content-Type: application/octet-stream\r\n\r\n"
        );
        let mut request = head.into_bytes();
        request.resize(request.len() + LARGE_BODY, b'x');
        Self {
            stream,
            request,
            buffer: vec![0; READ],
        }
    }
}

impl Exchange for Upload {
    async fn exchange(&mut self) -> anyhow::Result<()> {
        self.stream.write_all(&self.request).await?;
        let mut filled = 0;
        loop {
            filled += read(&mut self.stream, &mut self.buffer[filled..]).await?;
            if let Some(answer) = answer(&self.buffer[..filled])? {
                return check(&answer);
            }
        }
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> anyhow::Result<usize> {
    let read = stream.read(buffer).await.context("reading")?;
    ensure!(read > 0, "the proxy closed a connection");
    Ok(read)
}
