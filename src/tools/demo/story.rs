//! `hiveway demo`: the example without a Docker engine. Two containers take turns, one is lost, and it comes back.

use std::time::Duration;

use axum::http::Method;
use tokio::time::{Instant, sleep};

use super::request::{Answer, Failure, Target, ask};
use super::stage::Stage;
use super::{Error, asked_to_end, client, say};
use crate::core::model::snapshot::Snapshot;

/// How long any step may take; each takes a few probe intervals of half a second.
const BOUND: Duration = Duration::from_secs(20);
/// From one request to the next.
const PACE: Duration = Duration::from_millis(250);
/// How long one request may take.
const REQUEST_BOUND: Duration = Duration::from_secs(5);
/// How many answers in a row show a pattern.
const IN_A_ROW: usize = 6;

/// Tells the whole story with the running program's own `run`, and ends what it started, also where a step fails or
/// the user interrupts.
///
/// # Errors
///
/// What could not be started, or which step did not happen.
pub async fn run() -> Result<(), Error> {
    let program = std::env::current_exe().map_err(|source| Error::StartInstance {
        program: "hiveway".into(),
        source,
    })?;
    let mut stage = Stage::set(&program).await?;
    let told = tokio::select! {
        told = tell(&mut stage) => told,
        asked = asked_to_end() => asked.and(Err(Error::Interrupted)),
    };
    let cleared = stage.clear().await;
    told.and(cleared)?;
    say("\nhiveway ended by SIGTERM with status 0; the servers and the inventory file are gone.")
}

async fn tell(stage: &mut Stage) -> Result<(), Error> {
    let target: Target = "http://restserver.local/"
        .parse::<Target>()
        .expect("this is a URL")
        .through(stage.internal);
    let names = stage
        .servers
        .each_ref()
        .map(|server| server.name().to_owned());
    let [first, second] = &names;

    say(format_args!(
        "Two servers play the containers {first} and {second}; an inventory file names them as the tasks of the service \
         restserver, which asks for the host restserver.local by its labels. hiveway run listens on {}:\n",
        stage.internal
    ))?;
    wait_for_rotation(stage, "both containers pass their probes", &[first, second]).await?;

    say(format_args!(
        "\nRequests to {target}, without cookies, find both in turn:\n"
    ))?;
    let in_turn = |seen: &[String]| seen.windows(2).all(|pair| pair[0] != pair[1]);
    follow(stage, &target, "both containers answer in turn", in_turn).await?;

    say(format_args!(
        "\nThe server of {second} is killed. Not one request fails, and after two failed probes it is out:\n"
    ))?;
    stage.servers[1].stop().await;
    let only_first = |seen: &[String]| seen.iter().all(|name| name == first);
    follow(
        stage,
        &target,
        "only the container that is left answers",
        only_first,
    )
    .await?;
    wait_for_rotation(stage, "the lost container leaves rotation", &[first]).await?;

    say(format_args!(
        "\nThe server of {second} is started again, and returns:\n"
    ))?;
    stage.servers[1].start().await?;
    wait_for_rotation(stage, "the container returns to rotation", &[first, second]).await?;
    follow(
        stage,
        &target,
        "both containers answer in turn again",
        in_turn,
    )
    .await?;

    say("\nThat is the whole story. Now hiveway is told to end:\n")
}

/// Waits until exactly these containers are in rotation, by the process's own account.
async fn wait_for_rotation(
    stage: &mut Stage,
    step: &'static str,
    names: &[&String],
) -> Result<(), Error> {
    let target: Target = format!("http://{}/snapshot", stage.admin)
        .parse()
        .expect("an address and a path are a URL");
    let deadline = Instant::now() + BOUND;
    loop {
        let seen = match ask(&target, Method::GET, REQUEST_BOUND).await {
            Ok(answer) => match serde_json::from_slice(&answer.body) {
                Ok(snapshot) => {
                    let rotation = rotation(&snapshot);
                    if rotation.iter().eq(names.iter().copied()) {
                        return Ok(());
                    }
                    format!("in rotation: [{}]", rotation.join(", "))
                }
                Err(_) => String::from_utf8_lossy(&answer.body).trim().to_owned(),
            },
            Err(failure) => failure.to_string(),
        };
        stage.instance.check()?;
        if Instant::now() >= deadline {
            return Err(Error::Step {
                step,
                bound: BOUND,
                seen,
            });
        }
        sleep(PACE).await;
    }
}

/// The containers that get requests, sorted.
fn rotation(snapshot: &Snapshot) -> Vec<String> {
    let mut names: Vec<_> = snapshot
        .clusters
        .values()
        .flat_map(|cluster| cluster.in_rotation())
        .map(|(_, endpoint)| endpoint.container.short().to_owned())
        .collect();
    names.sort();
    names
}

/// Makes requests, and prints them, until the names of the last answers in a row are as wanted. No request may fail.
async fn follow(
    stage: &mut Stage,
    target: &Target,
    step: &'static str,
    wanted: impl Fn(&[String]) -> bool,
) -> Result<(), Error> {
    let deadline = Instant::now() + BOUND;
    let mut seen: Vec<String> = Vec::new();
    loop {
        let outcome = ask(target, Method::GET, REQUEST_BOUND).await;
        let line = client::line(&outcome);
        say(format_args!("  {line}"))?;
        stage.instance.check()?;
        match served_by(&outcome) {
            Some(name) => seen.push(name),
            None => return Err(Error::Request { step, seen: line }),
        }
        if wanted(&seen[seen.len().saturating_sub(IN_A_ROW)..]) && seen.len() >= IN_A_ROW {
            return Ok(());
        }
        if Instant::now() >= deadline {
            return Err(Error::Step {
                step,
                bound: BOUND,
                seen: line,
            });
        }
        sleep(PACE).await;
    }
}

/// The container behind an answer of status 200.
fn served_by(outcome: &Result<Answer, Failure>) -> Option<String> {
    let answer = outcome
        .as_ref()
        .ok()
        .filter(|answer| answer.status == 200)?;
    answer.served_by().map(str::to_owned)
}
