//! Owns every task of the process: the first that ends unasked ends the process, and a stop is graceful once.
//!
//! # Design notes
//!
//! A task that dies while the process lives on, looking well, is the fault that nobody notices for weeks. So there is no
//! other way to run something: a component is a future under a name here, and Swarm restarts the process when one
//! ends. Components stop in two steps: those that serve first, then those that tell about it (admin and the journal), so that
//! `/ready` says 503 and events are written for as long as requests are still in flight.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Runs components until one of them ends or the process is told to stop.
pub struct Supervisor {
    serving: JoinSet<(&'static str, anyhow::Result<()>)>,
    telling: JoinSet<(&'static str, anyhow::Result<()>)>,
    stop: CancellationToken,
    last: CancellationToken,
    terminate: Signal,
    interrupt: Signal,
}

impl Supervisor {
    /// From here on the signals wait for [`run`](Self::run). Before that they end the process, or are ignored where it is
    /// the first of its container; so this comes before anyone can know that the process is there.
    ///
    /// # Errors
    ///
    /// When the signals cannot be had.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            serving: JoinSet::new(),
            telling: JoinSet::new(),
            stop: CancellationToken::new(),
            last: CancellationToken::new(),
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Cancelled when components that serve should stop.
    #[must_use]
    pub fn stop(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Cancelled when components that tell should stop.
    #[must_use]
    pub fn last(&self) -> CancellationToken {
        self.last.clone()
    }

    /// Runs a component that serves.
    pub fn serve<F>(&mut self, name: &'static str, component: F)
    where
        F: Future<Output: End> + Send + 'static,
    {
        self.serving
            .spawn(async move { (name, component.await.outcome()) });
    }

    /// Runs a component that tells what the others do, and outlives them.
    pub fn tell<F>(&mut self, name: &'static str, component: F)
    where
        F: Future<Output: End> + Send + 'static,
    {
        self.telling
            .spawn(async move { (name, component.await.outcome()) });
    }

    /// Waits for the end: a SIGTERM or SIGINT, after which `stopping` is called with its name and everything ends in
    /// peace; or a component's end, which is an error. A second signal ends the wait at once.
    ///
    /// # Errors
    ///
    /// What the first component to end died of.
    pub async fn run(mut self, stopping: impl FnOnce(Arc<str>)) -> anyhow::Result<()> {
        let outcome = tokio::select! {
            _ = self.terminate.recv() => Ok("SIGTERM"),
            _ = self.interrupt.recv() => Ok("SIGINT"),
            Some(ended) = self.serving.join_next() => Err(cause(ended)),
            Some(ended) = self.telling.join_next() => Err(cause(ended)),
        };
        stopping(match &outcome {
            Ok(signal) => (*signal).into(),
            Err(error) => format!("{error:#}").into(),
        });
        self.stop.cancel();
        let peaceful = async {
            while self.serving.join_next().await.is_some() {}
            self.last.cancel();
            while self.telling.join_next().await.is_some() {}
        };
        tokio::select! {
            () = peaceful => {}
            _ = self.terminate.recv() => anyhow::bail!("stopped at once by a second SIGTERM"),
            _ = self.interrupt.recv() => anyhow::bail!("stopped at once by a second SIGINT"),
        }
        outcome.map(drop)
    }
}

/// What a component may end with: nothing, or perhaps an error.
pub trait End {
    /// Whether it failed.
    ///
    /// # Errors
    ///
    /// What it failed with.
    fn outcome(self) -> anyhow::Result<()>;
}

impl End for () {
    fn outcome(self) -> anyhow::Result<()> {
        Ok(())
    }
}

impl<E: Into<anyhow::Error>> End for Result<(), E> {
    fn outcome(self) -> anyhow::Result<()> {
        self.map_err(Into::into)
    }
}

fn cause(
    ended: Result<(&'static str, anyhow::Result<()>), tokio::task::JoinError>,
) -> anyhow::Error {
    match ended {
        Ok((name, Ok(()))) => anyhow::anyhow!("{name} ended although nobody asked it to"),
        Ok((name, Err(error))) => error.context(format!("{name} failed")),
        Err(error) => anyhow::Error::new(error).context("a component panicked"),
    }
}
