//! Probes every routed task, each at its own pace, and reports what was found.
//!
//! # Design notes
//!
//! How many probes run at once is bounded by permits; waiting for one does not count against the probe's time-out.
//!
//! Probes that are due within moments of each other are done together ([`pacing::together`]): ten thousand timers would
//! otherwise wake the process every millisecond, and a probe is cheaper than being woken for it.

mod network;

use std::collections::BTreeMap;
use std::sync::Arc;

use prometheus::IntCounter;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::core::model::TaskId;
use crate::core::protocol::{ProbeReport, ProbeResult};
use crate::core::reconcile::desired::ProbeTarget;
use crate::core::reconcile::pacing;
use crate::observe::metrics::Metrics;
use crate::process::clock;
use crate::process::keyed_tasks;

pub use self::network::Network;

/// What to probe over the network, by task. Written by the reconciler, read here.
pub type Targets = BTreeMap<TaskId, ProbeTarget>;

/// Probes at once. Ten thousand endpoints that all hang for the default time-out still get a probe every twenty seconds.
const AT_ONCE: usize = 1024;

/// How a task is asked whether it serves.
pub trait Ask: Clone + Send + Sync + 'static {
    /// Asks once, for as long as it takes: whoever calls has a limit, and counts.
    fn ask(&self, target: &ProbeTarget) -> impl Future<Output = ProbeResult> + Send;
}

/// Probes whatever the targets name, until `stop`.
pub async fn run(
    ask: impl Ask,
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
    let began = Instant::now();
    let probing = keyed_tasks::keep(targets, |task, target| {
        let prober = Prober {
            ask: ask.clone(),
            began,
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
struct Prober<A> {
    ask: A,
    /// From when on the moments are counted at which probes are done together.
    began: Instant,
    task: TaskId,
    target: ProbeTarget,
    permits: Arc<Semaphore>,
    reports: mpsc::Sender<ProbeReport>,
    counters: Counters,
}

impl<A: Ask> Prober<A> {
    async fn run(self) {
        let spec = &self.target.spec;
        sleep(pacing::first_delay(
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
                match timeout(spec.timeout, self.ask.ask(&self.target)).await {
                    Ok(result) => result,
                    Err(_) => Err(format!("no answer within {:?}", spec.timeout).into()),
                }
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
            let pause = pacing::jittered(spec.interval, &self.task, round);
            sleep_until(self.began + pacing::together(self.began.elapsed() + pause)).await;
        }
    }
}
