//! The engine dies and comes back.

use std::net::IpAddr;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use hiveway::tools::demo::load::Summary;
use tokio::process::Child;

use super::stage::{HOST, alone};
use crate::eventually::eventually;
use crate::needs::needed;
use crate::own_engine::{Estate, OwnEngine};
use crate::{docker, images, stack};

/// How long the engine and its swarm may take for anything.
const BOUND: Duration = Duration::from_secs(90);
/// What is asked while the engine is away, by each kind of client.
const REQUESTS: u64 = 1_500;

#[tokio::test]
#[ignore = "needs a swarm: make test"]
async fn routes_survive_a_dead_engine_and_its_restart() {
    needed(OwnEngine::possible()).await;
    let _turn = alone().await;
    let estate = Arc::new(Estate::new("restart"));
    let mut engine = OwnEngine::new(&estate, "restarted").await;
    engine.start().await;
    images::put_into(&engine).await;
    let init = ["swarm", "init", "--advertise-addr", "127.0.0.1"];
    engine.docker(init).await;
    deploy(&engine).await;
    let hiveway = locate(&engine).await;
    answered_by_two(&engine, hiveway).await;
    let loads = [&[][..], &["--fresh"]].map(|flags| Load::start(&engine, hiveway, flags));
    for load in &loads {
        load.reaches(&engine, 100).await;
    }

    let killed = SystemTime::now();
    engine.kill().await;
    for load in &loads {
        let before = load.summary().unwrap();
        let after = load.reaches(&engine, before.requests + REQUESTS).await;
        eprintln!(
            "without an engine: {}",
            serde_json::to_string(&after).unwrap()
        );
        assert_eq!((after.failed, after.served_by.len()), (0, 2), "{after:#?}");
    }
    drop(loads);

    // An engine that was killed finds its containers running, and replaces them: Hiveway's own, too.
    let started = SystemTime::now();
    engine.start().await;
    let hiveway = locate(&engine).await;
    answered_by_two(&engine, hiveway).await;

    // The first instance saw it, in the time between.
    let log = log(&engine).await;
    let [killed, started] =
        [killed, started].map(|at| humantime::format_rfc3339_millis(at).to_string());
    let told = log
        .lines()
        .find(|line| line.contains("cannot be read, the last state stands"));
    let at = told.and_then(|line| line.split(' ').next());
    assert!(
        at.is_some_and(|at| *killed <= *at && *at <= *started),
        "{killed} {started}\n{log}"
    );
}

/// Deploys `deploy/stack.yml` as it is but for its names, and a service. Nobody asks for its name here, and adding it would
/// replace the instance that the requests go to.
async fn deploy(engine: &OwnEngine) {
    let replacements = [(
        "HIVEWAY_NETWORK: mesh",
        "HIVEWAY_NETWORK: mesh\n      HIVEWAY_ALIASES: \"off\"",
    )];
    let variables = [("DOCKER_HOST", &*engine.host)];
    stack::make_secret(&variables).await;
    stack::deploy("hiveway", "stack.yml", &replacements, &variables).await;
    let label = format!("hiveway.routing.port_80={HOST}");
    let create =
        "service create --detach --no-resolve-image --quiet --name web --network mesh --replicas 2";
    let create = create
        .split(' ')
        .chain(["--label", &label, "hiveway-demo:dev"]);
    engine.docker(create).await;
}

/// What Hiveway has logged, all instances together.
async fn log(engine: &OwnEngine) -> String {
    let service = ["service", "logs", "--raw", "hiveway_hiveway"];
    docker::logs(&[&["--host", &engine.host], &service[..]].concat()).await
}

/// Waits for something to be so, or fails with what this engine's Hiveway has logged.
async fn within<T>(
    engine: &OwnEngine,
    what: &str,
    look: impl AsyncFnMut() -> Result<T, String>,
) -> T {
    match eventually(what, BOUND, look).await {
        Ok(found) => found,
        Err(error) => panic!("{error}\n\nHiveway's log:\n{}", log(engine).await),
    }
}

/// The address of Hiveway's container, once it is healthy.
async fn locate(engine: &OwnEngine) -> IpAddr {
    let look = async || {
        let list = "ps --quiet --no-trunc --filter health=healthy --filter name=hiveway_hiveway";
        let container = engine.ask(list.split(' ')).await?;
        if container.is_empty() {
            return Err(engine.ask(["ps", "--all"]).await?);
        }
        let format = format!("{{{{(index .Containers \"{container}\").IPv4Address}}}}");
        let inspect = ["network", "inspect", "docker_gwbridge", "--format", &format];
        let address = engine.ask(inspect).await?;
        let bare = address.split('/').next().unwrap_or_default();
        bare.parse().map_err(|_| address)
    };
    within(engine, "Hiveway is healthy on the engine", look).await
}

/// Waits until a few requests are all answered, by two containers.
async fn answered_by_two(engine: &OwnEngine, hiveway: IpAddr) {
    let look = async || {
        let flags = ["--requests", "16", "--rate", "100"];
        let mut load = Load::start(engine, hiveway, &flags);
        load.process
            .wait()
            .await
            .map_err(|error| error.to_string())?;
        let summary = load.summary()?;
        match (summary.failed, summary.served_by.len()) {
            (0, 2) => Ok(()),
            _ => Err(format!("{summary:?}")),
        }
    };
    within(engine, "requests are answered by two containers", look).await;
}

/// The load generator in the engine's network, but not one of its containers.
struct Load {
    process: Child,
    output: std::path::PathBuf,
}

impl Load {
    fn start(engine: &OwnEngine, hiveway: IpAddr, flags: &[&str]) -> Self {
        let output = engine.directory.join(format!("load{}", flags.concat()));
        let file = std::fs::File::create(&output).expect("a file");
        let mut command = engine
            .namespaces()
            .enter_network(env!("CARGO_BIN_EXE_hiveway-demo"));
        command.args([
            "load",
            &format!("http://{HOST}/"),
            "--through",
            &format!("{hiveway}:80"),
        ]);
        command.args(["--rate", "300"]).args(flags);
        let process = command.stdout(Stdio::from(file)).spawn().expect("nsenter");
        Self { process, output }
    }

    fn summary(&self) -> Result<Summary, String> {
        let text = std::fs::read_to_string(&self.output).map_err(|error| error.to_string())?;
        // The last line may still be on its way.
        let (whole, _) = text.rsplit_once('\n').unwrap_or_default();
        let last = whole.lines().last().unwrap_or_default();
        serde_json::from_str(last).map_err(|error| format!("{error}: {text:?}"))
    }

    async fn reaches(&self, engine: &OwnEngine, requests: u64) -> Summary {
        let look = async || match self.summary()? {
            summary if summary.requests >= requests => Ok(summary),
            summary => Err(format!("{summary:?}")),
        };
        within(engine, &format!("{requests} requests are made"), look).await
    }
}
