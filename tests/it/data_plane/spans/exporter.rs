//! What is done with what a collector says.

use std::time::{Duration, SystemTime};

use hiveway::core::event::Event;
use hiveway::observe::otlp::{Bounds, Endpoint, Span, SpanIds};
use http::HeaderMap;
use http::header::RETRY_AFTER;
use serde_json::Value;

use super::{Exporting, QUICK, config};
use crate::authority::Authority;
use crate::collector::{Answer, Collector};
use crate::folder::Folder;

fn span(own: u64) -> Span {
    Span {
        ids: SpanIds {
            trace: 1,
            own,
            parent: None,
            flags: 1,
        },
        trace_state: None,
        name: "GET".to_owned(),
        end: SystemTime::now(),
        duration: Duration::from_millis(1),
        failed: false,
        attributes: vec![],
    }
}

fn says(status: u16, body: &'static str) -> Answer {
    Answer::Say(status, HeaderMap::new(), body)
}

fn reason(event: Event) -> String {
    match event {
        Event::CollectorLost { reason, .. } => reason.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_can_pass_is_tried_again_when_the_collector_wants_it() {
    let collector = Collector::start();
    let wait = (RETRY_AFTER, "1".parse().expect("a value"));
    collector.says(Answer::Say(503, [wait].into_iter().collect(), ""));
    let (spans, mut exporting) = Exporting::start(config(&collector, "1", QUICK));
    spans.tell(span(1));
    let posts = collector.posts(1).await;
    assert_eq!(posts[0].first, "POST /v1/traces");
    assert_eq!(posts[0].headers["content-type"], "application/json");
    collector.says(says(200, ""));
    let posts = collector.posts(2).await;
    assert!(posts[1].at - posts[0].at >= Duration::from_secs(1));
    assert_eq!(posts[0].body, posts[1].body);
    assert_eq!(exporting.counts(|it| it[0] == 1).await, [1, 0, 0, 1]);
    // One that says how long it wants to be left alone is told of when it does not mean it.
    collector.says(says(429, "slow down"));
    spans.tell(span(2));
    let told = reason(exporting.event().await);
    assert_eq!(told, "it answered 429 Too Many Requests: slow down");
    collector.says(says(200, ""));
    collector.spans(2).await;
    assert!(matches!(
        exporting.event().await,
        Event::CollectorReached { .. }
    ));
    assert_eq!(exporting.end().await, []);
}

#[tokio::test]
async fn what_cannot_pass_is_dropped_at_once_and_told_once() {
    let collector = Collector::start();
    let (spans, mut exporting) = Exporting::start(config(&collector, "1", QUICK));
    collector.says(says(400, r#"{"code":3,"message":"no such thing"}"#));
    for own in 1..=3 {
        spans.tell(span(own));
        exporting.counts(|it| it == [0, 0, own, own]).await;
    }
    let told = reason(exporting.event().await);
    assert_eq!(told, "it answered 400 Bad Request: no such thing");
    let partly = r#"{"partialSuccess":{"rejectedSpans":"1","errorMessage":"too old"}}"#;
    collector.says(says(200, partly));
    spans.tell(span(4));
    exporting.counts(|it| it == [0, 0, 4, 4]).await;
    collector.says(says(200, "{}"));
    spans.tell(span(5));
    exporting.counts(|it| it == [1, 0, 4, 4]).await;
    assert!(matches!(
        exporting.event().await,
        Event::CollectorReached { .. }
    ));
    collector.says(says(200, partly));
    spans.tell(span(6));
    assert_eq!(reason(exporting.event().await), "it took 0 of 1: too old");
    assert_eq!(exporting.end().await, []);
}

#[tokio::test]
async fn spans_that_a_collector_never_takes_make_room_for_others() {
    let collector = Collector::away();
    let short = Bounds {
        batch: 1,
        patience: Duration::ZERO,
        ..QUICK
    };
    let (spans, exporting) = Exporting::start(config(&collector, "1", short));
    for own in 1..=3 {
        spans.tell(span(own));
    }
    assert_eq!(exporting.counts(|it| it[2] == 3).await, [0, 0, 3, 3]);
    let told: Vec<String> = exporting.end().await.into_iter().map(reason).collect();
    assert_eq!(told.len(), 1, "{told:?}");
}

#[tokio::test]
async fn the_last_spans_are_sent_when_the_process_ends() {
    let collector = Collector::start();
    let late = Bounds {
        every: Duration::from_secs(3_600),
        batch: 4,
        ..QUICK
    };
    let (spans, exporting) = Exporting::start(config(&collector, "1", late));
    for own in 1..=11 {
        spans.tell(span(own));
    }
    assert_eq!(exporting.end().await, []);
    let sent = collector.posts(3).await;
    let count = |body: &Value| {
        let spans = &body["resourceSpans"][0]["scopeSpans"][0]["spans"];
        spans.as_array().map_or(0, Vec::len)
    };
    let counts: Vec<usize> = sent.iter().map(|post| count(&post.body)).collect();
    assert_eq!(counts, [4, 4, 3]);
}

#[tokio::test]
async fn a_collector_that_does_not_answer_does_not_hold_up_the_end() {
    let collector = Collector::start();
    collector.says(Answer::Hang);
    let (spans, exporting) = Exporting::start(config(&collector, "1", QUICK));
    spans.tell(span(1));
    collector.posts(1).await;
    let metrics = exporting.metrics.clone();
    assert_eq!(exporting.end().await, []);
    let lost = "hiveway_spans_dropped_total{reason=\"collector\"} 1\n";
    assert!(metrics.render(None).contains(lost));
}

#[tokio::test]
async fn a_collector_is_reached_by_tls_where_its_authority_is_known() {
    let authority = Authority::new("the test");
    let collector = Collector::secure(&authority);
    let folder = Folder::with("root.pem", &authority.pem());
    let mut config = config(&collector, "1", QUICK);
    let url = format!("https://{}", collector.address);
    config.endpoint = Endpoint::parse(&url).expect("a URL");
    let (spans, mut strange) = Exporting::start(config.clone());
    spans.tell(span(1));
    let told = reason(strange.event().await);
    assert!(told.contains("UnknownIssuer"), "{told}");
    config.root = Some(folder.path().join("root.pem"));
    let (spans, exporting) = Exporting::start(config);
    spans.tell(span(2));
    let taken = collector.spans(1).await;
    assert_eq!(taken[0]["spanId"], "0000000000000002");
    assert_eq!(exporting.end().await, []);
}
