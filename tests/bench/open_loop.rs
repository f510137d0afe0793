//! The open loop: a fixed rate, whatever the answers do, each latency counted from the time at which its request was due.
//!
//! # Design notes
//!
//! One blocking thread a connection: the runtime's timer ticks in milliseconds, which is more than a request takes,
//! while a parked thread wakes within microseconds.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::time::Instant;

use crate::client::{HOST, answer, check, request};
use crate::load::{ANSWER_LIMIT, Latency, READ, Window};
use crate::meter::Meter;

/// Sends so many requests a second over the connections, and measures after the warm-up.
pub(crate) fn run(
    target: SocketAddr,
    connections: usize,
    rate: u64,
    (warm_up, measured): (Duration, Duration),
    meter: &Meter,
) -> anyhow::Result<Window> {
    let of = |time: Duration| (rate as f64 * time.as_secs_f64()) as u64;
    let schedule = Schedule {
        start: Instant::now() + Duration::from_millis(200),
        rate,
        warm: of(warm_up),
        total: of(warm_up) + of(measured),
        next: AtomicU64::new(0),
    };
    let mut latencies = Vec::new();
    let (before, after, unsent) = thread::scope(|scope| {
        let send = || send(target, &schedule);
        let threads: Vec<_> = (0..connections).map(|_| scope.spawn(send)).collect();
        park_until(schedule.due(schedule.warm));
        let before = meter.read()?;
        park_until(schedule.due(schedule.total));
        let after = meter.read()?;
        let unsent = schedule
            .total
            .saturating_sub(schedule.next.load(Ordering::Relaxed));
        for thread in threads {
            latencies.extend(thread.join().expect("a sending thread does not panic")?);
        }
        anyhow::Ok((before, after, unsent))
    })?;
    latencies.sort_unstable();
    let mut window = Window::between(schedule.requests(), measured, before, after);
    window.unsent = unsent;
    window.latency = Some(Latency {
        p50: quantile(&latencies, 0.5),
        p99: quantile(&latencies, 0.99),
        p999: quantile(&latencies, 0.999),
    });
    Ok(window)
}

/// When each request is due, and which is next.
struct Schedule {
    start: Instant,
    rate: u64,
    /// Requests of the warm-up, which come first.
    warm: u64,
    total: u64,
    next: AtomicU64,
}

impl Schedule {
    fn due(&self, index: u64) -> Instant {
        self.start + Duration::from_nanos(index * 1_000_000_000 / self.rate)
    }

    /// The requests that are measured.
    fn requests(&self) -> u64 {
        self.total - self.warm
    }
}

/// One connection: takes the next request, waits until it is due, sends it. Gives the measured latencies.
fn send(target: SocketAddr, schedule: &Schedule) -> anyhow::Result<Vec<Duration>> {
    // Without the finer timer every request would be sent some 50 µs late, with every proxy alike.
    let _ = std::fs::write("/proc/thread-self/timerslack_ns", "1");
    let mut stream = TcpStream::connect(target).context("connecting")?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(ANSWER_LIMIT))?;
    let (request, mut buffer) = (request(HOST), Vec::with_capacity(READ));
    let mut latencies = Vec::new();
    loop {
        let index = schedule.next.fetch_add(1, Ordering::Relaxed);
        if index >= schedule.total {
            return Ok(latencies);
        }
        let due = schedule.due(index);
        park_until(due);
        exchange(&mut stream, &request, &mut buffer)?;
        if index >= schedule.warm {
            latencies.push(due.elapsed());
        }
    }
}

fn park_until(due: Instant) {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        thread::park_timeout(left);
    }
}

fn exchange(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    stream.write_all(request).context("sending")?;
    buffer.clear();
    loop {
        let filled = buffer.len();
        buffer.resize(filled + READ, 0);
        let read = stream.read(&mut buffer[filled..]).context("reading")?;
        buffer.truncate(filled + read);
        ensure!(read > 0, "the proxy closed a connection");
        if let Some(answer) = answer(buffer)? {
            return check(&answer);
        }
    }
}

fn quantile(sorted: &[Duration], q: f64) -> f64 {
    let index = (sorted.len() as f64 * q) as usize;
    sorted[index.min(sorted.len() - 1)].as_secs_f64() * 1e3
}
