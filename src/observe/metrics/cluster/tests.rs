use std::collections::BTreeSet;

use super::*;
use crate::observe::metrics::tests::{metrics, samples};

#[test]
fn every_duration_falls_into_a_bucket() {
    let cluster = ClusterMetrics::default();
    let cases = [
        (101, Duration::from_micros(1_000)),
        (200, Duration::from_micros(1_001)),
        (204, Duration::ZERO),
        (404, Duration::from_secs(60)),
        (599, Duration::from_secs(61)),
        (0, Duration::from_millis(3)),
        (600, Duration::from_millis(3)),
        (65_535, Duration::from_millis(3)),
    ];
    for (status, duration) in cases {
        cluster.observe(MethodLabel::Get, status, duration);
    }
    let read = |values: &[AtomicU64]| -> Vec<u64> {
        values.iter().map(|it| it.load(Ordering::Relaxed)).collect()
    };
    assert_eq!((cluster.counts().total, cluster.counts().failed), (8, 4));
    assert_eq!(read(&cluster.buckets), [2, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    assert_eq!(read(&[cluster.slower]), [1]);
    assert_eq!(
        read(&[cluster.microseconds]),
        [121_000_000 + 1_000 + 1_001 + 9_000]
    );
}

#[test]
fn requests_are_counted_and_their_durations_add_up() {
    let metrics = metrics();
    let cluster = metrics.cluster("restserver");
    cluster.observe(MethodLabel::Get, 200, Duration::from_millis(3));
    let same = metrics.cluster("restserver");
    same.observe(MethodLabel::Post, 503, Duration::from_millis(700));
    same.replied("no-endpoint");
    cluster.retried();
    let text = metrics.render(None);
    assert_eq!(
        samples(&text, "hiveway_requests_total"),
        [
            r#"hiveway_requests_total{service="restserver",class="2xx",code="200",method="GET"} 1"#,
            r#"hiveway_requests_total{service="restserver",class="5xx",code="500",method="GET"} 0"#,
            r#"hiveway_requests_total{service="restserver",class="5xx",code="502",method="GET"} 0"#,
            r#"hiveway_requests_total{service="restserver",class="5xx",code="503",method="GET"} 0"#,
            r#"hiveway_requests_total{service="restserver",class="5xx",code="504",method="GET"} 0"#,
            r#"hiveway_requests_total{service="restserver",class="5xx",code="500",method="POST"} 0"#,
            r#"hiveway_requests_total{service="restserver",class="5xx",code="502",method="POST"} 0"#,
            r#"hiveway_requests_total{service="restserver",class="5xx",code="503",method="POST"} 1"#,
            r#"hiveway_requests_total{service="restserver",class="5xx",code="504",method="POST"} 0"#,
        ]
    );
    assert_eq!(
        samples(&text, "hiveway_local_replies_total"),
        [r#"hiveway_local_replies_total{service="restserver",reason="no-endpoint"} 1"#]
    );
    assert_eq!(
        samples(&text, "hiveway_request_duration_seconds"),
        [
            r#"hiveway_request_duration_seconds_bucket{service="restserver",le="0.001"} 0"#,
            r#"hiveway_request_duration_seconds_bucket{service="restserver",le="0.005"} 1"#,
            r#"hiveway_request_duration_seconds_bucket{service="restserver",le="0.01"} 1"#,
            r#"hiveway_request_duration_seconds_bucket{service="restserver",le="0.025"} 1"#,
            r#"hiveway_request_duration_seconds_bucket{service="restserver",le="0.05"} 1"#,
            r#"hiveway_request_duration_seconds_bucket{service="restserver",le="0.1"} 1"#,
            r#"hiveway_request_duration_seconds_bucket{service="restserver",le="0.25"} 1"#,
            r#"hiveway_request_duration_seconds_bucket{service="restserver",le="0.5"} 1"#,
            r#"hiveway_request_duration_seconds_bucket{service="restserver",le="1"} 2"#,
            r#"hiveway_request_duration_seconds_bucket{service="restserver",le="2.5"} 2"#,
            r#"hiveway_request_duration_seconds_bucket{service="restserver",le="10"} 2"#,
            r#"hiveway_request_duration_seconds_bucket{service="restserver",le="60"} 2"#,
            r#"hiveway_request_duration_seconds_bucket{service="restserver",le="+Inf"} 2"#,
            r#"hiveway_request_duration_seconds_sum{service="restserver"} 0.703"#,
            r#"hiveway_request_duration_seconds_count{service="restserver"} 2"#,
        ]
    );
    assert_eq!(
        samples(&text, "hiveway_retries_total"),
        [r#"hiveway_retries_total{service="restserver"} 1"#]
    );
}

#[test]
fn the_ejected_are_a_gauge_and_ejections_add_up() {
    let metrics = metrics();
    let cluster = metrics.cluster("restserver");
    cluster.ejected(2, 2);
    cluster.ejected(2, 1);
    cluster.ejected(1, 0);
    let text = metrics.render(None);
    assert_eq!(
        samples(&text, "hiveway_eject"),
        [
            r#"hiveway_ejected_endpoints{service="restserver"} 1"#,
            r#"hiveway_ejections_total{service="restserver"} 3"#,
        ]
    );
}

#[test]
fn the_held_are_a_gauge_and_holds_and_refused_retries_add_up() {
    let metrics = metrics();
    let cluster = metrics.cluster("restserver");
    cluster.held();
    cluster.held();
    cluster.released();
    cluster.refused_to_retry();
    let text = metrics.render(None);
    for (name, value) in [
        ("hiveway_queued_requests", 1),
        ("hiveway_requests_queued_total", 2),
        ("hiveway_retries_refused_total", 1),
    ] {
        let sample = format!(r#"{name}{{service="restserver"}} {value}"#);
        assert_eq!(samples(&text, name), [sample]);
    }
    cluster.observe(MethodLabel::Get, 200, Duration::ZERO);
    cluster.observe(MethodLabel::Get, 503, Duration::ZERO);
    assert_eq!(cluster.sent(), 2);
    cluster.observe(MethodLabel::Get, 429, Duration::ZERO);
    cluster.unsent();
    assert_eq!(cluster.sent(), 2);
    assert_eq!(cluster.counts().total, 3);
}

#[test]
fn connections_that_are_passed_on_count_as_requests() {
    let cluster = ClusterMetrics::default();
    cluster.observe(MethodLabel::Get, 200, Duration::ZERO);
    for end in ["closed", "reset", "no-endpoint", "unreachable"] {
        cluster.tcp.ended(end);
    }
    let counts = cluster.counts();
    assert_eq!((counts.total, counts.failed), (5, 2));
    assert_eq!(counts.within.last().map(|it| it.count), Some(1));
}

#[test]
fn services_that_are_gone_are_forgotten_and_begin_anew() {
    let metrics = metrics();
    metrics.cluster("stays").retried();
    metrics.cluster("goes").retried();
    metrics.retain(&BTreeSet::from(["stays".into()]));
    let text = metrics.render(None);
    assert_eq!(
        samples(&text, "hiveway_retries_total"),
        [r#"hiveway_retries_total{service="stays"} 1"#]
    );
    assert!(!text.contains("goes"));
    let _back = metrics.cluster("goes");
    assert!(
        samples(&metrics.render(None), "hiveway_retries_total")
            .contains(&r#"hiveway_retries_total{service="goes"} 0"#.to_owned())
    );
}
