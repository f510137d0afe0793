//! The four servers behind every proxy: as cheap as a server can be, so that the core they share with the load has room.
//!
//! They answer every request with the same bytes, but for a path with a large answer and one where WebSockets come back.
//! Of the head they look at the first bytes, and where these say that a body follows, for its length.

use std::net::SocketAddr;
use std::sync::LazyLock;

use anyhow::{Context, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The length of every answer's body, that of nginx's welcome page.
pub(crate) const BODY_LENGTH: usize = 612;

/// Where the answer has a large body, and its length.
pub(crate) const LARGE_PATH: &str = "/large";
pub(crate) const LARGE_BODY: usize = 1024 * 1024;

/// Where messages come back.
pub(crate) const ECHO_PATH: &str = "/echo";

/// The answer to the one key that the load sends, as RFC 6455 works it out in section 1.3.
pub(crate) const WEBSOCKET_ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

static SMALL: LazyLock<Vec<u8>> = LazyLock::new(|| response(BODY_LENGTH));
static LARGE: LazyLock<Vec<u8>> = LazyLock::new(|| response(LARGE_BODY));

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
        connections.spawn(hold(stream));
        while connections.try_join_next().is_some() {}
    }
}

/// Answers until the proxy closes. An error means that it closed without saying so, which is its right, or that it sent
/// what the load does not; the load sees a connection that breaks.
async fn hold(stream: TcpStream) {
    let _ = answer(stream).await;
}

async fn answer(mut stream: TcpStream) -> anyhow::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    let mut filled = 0;
    stream.set_nodelay(true)?;
    loop {
        filled += read(&mut stream, &mut buffer[filled..]).await?;
        while let Some(end) = head_end(&buffer[..filled]) {
            let head = &buffer[..end];
            if head.starts_with(b"GET / ") {
                stream.write_all(&SMALL).await?;
            } else if head.starts_with(format!("GET {LARGE_PATH} ").as_bytes()) {
                stream.write_all(&LARGE).await?;
            } else if head.starts_with(b"POST / ") {
                let mut left = body_length(head)?;
                let taken = left.min(filled - end);
                buffer.copy_within(end + taken..filled, end);
                filled -= taken;
                left -= taken;
                while left > 0 {
                    let room = buffer.len().min(end + left);
                    left -= read(&mut stream, &mut buffer[end..room]).await?;
                }
                stream.write_all(&SMALL).await?;
            } else if head.starts_with(format!("GET {ECHO_PATH} ").as_bytes()) {
                let upgraded = format!(
                    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                     Sec-WebSocket-Accept: {WEBSOCKET_ACCEPT}\r\n\r\n"
                );
                stream.write_all(upgraded.as_bytes()).await?;
                return echo(stream).await;
            } else {
                bail!("a request that the load does not send");
            }
            buffer.copy_within(end..filled, 0);
            filled -= end;
        }
    }
}

/// Sends every message back, without the mask that clients put on it. The load waits for the upgrade and for each message,
/// so that they come one by one, and are short.
async fn echo(mut stream: TcpStream) -> anyhow::Result<()> {
    let mut frame = [0; 6 + 125];
    loop {
        stream.read_exact(&mut frame[..6]).await?;
        let [kind, length, mask @ ..] = [0, 1, 2, 3, 4, 5].map(|place: usize| frame[place]);
        ensure!((0x80..=0x80 + 125).contains(&length), "no short message");
        let length = usize::from(length & 0x7f);
        let message = &mut frame[..2 + length];
        (message[0], message[1]) = (kind, length as u8);
        stream.read_exact(&mut message[2..]).await?;
        for (byte, mask) in message[2..].iter_mut().zip(mask.iter().cycle()) {
            *byte ^= mask;
        }
        stream.write_all(message).await?;
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut [u8]) -> anyhow::Result<usize> {
    let read = stream.read(buffer).await?;
    ensure!(read > 0, "closed, or a head that does not fit");
    Ok(read)
}

/// The length that a head announces.
fn body_length(head: &[u8]) -> anyhow::Result<usize> {
    let head = std::str::from_utf8(head)?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let named = name.eq_ignore_ascii_case("content-length");
        named.then(|| value.trim().parse())
    });
    Ok(length.context("a body of no known length")??)
}

/// The whole answer: what nginx would say, with a body of so many bytes.
fn response(length: usize) -> Vec<u8> {
    let mut bytes = format!(
        "HTTP/1.1 200 OK\r\nServer: backend\r\nDate: Sun, 22 Nov 2026 12:00:00 GMT\r\nContent-Type: text/html\r\n\
         Content-Length: {length}\r\n\r\n"
    )
    .into_bytes();
    bytes.resize(bytes.len() + length, b'x');
    bytes
}

/// Where the first head in the bytes ends: behind its empty line.
pub(crate) fn head_end(bytes: &[u8]) -> Option<usize> {
    bytes
        .windows(4)
        .position(|window| window == b"\r\n\r\n")
        .map(|start| start + 4)
}
