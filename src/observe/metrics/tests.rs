//! The registry as a whole, and what the tests of its parts read it with.

use super::MethodLabel;
use super::*;
use crate::observe::event_log::channel;

pub(super) fn metrics() -> Metrics {
    Metrics::new(channel().0.drop_counter())
}

/// The samples whose names start like this.
pub(super) fn samples(text: &str, prefix: &str) -> Vec<String> {
    text.lines()
        .filter(|line| line.starts_with(prefix))
        .map(str::to_owned)
        .collect()
}

#[test]
fn handles_of_one_name_are_one_series() {
    let metrics = metrics();
    metrics.unrouted("unknown_host").inc();
    metrics.unrouted("unknown_host").inc();
    metrics.connections("public").inc();
    metrics.refused_connections("max-connections").inc();
    metrics.probes("passed").inc();
    metrics.hints("died").inc();
    metrics.dns_queries("answered").inc();
    metrics.reconciled(Duration::from_millis(2));
    metrics.synced(Duration::from_millis(2));
    metrics.partially_synced(Duration::from_millis(2));
    let text = metrics.render(None);
    for sample in [
        r#"hiveway_unrouted_requests_total{reason="unknown_host"} 2"#,
        r#"hiveway_connections{listener="public"} 1"#,
        r#"hiveway_refused_connections_total{reason="max-connections"} 1"#,
        r#"hiveway_probes_total{result="passed"} 1"#,
        r#"hiveway_container_events_total{action="died"} 1"#,
        r#"hiveway_dns_queries_total{result="answered"} 1"#,
        "hiveway_reconcile_duration_seconds_count 1",
        r#"hiveway_swarm_sync_duration_seconds_count{scope="full"} 1"#,
        r#"hiveway_swarm_sync_duration_seconds_count{scope="partial"} 1"#,
        "hiveway_events_dropped_total 0",
        "hiveway_access_log_dropped_total 0",
        "hiveway_log_dropped_total 0",
        "hiveway_spans_exported_total 0",
        r#"hiveway_spans_dropped_total{reason="overflow"} 0"#,
        r#"hiveway_spans_dropped_total{reason="collector"} 0"#,
        "hiveway_span_exports_failed_total 0",
        concat!(
            "hiveway_build_info{version=\"",
            env!("CARGO_PKG_VERSION"),
            "\"} 1"
        ),
    ] {
        assert!(
            text.lines().any(|line| line == sample),
            "no {sample} in\n{text}"
        );
    }
    assert!(text.contains("process_resident_memory_bytes"));
}

#[test]
fn a_scrape_of_a_hundred_thousand_services_is_bounded() {
    const MANY: usize = 100_000;
    let metrics = metrics();
    for number in 0..MANY {
        let cluster = metrics.cluster(&format!("service-{number:06}"));
        if number % 10 == 9 {
            cluster.observe(MethodLabel::Get, 200, Duration::from_millis(3));
        }
    }
    let text = metrics.render(None);
    assert!(text.len() < 6_000_000, "{} bytes", text.len());
    let left_out = format!("hiveway_metrics_services_left_out {}", MANY - SERVICES);
    assert!(text.lines().any(|line| line == left_out), "no {left_out}");
    let requests = samples(&text, "hiveway_requests_total");
    assert_eq!(requests.len(), 5 * (SERVICES + 1));
    let value = |line: &String| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap();
    assert_eq!(requests.iter().map(value).sum::<usize>(), MANY / 10);
    // Whoever has traffic is seen.
    let own = "service=\"service-000009\",class=\"2xx\",code=\"200\",method=\"GET\"";
    assert!(text.contains(&format!("hiveway_requests_total{{{own}}} 1")));
    assert!(!text.contains("service-000008"));
    // And the next scrape shows the same.
    let names = |text: &str| -> BTreeSet<String> {
        let lines = samples(text, "hiveway_retries_total");
        lines.into_iter().collect()
    };
    assert_eq!(names(&text), names(&metrics.render(None)));
}
