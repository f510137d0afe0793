//! A running gateway with an internal and a public listener.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use hiveway::core::event::Event;
use hiveway::core::model::snapshot::Snapshot;
use hiveway::gateway::{Challenges, Config, Ejected, Error, Gateway, Limits, TlsConfig, TlsLimits};
use hiveway::observe::event_log::{self, Emitter};
use hiveway::observe::metrics::Metrics;
use hiveway::tls::certificates::{self, CertificateManager};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::bounded::bounded;

use super::client::{Answer, Client};
use super::service::{Service, snapshot};

/// A gateway, and what steers it.
pub(super) struct Edge {
    pub(super) internal: SocketAddr,
    pub(super) public: SocketAddr,
    pub(super) public_tls: Option<SocketAddr>,
    pub(super) metrics: Metrics,
    pub(super) stop: CancellationToken,
    pub(super) ejected: watch::Receiver<Arc<Ejected>>,
    events: Mutex<mpsc::Receiver<Event>>,
    snapshots: watch::Sender<Option<Arc<Snapshot>>>,
    sequence: AtomicU64,
    running: JoinSet<Result<(), Error>>,
    _keeping: JoinSet<()>,
}

impl Edge {
    /// One that steers by these services.
    pub(super) async fn start(services: &[Service]) -> Self {
        Self::start_with(|_| {}, services).await
    }

    /// The same with another configuration.
    pub(super) async fn start_with(change: impl FnOnce(&mut Config), services: &[Service]) -> Self {
        let edge = Self::cold(change);
        edge.publish(services).await;
        edge
    }

    /// One that has not seen a snapshot.
    pub(super) fn cold(change: impl FnOnce(&mut Config)) -> Self {
        let (emitter, events) = event_log::channel();
        let metrics = Metrics::new(emitter.drop_counter());
        Self::launch(change, None, (emitter, events), metrics)
    }

    /// One that serves TLS with the certificates in a folder as well.
    pub(super) async fn secure(
        folder: &Path,
        change: impl FnOnce(&mut Config),
        services: &[Service],
    ) -> Self {
        let (emitter, events) = event_log::channel();
        let metrics = Metrics::new(emitter.drop_counter());
        let kept = certificates::Config {
            folders: vec![folder.to_owned()],
            look_every: Duration::from_millis(20),
        };
        let keeper = CertificateManager::open(kept, emitter.clone(), metrics.clone()).await;
        let keeper = keeper.expect("a folder");
        let change = |config: &mut Config| {
            config.tls = Some(TlsConfig {
                address: "127.0.0.1:0".parse().expect("an address"),
                client_ca: None,
                look_every: Duration::from_millis(20),
                limits: TlsLimits::default(),
            });
            change(config);
        };
        let edge = Self::launch(change, Some(keeper), (emitter, events), metrics);
        edge.publish(services).await;
        edge
    }

    fn launch(
        change: impl FnOnce(&mut Config),
        keeper: Option<CertificateManager>,
        (emitter, events): (Emitter, mpsc::Receiver<Event>),
        metrics: Metrics,
    ) -> Self {
        let any: SocketAddr = "127.0.0.1:0".parse().expect("an address");
        let mut config = Config {
            internal: Some(any),
            public: Some(any),
            tls: None,
            trusted_proxies: Vec::new(),
            proxy_protocol: Vec::new(),
            grace: Duration::from_secs(10),
            threads: 1,
            limits: Limits::default(),
            node: None,
            prefer_local: false,
            // Most tests count which endpoint gets which request.
            ejection: None,
            judged_every: Duration::from_millis(10),
            access_log: None,
            spans: None,
            trace_headers: false,
            challenges: Challenges::default(),
        };
        change(&mut config);
        let mut gateway = Gateway::bind(&config, &metrics).expect("free ports");
        let mut running = JoinSet::new();
        let mut keeping = JoinSet::new();
        if let Some(keeper) = keeper {
            gateway = gateway.with_certificates(keeper.in_use());
            let (_, given) = watch::channel(Arc::default());
            let (_, issued) = watch::channel(Arc::default());
            keeping.spawn(keeper.run(given, issued, CancellationToken::new()));
        }
        let public_tls = gateway.public_tls();
        let internal = gateway.internal().expect("an internal listener");
        let public = gateway.public().expect("a public listener");
        let ejected = gateway.ejected();
        let snapshots = watch::Sender::new(None);
        let stop = CancellationToken::new();
        let published = snapshots.subscribe();
        running.spawn(gateway.run(published, metrics.clone(), emitter, || {}, stop.clone()));
        Self {
            internal,
            public,
            public_tls,
            metrics,
            stop,
            ejected,
            events: Mutex::new(events),
            snapshots,
            sequence: AtomicU64::new(0),
            running,
            _keeping: keeping,
        }
    }

    /// Publishes a snapshot and returns once requests are steered by it.
    pub(super) async fn publish(&self, services: &[Service]) {
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) + 1;
        // A route of this snapshot only; it has no endpoint, so that it tells itself apart from no route.
        let host = format!("snapshot-{sequence}.test");
        let mut services = services.to_vec();
        services.push(Service::new("marker", &host));
        let snapshot = snapshot(sequence, &services);
        self.snapshots.send_replace(Some(Arc::new(snapshot)));
        let applied = async {
            let mut client = Client::connect(self.internal).await;
            while client.get(&host, "/").await.head.one("x-hiveway-reason") != Some("no-endpoint") {
                tokio::task::yield_now().await;
            }
        };
        bounded(applied).await;
    }

    /// The next event that the gateway tells.
    pub(super) async fn event(&self) -> Event {
        let next = async { self.events.lock().await.recv().await };
        bounded(next).await.expect("the gateway runs")
    }

    /// The next event that the gateway has told already, if any.
    pub(super) async fn told(&self) -> Option<Event> {
        self.events.lock().await.try_recv().ok()
    }

    /// What a metric says of a service now.
    pub(super) fn metric(&self, name: &str, service: &str) -> String {
        let told = self.metrics.render(None);
        let sample = format!("{name}{{service=\"{service}\"}} ");
        let value = told.lines().find_map(|line| line.strip_prefix(&sample));
        value
            .unwrap_or_else(|| panic!("{name} in {told}"))
            .to_owned()
    }

    /// Waits until the metrics have this line.
    pub(super) async fn counts(&self, line: &str) {
        let counted = async {
            while !self.metrics.render(None).lines().any(|it| it == line) {
                tokio::task::yield_now().await;
            }
        };
        let counted = tokio::time::timeout(Duration::from_secs(30), counted).await;
        assert!(
            counted.is_ok(),
            "no {line} in {}",
            self.metrics.render(None)
        );
    }

    /// Everything that is counted, with the figures of the latest snapshot.
    pub(super) fn figures(&self) -> String {
        let snapshot = self.snapshots.borrow().clone();
        self.metrics.render(snapshot.as_deref())
    }

    /// Nobody publishes from now on.
    pub(super) fn lose_publisher(&mut self) {
        self.snapshots = watch::Sender::new(None);
    }

    /// A client's connection to the internal listener.
    pub(super) async fn client(&self) -> Client {
        Client::connect(self.internal).await
    }

    /// A GET by a new connection to the internal listener.
    pub(super) async fn get(&self, host: &str, path: &str) -> Answer {
        self.client().await.get(host, path).await
    }

    /// Waits for the gateway's end.
    pub(super) async fn ended(&mut self) -> Result<(), Error> {
        let ended = bounded(self.running.join_next()).await;
        ended.expect("one gateway").expect("no panic")
    }
}
