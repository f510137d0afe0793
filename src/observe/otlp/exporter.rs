//! Sends spans to the collector, in batches.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;

use super::collector::{Collector, Taken, Untaken};
use super::resource::Resource;
use super::{Bounds, Span, message};
use crate::core::event::Event;
use crate::observe::event_log::Emitter;
use crate::observe::metrics::SpanMetrics;
use crate::process::backoff;

/// How long the last spans may take when the process ends: the collector may have stopped.
const LAST: Duration = Duration::from_secs(2);

/// Who sends spans to the collector. Owned by the supervisor.
pub struct Exporter {
    queue: mpsc::Receiver<Span>,
    batch: Vec<Span>,
    collector: Collector,
    resource: Resource,
    bounds: Bounds,
    metrics: SpanMetrics,
    emitter: Emitter,
    /// How many times in a row the collector did not take a batch, whole or in part.
    failures: u32,
    /// Whether that was told.
    told: bool,
    /// Until when it is left alone.
    rest: Option<Instant>,
}

impl Exporter {
    pub(super) fn new(
        queue: mpsc::Receiver<Span>,
        collector: Collector,
        resource: Resource,
        bounds: Bounds,
        metrics: SpanMetrics,
        emitter: Emitter,
    ) -> Self {
        Self {
            queue,
            batch: Vec::with_capacity(bounds.batch),
            collector,
            resource,
            bounds,
            metrics,
            emitter,
            failures: 0,
            told: false,
            rest: None,
        }
    }

    /// Sends until `stop`, and then what has come until then, for two seconds at most. A collector that takes nothing ends
    /// nothing else: it is told once, and once again when it takes spans.
    pub async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = self.export(&stop) => {}
            () = ended(&stop) => {}
        }
        let left = self.batch.len() + self.queue.len();
        if left > 0 {
            self.metrics.refused.inc_by(left as u64);
            tracing::warn!(
                left,
                "the last spans are lost, {} did not take them",
                self.collector.endpoint
            );
        }
    }

    async fn export(&mut self, stop: &CancellationToken) {
        while self.fill(stop).await && self.deliver(stop).await {}
    }

    /// Waits until a batch is full or its first span has waited for long enough; false where all is told.
    async fn fill(&mut self, stop: &CancellationToken) -> bool {
        let Bounds { batch, every, .. } = self.bounds;
        let mut deadline = None;
        while self.batch.len() < batch && !stop.is_cancelled() {
            let room = batch - self.batch.len();
            let more = self.queue.recv_many(&mut self.batch, room);
            let came = async {
                match deadline {
                    Some(deadline) => timeout_at(deadline, more).await,
                    None => Ok(more.await),
                }
            };
            match stop.run_until_cancelled(came).await {
                Some(Ok(1..)) => {
                    deadline.get_or_insert_with(|| Instant::now() + every);
                }
                // Nobody is left who could tell anything.
                Some(Ok(0)) => stop.cancelled().await,
                Some(Err(_)) | None => break,
            }
        }
        while self.batch.len() < batch
            && let Ok(span) = self.queue.try_recv()
        {
            self.batch.push(span);
        }
        !self.batch.is_empty()
    }

    /// Sends a batch until it is taken, or will not be; false where there is no time left for others.
    async fn deliver(&mut self, stop: &CancellationToken) -> bool {
        let message = message::of(&self.resource, &self.batch);
        let begun = Instant::now();
        loop {
            if let Some(rest) = self.rest.take() {
                // The last spans have no time to wait.
                stop.run_until_cancelled(sleep_until(rest)).await;
            }
            let untaken = match self.collector.take(message.clone()).await {
                Ok(taken) => {
                    self.taken(&taken);
                    return true;
                }
                Err(untaken) => untaken,
            };
            self.untaken(&untaken);
            if !untaken.passes() || begun.elapsed() >= self.bounds.patience {
                self.metrics.refused.inc_by(self.batch.len() as u64);
                self.batch.clear();
                return true;
            }
            if stop.is_cancelled() {
                return false;
            }
        }
    }

    fn taken(&mut self, taken: &Taken) {
        let all = self.batch.len() as u64;
        self.batch.clear();
        let rejected = taken.rejected.min(all);
        self.metrics.exported.inc_by(all - rejected);
        self.metrics.refused.inc_by(rejected);
        if rejected > 0 {
            let reason = format!("it took {} of {all}: {}", all - rejected, taken.says);
            return self.failed(&reason, true);
        }
        self.failures = 0;
        if std::mem::take(&mut self.told) {
            let collector = self.collector.endpoint.to_string().into();
            self.emitter.emit(Event::CollectorReached { collector });
        }
    }

    fn untaken(&mut self, untaken: &Untaken) {
        self.failed(&untaken.to_string(), !untaken.passes());
        let rest = backoff::after(self.failures);
        let rest = untaken.retry_after().map_or(rest, |told| told.max(rest));
        self.rest = Some(Instant::now() + rest);
    }

    /// Tells of a failure once: at once where spans are lost by it, else when the next try has failed as well.
    fn failed(&mut self, reason: &str, lost: bool) {
        self.metrics.failed.inc();
        self.failures = self.failures.saturating_add(1);
        if !self.told && (lost || self.failures > 1) {
            self.told = true;
            self.emitter.emit(Event::CollectorLost {
                collector: self.collector.endpoint.to_string().into(),
                reason: reason.into(),
            });
        }
    }
}

/// Some time after the stop.
async fn ended(stop: &CancellationToken) {
    stop.cancelled().await;
    sleep(LAST).await;
}
