//! Connections that are passed on undecrypted: real TLS between a client and a task, with a gateway between them that has no
//! part in it.

mod bounds;
mod task;

use std::sync::Arc;
use std::time::Duration;

use hiveway::core::event::Event;
use hiveway::core::model::route::Balance;
use hiveway::core::model::snapshot::EndpointState;
use hiveway::observe::access_log::{Config as LogConfig, Format, Selection, channel};
use prometheus::IntCounter;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::task::JoinSet;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::{AlertDescription, ClientConfig, Error, version};
use tokio_util::sync::CancellationToken;

use self::task::tasks;
use super::super::client::Client;
use super::super::origin::{Behaviour, origins};
use super::super::service::Service;
use super::{Opened, Secure, open};
use crate::authority::Authority;
use crate::bounded::bounded;

/// The gateway's own certificate.
const WEB: [(&str, &[&str]); 1] = [("web", &["web.test"])];

/// A gateway, and the authority of the tasks, which is not the gateway's.
struct Stage {
    secure: Secure,
    authority: Authority,
}

impl Stage {
    async fn start(authority: Authority, services: &[Service]) -> Self {
        Self::start_with(authority, |_| {}, services).await
    }

    async fn start_with(
        authority: Authority,
        change: impl FnOnce(&mut hiveway::gateway::Config),
        services: &[Service],
    ) -> Self {
        let secure = Secure::start_with(change, &WEB, services).await;
        Self { secure, authority }
    }

    /// A client of the tasks, which believes their authority alone.
    fn client(&self) -> ClientConfig {
        client(&self.authority)
    }

    /// Opens a connection for a name to a task, through the gateway.
    async fn open(&self, name: &str) -> Opened {
        let opened = open(self.secure.address(), name, self.client()).await;
        opened.unwrap_or_else(|error| panic!("no TLS with a task for {name}: {error}"))
    }

    /// The name of the task that a new connection comes to.
    async fn asks(&self, name: &str) -> String {
        greeting(&mut self.open(name).await.client).await
    }

    /// Waits until so many connections have ended in this way.
    async fn ended(&self, service: &str, end: &str, count: usize) {
        let name = "hiveway_tcp_connections_total";
        let labels = format!("{{service=\"{service}\",end=\"{end}\"}}");
        self.secure.shows(&format!("{name}{labels} {count}")).await;
    }

    /// What becomes of a connection that begins to ask for a name: what comes back of it before its end.
    async fn refused(&self, name: &str) -> String {
        let mut client = Client::connect(self.secure.address()).await;
        client.send(task::hello(name)).await;
        client.closed().await
    }
}

fn client(authority: &Authority) -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&version::TLS13, &version::TLS12])
        .expect("versions")
        .with_root_certificates(authority.roots())
        .with_no_client_auth()
}

fn db() -> Service {
    Service::new("db", "tcp://db.test")
}

/// What a task says first.
async fn greeting(client: &mut Client) -> String {
    let line = bounded(client.wire.until(b"\n")).await;
    String::from_utf8(line.expect("a task's greeting")).expect("text")
}

/// What comes back of something that is said.
async fn echo(client: &mut Client, says: &str) -> String {
    client.send(says).await;
    let echoed = bounded(client.wire.exactly(says.len())).await;
    String::from_utf8(echoed.expect("an echo")).expect("text")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passthrough_shows_the_tasks_own_certificate() {
    let authority = Authority::new("the tasks");
    let [task] = tasks(&authority, ["db.test"]).await;
    let [web] = origins([Behaviour::Answer]).await;
    let services = [
        db().at(task.address),
        Service::new("web", "web.test").endpoints([&web]),
    ];
    let stage = Stage::start(authority, &services).await;
    let mut opened = stage.open("DB.test").await;
    assert_eq!(opened.certificate, task.certificate);
    assert_eq!(greeting(&mut opened.client).await, task.name);
    assert_eq!(echo(&mut opened.client, "select 1").await, "select 1");
    // Both sides may say much at once, and nothing is lost of it.
    let much = "0123456789abcdef".repeat(1 << 15);
    assert_eq!(
        echo(&mut opened.client, &much[..200_000]).await,
        much[..200_000]
    );

    let mut served = stage.secure.open("web.test").await.client;
    assert_eq!(served.get("web.test", "/").await.body, web.container);
    let refused = open(stage.secure.address(), "other.test", stage.client()).await;
    let unknown = Error::AlertReceived(AlertDescription::UnrecognisedName);
    assert_eq!(refused.err(), Some(unknown));
    // Neither is the host of the TCP route one of HTTP.
    let answer = stage.secure.edge.get("db.test", "/").await;
    answer.assert_refused(404, "no-route");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_go_to_each_task_in_turn_or_as_the_policy_says() {
    let authority = Authority::new("the tasks");
    let both = tasks(&authority, ["db.test", "db.test"]).await;
    let service = both
        .iter()
        .fold(db(), |service, task| service.at(task.address));
    let by_source = service
        .clone()
        .policy(|policy| policy.balance = Balance::HashSource);
    let stage = Stage::start(authority, &[service]).await;
    let mut met = Vec::new();
    for _ in 0..4 {
        met.push(stage.asks("db.test").await);
    }
    met.sort();
    assert_eq!(
        met,
        [&*both[0].name, &both[0].name, &both[1].name, &both[1].name]
    );
    stage.secure.edge.publish(&[by_source]).await;
    let own = stage.asks("db.test").await;
    for _ in 0..4 {
        assert_eq!(stage.asks("db.test").await, own);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unreachable_task_is_skipped_and_then_ejected() {
    let authority = Authority::new("the tasks");
    let [mut dead, well] = tasks(&authority, ["db.test", "db.test"]).await;
    dead.crash().await;
    let service = db().at(dead.address).at(well.address);
    let ejecting = |config: &mut hiveway::gateway::Config| {
        config.ejection = Some(hiveway::core::routing::ejection::Policy::default());
    };
    let stage = Stage::start_with(authority, ejecting, &[service]).await;
    let told = async {
        loop {
            assert_eq!(stage.asks("db.test").await, well.name);
            if let Some(Event::EndpointEjected { endpoint, .. }) = stage.secure.edge.told().await {
                return endpoint.address;
            }
        }
    };
    assert_eq!(bounded(told).await, dead.address.ip());
    assert_ne!(stage.secure.edge.metric("hiveway_retries_total", "db"), "0");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_without_a_reachable_task_is_closed_and_counted() {
    let authority = Authority::new("the tasks");
    let [mut dead] = tasks(&authority, ["db.test"]).await;
    dead.crash().await;
    let stage = Stage::start(authority, &[db().at(dead.address)]).await;
    assert_eq!(stage.refused("db.test").await, "");
    stage.ended("db", "unreachable", 1).await;
    stage.secure.edge.publish(&[db()]).await;
    assert_eq!(stage.refused("db.test").await, "");
    stage.ended("db", "no-endpoint", 1).await;
    // A service that is down does not look idle.
    let counts = stage.secure.edge.metrics.requests()["db"].counts();
    assert_eq!((counts.total, counts.failed), (2, 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_side_may_end_its_half_and_hear_the_other_out() {
    let authority = Authority::new("the tasks");
    let [task] = tasks(&authority, ["db.test"]).await;
    let stage = Stage::start(authority, &[db().at(task.address)]).await;
    let mut client = stage.open("db.test").await.client;
    greeting(&mut client).await;
    assert_eq!(echo(&mut client, "one").await, "one");
    client.wire.finish().await.expect("an open connection");
    let rest = bounded(client.wire.rest()).await;
    assert_eq!(String::from_utf8(rest).expect("text"), "bye");
    stage.ended("db", "closed", 1).await;
    assert_eq!(
        stage.secure.edge.metric("hiveway_tcp_connections", "db"),
        "0"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draining_task_keeps_its_connections_and_gets_no_new_ones() {
    let authority = Authority::new("the tasks");
    let [leaves, stays] = tasks(&authority, ["db.test", "db.test"]).await;
    let stage = Stage::start(authority, &[db().at(leaves.address)]).await;
    let mut early = stage.open("db.test").await.client;
    assert_eq!(greeting(&mut early).await, leaves.name);
    let service = db()
        .at_in(leaves.address, EndpointState::Draining)
        .at(stays.address);
    stage.secure.edge.publish(&[service]).await;
    for _ in 0..4 {
        assert_eq!(stage.asks("db.test").await, stays.name);
    }
    assert_eq!(echo(&mut early, "still here").await, "still here");
    stage.secure.edge.publish(&[]).await;
    assert_eq!(echo(&mut early, "and here").await, "and here");
    assert_eq!(stage.refused("db.test").await.len(), 7, "an alert");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_stops_lets_connections_end() {
    let authority = Authority::new("the tasks");
    let [task] = tasks(&authority, ["db.test"]).await;
    let mut stage = Stage::start(authority, &[db().at(task.address)]).await;
    let mut client = stage.open("db.test").await.client;
    greeting(&mut client).await;
    stage.secure.edge.stop.cancel();
    let address = stage.secure.address();
    let refuses = async {
        while tokio::net::TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    bounded(refuses).await;
    assert_eq!(echo(&mut client, "the last").await, "the last");
    client.wire.finish().await.expect("an open connection");
    assert_eq!(bounded(client.wire.rest()).await, b"bye");
    stage.secure.edge.ended().await.expect("a stop in peace");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connection_waits_for_an_endpoint_of_a_queueing_service() {
    let authority = Authority::new("the tasks");
    let [task] = tasks(&authority, ["db.test"]).await;
    let held = db().policy(|policy| policy.hold = Duration::from_secs(60));
    let stage = Stage::start(authority, std::slice::from_ref(&held)).await;
    let comes = async {
        stage
            .secure
            .shows("hiveway_queued_requests{service=\"db\"} 1")
            .await;
        let service = held.clone().at(task.address);
        stage.secure.edge.publish(&[service]).await;
    };
    let (met, ()) = tokio::join!(stage.asks("db.test"), comes);
    assert_eq!(met, task.name);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_is_written_down_when_it_has_ended() {
    let authority = Authority::new("the tasks");
    let [task] = tasks(&authority, ["db.test"]).await;
    let dropped = IntCounter::new("dropped", "dropped").expect("a counter");
    let config = LogConfig {
        selection: Selection::All,
        format: Format::Json,
    };
    let (log, writer) = channel(config, dropped);
    let (read, output) = tokio::io::duplex(1 << 16);
    let mut writing = JoinSet::new();
    writing.spawn(writer.run(output, CancellationToken::new()));
    let logging = |config: &mut hiveway::gateway::Config| config.access_log = Some(log);
    let stage = Stage::start_with(authority, logging, &[db().at(task.address)]).await;
    let mut client = stage.open("db.test").await.client;
    greeting(&mut client).await;
    client.wire.finish().await.expect("an open connection");
    bounded(client.wire.rest()).await;
    let mut lines = BufReader::new(read).lines();
    let line = async {
        loop {
            let line = lines.next_line().await.expect("text").expect("a line");
            if line.contains("db.test") {
                return line;
            }
        }
    };
    let line: serde_json::Value = serde_json::from_str(&bounded(line).await).expect("JSON");
    for (field, expected) in [
        ("host", "db.test"),
        ("method", "TCP"),
        ("protocol", "TLS"),
        ("client", "127.0.0.1"),
        ("service", "db"),
        ("task", &format!("task-{}", task.address)),
        ("reason", "closed"),
    ] {
        assert_eq!(line[field], expected, "{line}");
    }
    assert_eq!(line["status"], 200);
    assert!(line["bytes_in"].as_u64() > Some(200) && line["bytes_out"].as_u64() > Some(200));
}
