//! The load: connections that send as fast as they are answered, and a crowd of idle ones.
//!
//! Each kind runs as a process of its own on the core that the proxy does not have, prints one line of JSON, and reads the
//! proxy's CPU clock itself, at the two ends of the measured window.

use std::io::Read;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::client::{Answer, HOST, answer, check, request};
use crate::meter::{Meter, Reading};

/// How long one answer may take. Beyond it the run is no result.
pub(crate) const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// The size of a read; an answer fits.
pub(crate) const READ: usize = 4096;

/// What a measured window gave.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Window {
    /// Requests whose answers were right and came inside the window.
    pub(crate) requests: u64,
    /// How long the window was.
    pub(crate) seconds: f64,
    /// User and system time of the proxy's processes in the window, in microseconds.
    pub(crate) cpu_micros: f64,
    /// Requests that were due in the window and not sent by its end. Only the open loop can have them.
    pub(crate) unsent: u64,
    /// How many cores processes used that have no part in the measurement.
    pub(crate) others: f64,
    /// Latencies in milliseconds, counted from the time at which the request was due. Only the open loop has them.
    pub(crate) latency: Option<Latency>,
    /// Megabytes of the proxy's processes, which the one who started them adds.
    pub(crate) resident: Option<Resident>,
}

/// Resident memory in megabytes (10^6 bytes).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Resident {
    /// After the first request.
    pub(crate) ready: f64,
    /// The most since the start, read after the window.
    pub(crate) peak: f64,
}

impl Window {
    /// What went by between two readings.
    pub(crate) fn between(requests: u64, time: Duration, before: Reading, after: Reading) -> Self {
        let others = after.others.saturating_sub(before.others);
        Self {
            requests,
            seconds: time.as_secs_f64(),
            cpu_micros: after.proxy.saturating_sub(before.proxy).as_secs_f64() * 1e6,
            others: others.as_secs_f64() / time.as_secs_f64(),
            unsent: 0,
            latency: None,
            resident: None,
        }
    }

    /// Requests a second.
    pub(crate) fn rate(&self) -> f64 {
        self.requests as f64 / self.seconds
    }

    /// The proxy's CPU time in microseconds, user and system, of one request.
    pub(crate) fn cpu_per_request(&self) -> f64 {
        self.cpu_micros / self.requests as f64
    }

    /// The share of a core that the proxy used.
    pub(crate) fn core(&self) -> f64 {
        self.cpu_micros / (self.seconds * 1e6)
    }
}

/// Three points of a distribution of latencies, in milliseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Latency {
    /// Half of the requests took no longer.
    pub p50: f64,
    /// One in a hundred took longer.
    pub p99: f64,
    /// One in a thousand took longer.
    pub p999: f64,
}

/// What is done over and over.
pub(crate) trait Exchange: Send + 'static {
    /// Does it once, to its end; the error says what was not right.
    fn exchange(&mut self) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// Requests of HTTP/1.1 over so many connections.
pub(crate) async fn plain(
    target: SocketAddr,
    connections: usize,
) -> anyhow::Result<Vec<Connection>> {
    let mut open = Vec::with_capacity(connections);
    for number in 0..connections {
        open.push(Connection::new(connect(target, number).await?, HOST));
    }
    Ok(open)
}

/// Does everything again as soon as it is done. `requests` ends the run by number instead of by time, which is what an
/// instruction count needs; it then has no warm-up.
pub(crate) async fn closed<E: Exchange>(
    exchanges: Vec<E>,
    (warm_up, measured): (Duration, Duration),
    requests: Option<u64>,
    meter: &Meter,
) -> anyhow::Result<Window> {
    let done = Arc::new(AtomicU64::new(0));
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for mut it in exchanges {
        let (done, stop) = (Arc::clone(&done), Arc::clone(&stop));
        tasks.spawn(async move {
            while !stop.load(Ordering::Relaxed) {
                it.exchange().await?;
                if done.fetch_add(1, Ordering::Relaxed) + 1 >= requests.unwrap_or(u64::MAX) {
                    stop.store(true, Ordering::Relaxed);
                }
            }
            anyhow::Ok(())
        });
    }
    if requests.is_none() {
        first_failure_within(&mut tasks, warm_up).await?;
    }
    let (before, already) = (meter.read()?, done.load(Ordering::Relaxed));
    let start = Instant::now();
    if requests.is_none() {
        first_failure_within(&mut tasks, measured).await?;
    } else {
        while let Some(ended) = tasks.join_next().await {
            ended.context("a connection's task panicked")??;
        }
    }
    let (requests, seconds) = (done.load(Ordering::Relaxed) - already, start.elapsed());
    let window = Window::between(requests, seconds, before, meter.read()?);
    stop.store(true, Ordering::Relaxed);
    while let Some(ended) = tasks.join_next().await {
        ended.context("a connection's task panicked")??;
    }
    Ok(window)
}

/// Waits so long, or until a connection failed.
async fn first_failure_within(
    tasks: &mut JoinSet<anyhow::Result<()>>,
    time: Duration,
) -> anyhow::Result<()> {
    match timeout(time, tasks.join_next()).await {
        Ok(Some(ended)) => ended.context("a connection's task panicked")?,
        Ok(None) | Err(_) => Ok(()),
    }
}

/// Opens the connections, makes one request on each, says so on standard output, and holds them until standard input
/// ends. It is an error if one was closed meanwhile.
pub(crate) async fn idle(target: SocketAddr, connections: usize) -> anyhow::Result<()> {
    let mut held = Vec::with_capacity(connections);
    let mut opening = JoinSet::new();
    for number in 0..connections {
        if opening.len() >= 64 {
            held.extend(opening.join_next().await.transpose()?.transpose()?);
        }
        opening.spawn(async move {
            let mut connection = Connection::new(connect(target, number).await?, HOST);
            connection.exchange().await?;
            anyhow::Ok(connection.stream)
        });
    }
    while let Some(opened) = opening.join_next().await {
        held.push(opened??);
    }
    println!("{{\"ready\":true}}");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    let mut closed = 0;
    for stream in held {
        closed += usize::from(!still_open(&stream.into_std()?));
    }
    ensure!(
        closed == 0,
        "the proxy closed {closed} of {connections} idle connections"
    );
    Ok(())
}

/// Whether nothing came on a connection where nothing should come, its end least of all.
fn still_open(mut stream: &std::net::TcpStream) -> bool {
    matches!(stream.read(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

/// A keep-alive connection to the proxy.
pub(crate) struct Connection<S = TcpStream> {
    stream: S,
    request: Vec<u8>,
    buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Exchange for Connection<S> {
    /// One request and its answer, which is that of the backends.
    async fn exchange(&mut self) -> anyhow::Result<()> {
        check(&self.ask().await?)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Connection<S> {
    /// Takes over an open connection.
    pub(crate) fn new(stream: S, host: &str) -> Self {
        Self {
            stream,
            request: request(host),
            buffer: vec![0; READ],
        }
    }

    /// One request and its answer, whoever gave it.
    pub(crate) async fn ask(&mut self) -> anyhow::Result<Answer> {
        self.stream
            .write_all(&self.request)
            .await
            .context("sending")?;
        self.stream.flush().await.context("sending")?;
        let mut filled = 0;
        loop {
            let read = self
                .stream
                .read(&mut self.buffer[filled..])
                .await
                .context("reading")?;
            ensure!(read > 0, "the proxy closed a connection");
            filled += read;
            if let Some(answer) = answer(&self.buffer[..filled])? {
                return Ok(answer);
            }
        }
    }
}

/// Connects; on loopback from one of several addresses, so that no number of connections runs out of ports.
pub(crate) async fn connect(target: SocketAddr, number: usize) -> anyhow::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    if target.ip().is_loopback() {
        let source = Ipv4Addr::new(127, 1, 0, 1 + (number % 16) as u8);
        socket.bind(SocketAddr::from((source, 0)))?;
    }
    let stream = timeout(ANSWER_LIMIT, socket.connect(target))
        .await
        .with_context(|| format!("no connection to {target} in {ANSWER_LIMIT:?}"))?
        .with_context(|| format!("connecting to {target}"))?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Asks until a right answer comes, and says when it did.
pub(crate) async fn first_answer(
    target: SocketAddr,
    host: &str,
    within: Duration,
) -> anyhow::Result<Instant> {
    let attempt = || async {
        let mut connection = Connection::new(connect(target, 0).await?, host);
        connection.ask().await.map(drop)
    };
    let answered = first_success(within, attempt).await;
    answered.with_context(|| format!("no right answer from {target} in {within:?}"))
}

/// Tries until it succeeds, and says when it did; the error is that of the last attempt.
pub(crate) async fn first_success<F: Future<Output = anyhow::Result<()>>>(
    within: Duration,
    attempt: impl Fn() -> F,
) -> anyhow::Result<Instant> {
    let deadline = Instant::now() + within;
    loop {
        let error = match timeout(ANSWER_LIMIT, attempt()).await {
            Ok(Ok(())) => return Ok(Instant::now()),
            Ok(Err(error)) => error,
            Err(_) => anyhow!("no answer in {ANSWER_LIMIT:?}"),
        };
        if Instant::now() >= deadline {
            return Err(error);
        }
        sleep(Duration::from_millis(1)).await;
    }
}
