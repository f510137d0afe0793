//! The access log, and the ids that requests are known by.

use std::net::{IpAddr, Ipv4Addr};

use hiveway::observe::access_log::{Config, Format, Selection, channel};
use prometheus::IntCounter;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, DuplexStream, Lines};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::client::Client;
use super::edge::Edge;
use super::http2::{self, get};
use super::origin::{Behaviour, origins};
use super::service::Service;
use super::slow_readers::{Sips, drip, hasty, pour};
use crate::bounded::bounded;

pub(super) const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 9, 1));

/// A gateway whose access log the test reads.
pub(super) struct Logged {
    pub(super) edge: Edge,
    lines: Lines<BufReader<DuplexStream>>,
    _writing: JoinSet<()>,
}

impl Logged {
    pub(super) async fn start(selection: Selection, format: Format, services: &[Service]) -> Self {
        Self::start_with(|_| {}, selection, format, services).await
    }

    async fn start_with(
        more: impl FnOnce(&mut hiveway::gateway::Config),
        selection: Selection,
        format: Format,
        services: &[Service],
    ) -> Self {
        let dropped = IntCounter::new("dropped", "dropped").expect("a counter");
        let (log, writer) = channel(Config { selection, format }, dropped);
        let (read, output) = tokio::io::duplex(1 << 16);
        let mut writing = JoinSet::new();
        writing.spawn(writer.run(output, CancellationToken::new()));
        let change = |config: &mut hiveway::gateway::Config| {
            config.access_log = Some(log);
            config.trace_headers = true;
            config.trusted_proxies = vec!["127.0.9.0/24".parse().expect("a network")];
            more(config);
        };
        Self {
            edge: Edge::start_with(change, services).await,
            lines: BufReader::new(read).lines(),
            _writing: writing,
        }
    }

    /// The next line that is not about the test's own questions to the gateway.
    async fn line(&mut self) -> String {
        let next = async {
            loop {
                let line = self.lines.next_line().await.expect("text").expect("a line");
                if !line.contains("snapshot-") {
                    return line;
                }
            }
        };
        bounded(next).await
    }

    pub(super) async fn json(&mut self) -> Value {
        serde_json::from_str(&self.line().await).expect("JSON")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_written_down_with_what_became_of_it() {
    let [task, dead] = origins([Behaviour::Answer, Behaviour::Refuse]).await;
    let service = Service::new("web", "web.test").endpoints([&task, &dead]);
    let mut logged = Logged::start(Selection::All, Format::Json, &[service]).await;
    let mut retries = 0;
    for _ in 0..2 {
        let mut client = Client::connect_from(PROXY, logged.edge.internal).await;
        let body = "X-Forwarded-For: 192.0.2.9\r\nReferer: https://a.test/?token=1\r\n\
                    User-Agent: test/1\r\nContent-Length: 3\r\n\r\nabc";
        let request = format!("PUT /a%20b?token=1 HTTP/1.1\r\nHost: Web.test:80\r\n{body}");
        assert_eq!(client.request(&request).await.status, 200);
        let line = logged.json().await;
        for (name, expected) in [
            ("client", Value::from("192.0.2.9")),
            ("host", "Web.test:80".into()),
            ("method", "PUT".into()),
            ("path", "/a%20b".into()),
            ("protocol", "HTTP/1.1".into()),
            ("status", 200.into()),
            ("bytes_in", 3.into()),
            ("bytes_out", 64.into()),
            ("service", "web".into()),
            ("task", format!("task-{}", task.address).into()),
            ("referer", "https://a.test/".into()),
            ("user_agent", "test/1".into()),
            ("reason", Value::Null),
        ] {
            assert_eq!(line[name], expected, "{name}: {line}");
        }
        let number = |name: &str| line[name].as_f64().expect("a number");
        assert!(number("connect_ms") <= number("first_byte_ms"), "{line}");
        assert!(number("first_byte_ms") <= number("duration_ms"), "{line}");
        assert!(!line.to_string().contains("token"), "{line}");
        retries += line["retries"].as_u64().expect("a number");
    }
    assert_eq!(retries, 1, "one of the two met the dead endpoint first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_its_proxy_does_not_name_has_no_address() {
    let [task] = origins([Behaviour::Answer]).await;
    let service = Service::new("web", "web.test").endpoints([&task]);
    let json = Logged::start(Selection::All, Format::Json, std::slice::from_ref(&service)).await;
    let combined = Logged::start(Selection::All, Format::Combined, &[service]).await;
    for (mut logged, unknown, known) in [
        (json, "\"client\":null,", "\"client\":\"203.0.113.9\","),
        (combined, "- - - [", "203.0.113.9 - - ["),
    ] {
        let mut client = Client::connect_from(PROXY, logged.edge.internal).await;
        for (said, expected) in [
            ("unknown", unknown),
            ("203.0.113.9:4711", known),
            ("_hidden", unknown),
            ("", unknown),
        ] {
            let lines = format!("X-Forwarded-For: {said}\r\n");
            let answer = client.get_with("web.test", "/asked", &lines).await;
            assert_eq!(answer.status, 200);
            // This format does not name the host of the lines before.
            let line = loop {
                match logged.line().await {
                    line if line.contains("/asked") => break line,
                    _ => {}
                }
            };
            assert!(line.contains(expected), "{said}: {line}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn local_replies_are_logged_with_their_reason() {
    let [task] = origins([Behaviour::Answer]).await;
    let service = Service::new("far", "far.test").middleware(|it| it.allow = Some(vec![]));
    let services = [service.endpoints([&task])];
    let mut logged = Logged::start(Selection::All, Format::Json, &services).await;
    for (host, status, reason, service) in [
        ("far.test", 403, "not-allowed", Value::from("far")),
        ("else.test", 404, "no-route", Value::Null),
    ] {
        let answer = logged.edge.get(host, "/x?y").await;
        answer.assert_refused(status, reason);
        let line = logged.json().await;
        let said = (
            &line["status"],
            &line["reason"],
            &line["service"],
            &line["task"],
        );
        let expected = (&status.into(), &reason.into(), &service, &Value::Null);
        assert_eq!(said, expected);
        assert_eq!(line["client"], "127.0.0.1");
        assert_eq!(line["request_id"].as_str(), answer.head.one("x-request-id"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn response_cut_off_for_a_slow_client_is_logged_as_such() {
    let [task] = origins([Behaviour::Hand]).await;
    let services = [Service::new("web", "web.test").endpoints([&task])];
    let started = Logged::start_with(hasty, Selection::Errors, Format::Json, &services);
    let mut logged = started.await;
    drip(Sips::slowly(logged.edge.internal).await, &task).await;
    let by_http_1 = logged.json().await;
    let mut client = http2::Client::connect(logged.edge.internal).await;
    let (response, _) = client.start(get("web.test", "/"), true).await.unwrap();
    bounded(pour(&task)).await;
    let by_http_2 = logged.json().await;
    for (line, protocol) in [(by_http_1, "HTTP/1.1"), (by_http_2, "HTTP/2.0")] {
        assert_eq!(line["protocol"], protocol);
        assert_eq!(line["status"], 200, "{line}");
        assert_eq!(line["reason"], "slow-reader", "{line}");
    }
    drop(response);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_errors_are_written_down_where_only_they_are_wanted() {
    let [well, broken] = origins([Behaviour::Answer, Behaviour::Close]).await;
    let services = [
        Service::new("well", "well.test").endpoints([&well]),
        Service::new("broken", "broken.test")
            .policy(|policy| policy.retries = 0)
            .endpoints([&broken]),
    ];
    let mut logged = Logged::start(Selection::Errors, Format::Combined, &services).await;
    for host in ["well.test", "none.test", "well.test"] {
        logged.edge.get(host, "/fine").await;
    }
    logged
        .edge
        .get("broken.test", "/bad")
        .await
        .assert_refused(502, "response-failed");
    // The test's own questions were answered 503, and are there as well.
    let line = loop {
        let line = logged.line().await;
        assert!(!line.contains("/fine"), "{line}");
        if line.contains("/bad") {
            break line;
        }
    };
    assert!(line.starts_with("127.0.0.1 - - ["), "{line}");
    assert!(line.contains("] \"GET /bad HTTP/1.1\" 502 "), "{line}");
}

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_is_known_by_the_same_ids_to_client_task_and_log() {
    let [task] = origins([Behaviour::Answer]).await;
    let services = [Service::new("web", "web.test").endpoints([&task])];
    let mut logged = Logged::start(Selection::All, Format::Json, &services).await;
    let mut seen = Vec::new();
    for (index, (lines, request_id, parent)) in [
        (String::new(), None, None),
        ("X-Request-Id: mine\r\n".to_owned(), Some("mine"), None),
        (
            format!("traceparent: {PARENT}\r\ntracestate: a=b\r\n"),
            Some(&PARENT[3..35]),
            Some(PARENT),
        ),
        (
            "X-Request-Id: <b>\r\ntraceparent: 00-1-2-3\r\ntracestate: a=b\r\n".to_owned(),
            None,
            None,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = logged.edge.client().await;
        let answer = client.get_with("web.test", "/", &lines).await;
        let head = task.received(index + 1).await.remove(index).head;
        let told = head.one("x-request-id").expect("an id").to_owned();
        let trace = head.one("traceparent").expect("a trace").to_owned();
        assert_eq!(answer.head.one("x-request-id"), Some(&*told));
        assert_eq!(answer.head.one("traceparent"), None);
        assert_eq!(&*told, request_id.unwrap_or(&trace[3..35]), "{lines}");
        assert_eq!(&*trace, parent.unwrap_or(&trace));
        assert_eq!(
            head.one("tracestate").is_some(),
            parent.is_some(),
            "{lines}"
        );
        let line = logged.json().await;
        assert_eq!(line["request_id"], *told);
        assert_eq!(line["trace_id"], trace[3..35]);
        seen.push(trace);
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_default_nobody_is_given_an_id() {
    let [task] = origins([Behaviour::Answer]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints([&task])]).await;
    let lines = "X-Request-Id: <any>\r\n";
    let answer = edge.client().await.get_with("web.test", "/", lines).await;
    assert_eq!(answer.head.one("x-request-id"), None);
    let head = task.received(1).await.remove(0).head;
    assert_eq!(head.one("traceparent"), None);
    assert_eq!(
        head.one("x-request-id"),
        Some("<any>"),
        "it is nothing of ours"
    );
}
