//! How the tasks are probed, and the controller that asks them without a network in between.

use std::ffi::OsString;
use std::future::ready;
use std::iter::once;

use anyhow::bail;
use clap::ValueEnum;
use hiveway::app;
use hiveway::cli::{self, Command};
use hiveway::controller::probe::Ask;
use hiveway::core::protocol::ProbeResult;
use hiveway::core::reconcile::desired::ProbeTarget;

/// How the tasks are probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Probe {
    /// No label, and every probe passes as soon as it is asked for: all of probing but the connection.
    InProcess,
    /// No label: a connection every two seconds.
    Default,
    /// `probe.interval_seconds: 10`.
    Slow,
    /// `probe.url: none`.
    None,
}

impl Probe {
    /// The labels `hiveway.probe.*`.
    pub(super) fn labels(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::InProcess | Self::Default => &[],
            Self::Slow => &[("interval_seconds", "10")],
            Self::None => &[("url", "none")],
        }
    }

    /// How the report calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::InProcess => "every 2 s, answered in-process",
            Self::Default => "every 2 s, by connections: the default",
            Self::Slow => "every 10 s, by connections",
            Self::None => "not at all",
        }
    }

    /// Whether it is timed how soon changes arrive.
    pub(super) fn times_changes(self) -> bool {
        matches!(self, Self::InProcess | Self::Default)
    }
}

/// Answers for every task that it serves.
#[derive(Clone, Copy)]
struct Answered;

impl Ask for Answered {
    fn ask(&self, _target: &ProbeTarget) -> impl Future<Output = ProbeResult> + Send {
        ready(Ok(()))
    }
}

/// Is `hiveway run` with these arguments, whose probes are answered in-process.
pub(crate) async fn control(arguments: Vec<OsString>) -> anyhow::Result<()> {
    match cli::parse(once("hiveway".into()).chain(arguments)) {
        Ok(Command::Run(config)) => app::run_asking(*config, Answered).await,
        Ok(_) => bail!("it can be nothing but a controller"),
        Err(refused) => bail!("{}", refused.text),
    }
}
