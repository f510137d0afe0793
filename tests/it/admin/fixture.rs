//! An admin listener with everything that it shows, and a client.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use hiveway::admin::{self, AdminState, Instance};
use hiveway::core::event::Event;
use hiveway::core::model::route::{HostPattern, PathPrefix, RoutingPolicy, Scheme};
use hiveway::core::model::snapshot::{
    Claim, Cluster, Endpoint, EndpointState, Generation, RouteKey, Snapshot,
};
use hiveway::core::model::{ServiceId, TaskId};
use hiveway::observe::event_log::{self, Emitter, Journal};
use hiveway::observe::metrics::Metrics;
use hiveway::observe::readiness::Readiness;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

pub(super) use crate::bounded::bounded;

/// A listener and what feeds it.
pub(super) struct Admin {
    pub(super) address: SocketAddr,
    pub(super) emitter: Emitter,
    pub(super) metrics: Metrics,
    pub(super) readiness: Readiness,
    pub(super) snapshots: watch::Sender<Option<Arc<Snapshot>>>,
    journal: Journal,
    stop: CancellationToken,
    server: JoinSet<()>,
    journalist: JoinSet<()>,
}

impl Admin {
    pub(super) async fn start() -> Self {
        Self::start_with(Instance::default()).await
    }

    /// One that knows this of its process.
    pub(super) async fn start_with(instance: Instance) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound address");
        let (emitter, receiver) = event_log::channel();
        let metrics = Metrics::new(emitter.drop_counter());
        let journal = Journal::default();
        let snapshots = watch::Sender::new(None);
        let readiness = Readiness::default();
        let stop = CancellationToken::new();
        let state = AdminState {
            snapshots: snapshots.subscribe(),
            journal: journal.clone(),
            metrics: metrics.clone(),
            readiness: readiness.clone(),
            instance,
        };
        let mut server = JoinSet::new();
        server.spawn(admin::serve(listener, state, stop.clone()));
        let mut journalist = JoinSet::new();
        journalist.spawn(journal.clone().run(receiver, metrics.clone()));
        Self {
            address,
            emitter,
            metrics,
            readiness,
            snapshots,
            journal,
            stop,
            server,
            journalist,
        }
    }

    /// Stops the listener, waits for its end and for the journal's.
    pub(super) async fn stop(mut self) -> SocketAddr {
        self.stop.cancel();
        let ended = bounded(self.server.join_next()).await.expect("one server");
        ended.expect("no panic");
        drop(self.emitter);
        let ended = bounded(self.journalist.join_next()).await;
        ended.expect("one journal").expect("no panic");
        self.address
    }

    /// Emits so many events about a service.
    pub(super) fn emit_scaled(&self, service: &str, count: u64) {
        for to in 1..=count {
            self.emitter.emit(Event::ServiceScaled {
                service: service.into(),
                from: 0,
                to,
            });
        }
    }

    /// Returns once the journal has recorded so many events.
    pub(super) async fn recorded(&self, count: u64) {
        let mut live = self.journal.follow(None);
        let mut latest = live.replay.last().map_or(0, |recorded| recorded.sequence);
        while latest < count {
            latest = bounded(live.live.recv()).await.expect("an event").sequence;
        }
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.request("GET", path, &[], "").await
    }

    pub(super) async fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let (parts, mut driver, incoming) = self.open(method, path, headers, body).await;
        let body = bounded(incoming.collect()).await.expect("a whole body");
        driver.abort_all();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8(body.to_bytes().to_vec()).expect("text"),
        }
    }

    /// Opens a stream of server-sent events.
    pub(super) async fn follow(&self, path: &str, headers: &[(&str, &str)]) -> Events {
        let (parts, driver, body) = self.open("GET", path, headers, "").await;
        assert_eq!(parts.status, 200);
        assert_eq!(parts.headers["content-type"], "text/event-stream");
        let mut events = Events {
            body,
            read: String::new(),
            _driver: driver,
        };
        assert_eq!(events.block().await, "retry: 1000");
        events
    }

    async fn open(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> (http::response::Parts, JoinSet<()>, Incoming) {
        let stream = TcpStream::connect(self.address).await.expect("connected");
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .expect("a handshake");
        let mut driver = JoinSet::new();
        driver.spawn(async {
            // A connection that the server ends shows in the body.
            let _ = connection.await;
        });
        let mut request = http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request
            .header("host", self.address.to_string())
            .body(Full::new(Bytes::from(body.to_owned())))
            .expect("a valid request");
        let answer = bounded(sender.send_request(request))
            .await
            .expect("an answer");
        let (parts, body) = answer.into_parts();
        (parts, driver, body)
    }
}

/// A whole answer.
pub(super) struct Answer {
    pub(super) status: u16,
    headers: http::HeaderMap,
    body: String,
}

impl Answer {
    pub(super) fn text(&self) -> &str {
        &self.body
    }

    pub(super) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("{name}"));
        value.to_str().expect("text")
    }
}

/// An open stream of server-sent events.
pub(super) struct Events {
    body: Incoming,
    read: String,
    _driver: JoinSet<()>,
}

/// One server-sent event.
#[derive(Debug)]
pub(super) struct ServerSent {
    pub(super) id: Option<String>,
    pub(super) name: Option<String>,
    pub(super) data: serde_json::Value,
}

impl Events {
    /// The next event.
    pub(super) async fn next(&mut self) -> ServerSent {
        let block = self.block().await;
        let field = |name: &str| {
            block
                .lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                .map(str::to_owned)
        };
        let data = field("data").unwrap_or_else(|| panic!("no data in {block:?}"));
        ServerSent {
            id: field("id"),
            name: field("event"),
            data: serde_json::from_str(&data).expect("JSON"),
        }
    }

    /// What is left until the server ends the stream.
    pub(super) async fn rest(&mut self) -> String {
        while self.more().await {}
        std::mem::take(&mut self.read)
    }

    async fn block(&mut self) -> String {
        loop {
            if let Some((block, rest)) = self.read.split_once("\n\n") {
                let block = block.to_owned();
                self.read = rest.to_owned();
                return block;
            }
            assert!(self.more().await, "the stream ended");
        }
    }

    async fn more(&mut self) -> bool {
        let Some(frame) = bounded(self.body.frame()).await else {
            return false;
        };
        let data = frame.expect("an unbroken stream").into_data();
        let data = data.expect("no trailers");
        self.read
            .push_str(std::str::from_utf8(&data).expect("whole characters in a frame"));
        true
    }
}

/// One service with one ready endpoint and one route.
pub(super) fn snapshot(service: &str) -> Arc<Snapshot> {
    let id = ServiceId::from("s1");
    let endpoint = Endpoint {
        container: "0123456789abcdef".into(),
        node: "n1".into(),
        address: [10, 0, 1, 4].into(),
        state: EndpointState::Ready,
    };
    let cluster = Cluster {
        service: service.into(),
        policy: RoutingPolicy::default(),
        probes_disbelieved: false,
        endpoints: BTreeMap::from([(TaskId::from("t1"), endpoint)]),
    };
    let route = RouteKey {
        host: HostPattern::Exact("restserver.local".into()),
        path: PathPrefix::root(),
    };
    let claim = Claim {
        service: id.clone(),
        port: 80,
        scheme: Scheme::Any,
    };
    Arc::new(Snapshot {
        gateways: Arc::new([]),
        generation: Generation {
            epoch: 1_700_000_000_000,
            sequence: 3,
        },
        clusters: BTreeMap::from([(id, cluster.into())]),
        routes: BTreeMap::from([(route, [claim].into())]),
        tcp_routes: BTreeMap::new(),
    })
}
