//! The figures as Prometheus reads them, checked line by line against the text format.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hiveway::core::event::Event;
use hiveway::observe::metrics::MethodLabel;

use super::fixture::{Admin, snapshot};

/// Samples by name and labels, as `name{a="b"}`.
type Samples = BTreeMap<String, f64>;

#[tokio::test]
async fn every_line_is_what_prometheus_expects() {
    let admin = Admin::start().await;
    let hostile = "a\"b\\c\nd{}";
    admin.snapshots.send_replace(Some(snapshot(hostile)));
    let cluster = admin.metrics.cluster(hostile);
    cluster.observe(MethodLabel::Get, 200, Duration::from_millis(2));
    cluster.observe(MethodLabel::Get, 502, Duration::from_secs(70));
    admin.metrics.unrouted("unknown_host").inc();
    admin.metrics.connections("internal").inc();
    admin.metrics.reconciled(Duration::from_micros(300));

    let answer = admin.get("/metrics").await;
    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    let samples = parse(answer.text());
    let of_service = |name: &str, label: &str| {
        samples[&format!("{name}{{service=\"a\\\"b\\\\c\\nd{{}}\"{label}}}")]
    };
    let failed = ",class=\"5xx\",code=\"502\",method=\"GET\"";
    assert_eq!(of_service("hiveway_requests_total", failed), 1.0);
    assert_eq!(of_service("hiveway_endpoints", ",state=\"ready\""), 1.0);
    let duration = "hiveway_request_duration_seconds";
    assert_eq!(of_service(&format!("{duration}_sum"), ""), 70.002);
    assert_eq!(of_service(&format!("{duration}_bucket"), ",le=\"60\""), 1.0);
    assert_eq!(
        of_service(&format!("{duration}_bucket"), ",le=\"+Inf\""),
        2.0
    );
    assert_eq!(samples["hiveway_snapshot_generation"], 3.0);
    assert_eq!(samples["hiveway_routes"], 1.0);
    assert!(samples["process_resident_memory_bytes"] > 0.0);
}

#[tokio::test]
async fn events_are_counted_and_so_are_dropped_ones() {
    let admin = Admin::start().await;
    admin.emit_scaled("a", 2);
    admin.emitter.emit(Event::LeadershipLost);
    admin.recorded(3).await;
    // On this one thread the journal cannot read before the next await: the channel overflows.
    while admin.emitter.dropped() < 7 {
        admin.emit_scaled("a", 1);
    }
    let samples = parse(admin.get("/metrics").await.text());
    assert_eq!(samples["hiveway_events_dropped_total"], 7.0);
    let kind = |kind: &str| format!("hiveway_events_total{{kind=\"{kind}\",severity=\"info\"}}");
    assert_eq!(samples[&kind("leadership_lost")], 1.0);
    assert!(samples[&kind("service_scaled")] >= 2.0);
}

/// Reads a whole exposition and fails on anything that Prometheus would not take, or would take for something else.
fn parse(text: &str) -> Samples {
    assert!(text.ends_with('\n'));
    let mut samples = Samples::new();
    let mut families = BTreeSet::new();
    let (mut help, mut family, mut kind) = ("", "", "");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            let (name, words) = rest.split_once(' ').expect("a help text");
            assert!(words.ends_with('.'), "{line}");
            help = name;
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            (family, kind) = rest.split_once(' ').expect("a type");
            assert_eq!(help, family, "the help comes first");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert!(families.insert(family), "{family} comes twice");
            assert!(family.starts_with("hiveway_") || family.starts_with("process_"));
            assert_eq!(kind == "counter", family.ends_with("_total"), "{line}");
        } else {
            let (series, value) = line.rsplit_once(' ').expect("a value");
            let name = &series[..check_series(series)];
            let suffixes: &[&str] = match kind {
                "histogram" => &["_bucket", "_sum", "_count"],
                _ => &[""],
            };
            let suffix = name.strip_prefix(family).expect("a sample of its family");
            assert!(suffixes.contains(&suffix), "{line}");
            let value: f64 = value.parse().expect("a number");
            assert!(
                samples.insert(series.to_owned(), value).is_none(),
                "twice: {series}"
            );
        }
    }
    check_histograms(&samples);
    samples
}

/// Checks `name{label="value",…}` and returns the length of the name.
fn check_series(series: &str) -> usize {
    let is_name = |name: &str| {
        !name.is_empty()
            && !name.starts_with(|c: char| c.is_ascii_digit())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let Some((name, labels)) = series.split_once('{') else {
        assert!(is_name(series), "{series}");
        return series.len();
    };
    assert!(is_name(name), "{series}");
    let mut rest = labels;
    while rest != "}" {
        let (label, value) = rest.split_once("=\"").expect("a label");
        assert!(is_name(label), "{series}");
        let mut escaped = false;
        let end = value.find(|c| {
            let ends = c == '"' && !escaped;
            assert!(!escaped || ['n', '"', '\\'].contains(&c), "{series}");
            escaped = c == '\\' && !escaped;
            ends
        });
        rest = &value[end.expect("a closing quote") + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    name.len()
}

/// Buckets never fall with their bound, and the last one holds the count.
fn check_histograms(samples: &Samples) {
    let mut histograms = BTreeMap::<String, Vec<(f64, f64)>>::new();
    for (series, value) in samples {
        if let Some((labels, bound)) = series.rsplit_once("le=\"") {
            let bound = bound.strip_suffix("\"}").expect("le comes last");
            let bound = bound.parse().expect("a bound, Inf included");
            let count = labels.replacen("_bucket{", "_count{", 1);
            let count = match count.strip_suffix(',') {
                Some(labelled) => format!("{labelled}}}"),
                None => count.trim_end_matches('{').to_owned(),
            };
            histograms.entry(count).or_default().push((bound, *value));
        }
    }
    assert!(!histograms.is_empty());
    for (count, mut buckets) in histograms {
        buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        assert!(buckets.is_sorted_by_key(|bucket| bucket.1), "{count}");
        let last = buckets.last().expect("a bucket");
        assert_eq!(*last, (f64::INFINITY, samples[&count]), "{count}");
    }
}
