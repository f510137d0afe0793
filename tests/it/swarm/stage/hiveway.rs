//! Hiveway as a service of the swarm, and what it shows of itself.

use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::time::{Duration, SystemTime};

use hiveway::core::model::snapshot::{Cluster, EndpointState, Snapshot};
use hiveway::tools::demo::request::{Answer, Failure, Target, ask};
use http::Method;

use super::{HOST, eventually};
use crate::docker::{self, remove};
use crate::images::Images;
use crate::stack::{self, Stack};

/// How long one request may take.
const REQUEST_BOUND: Duration = Duration::from_secs(5);
/// How long Hiveway may take to start and to be found healthy by its image's own check.
const START_BOUND: Duration = Duration::from_secs(60);

/// The running instance.
pub(in crate::swarm) struct Hiveway {
    stack: Stack,
    /// The overlay network that it shares with services and clients.
    pub(in crate::swarm) network: String,
    container: Mutex<Container>,
    secret: Secret,
}

/// The secret that it is given; removed when dropped, after those who use it.
struct Secret(String);

impl Drop for Secret {
    fn drop(&mut self) {
        remove(&["secret", "rm", &self.0]);
    }
}

/// Where it runs.
#[derive(Clone, Debug)]
struct Container {
    id: String,
    /// Where the machine of the engine reaches it, by the bridge that every container of a swarm is on.
    address: IpAddr,
}

impl Hiveway {
    /// The name of the secret that it is given.
    pub(in crate::swarm) fn secret(&self) -> &str {
        &self.secret.0
    }

    /// Deploys `deploy/stack.yml`. What differs from what users run is the network's name, that admin can be read here, and
    /// that its one name is written by hand: adding one would replace the instance in the middle of somebody's test.
    pub(super) async fn deploy(name: &str, images: &Images) -> Self {
        let network = format!("{name}-mesh");
        let variables = format!(
            "HIVEWAY_NETWORK: {network}\n      HIVEWAY_ADMIN: 0.0.0.0:9900\n      HIVEWAY_ALIASES: \"off\""
        );
        let replacements = [
            ("HIVEWAY_NETWORK: mesh", &*variables),
            ("name: mesh", &format!("name: {network}")),
            (
                "networks: [mesh]",
                &format!("networks: {{ mesh: {{ aliases: [{HOST}] }} }}"),
            ),
        ];
        let secret = Secret(format!("{name}-control"));
        let variables = [
            ("HIVEWAY_IMAGE", &*images.hiveway),
            ("HIVEWAY_CONTROL_SECRET", &secret.0),
        ];
        stack::make_secret(&variables).await;
        let stack = Stack::deploy(name.into(), "stack.yml", &replacements, &variables).await;
        let nowhere = Container {
            id: String::new(),
            address: IpAddr::from([0, 0, 0, 0]),
        };
        let hiveway = Self {
            stack,
            network,
            container: Mutex::new(nowhere),
            secret,
        };
        if let Err(error) = hiveway.moved().await {
            panic!("{error}\n{}", hiveway.log().await.join("\n"));
        }
        hiveway
    }

    /// The name of its service.
    pub(in crate::swarm) fn service(&self) -> String {
        format!("{}_hiveway", self.stack.name)
    }

    /// Waits until it runs in another container than before, and there only.
    ///
    /// # Errors
    ///
    /// What was seen last when the bound had passed.
    pub(in crate::swarm) async fn moved(&self) -> Result<(), String> {
        let old = self.container().id;
        let look = async || match self.locate().await? {
            container if container.id == old => Err("the old container".into()),
            container => Ok(container),
        };
        let what = "Hiveway runs in one container, which is new and healthy";
        let container = eventually(what, START_BOUND, look).await?;
        *self.container.lock().unwrap() = container;
        Ok(())
    }

    fn container(&self) -> Container {
        self.container.lock().unwrap().clone()
    }

    async fn locate(&self) -> Result<Container, String> {
        let service = format!("label=com.docker.swarm.service.name={}", self.service());
        let list = [
            "ps",
            "--no-trunc",
            "--format",
            "{{.ID}} {{.Status}}",
            "--filter",
            &service,
        ];
        let containers = docker::ask(list).await?;
        let id = match containers.lines().collect::<Vec<_>>()[..] {
            [only] if only.ends_with("(healthy)") => only.split(' ').next().unwrap_or_default(),
            _ => return Err(containers),
        };
        let format = format!("{{{{(index .Containers \"{id}\").IPv4Address}}}}");
        let inspect = ["network", "inspect", "docker_gwbridge", "--format", &format];
        let address = docker::ask(inspect).await?;
        let bare = address.split('/').next().unwrap_or_default();
        Ok(Container {
            id: id.into(),
            address: bare.parse().map_err(|_| address)?,
        })
    }

    /// The log that users see, a line each.
    pub(in crate::swarm) async fn log(&self) -> Vec<String> {
        let service = self.service();
        let log = docker::logs(&["service", "logs", "--raw", &service]).await;
        log.lines().map(str::to_owned).collect()
    }

    /// The lines of the log since then.
    pub(in crate::swarm) async fn log_since(&self, since: SystemTime) -> Vec<String> {
        let since = humantime::format_rfc3339_millis(since).to_string();
        let mut log = self.log().await;
        // Times of one format and one zone are in the order of their texts.
        log.retain(|line| **line >= *since);
        log
    }

    /// One request to the host that all services here claim, straight from this machine.
    pub(in crate::swarm) async fn get(&self, path: &str) -> Result<Answer, Failure> {
        let target: Target = format!("http://{HOST}{path}").parse().expect("a URL");
        let target = target.through(SocketAddr::new(self.container().address, 80));
        ask(&target, Method::GET, REQUEST_BOUND).await
    }

    /// What it steers by.
    pub(in crate::swarm) async fn snapshot(&self) -> Result<Snapshot, String> {
        let target: Target = format!("http://{}:9900/snapshot", self.container().address)
            .parse()
            .expect("a URL");
        let answer = ask(&target, Method::GET, REQUEST_BOUND).await;
        let answer = answer.map_err(|failure| failure.to_string())?;
        serde_json::from_slice(&answer.body).map_err(|error| error.to_string())
    }

    /// The endpoints of a service, as container and state, sorted; an error where it is not routed.
    pub(in crate::swarm) async fn endpoints(
        &self,
        service: &str,
    ) -> Result<Vec<(String, EndpointState)>, String> {
        let snapshot = self.snapshot().await?;
        let is_it = |cluster: &&std::sync::Arc<Cluster>| &*cluster.service == service;
        let cluster = snapshot.clusters.values().find(is_it);
        let cluster = cluster.ok_or_else(|| format!("{service} is not routed"))?;
        let endpoints = cluster.endpoints.values();
        let mut endpoints: Vec<_> = endpoints
            .map(|endpoint| (endpoint.container.as_str().to_owned(), endpoint.state))
            .collect();
        endpoints.sort();
        Ok(endpoints)
    }
}
