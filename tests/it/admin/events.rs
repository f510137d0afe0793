//! The stream of events.

use hiveway::core::event::Event;
use hiveway::observe::event_log::KEPT;
use serde_json::json;

use super::fixture::{Admin, bounded};

#[tokio::test]
async fn a_stream_shows_what_was_and_then_what_comes() {
    let admin = Admin::start().await;
    admin.emit_scaled("a", 1);
    admin.recorded(1).await;
    let mut stream = admin.follow("/events/stream", &[]).await;
    let first = stream.next().await;
    assert_eq!(
        (first.name, first.data["sequence"].as_u64()),
        (None, Some(1))
    );

    admin.emitter.emit(Event::LeadershipGained);
    let second = stream.next().await;
    assert_eq!(second.data["kind"], "leadership_gained");
    assert_eq!(second.data["sequence"], 2);
}

#[tokio::test]
async fn the_accept_header_turns_the_list_into_a_stream() {
    let admin = Admin::start().await;
    let accept = [("accept", "text/event-stream")];
    let mut stream = admin.follow("/events", &accept).await;
    admin.emit_scaled("a", 1);
    assert_eq!(stream.next().await.data["service"], "a");
}

#[tokio::test]
async fn a_stream_resumes_after_the_last_event_that_was_seen() {
    let admin = Admin::start().await;
    admin.emit_scaled("a", 3);
    admin.recorded(3).await;
    let mut stream = admin.follow("/events/stream", &[]).await;
    stream.next().await;
    let seen = stream.next().await.id.expect("an id");
    drop(stream);

    let mut stream = admin
        .follow("/events/stream", &[("last-event-id", &seen)])
        .await;
    assert_eq!(stream.next().await.data["sequence"], 3);
    admin.emit_scaled("a", 1);
    assert_eq!(stream.next().await.data["sequence"], 4);

    for unknown in ["17-2", "nonsense"] {
        let mut stream = admin
            .follow("/events/stream", &[("last-event-id", unknown)])
            .await;
        assert_eq!(stream.next().await.data["sequence"], 1, "{unknown}");
    }
}

#[tokio::test]
async fn a_stream_can_be_narrowed() {
    let admin = Admin::start().await;
    admin.emit_scaled("a", 2);
    admin.emit_scaled("b", 2);
    admin.recorded(4).await;
    let mut stream = admin.follow("/events/stream?service=a&limit=1", &[]).await;
    assert_eq!(stream.next().await.data["sequence"], 2);
    admin.emit_scaled("b", 1);
    admin.emit_scaled("a", 1);
    assert_eq!(stream.next().await.data["sequence"], 6);
}

#[tokio::test]
async fn a_client_that_comes_back_too_late_is_told_how_much_it_missed() {
    let admin = Admin::start().await;
    let mut stream = admin.follow("/events/stream", &[]).await;
    admin.emit_scaled("a", 1);
    let seen = stream.next().await.id.expect("an id");
    drop(stream);
    admin.emit_scaled("a", KEPT as u64 + 5);
    admin.recorded(KEPT as u64 + 6).await;

    let mut stream = admin
        .follow("/events/stream", &[("last-event-id", &seen)])
        .await;
    let gap = stream.next().await;
    assert_eq!(
        (gap.name.as_deref(), gap.data),
        (Some("lagged"), json!({"missed": 5}))
    );
    assert_eq!(stream.next().await.data["sequence"], 7);
}

#[tokio::test]
async fn slow_reader_is_notified_of_missed_events() {
    const EVENTS: u64 = 2500;
    let admin = Admin::start().await;
    let mut stream = admin.follow("/events/stream", &[]).await;
    // Far more than the sockets between the two can hold beside the events that wait.
    let reason = "x".repeat(16 * 1024);
    for _ in 0..EVENTS {
        admin.emitter.emit(Event::StopRequested {
            reason: reason.as_str().into(),
        });
    }
    assert_eq!(admin.emitter.dropped(), 0);
    // The stream itself is not read meanwhile.
    bounded(async {
        while admin.get("/events?limit=1").await.json()["events"][0]["sequence"] != EVENTS {}
    })
    .await;

    let (mut latest, mut missed, mut lagged) = (0, 0, false);
    while latest < EVENTS {
        let event = stream.next().await;
        match event.name.as_deref() {
            Some("lagged") => {
                missed += event.data["missed"].as_u64().expect("a number");
                lagged = true;
            }
            _ => {
                let sequence = event.data["sequence"].as_u64().expect("a number");
                assert_eq!(sequence, latest + missed + 1, "an unannounced gap");
                (latest, missed) = (sequence, 0);
            }
        }
    }
    assert!(lagged, "the reader was not slow enough to lag");
}
