//! Users of `routing.basic_auth` that stand in a secret.

use std::sync::Arc;

use hiveway::core::event::Event;
use hiveway::core::model::Inventory;
use hiveway::core::model::snapshot::Snapshot;

use super::{Loop, Targets, swarm};
use crate::folder::Folder;

const HASH: &str = "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC";

/// One task of a service that is guarded by the secret `shop`.
fn guarded() -> Inventory {
    let mut inventory = swarm(&["a"]);
    let labels = &mut inventory.services[0].labels;
    labels.insert(
        "hiveway.routing.basic_auth".to_owned(),
        "secret:shop".to_owned(),
    );
    inventory
}

/// Who is let in; none: everybody.
fn users(snapshot: &Snapshot) -> Option<Vec<String>> {
    let cluster = snapshot.clusters.values().next().expect("a service");
    let known = cluster.policy.middleware.as_ref()?.basic_auth.as_ref()?;
    Some(known.iter().map(|it| it.user.to_string()).collect())
}

/// What was complained of.
fn told(reconciler: &mut Loop) -> Vec<String> {
    let mut told = Vec::new();
    while let Ok(event) = reconciler.events.try_recv() {
        if let Event::LabelsRejected(_) = event {
            told.push(event.to_string());
        }
    }
    told
}

#[tokio::test(start_paused = true)]
async fn users_follow_the_secret_and_nobody_is_let_in_without_it() {
    let folder = Folder::with("shop", &format!("alice:{HASH}\n"));
    let at = folder.path().to_owned();
    let mut reconciler = Loop::start_with(|options| options.secrets = Some(at));
    reconciler.see(guarded());
    let one = |targets: &Arc<Targets>| targets.len() == 1;
    reconciler.targets.wait_for(one).await.expect("it lives");
    reconciler.report("a", Ok(())).await;
    let snapshot = reconciler.published().await.expect("it is judged");
    assert_eq!(users(&snapshot), Some(vec!["alice".to_owned()]));
    assert_eq!(told(&mut reconciler), [""; 0]);

    let lines = format!("alice:{HASH}\nbob:{HASH}\nhunter2\n");
    std::fs::write(folder.file("shop"), lines).expect("it can be written");
    let snapshot = reconciler.published().await.expect("it is read again");
    let both = vec!["alice".to_owned(), "bob".to_owned()];
    assert_eq!(users(&snapshot), Some(both));
    let complaints = told(&mut reconciler);
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    assert!(complaints[0].contains("line 3"), "{complaints:?}");
    assert!(!complaints[0].contains("hunter2"), "{complaints:?}");

    std::fs::remove_file(folder.file("shop")).expect("it can be removed");
    let snapshot = reconciler.published().await.expect("it is missed");
    assert_eq!(users(&snapshot), Some(vec![]));
    let complaints = told(&mut reconciler);
    assert_eq!(complaints.len(), 1, "{complaints:?}");
    for part in ["web", "routing.basic_auth", "secret:shop", "--secrets"] {
        assert!(complaints[0].contains(part), "{part}: {complaints:?}");
    }

    std::fs::write(folder.file("shop"), format!("carol:{HASH}")).expect("it can be written");
    let snapshot = reconciler.published().await.expect("it is back");
    assert_eq!(users(&snapshot), Some(vec!["carol".to_owned()]));
}
