//! The `scale` label.

use super::service::{SETTLE_BOUND, Service};
use super::stage::{HOST, Turn};

#[tokio::test]
#[ignore = "needs a swarm: make test"]
async fn replicas_follow_the_label_and_manual_scaling_is_undone() {
    let stage = Turn::take().await;
    let labels = [("hiveway.routing.port_80", HOST), ("hiveway.scale", "3")];
    let service = Service::create(&stage, "scale", 1, &labels, &[]).await;
    service.settled(3).await;
    assert_eq!(service.replicas().await, Ok(3));

    let has = async |replicas| {
        let look = async || match service.replicas().await? {
            found if found == replicas => Ok(()),
            found => Err(found.to_string()),
        };
        let what = format!("{} is specified to have {replicas} replicas", service.name);
        stage.eventually(&what, SETTLE_BOUND, look).await;
    };
    service.scale(5).await;
    has(3).await;
    service.settled(3).await;
    service.scale(2).await;
    has(3).await;
    service.settled(3).await;

    service.update(&["--label-add", "hiveway.scale=2"]).await;
    has(2).await;
    service.settled(2).await;

    let log = stage.hiveway.log().await;
    for (from, to) in [(1, 3), (5, 3), (2, 3), (3, 2)] {
        let told = format!(
            "{} scaled from {from} to {to} replicas, as its label says",
            service.name
        );
        assert!(
            log.iter().any(|line| line.contains(&told)),
            "{told}\n{log:#?}"
        );
    }
}
