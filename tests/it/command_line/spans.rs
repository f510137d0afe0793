//! Spans of the binary: who it says that it is, and that its end does not lose the last.

use std::net::SocketAddr;
use std::time::Duration;

use hiveway::tools::demo::request::{Target, ask};
use http::Method;
use serde_json::{Value, json};

use super::process::{Process, hiveway};
use crate::collector::{Collector, attributes};
use crate::eventually::eventually;
use crate::folder::Folder;

/// `hiveway run` that knows no service.
struct Alone {
    process: Process,
    internal: SocketAddr,
    admin: SocketAddr,
    _folder: Folder,
}

impl Alone {
    async fn start<const N: usize>(more: &str, variables: [(&'static str, String); N]) -> Self {
        let folder = Folder::with("inventory.json", r#"{ "services": [] }"#);
        let file = folder.file("inventory.json");
        let arguments = format!(
            "--inventory {file} --listen-internal 127.0.0.1:0 --admin 127.0.0.1:0 --log-format json {more}"
        );
        let arguments = arguments.split_whitespace().map(str::to_owned);
        let mut process = Process::start(arguments, variables);
        let line = process.listens().await;
        let address = |name: &str| {
            let address = line[name].as_str().expect("an address");
            address.parse().expect("an address")
        };
        Self {
            internal: address("internal"),
            admin: address("admin"),
            process,
            _folder: folder,
        }
    }

    async fn ask(&self) {
        let target: Target = "http://nobody.test/".parse().expect("a URL");
        let target = target.through(self.internal);
        let answer = ask(&target, Method::GET, Duration::from_secs(10)).await;
        assert!(answer.expect("an answer").status.as_u16() >= 400);
    }

    async fn metrics(&self) -> String {
        let url = format!("http://{}/metrics", self.admin);
        let target: Target = url.parse().expect("a URL");
        let answer = ask(&target, Method::GET, Duration::from_secs(10)).await;
        String::from_utf8(answer.expect("an answer").body.to_vec()).expect("text")
    }
}

#[tokio::test]
async fn collector_gets_the_resource_and_the_last_requests() {
    let collector = Collector::start();
    let variables = [
        (
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            format!("http://{}/", collector.address),
        ),
        ("OTEL_SERVICE_NAME", "edge".to_owned()),
        ("HIVEWAY_NODE", "n1".to_owned()),
    ];
    let alone = Alone::start("", variables).await;
    for _ in 0..3 {
        alone.ask().await;
    }
    alone.process.terminate();
    let ended = alone.process.ended().await;
    assert_eq!((ended.code, &*ended.stdout), (0, ""), "{ended:?}");
    assert_eq!(collector.taken(), 3);
    let message = collector.posts(1).await.remove(0).body;
    let of_resource = &message["resourceSpans"][0];
    let mut told = attributes(&of_resource["resource"]);
    let instance = told.remove("service.instance.id").expect("an id");
    let instance = instance["stringValue"].as_str().expect("a text");
    assert_eq!(instance.len(), 36, "{instance}");
    let host = rustix::system::uname();
    let expected = json!({
        "service.name": { "stringValue": "edge" },
        "service.version": { "stringValue": env!("CARGO_PKG_VERSION") },
        "host.name": { "stringValue": host.nodename().to_str().expect("text") },
        "hiveway.node": { "stringValue": "n1" },
    });
    assert_eq!(Value::Object(told), expected);
    let scope = json!({ "name": "hiveway", "version": env!("CARGO_PKG_VERSION") });
    assert_eq!(of_resource["scopeSpans"][0]["scope"], scope);
}

#[tokio::test]
async fn a_collector_that_is_away_is_one_line_and_stops_nothing() {
    let collector = Collector::away();
    let flags = format!("--otlp-endpoint http://{}", collector.address);
    let mut alone = Alone::start(&flags, []).await;
    for _ in 0..3 {
        alone.ask().await;
    }
    let line = alone.process.line_with("collector_lost").await;
    let line: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(line["level"], "WARN");
    let lost = format!("http://{}/v1/traces does not take spans", collector.address);
    let message = line["message"].as_str().expect("a sentence");
    assert!(message.starts_with(&lost), "{message}");
    let look = async || {
        let metrics = alone.metrics().await;
        let failed = metrics.lines().find_map(|line| {
            let count = line.strip_prefix("hiveway_span_exports_failed_total ")?;
            count.parse::<u64>().ok()
        });
        match failed {
            Some(3..) => Ok(()),
            _ => Err(metrics),
        }
    };
    let tried = eventually("further tries", Duration::from_secs(30), look).await;
    tried.expect("it is tried again");
    alone.process.terminate();
    let ended = alone.process.ended().await;
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(!ended.stderr.contains("collector_lost"), "{ended:?}");
    assert!(
        ended.stderr.contains("the last spans are lost"),
        "{ended:?}"
    );
}

#[tokio::test]
async fn a_mistake_about_the_collector_is_one_line_with_the_remedy() {
    let arguments = ["run", "--otlp-endpoint", "collector:4317"];
    let ended = hiveway(arguments).await;
    let line = ended.assert_one_line(64);
    assert!(line.contains("http://collector:4318"), "{line}");
    let folder = Folder::with("empty.pem", "");
    let inventory = Folder::with("inventory.json", r#"{ "services": [] }"#);
    let arguments = [
        "run",
        "--inventory",
        &inventory.file("inventory.json"),
        "--otlp-endpoint",
        "https://127.0.0.1:1",
        "--otlp-root",
        &folder.file("empty.pem"),
    ];
    let ended = hiveway(arguments).await;
    let line = ended.assert_one_line(1);
    assert!(
        line.contains("holds no certificate") && line.contains("--otlp-root"),
        "{line}"
    );
}
