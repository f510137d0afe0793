//! Constant load from a container on the network: requests go from it by DNS name to Hiveway and on to a task.

use std::time::Duration;

use hiveway::tools::demo::load::Summary;

use super::stage::{HOST, Stage};
use crate::docker::{ask, docker, remove};

/// Requests a second of one load. Two of them at once leave the machine's processors time for the engine.
const RATE: &str = "300";
/// The fewest requests that a load has to have made to prove anything.
pub(super) const ENOUGH: u64 = 5_000;
/// How long making them may take.
const BOUND: Duration = Duration::from_secs(120);

/// A load; removed when dropped.
pub(super) struct Load<'a> {
    name: String,
    stage: &'a Stage,
}

/// A connection a client, a connection a request, and clients that send their cookie back.
pub(super) const KINDS: [(&str, &[&str]); 3] = [
    ("keep-alive", &[]),
    ("fresh", &["--fresh"]),
    ("sticky", &["--sticky", "--rate", "50"]),
];

impl<'a> Load<'a> {
    /// Starts it, and returns once it has made some requests.
    pub(super) async fn start(stage: &'a Stage, kind: &str, flags: &[&str]) -> Self {
        let load = Self {
            name: stage.name(kind),
            stage,
        };
        let url = format!("http://{HOST}/");
        let run = [
            "run",
            "--detach",
            "--name",
            &load.name,
            "--network",
            &stage.hiveway.network,
        ];
        let run = run
            .into_iter()
            .chain([&*stage.images.demo, "load", &url, "--rate", RATE]);
        docker(run.chain(flags.iter().copied())).await;
        load.reaches(20).await;
        load
    }

    /// Starts one load of each kind.
    pub(super) async fn start_all(stage: &'a Stage) -> Vec<Self> {
        let mut loads = Vec::new();
        for (kind, flags) in KINDS {
            loads.push(Self::start(stage, kind, flags).await);
        }
        loads
    }

    /// How it stands.
    pub(super) async fn summary(&self) -> Result<Summary, String> {
        let line = ask(["logs", "--tail", "1", &self.name]).await?;
        serde_json::from_str(&line).map_err(|error| format!("{error}: {line:?}"))
    }

    /// How it stands now: what it tells once a second may be as old as that.
    pub(super) async fn summary_now(&self) -> Summary {
        let told = self.summary().await.map_or(0, |summary| summary.requests);
        self.reaches(told + 1).await;
        self.summary().await.expect("it was there before")
    }

    /// Waits until it has made so many requests.
    pub(super) async fn reaches(&self, requests: u64) {
        let what = format!("{} has made {requests} requests", self.name);
        let look = async || {
            let summary = self.summary().await?;
            match summary.requests >= requests {
                true => Ok(()),
                false => Err(format!("{summary:?}")),
            }
        };
        self.stage.eventually(&what, BOUND, look).await;
    }

    /// Ends it after the last of its requests has ended.
    pub(super) async fn end(&self) -> Summary {
        docker(["kill", "--signal", "TERM", &self.name]).await;
        let look = async || {
            let summary = self.summary().await?;
            match summary.finished {
                true => Ok(summary),
                false => Err(format!("{summary:?}")),
            }
        };
        let what = format!("{} ends", self.name);
        self.stage.eventually(&what, BOUND, look).await
    }

    /// Ends all loads once those that ask at the full rate have made enough requests. Not one may have failed.
    pub(super) async fn end_flawless(stage: &Stage, loads: Vec<Self>) -> Vec<Summary> {
        let mut summaries = Vec::new();
        for load in &loads {
            if !load.name.ends_with("sticky") {
                load.reaches(ENOUGH).await;
            }
        }
        for load in &loads {
            summaries.push((&load.name, load.end().await));
        }
        for (name, summary) in &summaries {
            eprintln!(
                "{name}: {}",
                serde_json::to_string(summary).expect("plain data")
            );
        }
        if summaries.iter().any(|(_, summary)| summary.failed > 0) {
            stage
                .fail(&format!("requests failed: {summaries:#?}"))
                .await;
        }
        summaries.into_iter().map(|(_, summary)| summary).collect()
    }
}

impl Drop for Load<'_> {
    fn drop(&mut self) {
        remove(&["rm", "--force", &self.name]);
    }
}
