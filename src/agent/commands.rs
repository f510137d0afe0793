//! Runs commands in the containers of this node, each at its own pace, and reports how they end.
//!
//! # Design notes
//!
//! * A command is run only in a container that carries the task's own label, whatever the controller says.
//! * What is asked of a container is judged only where the engine answers about that container. An engine that is away or
//!   broken is no fault of the task's, whose last verdict then stands.
//! * A command that outlasts its time-out goes on, since nothing can end it, and it is the container that suffers if
//!   more are begun. So none is begun while one of the same words runs there. One that somebody else has begun, such as
//!   the process that this one replaces, is given the time-out as well before it counts as a failure.

use std::sync::Arc;
use std::time::Duration;

use prometheus::IntCounter;
use tokio::sync::{Semaphore, broadcast, watch};
use tokio::time::{Instant, sleep, timeout};

use crate::core::model::TaskId;
use crate::core::model::route::Check;
use crate::core::protocol::{
    AgentMessage, CommandTarget, CommandTargets, ProbeReport, ProbeResult,
};
use crate::core::reconcile::pacing;
use crate::docker::{Engine, Error, ExecId, ExecOutcome};
use crate::observe::metrics::Metrics;
use crate::process::clock;
use crate::process::keyed_tasks;

/// Commands at once. Beginning one costs the engine about a tenth of a second of a processor.
const AT_ONCE: usize = 16;
/// The attempt without an answer of the engine's, of those in a row, that an operator is told of.
const TELLING: u32 = 3;

/// Runs what the targets name until nobody can name any more.
pub(super) async fn run(
    engine: Engine,
    targets: watch::Receiver<Arc<CommandTargets>>,
    notes: broadcast::Sender<Arc<AgentMessage>>,
    metrics: &Metrics,
) {
    let (passed, failed) = (metrics.probes("passed"), metrics.probes("failed"));
    let permits = Arc::new(Semaphore::new(AT_ONCE));
    keyed_tasks::keep(targets, |task, target| {
        let runner = Runner {
            engine: engine.clone(),
            task: task.clone(),
            target: target.clone(),
            permits: permits.clone(),
            notes: notes.clone(),
            passed: passed.clone(),
            failed: failed.clone(),
            running: None,
            unanswered: 0,
        };
        runner.run()
    })
    .await;
}

/// One container's command.
struct Runner {
    engine: Engine,
    task: TaskId,
    target: CommandTarget,
    permits: Arc<Semaphore>,
    notes: broadcast::Sender<Arc<AgentMessage>>,
    passed: IntCounter,
    failed: IntCounter,
    /// The command that was seen to run last, and since when.
    running: Option<(ExecId, Instant)>,
    /// Attempts in a row that the engine did not answer.
    unanswered: u32,
}

impl Runner {
    async fn run(mut self) {
        let (spec, since) = (self.target.spec.clone(), self.target.since);
        let Check::Command(command) = &spec.check else {
            return;
        };
        sleep(pacing::first_delay(spec.initial_delay, since, clock::now())).await;
        for round in 0.. {
            let attempt = {
                let permits = self.permits.clone();
                let Ok(_permit) = permits.acquire().await else {
                    return;
                };
                self.attempt(command, spec.timeout).await
            };
            if let Some(result) = self.verdict(attempt) {
                match &result {
                    Ok(()) => self.passed.inc(),
                    Err(_) => self.failed.inc(),
                }
                let task = self.task.clone();
                let note = AgentMessage::Report(ProbeReport { task, result });
                // Nobody may be left to be told.
                let _ = self.notes.send(Arc::new(note));
            }
            sleep(pacing::jittered(spec.interval, &self.task, round)).await;
        }
    }

    /// Runs the command once, where it may be run. None where it is too early to say anything.
    async fn attempt(
        &mut self,
        command: &str,
        limit: Duration,
    ) -> Result<Option<ProbeResult>, Error> {
        let words = ["/bin/sh", "-c", command];
        let id = &self.target.container;
        let container = self.engine.container(id).await?;
        if container.task.as_ref() != Some(&self.task) {
            let told = format!(
                "probe.cmd was not run: container {} is not this task's",
                id.short()
            );
            return Ok(Some(Err(told.into())));
        }
        for exec in container.commands {
            if self.engine.runs(&exec, &words).await? {
                let since = match self.running.take() {
                    Some((seen, since)) if seen == exec => since,
                    _ => Instant::now(),
                };
                self.running = Some((exec, since));
                let late = since.elapsed() >= limit;
                return Ok(late.then(|| {
                    let seconds = since.elapsed().as_secs();
                    Err(format!("probe.cmd still runs after {seconds} s").into())
                }));
            }
        }
        let exec = self.engine.create_exec(id, &words).await?;
        self.running = Some((exec.clone(), Instant::now()));
        Ok(Some(
            match timeout(limit, self.engine.run_exec(&exec)).await {
                Ok(outcome) => judge(&outcome?),
                Err(_) => Err(format!("probe.cmd did not end within {limit:?}").into()),
            },
        ))
    }

    /// What is reported of an attempt, if anything.
    fn verdict(&mut self, attempt: Result<Option<ProbeResult>, Error>) -> Option<ProbeResult> {
        match attempt {
            Ok(result) => {
                self.unanswered = 0;
                result
            }
            // The engine answers that it cannot be done: this container is gone or does not run, or nobody may.
            Err(
                ref error @ Error::Request {
                    status,
                    ref message,
                    ..
                },
            ) if (400..500).contains(&status) => {
                self.unanswered = 0;
                let told = match status {
                    404 | 409 => message.clone(),
                    _ => error.to_string(),
                };
                Some(Err(format!("probe.cmd could not be run: {told}").into()))
            }
            Err(error) => {
                self.unanswered += 1;
                if self.unanswered == TELLING {
                    let container = self.target.container.short();
                    tracing::warn!(
                        "probe.cmd of container {container} cannot be run, its last result stands: {error}"
                    );
                }
                None
            }
        }
    }
}

fn judge(outcome: &ExecOutcome) -> ProbeResult {
    let ExecOutcome { status, output } = outcome;
    let remedy = match output.contains("\"/bin/sh\"") && output.contains("no such file") {
        true => "; the image has no shell, so probe it by probe.url instead",
        false => "",
    };
    match (*status, output.is_empty()) {
        (0, _) => Ok(()),
        (status, true) => Err(format!("probe.cmd exited {status}").into()),
        (status, false) => Err(format!("probe.cmd exited {status}: {output}{remedy}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_zero_passes_and_any_other_is_told_with_the_output() {
        for (status, output, expected) in [
            (0, "", Ok(())),
            (0, "fine", Ok(())),
            (1, "", Err("probe.cmd exited 1")),
            (1, "no such file", Err("probe.cmd exited 1: no such file")),
            (
                126,
                "exec: \"/bin/sh\": stat /bin/sh: no such file or directory",
                Err(
                    "probe.cmd exited 126: exec: \"/bin/sh\": stat /bin/sh: no such file or directory; the image has no \
                     shell, so probe it by probe.url instead",
                ),
            ),
        ] {
            let outcome = ExecOutcome {
                status,
                output: output.into(),
            };
            assert_eq!(judge(&outcome), expected.map_err(Arc::from), "{status}");
        }
    }
}
