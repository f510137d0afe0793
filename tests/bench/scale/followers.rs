//! Gateways that follow the controller: each a follower of its own over a connection of its own, as on other nodes.
//!
//! # Design notes
//!
//! They share this process. Fifty processes on the one core that is left would measure how that core is shared out, where in a
//! swarm each has a machine. What a follower does for a snapshot is all there: TLS, reading, applying, publishing to a `watch`.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use hiveway::core::model::snapshot::{Delta, EndpointState, Snapshot};
use hiveway::core::model::{ServiceId, TaskId};
use hiveway::core::protocol::{AcmeShare, ToNode};
use hiveway::observe::event_log::{self, Journal};
use hiveway::observe::metrics::Metrics;
use hiveway::observe::readiness::Readiness;
use hiveway::state::drain_store::OrderBook;
use hiveway::sync::client::{self, Config, Outputs};
use hiveway::sync::transport::{Identity, encode};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Followers that run; they end when dropped.
pub(super) struct Followers {
    snapshots: Vec<watch::Receiver<Option<Arc<Snapshot>>>>,
    _running: JoinSet<()>,
}

/// Sizes of messages of the control channel, in bytes.
#[derive(Debug, Default)]
pub(super) struct Sizes {
    pub(super) snapshot: usize,
    pub(super) deltas: Vec<usize>,
}

impl Followers {
    /// So many, of the controller at this address.
    pub(super) fn start(
        count: usize,
        controller: SocketAddr,
        identity: &Identity,
    ) -> anyhow::Result<Self> {
        let mut running = JoinSet::new();
        let mut snapshots = Vec::new();
        for number in 0..count {
            let config = Config {
                places: vec![controller.to_string().parse().map_err(anyhow::Error::msg)?],
                identity: identity.clone(),
                node: Some(format!("follower-{number}").as_str().into()),
                own_listener: None,
                serves_tls: false,
                acme: AcmeShare::Nothing,
                public: false,
            };
            let (sender, receiver) = watch::channel(None);
            let (emitter, events) = event_log::channel();
            let metrics = Metrics::new(emitter.drop_counter());
            running.spawn(Journal::default().run(events, metrics.clone()));
            let outputs = Outputs {
                snapshots: sender,
                commands: watch::channel(Arc::default()).0,
                certificates: watch::channel(Arc::default()).0,
                order_book: OrderBook::default(),
                issued: watch::channel(Arc::default()).0,
                challenges: watch::channel(Arc::default()).0,
                notes: broadcast::channel(16).0,
                followed: watch::channel(None).0,
                emitter,
                readiness: Readiness::default(),
                metrics,
            };
            running.spawn(client::run(config, None, outputs, CancellationToken::new()));
            snapshots.push(receiver);
        }
        Ok(Self {
            snapshots,
            _running: running,
        })
    }

    /// The latest snapshot that all of them have.
    pub(super) async fn all_ready(
        &mut self,
        endpoints: usize,
        within: Duration,
    ) -> anyhow::Result<()> {
        for snapshot in &mut self.snapshots {
            let full = |latest: &Option<Arc<Snapshot>>| {
                latest.as_deref().is_some_and(|it| ready(it) == endpoints)
            };
            timeout(within, snapshot.wait_for(full))
                .await
                .with_context(|| {
                    format!("{endpoints} endpoints were not in rotation in {within:?}")
                })?
                .context("a follower ended")?;
        }
        Ok(())
    }

    /// When each of them had taken these tasks of a service out of rotation.
    pub(super) fn watch_for(&self, service: &str, tasks: &[String]) -> JoinSet<Option<Instant>> {
        let service = ServiceId::from(service);
        let tasks: Arc<[TaskId]> = tasks.iter().map(|id| TaskId::from(&**id)).collect();
        let mut watching = JoinSet::new();
        for snapshot in &self.snapshots {
            let (mut snapshot, service, tasks) = (snapshot.clone(), service.clone(), tasks.clone());
            watching.spawn(async move {
                let out = |latest: &Option<Arc<Snapshot>>| {
                    let cluster = latest.as_deref()?.clusters.get(&service)?;
                    let is_out = |task: &TaskId| {
                        let endpoint = cluster.endpoints.get(task);
                        endpoint.is_none_or(|it| it.state != EndpointState::Ready)
                    };
                    Some(tasks.iter().all(is_out))
                };
                let seen = snapshot
                    .wait_for(|latest| out(latest).unwrap_or(false))
                    .await;
                seen.is_ok().then(Instant::now)
            });
        }
        watching
    }

    /// Notes the sizes of what is sent, until it is dropped: the whole snapshot as it is now, and every delta from now on.
    pub(super) fn weigh(&self) -> Weighing {
        let (sender, sizes) = watch::channel(Sizes::default());
        let mut task = JoinSet::new();
        if let Some(mut snapshot) = self.snapshots.first().cloned() {
            task.spawn(async move {
                let mut last = snapshot.borrow_and_update().clone();
                if let Some(snapshot) = last.clone() {
                    let whole = encode(&ToNode::Snapshot { snapshot }).len();
                    sender.send_modify(|sizes| sizes.snapshot = whole);
                }
                while snapshot.changed().await.is_ok() {
                    let next = snapshot.borrow_and_update().clone();
                    if let (Some(old), Some(new)) = (&last, &next) {
                        let delta = Arc::new(Delta::between(old, new));
                        let length = encode(&ToNode::Delta { delta }).len();
                        sender.send_modify(|sizes| sizes.deltas.push(length));
                    }
                    last = next;
                }
            });
        }
        Weighing { sizes, _task: task }
    }
}

/// Goes on until it is dropped.
pub(super) struct Weighing {
    pub(super) sizes: watch::Receiver<Sizes>,
    _task: JoinSet<()>,
}

fn ready(snapshot: &Snapshot) -> usize {
    let endpoints = snapshot
        .clusters
        .values()
        .flat_map(|it| it.endpoints.values());
    endpoints
        .filter(|it| it.state == EndpointState::Ready)
        .count()
}
