//! The two times that only a real swarm shows: from a label change to the first request on its route, and from a change of
//! a task's desired state to the last request that the task still gets.
//!
//! Both begin when the Docker API shows the change, as asked every few milliseconds; that is the earliest that anything
//! outside the engine can know. The gateway runs as a service, from the image of `make image`.

mod engine;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use self::engine::Engine;
use crate::cli::Cli;
use crate::client::HOST;
use crate::load::{Connection, connect, first_answer};
use crate::{machine, report};

/// Everything that is made carries this name, and is removed at the end, or at the start of the next run.
const NETWORK: &str = "hiveway-bench";
const GATEWAY: &str = "hiveway-bench-gateway";
const SERVER: &str = "hiveway-bench-server";

/// How many labels are changed, and how many rolling updates of three tasks are made.
const CHANGES: usize = 20;
const UPDATES: usize = 3;

/// Connections that ask all the time during an update, and the pause of each between two requests.
const CONNECTIONS: usize = 16;
const PAUSE: Duration = Duration::from_millis(5);

/// How often the API is asked.
const LOOK: Duration = Duration::from_millis(5);

/// How long a route, or an update, may take.
const LIMIT: Duration = Duration::from_secs(120);

/// Measures, removes what it made also after a failure, and writes its section of the report.
pub(crate) async fn run(cli: &Cli) -> anyhow::Result<()> {
    let engine = Engine::from_environment()?;
    engine.check().await?;
    remove(&engine).await?;
    let measured = measure(&engine).await;
    let removed = remove(&engine).await;
    let text = measured?;
    removed?;
    println!("\n{text}");
    report::write(&cli.output, report::SWARM, &text)
}

async fn remove(engine: &Engine) -> anyhow::Result<()> {
    for service in [GATEWAY, SERVER] {
        engine.remove_service(service).await?;
    }
    engine.remove_network(NETWORK, LIMIT).await
}

async fn measure(engine: &Engine) -> anyhow::Result<String> {
    let machine = machine::description();
    let target = deploy(engine).await?;
    let mut changes = Vec::new();
    for number in 1..=CHANGES {
        let time = label_change(engine, target, number).await?;
        println!("label change {number} of {CHANGES}: routed {time:.1} ms after the API showed it");
        changes.push(time);
    }
    let mut drains = Vec::new();
    let (mut requests, mut failures) = (0, Vec::new());
    for number in 1..=UPDATES {
        let update = rolling_update(engine, target).await?;
        println!("update {number} of {UPDATES}: {update:?}");
        drains.extend(update.drains);
        requests += update.requests;
        failures.extend(update.failures);
    }
    for times in [&mut changes, &mut drains] {
        times.sort_by(f64::total_cmp);
    }
    let mut text = format!(
        "{machine}; Docker {}, a swarm of one node, API asked every {} ms.\n\n\
         | from … to … | median ms | longest ms | of |\n|---|---|---|---|\n",
        engine.version().await?,
        LOOK.as_millis()
    );
    for (name, times) in [
        (
            "the API shows a label → first request on its route",
            &changes,
        ),
        (
            "the API shows a task's desired state change → last request sent that the task answered",
            &drains,
        ),
    ] {
        let (median, last) = (report::median(times.iter().copied()), times.last().copied());
        let (median, longest) = (report::number(median, 1), report::number(last, 1));
        writeln!(text, "| {name} | {median} | {longest} | {} |", times.len())?;
    }
    let longest = changes.last().copied().unwrap_or(f64::INFINITY);
    let verdict = if longest <= 500.0 {
        "met"
    } else {
        "**missed**"
    };
    writeln!(
        text,
        "\nBar: a route change routed within 500 ms of the API showing it: {verdict}.\n\n\
         During the {UPDATES} updates (3 replicas, start-first, {CONNECTIONS} keep-alive connections) {} of {requests} \
         requests failed. A time below zero means that Hiveway saw the change before this benchmark did.",
        failures.len()
    )?;
    for failure in failures.iter().take(5) {
        writeln!(text, "\nFailed: {failure}.")?;
    }
    Ok(text)
}

/// The gateway and three servers on a network of their own; gives the gateway's address once it routes.
async fn deploy(engine: &Engine) -> anyhow::Result<SocketAddr> {
    engine
        .docker(&[
            "network",
            "create",
            "--driver",
            "overlay",
            "--attachable",
            NETWORK,
        ])
        .await?;
    let socket = format!(
        "type=bind,src={},dst=/var/run/docker.sock",
        engine.socket().display()
    );
    engine
        .docker(&[
            "service",
            "create",
            "--detach",
            "--quiet",
            "--no-resolve-image",
            "--name",
            GATEWAY,
            "--endpoint-mode",
            "dnsrr",
            "--network",
            NETWORK,
            "--mount",
            &socket,
            "hiveway:dev",
            "run",
            "--network",
            NETWORK,
        ])
        .await?;
    let route = format!("hiveway.routing.port_80={HOST}");
    engine
        .docker(&[
            "service",
            "create",
            "--detach",
            "--quiet",
            "--no-resolve-image",
            "--name",
            SERVER,
            "--endpoint-mode",
            "dnsrr",
            "--network",
            NETWORK,
            "--replicas",
            "3",
            "--update-order",
            "start-first",
            "--update-delay",
            "3s",
            "--label",
            &route,
            "--label",
            "hiveway.routing.session_sticky=false",
            "hiveway-demo:dev",
            "server",
        ])
        .await?;
    let address = timeout(LIMIT, async {
        loop {
            if let Some(address) = engine.host_side_address(GATEWAY).await? {
                return anyhow::Ok(address);
            }
            sleep(LOOK).await;
        }
    });
    let address = address
        .await
        .context("the gateway's service did not start")??;
    let target = SocketAddr::new(address, 80);
    first_answer(target, HOST, LIMIT).await?;
    Ok(target)
}

/// Adds a host to the route's label: milliseconds from the API showing it to the first request routed by it.
async fn label_change(engine: &Engine, target: SocketAddr, number: usize) -> anyhow::Result<f64> {
    let host = format!("change-{number}.local");
    let label = format!("hiveway.routing.port_80={HOST};{host}");
    let shown = async {
        loop {
            let service: Value = engine.get(&format!("/services/{SERVER}")).await?;
            let value = &service["Spec"]["Labels"]["hiveway.routing.port_80"];
            if value.as_str().is_some_and(|value| value.contains(&host)) {
                return anyhow::Ok(Instant::now());
            }
            sleep(LOOK).await;
        }
    };
    let update = [
        "service",
        "update",
        "--detach",
        "--quiet",
        "--label-add",
        &label,
        SERVER,
    ];
    let (_, shown, routed) = timeout(LIMIT, async {
        tokio::try_join!(
            engine.docker(&update),
            shown,
            first_answer(target, &host, LIMIT)
        )
    })
    .await
    .with_context(|| format!("the API never showed the label of {host}"))??;
    Ok(milliseconds(shown, routed))
}

/// What one rolling update under load gave.
#[derive(Debug, Default)]
struct Update {
    /// For each task that was replaced, milliseconds from the change of its desired state to the last request to it.
    drains: Vec<f64>,
    requests: usize,
    failures: Vec<String>,
}

/// When each container was last sent a request that it answered, and how the requests went.
#[derive(Default)]
struct Log {
    last: BTreeMap<String, Instant>,
    requests: usize,
    failures: Vec<String>,
}

async fn rolling_update(engine: &Engine, target: SocketAddr) -> anyhow::Result<Update> {
    let stop = CancellationToken::new();
    let mut load = JoinSet::new();
    for _ in 0..CONNECTIONS {
        load.spawn(keep_asking(target, stop.clone()));
    }
    let watched = timeout(LIMIT, watch_update(engine)).await;
    stop.cancel();
    let mut last: BTreeMap<String, Instant> = BTreeMap::new();
    let mut update = Update::default();
    for log in load.join_all().await {
        for (container, sent) in log.last {
            let known = last.entry(container).or_insert(sent);
            *known = sent.max(*known);
        }
        update.requests += log.requests;
        update.failures.extend(log.failures);
    }
    for (container, left) in watched.context("the update did not end")?? {
        let sent = last
            .get(&container)
            .with_context(|| format!("{container} never answered before the update"))?;
        update.drains.push(milliseconds(left, *sent));
    }
    ensure!(
        update.drains.len() == 3,
        "{} of 3 tasks were replaced",
        update.drains.len()
    );
    Ok(update)
}

/// Starts an update once the load runs, and notes when each old container's task is first seen to be unwanted. Returns
/// when all of them are gone.
async fn watch_update(engine: &Engine) -> anyhow::Result<BTreeMap<String, Instant>> {
    let old: Vec<String> = engine
        .tasks(SERVER)
        .await?
        .into_iter()
        .filter(|task| task.wanted)
        .filter_map(|task| task.container)
        .collect();
    // One second of load before anything changes, so that every old container is known by its answers.
    sleep(Duration::from_secs(1)).await;
    engine
        .docker(&[
            "service", "update", "--detach", "--quiet", "--force", SERVER,
        ])
        .await?;
    let mut left = BTreeMap::new();
    let mut looks = interval(LOOK);
    loop {
        looks.tick().await;
        let tasks = engine.tasks(SERVER).await?;
        let seen = Instant::now();
        let find = |container: &String| {
            tasks
                .iter()
                .find(|task| task.container.as_ref() == Some(container))
        };
        for container in &old {
            if !find(container).is_some_and(|task| task.wanted) {
                left.entry(container.clone()).or_insert(seen);
            }
        }
        if old
            .iter()
            .all(|container| find(container).is_none_or(|task| !task.runs))
        {
            return Ok(left);
        }
    }
}

/// One keep-alive connection that asks until told to stop, and opens another after a failure.
async fn keep_asking(target: SocketAddr, stop: CancellationToken) -> Log {
    let mut log = Log::default();
    while !stop.is_cancelled() {
        let outcome: anyhow::Result<()> = async {
            let mut connection = Connection::new(connect(target, 0).await?, HOST);
            while !stop.is_cancelled() {
                let sent = Instant::now();
                log.requests += 1;
                let answer = connection.ask().await?;
                let container = answer.served_by.context("an answer without x-served-by")?;
                log.last.insert(container, sent);
                sleep(PAUSE).await;
            }
            Ok(())
        }
        .await;
        log.failures
            .extend(outcome.err().map(|error| format!("{error:#}")));
    }
    log
}

/// From one time to another, negative when it was before.
fn milliseconds(from: Instant, to: Instant) -> f64 {
    let forward = to.saturating_duration_since(from).as_secs_f64();
    (forward - from.saturating_duration_since(to).as_secs_f64()) * 1e3
}
