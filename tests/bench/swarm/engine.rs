//! The Docker engine: its command-line tool to change things, its API to look at them often.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::process::Command;
use tokio::time::{Instant, sleep, timeout};

/// How long one call may take.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// An engine that is reached through a socket of this machine.
pub(crate) struct Engine {
    socket: PathBuf,
}

/// A task, as far as a drain is concerned.
pub(crate) struct Task {
    /// The beginning of its container's id, which is the container's host name.
    pub(crate) container: Option<String>,
    /// Whether its desired state is `running`.
    pub(crate) wanted: bool,
    /// Whether its container runs.
    pub(crate) runs: bool,
}

impl Engine {
    /// The engine of `DOCKER_HOST`, or the usual one.
    pub(crate) fn from_environment() -> anyhow::Result<Self> {
        let host = std::env::var("DOCKER_HOST")
            .unwrap_or_else(|_| "unix:///var/run/docker.sock".to_owned());
        let socket = host.strip_prefix("unix://").with_context(|| {
            format!("DOCKER_HOST is {host}; --swarm needs an engine of this machine, unix://…")
        })?;
        Ok(Self {
            socket: socket.into(),
        })
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Whether it manages a swarm and has the two images.
    pub(crate) async fn check(&self) -> anyhow::Result<()> {
        let info = self.get("/info").await?;
        ensure!(
            info["Swarm"]["ControlAvailable"] == true,
            "the engine manages no swarm: docker swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1"
        );
        for image in ["hiveway:dev", "hiveway-demo:dev"] {
            let found = self.get(&format!("/images/{image}/json")).await;
            found.with_context(|| format!("the engine has no image {image}: make image"))?;
        }
        Ok(())
    }

    /// Its version.
    pub(crate) async fn version(&self) -> anyhow::Result<String> {
        let version = self.get("/version").await?;
        Ok(version["Version"].as_str().unwrap_or("unknown").to_owned())
    }

    /// Runs the command-line tool and gives what it printed.
    pub(crate) async fn docker(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = Command::new("docker");
        command
            .arg("--host")
            .arg(format!("unix://{}", self.socket.display()));
        command.args(arguments).kill_on_drop(true);
        let output = timeout(CALL_LIMIT, command.output())
            .await
            .with_context(|| {
                format!(
                    "docker {} took longer than {CALL_LIMIT:?}",
                    arguments.join(" ")
                )
            })?
            .context("starting docker")?;
        if !output.status.success() {
            let error = String::from_utf8_lossy(&output.stderr);
            bail!("docker {}: {}", arguments.join(" "), error.trim());
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// One GET of the API. HTTP/1.0, so that the answer ends with the connection and is not chunked.
    pub(crate) async fn get(&self, path: &str) -> anyhow::Result<Value> {
        let call = async {
            let mut stream = UnixStream::connect(&self.socket).await?;
            let request = format!("GET {path} HTTP/1.0\r\nHost: docker\r\n\r\n");
            stream.write_all(request.as_bytes()).await?;
            let mut text = String::new();
            stream.read_to_string(&mut text).await?;
            std::io::Result::Ok(text)
        };
        let text = timeout(CALL_LIMIT, call)
            .await
            .with_context(|| format!("GET {path} took longer than {CALL_LIMIT:?}"))?
            .with_context(|| format!("GET {path} from {}", self.socket.display()))?;
        let (head, body) = text
            .split_once("\r\n\r\n")
            .context("an answer without a head")?;
        let status = head.lines().next().unwrap_or_default();
        ensure!(
            status.contains(" 200 "),
            "GET {path}: {status}: {}",
            body.trim()
        );
        serde_json::from_str(body).with_context(|| format!("GET {path} answered no JSON"))
    }

    /// The tasks of a service.
    pub(crate) async fn tasks(&self, service: &str) -> anyhow::Result<Vec<Task>> {
        // {"service":{"NAME":true}}, percent-encoded.
        let filter = format!("%7B%22service%22%3A%7B%22{service}%22%3Atrue%7D%7D");
        let tasks = self.get(&format!("/tasks?filters={filter}")).await?;
        let tasks = tasks.as_array().context("GET /tasks answered no list")?;
        let read = |task: &Value| {
            let container = task["Status"]["ContainerStatus"]["ContainerID"].as_str();
            Task {
                container: container.and_then(|id| id.get(..12)).map(str::to_owned),
                wanted: task["DesiredState"] == "running",
                runs: task["Status"]["State"] == "running",
            }
        };
        Ok(tasks.iter().map(read).collect())
    }

    /// Where this machine reaches the container of a service: its address on the bridge that links a node's containers
    /// to the node. None while it does not run.
    pub(crate) async fn host_side_address(&self, service: &str) -> anyhow::Result<Option<IpAddr>> {
        let tasks = self.tasks(service).await?;
        let Some(container) = tasks
            .into_iter()
            .filter(|task| task.runs)
            .find_map(|task| task.container)
        else {
            return Ok(None);
        };
        let bridge = self.get("/networks/docker_gwbridge").await?;
        let containers = bridge["Containers"]
            .as_object()
            .context("docker_gwbridge lists no containers")?;
        let own = containers.iter().find(|(id, _)| id.starts_with(&container));
        let address = own.and_then(|(_, entry)| {
            entry["IPv4Address"]
                .as_str()?
                .split('/')
                .next()?
                .parse()
                .ok()
        });
        Ok(address)
    }

    /// Removes a service, if there is one.
    pub(crate) async fn remove_service(&self, service: &str) -> anyhow::Result<()> {
        let found = self
            .docker(&[
                "service",
                "ls",
                "--quiet",
                "--filter",
                &format!("name={service}"),
            ])
            .await?;
        if !found.is_empty() {
            self.docker(&["service", "rm", service]).await?;
        }
        Ok(())
    }

    /// Removes a network, if there is one. It stays in use for a while after its services are gone.
    pub(crate) async fn remove_network(
        &self,
        network: &str,
        within: Duration,
    ) -> anyhow::Result<()> {
        let deadline = Instant::now() + within;
        loop {
            let found = self
                .docker(&[
                    "network",
                    "ls",
                    "--quiet",
                    "--filter",
                    &format!("name={network}"),
                ])
                .await?;
            if found.is_empty() {
                return Ok(());
            }
            match self.docker(&["network", "rm", network]).await {
                Ok(_) => {}
                Err(error) if Instant::now() >= deadline => return Err(error),
                Err(_) => sleep(Duration::from_millis(200)).await,
            }
        }
    }
}
