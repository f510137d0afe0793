//! Spans: what a collector is told of requests, and what tasks are told of the span.

mod client;
mod exporter;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hiveway::core::event::Event;
use hiveway::gateway;
use hiveway::observe::event_log;
use hiveway::observe::metrics::Metrics;
use hiveway::observe::otlp::{self, Bounds, Endpoint, Spans};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::edge::Edge;
use super::origin::{Behaviour, origins};
use super::service::Service;
use crate::bounded::bounded;
use crate::collector::{Collector, attributes};
use crate::eventually::eventually;

const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 9, 1));

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";

/// Header lines of a client whose trace is sampled.
const SAMPLED: &str = "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\n";

const QUICK: Bounds = Bounds {
    waiting: 4_096,
    batch: 512,
    every: Duration::from_millis(20),
    patience: Duration::from_secs(60),
};

/// Who sends spans to a collector, and what it tells of that.
struct Exporting {
    metrics: Metrics,
    events: mpsc::Receiver<Event>,
    stop: CancellationToken,
    running: JoinSet<()>,
}

impl Exporting {
    /// Sends what is told to the collector.
    fn start(config: otlp::Config) -> (Spans, Self) {
        let (emitter, events) = event_log::channel();
        let metrics = Metrics::new(emitter.drop_counter());
        let (spans, exporter) = otlp::open(config, None, emitter, &metrics).expect("a collector");
        let (stop, mut running) = (CancellationToken::new(), JoinSet::new());
        running.spawn(exporter.run(stop.clone()));
        let exporting = Self {
            metrics,
            events,
            stop,
            running,
        };
        (spans, exporting)
    }

    /// What is counted of spans: those that were exported, that were too many, that the collector did not take, and the
    /// batches that failed.
    fn counted(&self) -> [u64; 4] {
        let told = self.metrics.render(None);
        [
            "hiveway_spans_exported_total ",
            "hiveway_spans_dropped_total{reason=\"overflow\"} ",
            "hiveway_spans_dropped_total{reason=\"collector\"} ",
            "hiveway_span_exports_failed_total ",
        ]
        .map(|sample| {
            let value = told.lines().find_map(|line| line.strip_prefix(sample));
            value.expect(sample).parse().expect("a number")
        })
    }

    /// Waits until so much is counted.
    async fn counts(&self, is: impl Fn([u64; 4]) -> bool) -> [u64; 4] {
        let look = async || {
            let counted = self.counted();
            is(counted).then_some(counted).ok_or(format!("{counted:?}"))
        };
        let counted = eventually("the figures", Duration::from_secs(30), look).await;
        counted.unwrap_or_else(|error| panic!("{error}"))
    }

    async fn event(&mut self) -> Event {
        bounded(self.events.recv()).await.expect("it runs")
    }

    /// Stops, and gives what was told and not asked for.
    async fn end(mut self) -> Vec<Event> {
        self.stop.cancel();
        let ended = bounded(self.running.join_next()).await;
        ended.expect("one exporter").expect("no panic");
        std::iter::from_fn(|| self.events.try_recv().ok()).collect()
    }
}

fn config(collector: &Collector, share: &str, bounds: Bounds) -> otlp::Config {
    otlp::Config {
        endpoint: Endpoint::parse(&format!("http://{}", collector.address)).expect("a URL"),
        root: None,
        share: share.parse().expect("a share"),
        service: "hiveway".into(),
        bounds,
    }
}

/// A gateway that tells this of the traces that begin there, and all of the others that are sampled.
async fn traced(
    collector: &Collector,
    share: &str,
    bounds: Bounds,
    services: &[Service],
) -> (Edge, Exporting) {
    let (spans, exporting) = Exporting::start(config(collector, share, bounds));
    let change = |config: &mut gateway::Config| {
        config.spans = Some(spans);
        config.trusted_proxies = vec!["127.0.9.0/24".parse().expect("a network")];
    };
    (Edge::start_with(change, services).await, exporting)
}

fn texts<const N: usize>(pairs: [(&str, &str); N]) -> Map<String, Value> {
    let pairs = pairs.map(|(name, value)| (name.to_owned(), json!({ "stringValue": value })));
    pairs.into_iter().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_span_comes_between_the_clients_and_the_tasks() {
    let [task] = origins([Behaviour::Answer]).await;
    let services = [Service::new("web", "web.test/shop").endpoints([&task])];
    let collector = Collector::start();
    let (edge, exporting) = traced(&collector, "0", QUICK, &services).await;
    let mut client = Client::connect_from(PROXY, edge.internal).await;
    let lines = "tracestate: a=b\r\ntracestate: c=d\r\nX-Forwarded-For: 192.0.2.9\r\nX-Forwarded-Proto: https\r\n\
                 User-Agent: test/1\r\n";
    let lines = format!("{SAMPLED}{lines}");
    let answer = client
        .get_with("Web.test:8443", "/shop/a%20b?token=1", &lines)
        .await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.head.one("traceparent"), None);

    let span = collector.spans(1).await.remove(0);
    let own = span["spanId"].as_str().expect("an id");
    let head = task.received(1).await.remove(0).head;
    assert_eq!(
        head.one("traceparent"),
        Some(&*format!("00-{TRACE}-{own}-01"))
    );
    assert_eq!(head.all("tracestate").join(","), "a=b,c=d");

    let told = format!("task-{}", task.address);
    let mut expected = texts([
        ("http.request.method", "GET"),
        ("http.route", "web.test/shop"),
        ("url.path", "/shop/a%20b"),
        ("url.scheme", "https"),
        ("server.address", "Web.test"),
        ("client.address", "192.0.2.9"),
        ("network.protocol.version", "1.1"),
        ("user_agent.original", "test/1"),
        ("hiveway.service", "web"),
        ("hiveway.task", &told),
    ]);
    for (name, value) in [
        ("server.port", "8443"),
        ("http.response.status_code", "200"),
        ("hiveway.retries", "0"),
    ] {
        expected.insert(name.to_owned(), json!({ "intValue": value }));
    }
    assert_eq!(attributes(&span), expected);
    let time = |name: &str| -> u64 {
        let text = span[name].as_str().expect("64 bits are text");
        text.parse().expect("a number")
    };
    let (start, end) = (time("startTimeUnixNano"), time("endTimeUnixNano"));
    assert!(start < end, "{span}");
    let mut rest = span.clone();
    rest["attributes"] = Value::Null;
    let expected = json!({
        "traceId": TRACE,
        "spanId": own,
        "parentSpanId": "00f067aa0ba902b7",
        "traceState": "a=b,c=d",
        "flags": 0x301,
        "name": "GET web.test/shop",
        "kind": 2,
        "startTimeUnixNano": start.to_string(),
        "endTimeUnixNano": end.to_string(),
        "attributes": null,
    });
    assert_eq!(rest, expected);
    assert_eq!(exporting.end().await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_clients_flag_decides_and_else_the_share() {
    let [task] = origins([Behaviour::Answer]).await;
    let services = [Service::new("web", "web.test").endpoints([&task])];
    let collector = Collector::start();
    let (none, quiet) = traced(&collector, "0", QUICK, &services).await;
    let (all, telling) = traced(&collector, "1", QUICK, &services).await;
    let unsampled = format!("00-{TRACE}-00f067aa0ba902b7-00");
    let line = format!("traceparent: {unsampled}\r\ntracestate: a=b\r\n");
    let mut heads = Vec::new();
    for (edge, lines) in [(&none, &*line), (&all, &*line), (&none, ""), (&all, "")] {
        let answer = edge.client().await.get_with("web.test", "/", lines).await;
        assert_eq!(answer.status, 200);
        assert!(answer.head.one("x-request-id").is_some());
        heads.push(
            task.received(heads.len() + 1)
                .await
                .remove(heads.len())
                .head,
        );
    }
    // Unsampled parents are passed on as they are.
    for head in &heads[..2] {
        assert_eq!(head.one("traceparent"), Some(&*unsampled));
        assert_eq!(head.one("tracestate"), Some("a=b"));
    }
    let begun: Vec<&str> = heads[2..]
        .iter()
        .map(|head| head.one("traceparent").expect("a trace"))
        .collect();
    assert!(begun[0].ends_with("-00"), "{begun:?}");
    assert!(begun[1].ends_with("-01"), "{begun:?}");
    assert_eq!((quiet.end().await, telling.end().await), (vec![], vec![]));

    // All that was told is out by now; the test's own questions are among it.
    let told: Vec<Value> = collector.spans(1).await;
    let mut told = told.into_iter().filter(|span| {
        let asked = &attributes(span)["server.address"]["stringValue"];
        !asked.as_str().expect("a host").starts_with("snapshot-")
    });
    let span = told.next().expect("one span");
    assert_eq!(told.next(), None);
    assert_eq!(span["traceId"], begun[1][3..35]);
    assert_eq!(span["spanId"], begun[1][36..52]);
    assert_eq!(span["parentSpanId"], Value::Null);
    assert_eq!(span["flags"], 0x101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_went_wrong_is_told_with_whose_mistake_it_was() {
    let [well, broken] = origins([
        Behaviour::Answer,
        Behaviour::Begin("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf"),
    ])
    .await;
    let far = Service::new("far", "far.test").middleware(|it| it.allow = Some(vec![]));
    let services = [
        Service::new("well", "well.test").endpoints([&well]),
        far.endpoints([&well]),
        Service::new("none", "none.test"),
        Service::new("broken", "broken.test").endpoints([&broken]),
    ];
    let collector = Collector::start();
    let (edge, exporting) = traced(&collector, "0", QUICK, &services).await;
    for (index, (request, name, failure, expected)) in [
        (
            "PURGE / HTTP/1.1\r\nHost: well.test",
            "HTTP well.test/",
            false,
            json!(["_OTHER", "PURGE", "200", null, "well", null]),
        ),
        (
            "GET / HTTP/1.1\r\nHost: else.test",
            "GET",
            false,
            json!(["GET", null, "404", null, null, "no-route"]),
        ),
        (
            "GET / HTTP/1.1\r\nHost: far.test",
            "GET far.test/",
            false,
            json!(["GET", null, "403", null, "far", "not-allowed"]),
        ),
        (
            "GET / HTTP/1.1\r\nHost: none.test",
            "GET none.test/",
            true,
            json!(["GET", null, "503", "503", "none", "no-endpoint"]),
        ),
        (
            "GET / HTTP/1.1\r\nHost: broken.test",
            "GET broken.test/",
            true,
            json!(["GET", null, "200", "response-failed", "broken", null]),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = edge.client().await;
        client.send(format!("{request}\r\n{SAMPLED}\r\n")).await;
        // One of them is never whole.
        let method = request.split(' ').next().expect("a method");
        let _ = client.try_answer(method).await;
        let span = collector.spans(index + 1).await.remove(index);
        let attributes = attributes(&span);
        let said = [
            "http.request.method",
            "http.request.method_original",
            "http.response.status_code",
            "error.type",
            "hiveway.service",
            "hiveway.reason",
        ]
        .map(|name| {
            let value = attributes.get(name)?.as_object()?;
            value.values().next().cloned()
        });
        assert_eq!(json!(said), expected, "{request}");
        assert_eq!(span["name"], name, "{request}");
        let status = if failure {
            json!({ "code": 2 })
        } else {
            Value::Null
        };
        assert_eq!(span["status"], status, "{request}");
    }
    assert_eq!(exporting.end().await, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn retried_request_is_one_span_above_its_tasks() {
    let [first, second] = origins([Behaviour::Close, Behaviour::Close]).await;
    let service = Service::new("web", "web.test").policy(|policy| policy.retries = 1);
    let services = [service.endpoints([&first, &second])];
    let collector = Collector::start();
    let (edge, exporting) = traced(&collector, "0", QUICK, &services).await;
    let answer = edge.client().await.get_with("web.test", "/", SAMPLED).await;
    answer.assert_refused(502, "response-failed");
    let span = collector.spans(1).await.remove(0);
    assert_eq!(attributes(&span)["hiveway.retries"]["intValue"], "1");
    let told = format!("00-{TRACE}-{}-01", span["spanId"].as_str().expect("an id"));
    for task in [&first, &second] {
        let head = task.received(1).await.remove(0).head;
        assert_eq!(head.one("traceparent"), Some(&*told));
    }
    assert_eq!(exporting.end().await, []);
    assert_eq!(collector.taken(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_continue_and_spans_wait_for_the_collector() {
    let [task] = origins([Behaviour::Answer]).await;
    let services = [Service::new("web", "web.test").endpoints([&task])];
    let mut collector = Collector::away();
    let few = Bounds {
        waiting: 4,
        batch: 2,
        ..QUICK
    };
    let (edge, mut exporting) = traced(&collector, "0", few, &services).await;
    let mut client = edge.client().await;
    for _ in 0..20 {
        let answer = client.get_with("web.test", "/", SAMPLED).await;
        assert_eq!(answer.status, 200);
    }
    // Four wait, and two are tried again and again.
    exporting.counts(|[_, overflow, ..]| overflow >= 14).await;
    let Event::CollectorLost {
        collector: url,
        reason,
    } = exporting.event().await
    else {
        panic!("another event");
    };
    assert_eq!(*url, format!("http://{}/v1/traces", collector.address));
    assert!(reason.contains("refused"), "{reason}");
    collector.appear(None);
    let reached = exporting.event().await;
    assert_eq!(reached, Event::CollectorReached { collector: url });
    let counted = exporting
        .counts(|[exported, overflow, ..]| exported + overflow == 20)
        .await;
    assert_eq!(counted[2], 0, "nothing that waited is lost");
    assert_eq!(collector.taken() as u64, counted[0]);
    assert_eq!(exporting.end().await, [], "it was told once");
}
