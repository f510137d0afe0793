//! The last good snapshot on disk.

use std::sync::Arc;

use hiveway::core::event::Event;
use hiveway::core::model::snapshot::Snapshot;
use hiveway::observe::event_log;
use hiveway::sync::client::Store;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::controllers::Controller;
use super::node::Node;
use super::{SECRET, snapshot};
use crate::bounded::bounded;
use crate::folder::Folder;

/// What is kept in a folder, and what was told of it.
async fn restore(folder: &std::path::Path) -> (Option<Arc<Snapshot>>, Vec<Event>) {
    let (emitter, mut events) = event_log::channel();
    let kept = Store::new(folder).restore(&emitter).await;
    let told = std::iter::from_fn(|| events.try_recv().ok()).collect();
    (kept, told)
}

/// Keeps these snapshots in a folder, one after the other, until the last is there.
async fn keep(folder: &std::path::Path, snapshots: &[Arc<Snapshot>]) -> mpsc::Receiver<Event> {
    let (emitter, events) = event_log::channel();
    let (latest, snapshot) = watch::channel(None);
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    running.spawn(Store::new(folder).run(snapshot, emitter, stop.clone()));
    for snapshot in snapshots {
        tokio::task::yield_now().await;
        latest.send_replace(Some(snapshot.clone()));
    }
    let last = snapshots.last().cloned();
    bounded(async {
        while restore(folder).await.0 != last {
            tokio::task::yield_now().await;
        }
    })
    .await;
    stop.cancel();
    bounded(running.join_all()).await;
    events
}

#[tokio::test]
async fn what_was_kept_is_what_is_begun_with() {
    let folder = Folder::new();
    let below = folder.path().join("made/when/missing");
    assert_eq!(restore(&below).await, (None, vec![]));
    let snapshots = [
        snapshot(1, 1, &["a.local"]),
        snapshot(1, 2, &["a.local", "b.local"]),
    ];
    keep(&below, &snapshots).await;
    let (kept, told) = restore(&below).await;
    assert_eq!(kept.as_ref(), Some(&snapshots[1]));
    assert!(
        matches!(&told[..], [Event::SnapshotRestored { .. }]),
        "{told:?}"
    );
    let files: Vec<_> = std::fs::read_dir(&below).unwrap().collect();
    assert_eq!(files.len(), 1, "no draft is left: {files:?}");

    // A node begins with it, and goes on from there when a controller is heard.
    let controller = Controller::start(None).await;
    let mut node = Node::start_with(SECRET, &[controller.address], None, kept).await;
    node.steers_by(&snapshots[1]).await;
    node.event_of("routes_stale").await;
    controller.publish(snapshot(2, 1, &["c.local"]));
    node.steers_by(&snapshot(2, 1, &["c.local"])).await;
}

#[tokio::test]
async fn what_was_cut_off_or_changed_is_told_and_not_used() {
    let folder = Folder::new();
    keep(folder.path(), &[snapshot(1, 1, &["a.local"])]).await;
    let file = folder.path().join("snapshot.json");
    let good = std::fs::read(&file).unwrap();
    let text = String::from_utf8(good.clone()).unwrap();
    for (bad, told) in [
        (&good[..good.len() - 1], "cut off or changed"),
        (
            text.replace("a.local", "b.local").as_bytes(),
            "cut off or changed",
        ),
        (&good[..20], "not in a form"),
        (b"", "not in a form"),
        (b"{}\n{}", "not in a form"),
    ] {
        std::fs::write(&file, bad).unwrap();
        let (kept, events) = restore(folder.path()).await;
        assert_eq!(kept, None);
        let [Event::SnapshotNotKept { path, reason }] = &events[..] else {
            panic!("{events:?}");
        };
        assert!(
            path.ends_with("/snapshot.json") && reason.contains(told),
            "{path}: {reason}"
        );
    }
    // The next good one takes its place.
    keep(folder.path(), &[snapshot(1, 2, &["c.local"])]).await;
}

#[tokio::test]
async fn a_folder_that_cannot_be_used_is_told_once_and_stops_nothing() {
    let folder = Folder::with("file", "");
    let within_a_file = folder.path().join("file/state");
    let (_, told) = restore(&within_a_file).await;
    assert!(
        matches!(&told[..], [Event::SnapshotNotKept { .. }]),
        "{told:?}"
    );
    let (emitter, mut events) = event_log::channel();
    let (latest, kept) = watch::channel(None);
    let stop = CancellationToken::new();
    let mut running = JoinSet::new();
    running.spawn(Store::new(&within_a_file).run(kept, emitter, stop.clone()));
    latest.send_replace(Some(snapshot(1, 1, &[])));
    let event = bounded(events.recv()).await.expect("an emitter");
    let Event::SnapshotNotKept { reason, .. } = &event else {
        panic!("{event:?}");
    };
    assert!(reason.contains("--state-dir"), "{reason}");
    stop.cancel();
    bounded(running.join_all()).await;
    assert!(events.try_recv().is_err());
}
