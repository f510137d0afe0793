//! A node of a lab, and what its engine knows.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hiveway::tools::demo::load::Summary;

use super::gateway::Gateway;
use super::switch::address;
use crate::docker::ask_blocking;
use crate::own_engine::{Estate, OwnEngine};

/// A node of the swarm, or about to be one.
pub(super) struct Node {
    pub(super) engine: OwnEngine,
    pub(super) address: Ipv4Addr,
}

impl Node {
    /// A machine with power, not yet plugged in.
    pub(super) async fn new(estate: &std::sync::Arc<Estate>, number: u8) -> Self {
        Self {
            engine: OwnEngine::new(estate, &format!("n{number}")).await,
            address: address(number),
        }
    }

    /// Runs `docker` on it, where that has to succeed.
    pub(super) async fn docker(&self, line: &str) -> String {
        self.engine.docker(line.split(' ')).await
    }

    /// Runs `docker` on it.
    pub(super) async fn ask(&self, line: &str) -> Result<String, String> {
        self.engine.ask(line.split(' ')).await
    }

    /// The gateway here: the one healthy container of Hiveway's service.
    pub(super) async fn gateway(&self) -> Result<Gateway, String> {
        self.gateway_of("hiveway_hiveway").await
    }

    /// The one healthy container of a service with Hiveway's image.
    pub(super) async fn gateway_of(&self, service: &str) -> Result<Gateway, String> {
        let list = format!(
            "ps --no-trunc --format {{{{.ID}}}}\t{{{{.Status}}}} --filter label=com.docker.swarm.service.name={service}"
        );
        let containers = self.ask(&list).await?;
        let container = match containers.lines().collect::<Vec<_>>()[..] {
            [only] if only.ends_with("(healthy)") => only.split('\t').next().unwrap_or_default(),
            _ => return Err(format!("on {}: {containers:?}", self.engine.name)),
        };
        let network = |name: &str| {
            let format = format!("{{{{(index .Containers \"{container}\").IPv4Address}}}}");
            let inspect = ["network", "inspect", name, "--format"].map(str::to_owned);
            inspect.into_iter().chain([format])
        };
        let local = self.engine.ask(network("docker_gwbridge")).await?;
        let mesh = self.engine.ask(network("mesh")).await?;
        Ok(Gateway {
            node: self.engine.name.clone(),
            container: container.to_owned(),
            local: bare(&local)?,
            mesh: bare(&mesh)?,
            network: self.engine.namespaces().network(),
        })
    }

    /// Whether clients in new containers here find a host by its name, each time.
    pub(super) async fn finds(&self, host: &str) -> Result<(), String> {
        let load = format!("load http://{host}/ --fresh --requests 12 --rate 100 --connections 4");
        let run = format!("run --rm --network mesh hiveway-demo:dev {load}");
        let output = self.ask(&run).await?;
        let last = output.lines().last().unwrap_or_default();
        let summary: Summary = serde_json::from_str(last).map_err(|_| output.clone())?;
        match summary.failed {
            0 => Ok(()),
            _ => Err(format!("on {}: {last}", self.engine.name)),
        }
    }

    /// What the engine wants told of a failed test: the logs of Hiveway's containers, and what the swarm looks like.
    pub(super) fn story(&self) -> String {
        let name = &self.engine.name;
        if !self.engine.runs() {
            return format!("===== {name} =====\nno engine runs here\n");
        }
        let containers = self.list(&["--all", "--format", "{{.Names}}: {{.Status}}"]);
        format!(
            "===== {name} =====\n{containers}{}",
            self.gateway_logs("150")
        )
    }

    /// The ends of the logs of Hiveway's containers, those included that have ended: so many lines of each, or `all`.
    pub(super) fn gateway_logs(&self, lines: &str) -> String {
        let containers = self.list(&["--all", "--quiet", "--filter", "ancestor=hiveway:dev"]);
        let logs = containers.lines().map(|container| {
            let host = &self.engine.host;
            let logs = ["--host", host, "logs", "--tail", lines, container];
            let logs = crate::docker::logs_blocking(&logs);
            format!("\n--- the log of {container}:\n{logs}\n")
        });
        logs.collect()
    }

    fn list(&self, arguments: &[&str]) -> String {
        let all = [&["--host", &self.engine.host, "ps"], arguments].concat();
        ask_blocking(&all).unwrap_or_else(|error| error)
    }
}

/// How long anything may take that the swarm does.
pub(super) const BOUND: Duration = Duration::from_secs(90);

fn bare(address: &str) -> Result<IpAddr, String> {
    let bare = address.split('/').next().unwrap_or_default();
    bare.parse().map_err(|_| format!("no address: {address:?}"))
}
