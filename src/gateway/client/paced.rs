//! Connections to clients that end those who take their answers too slowly.
//!
//! # Design notes
//!
//! A client that reads a byte now and then holds a connection, what waits for it, and a place at its task as long as it likes. Time
//! uses up its credit only while something waits to be written, so that a task may be as slow as it wants; what the client takes
//! earns of it ([`MinRate`]).
//!
//! What it takes is what its kernel has acknowledged. Ours is no measure: it takes nothing more until a third of its buffer is
//! free, which is megabytes, and for minutes then looks as if a slow line were a dead one. On kernels before 6.2, which do not
//! tell in the form that Pingora reads, whatever ours takes restores the whole credit.
//!
//! Nothing is measured, and no timer set, before a write has found the kernel's buffer full. From then on the timer goes on by
//! itself, and is looked at only while something waits: who reads fast pays for reading the clock as often as that buffer fills.
//!
//! Pingora's time-out for writes is not used on such connections. It bounds each piece of an answer, 256 KiB where a task is fast,
//! whatever the line makes of them; and it bounds neither heads nor the flush at the end, which a client could hold for ever.

use std::fmt;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use async_trait::async_trait;
use pingora::protocols::l4::ext::get_tcp_info;
use pingora::protocols::raw_connect::ProxyDigest;
use pingora::protocols::tls::SslDigest;
use pingora::protocols::{
    ALPN, GetProxyDigest, GetSocketDigest, GetTimingDigest, Peek, Shutdown, SocketDigest, Ssl,
    Stream, TimingDigest, UniqueID, UniqueIDType,
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::Client;
use super::pace::MinRate;
use crate::gateway::listener::acceptor::Acceptor;

/// Why a connection was ended, in metrics and the access log.
pub(crate) const SLOW_READER: &str = "slow-reader";

/// How often within its patience a client is looked at that something waits for.
const LOOKS: u32 = 8;

/// A client's connection.
pub(crate) struct SlowClientGuard {
    inner: Stream,
    floor: MinRate,
    acceptor: Arc<Acceptor>,
    client: Arc<Client>,
    /// None while nothing ever had to wait.
    wait: Option<Box<Wait>>,
}

/// How long things waited to be written, and what was taken meanwhile.
struct Wait {
    /// Since when something waits that was not counted yet; none while nothing does.
    since: Option<Instant>,
    /// What was waited before that and since the last look.
    waited: Duration,
    /// Whether our kernel took anything since the last look.
    moved: bool,
    /// How many bytes the client had acknowledged at the last look.
    taken: u64,
    credit: Duration,
    /// The next look.
    alarm: Pin<Box<Sleep>>,
}

impl SlowClientGuard {
    /// A connection that is watched, where clients have to keep to a rate at all.
    pub(crate) fn on(stream: Stream, acceptor: &Arc<Acceptor>, client: &Arc<Client>) -> Stream {
        let Some(floor) = MinRate::of(acceptor.limits) else {
            return stream;
        };
        Box::new(Self {
            inner: stream,
            floor,
            acceptor: acceptor.clone(),
            client: client.clone(),
            wait: None,
        })
    }

    /// The connection as it was before.
    pub(crate) fn bare(stream: Stream) -> Stream {
        if !stream.as_any().is::<Self>() {
            return stream;
        }
        let paced = stream.into_any().downcast::<Self>();
        paced.expect("it is one, as it has just said").inner
    }

    /// To be told of all that was tried to be written.
    fn note<T>(
        &mut self,
        context: &mut Context<'_>,
        tried: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if tried.is_pending() {
            self.wait(context)?;
        } else if let Some(wait) = &mut self.wait {
            wait.end();
        }
        tried
    }

    /// Fails once something has waited for too long.
    fn wait(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        let floor = self.floor;
        let wait = self.wait.get_or_insert_with(|| Box::new(Wait::new(floor)));
        wait.since.get_or_insert_with(Instant::now);
        while wait.alarm.as_mut().poll(context).is_ready() {
            // The connection's number is its socket's.
            let taken = get_tcp_info(self.inner.id()).map(|it| it.tcpi_bytes_acked);
            if self.client.lagged_behind() || !wait.look(floor, taken.ok(), Instant::now()) {
                if self.client.lags_behind() {
                    self.acceptor.metrics.refused_connections(SLOW_READER).inc();
                }
                let error = "the client takes its answer too slowly";
                return Err(io::Error::new(io::ErrorKind::TimedOut, error));
            }
        }
        Ok(())
    }
}

impl Wait {
    fn new(floor: MinRate) -> Self {
        Self {
            since: None,
            waited: Duration::ZERO,
            moved: false,
            taken: 0,
            credit: floor.patience,
            alarm: Box::pin(sleep_until(Instant::now() + floor.patience / LOOKS)),
        }
    }

    /// Nothing waits any more.
    fn end(&mut self) {
        if let Some(since) = self.since.take() {
            self.waited += since.elapsed();
            self.moved = true;
        }
    }

    /// Judges what has happened since the last look; false when the client is too slow. `taken` is how much it has acknowledged
    /// in all, where that is known.
    fn look(&mut self, floor: MinRate, taken: Option<u64>, now: Instant) -> bool {
        self.alarm.as_mut().reset(now + floor.patience / LOOKS);
        let waits = self.since.replace(now).map(|since| now - since);
        let waited = std::mem::take(&mut self.waited) + waits.unwrap_or_default();
        let moved = std::mem::take(&mut self.moved);
        let Some(taken) = taken else {
            if moved {
                self.credit = floor.patience;
                return true;
            }
            return floor.covers(&mut self.credit, 0, waited);
        };
        let bytes = taken.saturating_sub(std::mem::replace(&mut self.taken, taken));
        floor.covers(&mut self.credit, bytes, waited)
    }
}

impl fmt::Debug for SlowClientGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Paced").field(&self.inner).finish()
    }
}

impl AsyncRead for SlowClientGuard {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_read(context, buffer)
    }
}

impl AsyncWrite for SlowClientGuard {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.inner).poll_write(context, bytes);
        self.note(context, tried)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let tried = Pin::new(&mut self.inner).poll_flush(context);
        self.note(context, tried)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let tried = Pin::new(&mut self.inner).poll_write_vectored(context, parts);
        self.note(context, tried)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}

#[async_trait]
impl Shutdown for SlowClientGuard {
    async fn shutdown(&mut self) {
        self.inner.shutdown().await;
    }
}

impl Ssl for SlowClientGuard {
    fn get_ssl_digest(&self) -> Option<Arc<SslDigest>> {
        self.inner.get_ssl_digest()
    }

    fn selected_alpn_proto(&self) -> Option<ALPN> {
        self.inner.selected_alpn_proto()
    }
}

#[async_trait]
impl Peek for SlowClientGuard {}

impl UniqueID for SlowClientGuard {
    fn id(&self) -> UniqueIDType {
        self.inner.id()
    }
}

impl GetTimingDigest for SlowClientGuard {
    fn get_timing_digest(&self) -> Vec<Option<TimingDigest>> {
        self.inner.get_timing_digest()
    }

    fn get_read_pending_time(&self) -> Duration {
        self.inner.get_read_pending_time()
    }

    fn get_write_pending_time(&self) -> Duration {
        self.inner.get_write_pending_time()
    }
}

impl GetProxyDigest for SlowClientGuard {
    fn get_proxy_digest(&self) -> Option<Arc<ProxyDigest>> {
        self.inner.get_proxy_digest()
    }
}

impl GetSocketDigest for SlowClientGuard {
    fn get_socket_digest(&self) -> Option<Arc<SocketDigest>> {
        self.inner.get_socket_digest()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    const FLOOR: MinRate = MinRate {
        rate: NonZeroU32::new(100).expect("above zero"),
        patience: Duration::from_secs(60),
    };

    /// How a wait is judged of which each look sees so much taken after so many seconds of waiting.
    fn judged(looks: &[(Option<u64>, u64)]) -> Vec<bool> {
        let mut wait = Wait::new(FLOOR);
        let mut now = Instant::now();
        let mut judge = |&(taken, seconds): &(Option<u64>, u64)| {
            wait.since = Some(now);
            wait.moved = taken.is_none() && seconds < 60;
            now += Duration::from_secs(seconds);
            wait.look(FLOOR, taken, now)
        };
        looks.iter().map(&mut judge).collect()
    }

    #[tokio::test]
    async fn what_the_client_has_acknowledged_earns_and_waiting_costs() {
        let taken = |all: u64| Some(all);
        // What was taken before anything waited is no advance.
        let looks = [(taken(1 << 40), 10), (taken(1 << 40), 59)];
        assert_eq!(judged(&looks), [true, true]);
        let looks = [(taken(1 << 40), 10), (taken(1 << 40), 61)];
        assert_eq!(judged(&looks), [true, false]);
        let looks = [(taken(0), 30), (taken(3_000), 30), (taken(4_000), 50)];
        assert_eq!(judged(&looks), [true, true, false]);
    }

    #[tokio::test]
    async fn without_kernel_figures_a_write_restores_the_whole_credit() {
        let looks = [(None, 59), (None, 59), (None, 59), (None, 61)];
        assert_eq!(judged(&looks), [true, true, true, false]);
    }
}
