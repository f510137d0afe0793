//! Probes every routed task, each at its own pace, and reports what was found.
//!
//! # Design notes
//!
//! One small task per endpoint instead of one wheel for all: an endpoint that hangs delays nobody else, and a target that
//! goes takes its timer with it. How many probes run at once is bounded by permits; waiting for one does not count against
//! the probe's time-out. A probe opens a connection of its own each time, since what is asked is whether the task accepts one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http::header::{CONNECTION, HOST, USER_AGENT};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use prometheus::IntCounter;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use crate::core::desired::ProbeTarget;
use crate::core::model::{TaskId, Timestamp};
use crate::core::observed::{ProbeReport, ProbeResult};
use crate::core::route::Check;
use crate::metrics::Metrics;

/// What to probe, by task. Written by the reconciler, read here.
pub type Targets = BTreeMap<TaskId, ProbeTarget>;

/// Probes at once. Ten thousand endpoints that all hang for the default time-out still get a probe every twenty seconds.
const AT_ONCE: usize = 1024;

/// Probes whatever the targets name, until `stop`.
pub async fn run(
    mut targets: watch::Receiver<Arc<Targets>>,
    reports: mpsc::Sender<ProbeReport>,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let counters = Counters {
        passed: metrics.probes("passed"),
        failed: metrics.probes("failed"),
    };
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let mut probing: BTreeMap<TaskId, (ProbeTarget, AbortHandle)> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    loop {
        let wanted = targets.borrow_and_update().clone();
        probing.retain(|task, (target, handle)| {
            let kept = wanted.get(task) == Some(target);
            if !kept {
                handle.abort();
            }
            kept
        });
        for (task, target) in wanted.iter() {
            if !probing.contains_key(task) {
                let prober = Prober {
                    task: task.clone(),
                    target: target.clone(),
                    permits: permits.clone(),
                    reports: reports.clone(),
                    counters: counters.clone(),
                };
                probing.insert(task.clone(), (target.clone(), tasks.spawn(prober.run())));
            }
        }
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                changed = targets.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                Some(ended) = tasks.join_next() => if let Err(error) = ended
                    && error.is_panic()
                {
                    std::panic::resume_unwind(error.into_panic());
                },
            }
        }
    }
}

/// How probes ended, resolved once for all of them.
#[derive(Clone)]
struct Counters {
    passed: IntCounter,
    failed: IntCounter,
}

/// One endpoint's probing.
struct Prober {
    task: TaskId,
    target: ProbeTarget,
    permits: Arc<Semaphore>,
    reports: mpsc::Sender<ProbeReport>,
    counters: Counters,
}

impl Prober {
    async fn run(self) {
        let spec = &self.target.spec;
        tokio::time::sleep(first_delay(spec.initial_delay, self.target.since, now())).await;
        for round in 0.. {
            let result = {
                let Ok(_permit) = self.permits.acquire().await else {
                    return;
                };
                probe(&self.target).await
            };
            match &result {
                Ok(()) => self.counters.passed.inc(),
                Err(_) => self.counters.failed.inc(),
            }
            let report = ProbeReport {
                task: self.task.clone(),
                result,
            };
            if self.reports.send(report).await.is_err() {
                return;
            }
            tokio::time::sleep(jittered(spec.interval, &self.task, round)).await;
        }
    }
}

/// What is left of the initial delay, which counts from the task's start. A start that lies in the future, by a clock that
/// is ahead of ours, is now.
fn first_delay(delay: Duration, since: Option<Timestamp>, now: Timestamp) -> Duration {
    let age = since.map_or(0, |since| now.0.saturating_sub(since.0));
    delay.saturating_sub(Duration::from_millis(age))
}

/// The interval, up to a tenth shorter or longer: probes that start together drift apart. Derived from the task and the
/// round, so that nothing random is needed.
fn jittered(interval: Duration, task: &TaskId, round: u64) -> Duration {
    let seed = task.as_str().bytes().fold(round, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    // 0 to 255 of the hash's upper bits, as 0.9 to 1.1.
    interval.mul_f64(0.9 + 0.2 * f64::from((seed >> 32) as u8) / 255.0)
}

fn now() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

async fn probe(target: &ProbeTarget) -> ProbeResult {
    let timeout = target.spec.timeout;
    let asked = async {
        match &target.spec.check {
            Check::Tcp { port } => connect(target, *port).await.map(drop),
            Check::Http { port, path } => get(target, *port, path).await,
            // These are resolved, refused or left out before a target is made.
            Check::Connect | Check::None | Check::Command(_) => Ok(()),
        }
    };
    match tokio::time::timeout(timeout, asked).await {
        Ok(result) => result,
        Err(_) => Err(format!("no answer within {timeout:?}").into()),
    }
}

async fn connect(target: &ProbeTarget, port: u16) -> Result<TcpStream, Arc<str>> {
    let address = SocketAddr::new(target.address, port);
    TcpStream::connect(address)
        .await
        .map_err(|error| match error.kind() {
            std::io::ErrorKind::ConnectionRefused => {
                format!("connection to {address} refused").into()
            }
            _ => format!("connection to {address} failed: {error}").into(),
        })
}

async fn get(target: &ProbeTarget, port: u16, path: &str) -> ProbeResult {
    let stream = connect(target, port).await?;
    let broken = |error: hyper::Error| -> Arc<str> { format!("GET {path} failed: {error}").into() };
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let request = http::Request::get(path)
        .header(HOST, SocketAddr::new(target.address, port).to_string())
        .header(
            USER_AGENT,
            concat!("hiveway/", env!("CARGO_PKG_VERSION"), " (probe)"),
        )
        .header(CONNECTION, "close")
        .body(Empty::<bytes::Bytes>::new())
        .map_err(|error| -> Arc<str> { format!("GET {path} cannot be asked: {error}").into() })?;
    // The connection has to be driven while the answer is awaited. It may end in the same moment that it brings it, and it
    // goes on for as long as there is a body, which nobody reads.
    let mut asked = pin!(sender.send_request(request));
    let answer = tokio::select! {
        biased;
        answer = &mut asked => answer,
        _ended = connection => asked.await,
    };
    let answer = answer.map_err(broken)?;
    let status = answer.status();
    if status.is_success() || status.is_redirection() {
        Ok(())
    } else {
        Err(format!("GET {path} was answered {status}").into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_initial_delay_counts_from_the_start_of_the_task() {
        let delay = Duration::from_secs(5);
        for (since, now, expected) in [
            (None, 9_000, delay),
            (Some(10_000), 10_000, delay),
            (Some(10_000), 12_000, Duration::from_secs(3)),
            (Some(10_000), 60_000, Duration::ZERO),
            (Some(10_000), 9_000, delay),
        ] {
            assert_eq!(
                first_delay(delay, since.map(Timestamp), Timestamp(now)),
                expected
            );
        }
    }

    #[test]
    fn jitter_stays_within_a_tenth_and_differs() {
        let interval = Duration::from_secs(2);
        let delays: Vec<_> = (0..100)
            .map(|round| jittered(interval, &TaskId::from("task"), round))
            .collect();
        let bounds = Duration::from_millis(1_799)..=Duration::from_millis(2_201);
        assert!(delays.iter().all(|delay| bounds.contains(delay)));
        let (least, most) = (
            delays.iter().min().expect("some"),
            delays.iter().max().expect("some"),
        );
        assert!(
            *most - *least > Duration::from_millis(200),
            "{least:?} {most:?}"
        );
    }
}
