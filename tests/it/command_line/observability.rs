//! What `deploy/observability` asks of Hiveway's figures: that they are there, of the right kind, and that alerts fire.
//!
//! The rules are tested by Prometheus' own tool, `promtool`.

mod exposed;
mod query;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use self::exposed::Exposed;
use self::query::{Query, Use};
use super::scene::{Scene, Server};
use crate::authority::Authority;
use crate::eventually::eventually;
use crate::folder::Folder;
use crate::needs::needed;

/// What Prometheus itself adds to every sample, or makes of a target.
const GIVEN: [&str; 2] = ["job", "instance"];

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/observability")
}

fn text(file: &str) -> String {
    std::fs::read_to_string(folder().join(file)).expect("a file")
}

/// The expressions of the alerts: what follows `expr:`, on its line or in the block below it.
fn of_alerts(text: &str) -> Vec<String> {
    let mut queries = Vec::new();
    let mut lines = text.lines().peekable();
    let depth = |line: &str| line.len() - line.trim_start().len();
    while let Some(line) = lines.next() {
        let Some(query) = line.trim_start().strip_prefix("expr:") else {
            continue;
        };
        let mut query = query.trim().to_owned();
        if query == "|" {
            query.clear();
            while let Some(more) = lines.next_if(|it| depth(it) > depth(line)) {
                query.push_str(more.trim());
                query.push(' ');
            }
        }
        queries.push(query);
    }
    queries
}

/// The expressions of the dashboard: every `expr` of a panel, and what its variables are read from.
fn of_dashboard(value: &Value, queries: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if ["expr", "definition"].contains(&name.as_str()) => {
                        queries.push(text.clone());
                    }
                    _ => of_dashboard(field, queries),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|it| of_dashboard(it, queries)),
        _ => {}
    }
}

/// What a query asks for and the process does not tell, or tells as something else.
fn wrong(query: &Query, exposed: &Exposed) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut labels = BTreeSet::from(GIVEN.map(str::to_owned));
    for used in &query.uses {
        if used.metric == "up" {
            labels.insert("node".to_owned());
            continue;
        }
        let Some(kind) = exposed.kind(&used.metric) else {
            wrong.push(format!("there is no {}", used.metric));
            continue;
        };
        labels.extend(exposed.labels(&used.metric));
        wrong.extend(mistake(used, kind));
        for (label, values) in &used.matchers {
            let known = exposed.values(&used.metric, label);
            // What has not happened in this process is still a reason that the gateway can give.
            let fixed = !["job", "instance", "service", "reason"].contains(&label.as_str());
            if known.is_empty() && !GIVEN.contains(&label.as_str()) {
                wrong.push(format!("{} has no label {label}", used.metric));
            } else if fixed {
                let unknown = values.iter().filter(|it| !known.contains(*it));
                wrong.extend(unknown.map(|it| format!("{}: {label} is never {it}", used.metric)));
            }
        }
    }
    let strange = query.labels.iter().filter(|it| !labels.contains(*it));
    wrong.extend(strange.map(|it| format!("nothing has the label {it}")));
    wrong
}

fn mistake(used: &Use, kind: &str) -> Option<String> {
    let within = |name: &str| used.within.iter().any(|it| it == name);
    let Use { metric, .. } = used;
    let rated = within("rate") || within("increase");
    let read = within("label_values");
    match kind {
        "gauge" if rated => Some(format!("{metric} is a gauge and has no rate")),
        "gauge" => None,
        _ if !rated && !read => Some(format!("{metric} only grows: it needs a rate")),
        "histogram" if metric.ends_with("_bucket") != within("histogram_quantile") => Some(
            format!("{metric}: quantiles are made of buckets, and buckets are for nothing else"),
        ),
        "counter" if within("histogram_quantile") => Some(format!("{metric} has no quantiles")),
        _ => None,
    }
}

#[tokio::test]
async fn metrics_in_alerts_and_dashboard_exist_with_the_right_type() {
    let mut written = of_alerts(&text("alerts.yml"));
    assert_eq!(
        written.len(),
        text("alerts.yml").matches("- alert:").count()
    );
    let dashboard = serde_json::from_str(&text("grafana.json")).expect("JSON");
    of_dashboard(&dashboard, &mut written);
    assert!(written.len() > 50, "{written:?}");

    let server = Server::start(2).await;
    let shop = server.service("shop", "shop.local", &[("hiveway.scale", "x")]);
    let mut down = server.service("down", "down.local", &[]);
    down["tasks"] = serde_json::json!([]);
    // One certificate is good, and one is none; the server that issues others is away.
    let certificates = Folder::with("bad.pem", "no certificate");
    let pair = Authority::new("the test").vouch(&["shop.test"]);
    std::fs::write(certificates.file("good.pem"), pair.combined()).expect("a writable folder");
    let state = Folder::new();
    let flags = [
        "--certs",
        &certificates.path().display().to_string(),
        "--listen-public",
        "127.0.0.1:0",
        "--listen-public-tls",
        "127.0.0.1:0",
        "--acme-directory",
        "https://127.0.0.1:1/directory",
        "--acme-agree",
        "--state-dir",
        &state.path().display().to_string(),
    ];
    let scene = Scene::start_with(&[shop, down], &flags).await;
    assert_eq!(scene.ask("shop.local").await, 200);
    assert_eq!(scene.ask("down.local").await, 503);
    assert_eq!(scene.ask("nobody.local").await, 404);
    let told = eventually(
        "the figures that are asked for",
        Duration::from_secs(30),
        async || {
            let exposed = Exposed::read(&scene.told("/metrics").await);
            let mut all = Vec::new();
            for text in &written {
                let wrong = wrong(&Query::read(text), &exposed);
                all.extend(wrong.iter().map(|it| format!("{it}, in {text}")));
            }
            match all.is_empty() {
                true => Ok(()),
                false => Err(all.join("\n")),
            }
        },
    );
    told.await.unwrap_or_else(|error| panic!("{error}"));
    scene.end().await;
}

#[test]
fn a_query_that_asks_for_what_is_not_there_is_found_out() {
    let exposed = Exposed::read(
        "# TYPE a_total counter\na_total{class=\"5xx\"} 1\n# TYPE b gauge\nb 1\n\
         # TYPE c histogram\nc_bucket{le=\"1\"} 1\nc_sum 1\nc_count 1\n",
    );
    let exposed = exposed.under(&["a_total", "b", "c"]);
    for (text, found) in [
        ("rate(a_total[5m])", ""),
        (
            "sum by (class, job) (increase(a_total{class=\"5xx\"}[$__rate_interval])) > 0",
            "",
        ),
        ("max(b) or vector(0)", ""),
        (
            "histogram_quantile(0.9, sum by (le) (rate(c_bucket[5m])))",
            "",
        ),
        ("rate(c_sum[5m]) / rate(c_count[5m])", ""),
        ("rate(d_total[5m])", "there is no d_total"),
        ("a_total > 1", "needs a rate"),
        ("rate(b[5m])", "is a gauge"),
        ("rate(c_bucket[5m])", "quantiles are made of buckets"),
        (
            "histogram_quantile(0.9, rate(a_total[5m]))",
            "has no quantiles",
        ),
        ("rate(a_total{kind=\"x\"}[5m])", "has no label kind"),
        (
            "rate(a_total{class=~\"5xx|6xx\"}[5m])",
            "class is never 6xx",
        ),
        (
            "sum by (kind) (rate(a_total[5m]))",
            "nothing has the label kind",
        ),
    ] {
        let query = Query::read_with(
            text,
            &["a_total", "b", "c_bucket", "c_sum", "c_count", "d_total"],
        );
        let wrong = wrong(&query, &exposed).join("; ");
        assert_eq!(found.is_empty(), wrong.is_empty(), "{text}: {wrong}");
        assert!(wrong.contains(found), "{text}: {wrong}");
    }
}

#[test]
fn every_reason_named_by_an_alert_exists_in_the_gateway() {
    let sources: String = crate::layers::files()
        .into_iter()
        .filter(|(file, _)| file.starts_with("src/gateway"))
        .map(|(_, text)| text)
        .collect();
    let mut named = BTreeSet::new();
    for text in of_alerts(&text("alerts.yml")) {
        for used in Query::read(&text).uses {
            let reasons = used
                .matchers
                .into_iter()
                .filter(|(label, _)| label == "reason");
            named.extend(reasons.flat_map(|(_, values)| values));
        }
    }
    assert!(named.len() > 2, "{named:?}");
    for reason in named {
        assert!(sources.contains(&format!("\"{reason}\"")), "{reason}");
    }
}

#[test]
fn every_alert_says_how_bad_it_is_what_is_so_and_what_to_do() {
    let text = text("alerts.yml");
    for alert in text.split("- alert: ").skip(1) {
        for part in ["severity: ", "summary: ", "description: ", "action: "] {
            assert!(alert.contains(part), "no {part} in {alert}");
        }
        let name = alert.lines().next().expect("a name");
        let tested = self::text("alerts_test.yml").contains(name);
        assert!(tested, "{name} has no test");
    }
}

#[tokio::test]
#[ignore = "needs promtool: make test"]
async fn prometheus_accepts_the_files_and_each_alert_fires() {
    let run = async |arguments: &[&str]| {
        let mut command = tokio::process::Command::new("promtool");
        command
            .args(arguments)
            .current_dir(folder())
            .kill_on_drop(true);
        command.output().await.map_err(|error| error.to_string())
    };
    let installed = async {
        let version = run(&["--version"]).await;
        version.map_err(|error| format!("promtool cannot be run: {error}"))
    };
    needed(installed).await;
    for arguments in [
        ["check", "config", "prometheus.yml"],
        ["check", "rules", "alerts.yml"],
        ["test", "rules", "alerts_test.yml"],
    ] {
        let output = run(&arguments).await.expect("it runs");
        let said =
            [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
        assert!(output.status.success(), "{arguments:?}: {}", said.concat());
    }
}
