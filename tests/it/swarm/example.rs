//! `deploy/example.yml`, the example of the label reference.

use std::collections::BTreeMap;
use std::time::Duration;

use hiveway::core::snapshot::EndpointState;

use super::docker;
use super::stage::{Stack, Stage, Turn};

/// How long the example may take to be up: two tasks one after the other, each probed after two seconds.
const BOUND: Duration = Duration::from_secs(60);

/// Deploys it, and waits until both containers are in rotation; gives their ids.
async fn deploy(stage: &Stage) -> (Stack, Vec<String>) {
    let network = format!("external: true\n    name: {}", stage.hiveway.network);
    let replacements = [("external: true", &*network)];
    let variables = [("HIVEWAY_DEMO_IMAGE", &*stage.images.demo)];
    let name = stage.name("example");
    let stack = Stack::deploy(name, "example.yml", &replacements, &variables).await;
    let service = format!("{}_restserver", stack.name);
    let look = async || {
        let endpoints = stage.hiveway.endpoints(&service).await?;
        match endpoints[..] {
            [
                (ref first, EndpointState::Ready),
                (ref second, EndpointState::Ready),
            ] => Ok(vec![first.clone(), second.clone()]),
            _ => Err(format!("{endpoints:?}")),
        }
    };
    let containers = stage
        .eventually("both containers are in rotation", BOUND, look)
        .await;
    (stack, containers)
}

#[tokio::test]
async fn the_client_of_the_example_alternates_between_two_containers_and_their_cookies() {
    let Some(stage) = Turn::take().await else {
        return;
    };
    let (stack, containers) = deploy(&stage).await;
    // What the client prints of a request that each container answered.
    let lines: BTreeMap<String, &str> = containers
        .iter()
        .map(|id| {
            let short = &id[..12];
            let line = format!("200  served by {short}  Set-Cookie: CONTAINERID={id}; path=/");
            (line, short)
        })
        .collect();
    let client = format!("{}_restclient", stack.name);
    let look = async || {
        let log = docker::logs(&["service", "logs", "--raw", &client]).await;
        let answers = log
            .lines()
            .filter_map(|line| Some(line.split_once("Z  ")?.1));
        let last: Vec<_> = answers
            .collect::<Vec<_>>()
            .into_iter()
            .rev()
            .take(6)
            .collect();
        let known: Option<Vec<_>> = last.iter().map(|line| lines.get(*line)).collect();
        let known = known
            .filter(|it| it.len() == 6)
            .ok_or_else(|| log.clone())?;
        match known.windows(2).all(|pair| pair[0] != pair[1]) {
            true => Ok(()),
            false => Err(log),
        }
    };
    let what = "six answers in a row alternate between the containers, each with its cookie";
    stage.eventually(what, BOUND, look).await;
}
