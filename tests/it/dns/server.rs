//! A running name server, and what steers it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_server::proto::op::ResponseCode;
use hickory_server::proto::rr::RecordType;
use hiveway::core::model::NodeId;
use hiveway::core::model::route::{HostPattern, PathPrefix};
use hiveway::core::model::snapshot::{GatewayTask, Generation, RouteKey, Snapshot};
use hiveway::core::routing::rate_limit::Rate;
use hiveway::dns::{Config, Error, Limits, NameServer};
use hiveway::observe::event_log;
use hiveway::observe::metrics::Metrics;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::bounded::bounded;

use super::client::{by_udp, question};

/// A name server on node n2.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) metrics: Metrics,
    snapshots: Option<watch::Sender<Option<Arc<Snapshot>>>>,
    stop: CancellationToken,
    running: JoinSet<Result<(), Error>>,
}

impl Server {
    /// One that knows these hosts.
    pub(super) async fn start(hosts: &[&str], gateways: Arc<[GatewayTask]>) -> Self {
        Self::start_with(|_| {}, hosts, gateways).await
    }

    /// The same with another configuration.
    pub(super) async fn start_with(
        change: impl FnOnce(&mut Config),
        hosts: &[&str],
        gateways: Arc<[GatewayTask]>,
    ) -> Self {
        let server = Self::cold(change);
        // What is published before it looks first is what it sees first.
        server.publish(snapshot(1, hosts, gateways));
        server
    }

    /// One that has not seen a snapshot.
    pub(super) fn cold(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config();
        change(&mut config);
        let metrics = metrics();
        let server = NameServer::bind(&config, &metrics).expect("free ports");
        let address = server.address();
        let snapshots = watch::Sender::new(None);
        let stop = CancellationToken::new();
        let mut running = JoinSet::new();
        running.spawn(server.run(snapshots.subscribe(), stop.clone()));
        Self {
            address,
            metrics,
            snapshots: Some(snapshots),
            stop,
            running,
        }
    }

    pub(super) fn publish(&self, snapshot: Snapshot) {
        let snapshots = self.snapshots.as_ref().expect("still published");
        snapshots.send_replace(Some(Arc::new(snapshot)));
    }

    /// The reconciler is gone.
    pub(super) fn no_more_snapshots(&mut self) {
        self.snapshots = None;
    }

    /// Asks until this is the answer.
    pub(super) async fn eventually(&self, name: &str, code: ResponseCode) {
        bounded(async {
            let asked = question(name, RecordType::A);
            while by_udp(self.address, &asked).await.response_code != code {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// How many packets became this.
    pub(super) fn count(&self, result: &'static str) -> u64 {
        self.metrics.dns_queries(result).get()
    }

    pub(super) async fn stop(mut self) -> Result<(), Error> {
        self.stop.cancel();
        let ended = bounded(self.running.join_next()).await;
        ended.expect("it runs").expect("it does not panic")
    }
}

/// On any port; rates that no test meets by accident.
pub(super) fn config() -> Config {
    Config {
        address: "127.0.0.1:0".parse().expect("an address"),
        forward: Vec::new(),
        node: Some(NodeId::from("n2")),
        limits: Limits {
            rate: Rate {
                per_second: 1_000_000,
                burst: 1_000_000,
            },
            forward_timeout: Duration::from_secs(30),
            idle: Duration::from_secs(30),
            ..Limits::default()
        },
    }
}

pub(super) fn metrics() -> Metrics {
    let (emitter, _events) = event_log::channel();
    Metrics::new(emitter.drop_counter())
}

pub(super) fn gateways(gateways: &[(&str, &str)]) -> Arc<[GatewayTask]> {
    let task = |(node, address): &(&str, &str)| GatewayTask {
        node: NodeId::from(*node),
        address: address.parse().expect("an address"),
        controller: false,
    };
    gateways.iter().map(task).collect()
}

pub(super) fn snapshot(sequence: u64, hosts: &[&str], gateways: Arc<[GatewayTask]>) -> Snapshot {
    let route = |host: &&str| {
        let host = host.to_lowercase();
        let host = match host.strip_prefix("*.") {
            Some(name) => HostPattern::Under(name.into()),
            None => HostPattern::Exact(host.into()),
        };
        let path = PathPrefix::root();
        (RouteKey { host, path }, Arc::from([]))
    };
    Snapshot {
        generation: Generation { epoch: 1, sequence },
        routes: hosts.iter().map(route).collect(),
        gateways,
        ..Snapshot::default()
    }
}
