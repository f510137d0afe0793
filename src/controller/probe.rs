//! Probes every routed task, each at its own pace, and reports what was found.
//!
//! # Design notes
//!
//! How many probes run at once is bounded by permits; waiting for one does not count against the probe's time-out. A
//! probe opens a connection of its own each time, since what is asked is whether the task accepts one.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;

use http::header::{CONNECTION, HOST, USER_AGENT};
use http_body_util::Empty;
use hyper_util::rt::TokioIo;
use prometheus::IntCounter;
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::core::desired::ProbeTarget;
use crate::core::model::TaskId;
use crate::core::observed::{ProbeReport, ProbeResult};
use crate::core::pacing;
use crate::core::route::Check;
use crate::metrics::Metrics;
use crate::roster;

/// What to probe over the network, by task. Written by the reconciler, read here.
pub type Targets = BTreeMap<TaskId, ProbeTarget>;

/// Probes at once. Ten thousand endpoints that all hang for the default time-out still get a probe every twenty seconds.
const AT_ONCE: usize = 1024;

/// Probes whatever the targets name, until `stop`.
pub async fn run(
    targets: watch::Receiver<Arc<Targets>>,
    reports: mpsc::Sender<ProbeReport>,
    metrics: Metrics,
    stop: CancellationToken,
) {
    let counters = Counters {
        passed: metrics.probes("passed"),
        failed: metrics.probes("failed"),
    };
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    let probing = roster::keep(targets, |task, target| {
        let prober = Prober {
            task: task.clone(),
            target: target.clone(),
            permits: permits.clone(),
            reports: reports.clone(),
            counters: counters.clone(),
        };
        prober.run()
    });
    stop.run_until_cancelled(probing).await;
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
        tokio::time::sleep(pacing::first_delay(
            spec.initial_delay,
            self.target.since,
            clock::now(),
        ))
        .await;
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
            tokio::time::sleep(pacing::jittered(spec.interval, &self.task, round)).await;
        }
    }
}

async fn probe(target: &ProbeTarget) -> ProbeResult {
    let timeout = target.spec.timeout;
    let asked = async {
        match &target.spec.check {
            Check::Tcp { port } => connect(target, *port).await.map(drop),
            // Boxed: the state of a request is large, and there is a task of this size for every endpoint, all the time.
            Check::Http { port, path } => Box::pin(get(target, *port, path)).await,
            // These are resolved, left to agents or left out before a target is made.
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
