//! Clients that take their answers at a trickle hold a connection and a place at their task: they are ended. A client that only
//! has a slow line is not, nor one whose task is slow.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hiveway::gateway::Config;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, Sleep, sleep};

use crate::bounded::bounded;
use crate::pause::pause;

use super::edge::Edge;
use super::http2::{self, get, head};
use super::origin::{Behaviour, Origin, origins};
use super::service::Service;

/// More than all buffers between a task and its client hold.
const LARGE: usize = 100_000_000;

const PATIENCE: Duration = Duration::from_millis(500);

/// The rate that is asked for, in bytes a second.
const RATE: u32 = 100_000;

/// One in which clients have to be fast.
pub(super) fn hasty(config: &mut Config) {
    config.limits.min_body_rate = NonZeroU32::new(RATE);
    config.limits.body_patience = PATIENCE;
}

async fn stage() -> (Edge, Origin) {
    patient_stage(PATIENCE).await
}

async fn patient_stage(patience: Duration) -> (Edge, Origin) {
    let [task] = origins([Behaviour::Hand]).await;
    let services = [Service::new("web", "web.test").endpoints([&task])];
    let change = |config: &mut Config| {
        hasty(config);
        config.limits.body_patience = patience;
    };
    (Edge::start_with(change, &services).await, task)
}

/// A client's connection of which it reads a little now and then.
pub(super) struct Sips {
    stream: TcpStream,
    size: usize,
    every: Duration,
    pause: Pin<Box<Sleep>>,
}

impl Sips {
    /// One that takes a tenth of what it has to.
    pub(super) async fn slowly(to: SocketAddr) -> Self {
        Self::connect(to, 500, 4_096).await
    }

    /// One that reads `size` bytes every 50 ms, and whose kernel has room for so much.
    async fn connect(to: SocketAddr, size: usize, room: u32) -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(room).expect("an option");
        let stream = bounded(socket.connect(to)).await.expect("a listener");
        Self {
            stream,
            size,
            every: Duration::from_millis(50),
            pause: Box::pin(sleep(Duration::ZERO)),
        }
    }
}

impl AsyncRead for Sips {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(self.pause.as_mut().poll(context));
        let mut bytes = vec![0; self.size.min(buffer.remaining())];
        let mut sip = ReadBuf::new(&mut bytes);
        ready!(Pin::new(&mut self.stream).poll_read(context, &mut sip))?;
        buffer.put_slice(sip.filled());
        let next = Instant::now() + self.every;
        self.pause.as_mut().reset(next);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Sips {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Sends an answer without an end until the task learns that nobody wants it.
pub(super) async fn pour(task: &Origin) {
    let mut exchange = task.handed().await;
    let said = format!("HTTP/1.1 200 OK\r\nContent-Length: {LARGE}0000\r\n\r\n");
    exchange.wire.send(said).await.expect("it is read");
    let part = vec![b'd'; 1_000_000];
    while exchange.wire.send(&part).await.is_ok() {}
}

/// Asks for that answer and takes it at the stream's pace. Returns once the task is free again.
pub(super) async fn drip(mut stream: impl AsyncRead + AsyncWrite + Unpin, task: &Origin) {
    let asked = stream.write_all(b"GET / HTTP/1.1\r\nHost: web.test\r\n\r\n");
    bounded(asked).await.expect("it is read");
    let read = async {
        let mut bytes = [0; 1_000];
        while matches!(stream.read(&mut bytes).await, Ok(1..)) {}
        std::future::pending::<()>().await;
    };
    let poured = async {
        tokio::select! {
            () = pour(task) => {}
            () = read => {}
        }
    };
    bounded(poured).await;
}

/// Waits until a line stands in the metrics.
async fn shows(edge: &Edge, line: &str) {
    let shown = async {
        while !edge.metrics.render(None).contains(&format!("{line}\n")) {
            tokio::task::yield_now().await;
        }
    };
    bounded(shown).await;
}

const CUT_ONE: &str = "hiveway_refused_connections_total{reason=\"slow-reader\"} 1";

fn cut(edge: &Edge) -> u64 {
    edge.metrics.refused_connections("slow-reader").get()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_taken_at_a_trickle_is_cut_off() {
    let (edge, task) = stage().await;
    drip(Sips::slowly(edge.internal).await, &task).await;
    shows(&edge, CUT_ONE).await;
    // It says nothing of the task, which gets the next request.
    let mut client = edge.client().await;
    client
        .send("GET / HTTP/1.1\r\nHost: web.test\r\n\r\n")
        .await;
    let said = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    task.handed().await.wire.send(said).await.unwrap();
    assert_eq!(client.answer("GET").await.body, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_of_http_2_that_is_read_at_a_trickle_is_ended() {
    let (edge, task) = stage().await;
    let stream = Sips::slowly(edge.internal).await;
    // The windows are no hindrance.
    let opening = h2::client::Builder::new()
        .initial_window_size(1 << 30)
        .initial_connection_window_size(1 << 30)
        .handshake::<_, bytes::Bytes>(stream);
    let (mut send, connection) = bounded(opening).await.expect("an HTTP/2 server");
    let asked = send.send_request(get("web.test", "/"), true);
    let (_response, _) = asked.expect("an open connection");
    let ended = async {
        pour(&task).await;
        // The request may be ended for itself a moment before its connection is.
        shows(&edge, "hiveway_connections{listener=\"internal\"} 0").await;
    };
    let driven = async {
        let _ = connection.await;
        std::future::pending::<()>().await;
    };
    let ended = async {
        tokio::select! {
            () = ended => {}
            () = driven => {}
        }
    };
    bounded(ended).await;
    assert!(cut(&edge) >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_of_http_2_that_is_given_no_room_ends_alone() {
    let (edge, task) = stage().await;
    let mut client = http2::Client::connect(edge.internal).await;
    let (response, _) = client.start(get("web.test", "/"), true).await.unwrap();
    let stalled = async {
        let mut body = head(response).await.expect("a head").into_body();
        loop {
            // What arrives is never said to be read.
            if let Err(error) = body.data().await.expect("no end") {
                return error;
            }
        }
    };
    let ended = bounded(async { tokio::join!(pour(&task), stalled) }).await;
    assert!(ended.1.is_reset() && ended.1.is_remote(), "{:?}", ended.1);
    shows(&edge, CUT_ONE).await;
    let (response, _) = client.start(get("web.test", "/"), true).await.unwrap();
    let said = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    task.handed().await.wire.send(said).await.unwrap();
    assert_eq!(http2::answer(response).await.unwrap().body, "ok");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn client_above_the_minimum_rate_gets_its_whole_response() {
    const SIZE: usize = 12_000_000;
    // It takes twice as long, and a busy machine may hold the client up.
    let (edge, task) = patient_stage(PATIENCE * 6).await;
    // Twenty times what it has to, which is slow beside what the task sends.
    let mut stream = Sips::connect(edge.internal, 100_000, 65_536).await;
    let asked = stream.write_all(b"GET / HTTP/1.1\r\nHost: web.test\r\nConnection: close\r\n\r\n");
    asked.await.expect("it is read");
    let mut exchange = task.handed().await;
    let send = async {
        let said = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
        exchange.wire.send(said).await.expect("it is read");
        exchange
            .wire
            .send(vec![b'd'; SIZE])
            .await
            .expect("it is read");
    };
    let receive = async {
        let mut bytes = vec![0; 100_000];
        let mut received = 0;
        loop {
            match stream.read(&mut bytes).await.expect("a whole answer") {
                0 => return received,
                count => received += count,
            }
        }
    };
    let ((), received) = bounded(async { tokio::join!(send, receive) }).await;
    assert!(received > SIZE, "{received}");
    assert_eq!(cut(&edge), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_time_in_which_a_task_says_nothing_is_nobodys_fault() {
    const SIZE: usize = 10_000_000;
    let patience = PATIENCE * 4;
    let (edge, task) = patient_stage(patience).await;
    let mut client = edge.client().await;
    client
        .send("GET / HTTP/1.1\r\nHost: web.test\r\n\r\n")
        .await;
    let mut exchange = task.handed().await;
    let said = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", 2 * SIZE);
    exchange.wire.send(said).await.unwrap();
    for turn in 0..2 {
        let part = vec![b'd'; SIZE];
        // What waits has to wait, but never for long.
        let read = async {
            pause(patience / 8).await;
            if turn == 0 {
                client.wire.head().await.expect("the head");
            }
            client.wire.discard(SIZE).await
        };
        let (sent, read) = bounded(async { tokio::join!(exchange.wire.send(&part), read) }).await;
        sent.unwrap();
        assert_eq!(read, SIZE);
        pause(patience * 2).await;
    }
    assert_eq!(cut(&edge), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_rate_a_client_may_take_its_time() {
    const SIZE: usize = 20_000_000;
    let [task] = origins([Behaviour::Hand]).await;
    let change = |config: &mut Config| {
        hasty(config);
        config.limits.min_body_rate = None;
    };
    let services = [Service::new("web", "web.test").endpoints([&task])];
    let edge = Edge::start_with(change, &services).await;
    let mut client = edge.client().await;
    client
        .send("GET / HTTP/1.1\r\nHost: web.test\r\n\r\n")
        .await;
    let mut exchange = task.handed().await;
    let said = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
    exchange.wire.send(said).await.unwrap();
    let part = vec![b'd'; SIZE];
    let read = async {
        pause(PATIENCE * 3).await;
        client.wire.head().await.expect("the head");
        client.wire.discard(SIZE).await
    };
    let (sent, read) = bounded(async { tokio::join!(exchange.wire.send(&part), read) }).await;
    sent.unwrap();
    assert_eq!(read, SIZE);
}
