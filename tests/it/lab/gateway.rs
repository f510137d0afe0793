//! A running Hiveway of a lab, asked from its own node: it answers also when its node is cut off or has no engine.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use hiveway::core::model::snapshot::Snapshot;
use hiveway::observe::event_log::Recorded;
use hiveway::observe::readiness::Report;
use hiveway::tools::demo::request::{Answer, Connection, Deadline, Failure, Target};
use http::{HeaderMap, Method};

use crate::own_engine::Network;

/// How long one request may take, once connected.
const BOUND: Duration = Duration::from_secs(5);

/// One container.
#[derive(Clone, Debug)]
pub(super) struct Gateway {
    /// The name of its node.
    pub(super) node: String,
    pub(super) container: String,
    /// Where its node reaches it.
    pub(super) local: IpAddr,
    /// Where the containers of the network `mesh` reach it.
    pub(super) mesh: IpAddr,
    /// Its node's.
    pub(super) network: Network,
}

/// What is under `/events`.
#[derive(serde::Deserialize)]
struct Told {
    events: Vec<Recorded>,
}

impl Gateway {
    /// A request to the internal listener.
    pub(super) async fn get(&self, url: &str) -> Result<Answer, String> {
        self.ask(80, url).await
    }

    /// What it steers by.
    pub(super) async fn snapshot(&self) -> Result<Snapshot, String> {
        let answer = self.ask(9900, "http://admin/snapshot").await?;
        serde_json::from_slice(&answer.body)
            .map_err(|error| format!("{error}: {}", String::from_utf8_lossy(&answer.body)))
    }

    /// What it says about itself, under `/ready`, `/metrics` or `/events`.
    pub(super) async fn admin(&self, path: &str) -> Result<String, String> {
        let answer = self.ask(9900, &format!("http://admin{path}")).await?;
        Ok(String::from_utf8_lossy(&answer.body).into_owned())
    }

    /// Its events of one kind, oldest first.
    pub(super) async fn events(&self, kind: &str) -> Result<Vec<Recorded>, String> {
        let text = self.admin("/events").await?;
        let told: Told = serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        let of_kind = |recorded: &Recorded| recorded.event.kind() == kind;
        Ok(told.events.into_iter().filter(of_kind).collect())
    }

    /// A condition of `/ready`: nothing where it holds, or else the reason.
    pub(super) async fn condition(&self, name: &str) -> Result<Option<String>, String> {
        let text = self.admin("/ready").await?;
        let report: Report =
            serde_json::from_str(&text).map_err(|error| format!("{error}: {text}"))?;
        let condition = report.conditions.into_iter().find(|it| it.name == name);
        let condition = condition.ok_or_else(|| format!("no {name} in {text}"))?;
        Ok(condition.reason)
    }

    /// Whether it answers for this host with success; who answered.
    pub(super) async fn serves(&self, host: &str) -> Result<String, String> {
        let answer = self.get(&format!("http://{host}/")).await?;
        match (answer.status.as_u16(), answer.served_by()) {
            (200, Some(container)) => Ok(container.to_owned()),
            (status, _) => Err(format!(
                "{host} through {}: {status} {}",
                self.node,
                answer.header("x-hiveway-reason").unwrap_or_default()
            )),
        }
    }

    async fn ask(&self, port: u16, url: &str) -> Result<Answer, String> {
        let target: Target = url.parse().expect("a URL");
        let address = SocketAddr::new(self.local, port);
        let stream = self.network.connect(address).await;
        let stream = stream.map_err(|error| format!("{address}: {error}"))?;
        let told = |failure: Failure| format!("{url} on {}: {failure}", self.node);
        let mut connection = Connection::over(stream).await.map_err(told)?;
        let (headers, deadline) = (HeaderMap::new(), Deadline::after(BOUND));
        let answer = connection.ask(&target, Method::GET, headers, deadline);
        answer.await.map_err(told)
    }
}
