//! Workers that die, or are cut off from the others, and a manager that is away.

use std::time::{Duration, SystemTime};

use hiveway::core::model::snapshot::{Generation, Snapshot};

use super::gateway::Gateway;
use super::load::{Load, Way, all_make, end_all, end_flawless};
use super::node::BOUND;
use super::stage::Lab;

const HOST: &str = "restserver.local";

/// How long the loss of a node may cost requests.
const LOSS: Duration = Duration::from_secs(5);

#[tokio::test]
#[ignore = "needs a swarm of several nodes: make lab"]
async fn lost_worker_fails_only_unavoidable_requests() {
    let mut lab = Lab::build(1, 2).await;
    lab.deploy().await;
    let gateways = lab.serve("web", HOST, 3).await;
    let url = format!("http://{HOST}/");

    // Dies.
    let (mut own, mut by_name) = (Vec::new(), Vec::new());
    for (node, gateway) in lab.nodes[..2].iter().zip(&gateways) {
        own.push(Load::start(node, &url, Way::Through(gateway)).await);
        by_name.push(Load::start(node, &url, Way::ByName).await);
        by_name.push(Load::start(node, &url, Way::ByNameEachTime).await);
    }
    lab.kill(2).await;
    let killed = SystemTime::now();
    lab.becomes(2, "down").await;
    for gateway in &gateways[..2] {
        lab.in_rotation(gateway, "web", 3).await;
    }
    all_make(&own, 200).await;
    all_make(&by_name, 200).await;
    end_flawless(own).await;
    for load in end_all(by_name).await {
        assert!(
            !load.failed_after(killed + LOSS),
            "{}: {:#?}",
            load.name,
            load.summary
        );
    }
    lab.restore(2).await;
    lab.becomes(2, "ready").await;
    let gateways = lab.gateways().await;
    lab.in_rotation(&gateways[2], "web", 3).await;
    // Swarm moves nothing to a node that comes back by itself.
    lab.manager()
        .docker("service update --detach --no-resolve-image --quiet --force web")
        .await;
    lab.updated("web").await;
    for gateway in &gateways {
        lab.in_rotation(gateway, "web", 3).await;
    }

    // Is cut off, and goes on by itself; so do the others.
    let mut own = Vec::new();
    for (node, gateway) in lab.nodes.iter().zip(&gateways) {
        own.push(Load::start(node, &url, Way::Through(gateway)).await);
    }
    lab.cut(2).await;
    let frozen = async || match gateways[2].condition("routes").await? {
        Some(reason) if reason.starts_with("frozen") => Ok(reason),
        other => Err(format!("{other:?}")),
    };
    let reason = lab
        .eventually("the cut off gateway says so", BOUND, frozen)
        .await;
    eprintln!("{reason}");
    lab.becomes(2, "down").await;
    all_make(&own, 200).await;
    // Swarm may replace what it gave up on a node that comes back, and the instance of Hiveway with it.
    end_flawless(own.split_off(2)).await;
    lab.heal(2).await;
    lab.becomes(2, "ready").await;
    let thawed = async || {
        let gateway = lab.nodes[2].gateway().await?;
        match gateway.condition("routes").await? {
            None => gateway.serves(HOST).await.map(drop),
            Some(reason) => Err(reason),
        }
    };
    lab.eventually("the routes follow the swarm again", BOUND, thawed)
        .await;
    for gateway in &lab.gateways().await {
        lab.in_rotation(gateway, "web", 3).await;
    }
    all_make(&own, 200).await;
    end_flawless(own).await;
}

#[tokio::test]
#[ignore = "needs a swarm of several nodes: make lab"]
async fn gateway_starts_from_its_saved_state_without_a_controller() {
    let mut lab = Lab::build(1, 2).await;
    lab.deploy().await;
    let gateways = lab.serve("web", HOST, 3).await;
    let generation = kept(&lab, &gateways[1]).await;
    lab.kill(0).await;
    let restart = format!("restart --time 15 {}", gateways[1].container);
    lab.nodes[1].docker(&restart).await;
    let gateway = lab.gateway(1).await;
    assert_eq!(gateway.serves(HOST).await.map(drop), Ok(()));
    assert_eq!(gateway.snapshot().await.unwrap().generation, generation);
    let restored = gateway.events("snapshot_restored").await.unwrap();
    assert_eq!(restored.len(), 1);
    lab.restore(0).await;
    lab.becomes(0, "ready").await;
}

/// Waits until a worker's gateway has written down what it steers by.
async fn kept(lab: &Lab, gateway: &Gateway) -> Generation {
    let volume = "data/volumes/hiveway_state/_data/snapshot.json";
    let file = lab.nodes[1].engine.directory.join(volume);
    let look = async || {
        let text = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let (_, body) = text.split_once('\n').ok_or("half a file")?;
        let kept: Snapshot = serde_json::from_str(body).map_err(|error| error.to_string())?;
        match kept == gateway.snapshot().await? {
            true => Ok(kept.generation),
            false => Err(format!("{:?}", kept.generation)),
        }
    };
    lab.eventually("the worker keeps what it steers by", BOUND, look)
        .await
}
