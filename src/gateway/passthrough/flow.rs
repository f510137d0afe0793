//! What goes to and fro on a connection that is passed on: bytes, their count, and how it ends.
//!
//! # Design notes
//!
//! Two buffers of fixed size a connection, and no more is read from one side than the other takes. When one side has
//! ended its half the other is told so, and goes on until it ends its own. Silence is silence of both directions: a dump of
//! a database is an hour of one side's bytes.

use std::io;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional_with_sizes};
use tokio::time::{Instant, sleep_until};

use crate::gateway::local_reply::upstream_failure;
use crate::observe::metrics::TcpFigures;

/// What is read at once, in each direction: a whole record of TLS.
const PIECE: usize = 16 * 1024;

/// How it ended.
#[derive(Debug)]
pub(super) enum End {
    /// Both sides have ended it.
    Closed,
    /// Neither has said anything for too long.
    Idle,
    /// One of them has broken it off.
    Broken {
        /// It was the system that gave a side up, which did not answer it any more.
        given_up: bool,
    },
}

/// What has gone to and fro so far.
pub(super) struct Flow<'a> {
    figures: &'a TcpFigures,
    started: Instant,
    /// When something went last, in milliseconds since it started.
    last: AtomicU64,
    client: Half,
    task: Half,
}

/// One side's part in it.
#[derive(Default)]
struct Half {
    sent: AtomicU64,
    ended: AtomicBool,
    broken: AtomicBool,
    /// It ended before the other had, and without a word.
    silent: AtomicBool,
}

impl<'a> Flow<'a> {
    pub(super) fn new(figures: &'a TcpFigures) -> Self {
        Self {
            figures,
            started: Instant::now(),
            last: AtomicU64::new(0),
            client: Half::default(),
            task: Half::default(),
        }
    }

    /// How many bytes the client has sent, and how many the task.
    pub(super) fn bytes(&self) -> (u64, u64) {
        let read = |half: &Half| half.sent.load(Ordering::Relaxed);
        (read(&self.client), read(&self.task))
    }

    /// Whether the task has sent anything.
    pub(super) fn is_answered(&self) -> bool {
        self.task.sent.load(Ordering::Relaxed) > 0
    }

    /// Passes on what comes until both sides have ended, or nothing has come from either for this time. `answered` is
    /// called with the first bytes of the task.
    pub(super) async fn pass(
        &self,
        client: impl AsyncRead + AsyncWrite + Unpin,
        task: impl AsyncRead + AsyncWrite + Unpin,
        idle: Duration,
        answered: impl FnOnce() + Unpin,
    ) -> End {
        let none: Option<fn()> = None;
        let mut client = Side::new(self, client, &self.client, none);
        let mut task = Side::new(self, task, &self.task, Some(answered));
        let copied = copy_bidirectional_with_sizes(&mut client, &mut task, PIECE, PIECE);
        let mut copied = pin!(copied);
        loop {
            let until = self.last() + idle;
            tokio::select! {
                biased;
                copied = &mut copied => return match copied {
                    Ok(_) => End::Closed,
                    Err(error) => End::Broken { given_up: upstream_failure::given_up(&error) },
                },
                () = sleep_until(until) => {
                    if self.last() + idle <= Instant::now() {
                        return End::Idle;
                    }
                }
            }
        }
    }

    fn last(&self) -> Instant {
        self.started + Duration::from_millis(self.last.load(Ordering::Relaxed))
    }

    fn moved(&self) {
        let since = self.started.elapsed().as_millis();
        let since = u64::try_from(since).unwrap_or(u64::MAX);
        self.last.store(since, Ordering::Relaxed);
    }
}

impl End {
    /// Whether it says that the task is broken: it has vanished, or has hung up on a client that waited for its first word.
    pub(super) fn is_the_tasks_fault(&self, flow: &Flow<'_>) -> bool {
        let task = &flow.task;
        let silent = task.silent.load(Ordering::Relaxed);
        let vanished = matches!(self, Self::Broken { given_up: true });
        silent || (vanished && task.broken.load(Ordering::Relaxed))
    }
}

/// One side of the connection, counted.
struct Side<'a, S, F> {
    flow: &'a Flow<'a>,
    stream: S,
    half: &'a Half,
    first: Option<F>,
}

impl<'a, S: Unpin, F: FnOnce() + Unpin> Side<'a, S, F> {
    fn new(flow: &'a Flow<'a>, stream: S, half: &'a Half, first: Option<F>) -> Self {
        Self {
            flow,
            stream,
            half,
            first,
        }
    }

    fn is_client(&self) -> bool {
        std::ptr::eq(self.half, &raw const self.flow.client)
    }

    fn read(&mut self, count: usize) {
        if count == 0 {
            self.half.ended.store(true, Ordering::Relaxed);
            return self.hung_up();
        }
        self.flow.moved();
        let count = count as u64;
        self.half.sent.fetch_add(count, Ordering::Relaxed);
        match self.is_client() {
            true => self.flow.figures.received(count),
            false => self.flow.figures.sent(count),
        }
        if let Some(first) = self.first.take() {
            first();
        }
    }

    fn broke(&self) {
        self.half.broken.store(true, Ordering::Relaxed);
        self.hung_up();
    }

    /// Nothing more comes from here.
    fn hung_up(&self) {
        let client = &self.flow.client;
        let gone = client.ended.load(Ordering::Relaxed) || client.broken.load(Ordering::Relaxed);
        if !self.is_client() && !gone && self.half.sent.load(Ordering::Relaxed) == 0 {
            self.half.silent.store(true, Ordering::Relaxed);
        }
    }
}

impl<S: AsyncRead + Unpin, F: FnOnce() + Unpin> AsyncRead for Side<'_, S, F> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let side = self.get_mut();
        let before = buffer.filled().len();
        let read = ready!(Pin::new(&mut side.stream).poll_read(context, buffer));
        match &read {
            Ok(()) => side.read(buffer.filled().len() - before),
            Err(_) => side.broke(),
        }
        Poll::Ready(read)
    }
}

impl<S: AsyncWrite + Unpin, F: FnOnce() + Unpin> AsyncWrite for Side<'_, S, F> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let side = self.get_mut();
        let written = ready!(Pin::new(&mut side.stream).poll_write(context, bytes));
        match &written {
            Ok(_) => side.flow.moved(),
            Err(_) => side.broke(),
        }
        Poll::Ready(written)
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
