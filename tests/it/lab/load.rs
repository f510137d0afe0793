//! Constant load from a container on a node.

use std::net::SocketAddr;
use std::time::SystemTime;

use futures_util::future::join_all;
use hiveway::tools::demo::load::Summary;

use super::gateway::Gateway;
use super::node::{BOUND, Node};
use crate::docker::{ask, docker};
use crate::eventually::eventually;

/// Requests a second. All loads of a lab together leave the machine's processors time for the engines.
pub(super) const RATE: u32 = 25;
/// Seconds that one request may take. No request is lost that is answered while the processors start dozens of containers; how
/// long the slowest took is told.
const PATIENCE: u32 = 10;

/// A running load. It ends with its node.
pub(super) struct Load {
    name: String,
    /// Where its container is.
    host: String,
}

/// How its clients find a gateway.
#[derive(Clone, Copy)]
pub(super) enum Way<'a> {
    /// By the name in the URL, as clients do: any gateway of the swarm.
    ByName,
    /// The same, with a new connection for each request, and so a new look-up of the name.
    ByNameEachTime,
    /// This one, whatever the name resolves to.
    Through(&'a Gateway),
}

impl Load {
    /// Starts it, and returns once it has made some requests, whatever came of them.
    pub(super) async fn start(node: &Node, url: &str, way: Way<'_>) -> Self {
        let (kind, flags) = match way {
            Way::ByName => ("by-name".into(), String::new()),
            Way::ByNameEachTime => ("by-name-each-time".into(), " --fresh".into()),
            Way::Through(gateway) => (
                format!("through-{}", gateway.node),
                format!(" --through {}", SocketAddr::new(gateway.mesh, 80)),
            ),
        };
        let name = format!("{}-{kind}", node.engine.name);
        let run = format!(
            "run --detach --network mesh --name {name} hiveway-demo:dev load {url} --rate {RATE} --timeout {PATIENCE}{flags}"
        );
        // An engine whose manager has just died attaches nothing to a network of the swarm until it has found another, and
        // leaves the container behind that it could not start.
        let try_to_start = async || {
            let started = node.ask(&run).await;
            if started.is_err() {
                let _ = node.ask(&format!("rm --force {name}")).await;
            }
            started
        };
        let what = format!("{name} starts");
        eventually(&what, BOUND, try_to_start).await.unwrap();
        let load = Self {
            name,
            host: node.engine.host.clone(),
        };
        load.makes(20).await;
        load
    }

    /// What has come of it so far; told once a second.
    pub(super) async fn summary(&self) -> Result<Summary, String> {
        let line = ask(["--host", &self.host, "logs", "--tail", "1", &self.name]).await?;
        serde_json::from_str(&line).map_err(|error| format!("{error}: {line:?}"))
    }

    /// Waits until it has made so many requests more than it has told of.
    pub(super) async fn makes(&self, more: u64) {
        let before = self.summary().await.map_or(0, |summary| summary.requests);
        let what = format!("{} makes {more} more requests", self.name);
        let look = async || {
            let summary = self.summary().await?;
            match summary.requests >= before + more {
                true => Ok(()),
                false => Err(format!("{summary:?}")),
            }
        };
        eventually(&what, BOUND, look).await.unwrap();
    }

    /// Ends it after the last of its requests has ended.
    pub(super) async fn end(self) -> Ended {
        docker(["--host", &self.host, "kill", "--signal", "TERM", &self.name]).await;
        let look = async || match self.summary().await? {
            summary if summary.finished => Ok(summary),
            summary => Err(format!("{summary:?}")),
        };
        let what = format!("{} ends", self.name);
        let summary = eventually(&what, BOUND, look).await.unwrap();
        let json = serde_json::to_string(&summary).expect("plain data");
        eprintln!("{}: {json}", self.name);
        docker(["--host", &self.host, "rm", "--force", &self.name]).await;
        Ended {
            name: self.name,
            summary,
        }
    }
}

/// What came of a load.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) name: String,
    pub(super) summary: Summary,
}

impl Ended {
    /// Not one request has failed.
    pub(super) fn is_flawless(&self) -> bool {
        self.summary.requests > 0 && self.summary.failed == 0
    }

    /// Whether a request has failed that was begun after that.
    pub(super) fn failed_after(&self, moment: SystemTime) -> bool {
        let moment = humantime::format_rfc3339_millis(moment).to_string();
        let last = self.summary.last_failure.as_ref();
        // Times of one format and one zone are in the order of their texts.
        last.is_some_and(|failure| failure.at > moment)
    }
}

/// Waits until each of them makes so many requests more.
pub(super) async fn all_make(loads: &[Load], more: u64) {
    join_all(loads.iter().map(|load| load.makes(more))).await;
}

/// Ends all of them.
pub(super) async fn end_all(loads: Vec<Load>) -> Vec<Ended> {
    join_all(loads.into_iter().map(Load::end)).await
}

/// Ends all of them. Not one request may have failed.
pub(super) async fn end_flawless(loads: Vec<Load>) {
    let mut ended = end_all(loads).await;
    ended.retain(|load| !load.is_flawless());
    assert!(ended.is_empty(), "requests failed: {ended:#?}");
}
