//! `deploy/example.yml`, the example of the label reference.

use std::collections::BTreeMap;
use std::time::Duration;

use super::load::Load;
use super::service::Service;
use super::stage::{Stage, Turn};
use crate::docker;
use crate::stack::Stack;

/// How long the client may take to make a few requests, one a second.
const BOUND: Duration = Duration::from_secs(60);

/// The example; its service is removed before the rest of the stack.
struct Example<'a> {
    server: Service<'a>,
    stack: Stack,
}

impl<'a> Example<'a> {
    async fn deploy(stage: &'a Stage) -> Self {
        let network = format!("external: true\n    name: {}", stage.hiveway.network);
        let replacements = [("external: true", &*network)];
        let variables = [("HIVEWAY_DEMO_IMAGE", &*stage.images.demo)];
        let name = stage.name("example");
        let stack = Stack::deploy(name, "example.yml", &replacements, &variables).await;
        let server = Service::adopt(stage, format!("{}_restserver", stack.name));
        Self { server, stack }
    }

    /// What the client has printed of its requests, without the times.
    async fn answers(&self) -> Vec<String> {
        let client = format!("{}_restclient", self.stack.name);
        let log = docker::logs(&["service", "logs", "--raw", &client]).await;
        let lines = log.lines().map(|line| line.split_once("Z  "));
        lines
            .map(|line| line.map_or_else(|| log.clone(), |(_, answer)| answer.to_owned()))
            .collect()
    }
}

#[tokio::test]
#[ignore = "needs a swarm: make test"]
async fn client_of_the_example_alternates_between_two_containers() {
    let stage = Turn::take().await;
    let example = Example::deploy(&stage).await;
    let containers = example.server.settled(2).await;
    // What the client prints of a request that each container answered.
    let lines: BTreeMap<String, &str> = containers
        .iter()
        .map(|id| {
            let short = &id[..12];
            let line = format!("200  served by {short}  Set-Cookie: CONTAINERID={id}; path=/");
            (line, short)
        })
        .collect();
    let look = async || {
        let answers = example.answers().await;
        let last = answers.iter().rev().take(6);
        let known: Option<Vec<_>> = last.map(|line| lines.get(line)).collect();
        match known {
            Some(it) if it.len() == 6 && it.windows(2).all(|pair| pair[0] != pair[1]) => Ok(()),
            _ => Err(format!("{answers:#?}")),
        }
    };
    let what = "six answers in a row alternate between the containers, each with its cookie";
    stage.eventually(what, BOUND, look).await;
}

/// Its containers are probed for the first time two seconds after their start. Swarm does not wait for that: by then it is
/// stopping the other, so that for a while none is in rotation.
#[tokio::test]
#[ignore = "needs a swarm: make test"]
async fn the_example_is_updated_under_load_without_a_failed_request() {
    let stage = Turn::take().await;
    let example = Example::deploy(&stage).await;
    let mut containers = example.server.settled(2).await;
    let loads = Load::start_all(&stage).await;
    let before = example.answers().await.len();
    for _ in 0..2 {
        example.server.update(&["--force"]).await;
        example.server.updated().await;
        let new = example.server.settled(2).await;
        assert!(new.iter().all(|container| !containers.contains(container)));
        containers = new;
    }
    Load::end_flawless(&stage, loads).await;
    let answers = example.answers().await;
    let meanwhile = &answers[before..];
    assert!(!meanwhile.is_empty());
    assert!(
        meanwhile.iter().all(|it| it.starts_with("200 ")),
        "{meanwhile:#?}"
    );
}
