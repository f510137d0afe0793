//! The four servers behind every proxy: as cheap as a server can be, so that the core they share with the load has room.
//!
//! They answer every request head with the same bytes and look at nothing in it; the load sends no bodies.

use std::net::SocketAddr;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The length of every answer's body, that of nginx's welcome page.
pub(crate) const BODY_LENGTH: usize = 612;

/// Serves on all the addresses until the process is killed.
pub(crate) async fn serve(addresses: &[SocketAddr]) -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    for address in addresses {
        let listener = TcpListener::bind(address)
            .await
            .with_context(|| format!("binding backend {address}"))?;
        tasks.spawn(accept(listener));
    }
    println!("{{\"ready\":true}}");
    match tasks.join_next().await {
        Some(ended) => ended.context("a backend panicked")?,
        None => Ok(()),
    }
}

async fn accept(listener: TcpListener) -> anyhow::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await.context("accepting")?;
        connections.spawn(answer(stream));
        while connections.try_join_next().is_some() {}
    }
}

/// Answers until the proxy closes. An error means that it closed without saying so, which is its right.
async fn answer(mut stream: TcpStream) {
    let response = response();
    let mut buffer = vec![0; 16 * 1024];
    let mut filled = 0;
    if stream.set_nodelay(true).is_err() {
        return;
    }
    loop {
        match stream.read(&mut buffer[filled..]).await {
            Ok(read) if read > 0 => filled += read,
            _ => return,
        }
        while let Some(end) = head_end(&buffer[..filled]) {
            if stream.write_all(&response).await.is_err() {
                return;
            }
            buffer.copy_within(end..filled, 0);
            filled -= end;
        }
    }
}

/// The whole answer: what nginx would say, with a body of [`BODY_LENGTH`] bytes.
fn response() -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\nServer: backend\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\nContent-Type: text/html\r\n\
         Content-Length: {BODY_LENGTH}\r\n\r\n"
    )
    .into_bytes();
    bytes.resize(bytes.len() + BODY_LENGTH, b'x');
    bytes
}

/// Where the first head in the bytes ends: behind its empty line.
pub(crate) fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map(|start| start + 4)
}
