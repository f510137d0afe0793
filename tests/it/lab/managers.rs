//! Managers that die, down to the loss of their quorum, on a swarm of three managers and a worker that follows them.

use std::time::Duration;

use tokio::time::Instant;

use super::gateway::Gateway;
use super::load::{Load, RATE, Way, all_make, end_flawless};
use super::node::BOUND;
use super::stage::Lab;

const HOST: &str = "restserver.local";

/// How long traffic has to go on without a quorum.
const WITHOUT: u32 = 60;

#[tokio::test]
#[ignore = "needs a swarm of several nodes: make lab"]
async fn traffic_outlives_the_followed_manager_and_the_quorum() {
    let mut lab = Lab::build(3, 1).await;
    lab.deploy().await;
    let gateways = lab.serve("web", HOST, 4).await;
    let url = format!("http://{HOST}/");
    let follower = gateways[3].clone();

    let followed = followed(&lab, &follower, &gateways).await;
    let left: Vec<usize> = (0..3).filter(|index| *index != followed).collect();
    let mut loads = Vec::new();
    // The one that is killed later has a load of its own that is not looked at then.
    for index in [left[0], left[1], 3] {
        let way = Way::Through(&gateways[index]);
        loads.push(Load::start(&lab.nodes[index], &url, way).await);
    }
    lab.kill(followed).await;
    let since = lab
        .add_host("web", &format!("{HOST};added.example.com"))
        .await;
    let others: Vec<_> = [left[0], left[1], 3].map(|index| &gateways[index]).into();
    for took in lab.served_after(&others, "added.example.com", since).await {
        assert!(took <= Duration::from_secs(5), "only after {took:?}");
    }
    all_make(&loads, 200).await;
    end_flawless(loads).await;

    // The quorum is lost.
    let mut loads = Vec::new();
    for index in [left[1], 3] {
        let way = Way::Through(&gateways[index]);
        loads.push(Load::start(&lab.nodes[index], &url, way).await);
    }
    lab.kill(left[0]).await;
    let lost = Instant::now();
    let survivors = [&gateways[left[1]], &follower];
    for gateway in survivors {
        let frozen = async || match gateway.condition("routes").await? {
            Some(reason) if reason.starts_with("frozen") => Ok(reason),
            other => Err(format!("{other:?}")),
        };
        let what = format!("{} says that its routes are frozen", gateway.node);
        let reason = lab.eventually(&what, BOUND, frozen).await;
        eprintln!("{} after {:.1?}: {reason}", gateway.node, lost.elapsed());
        let told = async || match gateway.events("routes_stale").await?.len() {
            0 => Err("not yet".into()),
            _ => Ok(()),
        };
        lab.eventually("an event says so", BOUND, told).await;
    }
    let before = [survivors[0].snapshot().await, survivors[1].snapshot().await];
    all_make(&loads, u64::from(WITHOUT * RATE)).await;
    for (gateway, before) in survivors.iter().zip(before) {
        assert_eq!(gateway.snapshot().await, before, "on {}", gateway.node);
    }
    end_flawless(loads).await;

    lab.restore(left[0]).await;
    lab.restore(followed).await;
    let back = Instant::now();
    for gateway in survivors {
        let thawed = async || match gateway.condition("routes").await? {
            None => Ok(()),
            Some(reason) => Err(reason),
        };
        let what = format!("{} follows the swarm again", gateway.node);
        lab.eventually(&what, BOUND, thawed).await;
        eprintln!("{what} {:.1?} after the others' start", back.elapsed());
    }
    let hosts = format!("{HOST};added.example.com;again.example.com");
    let since = lab.add_host("web", &hosts).await;
    lab.served_after(&survivors, "again.example.com", since)
        .await;
}

/// Whose controller a gateway follows.
async fn followed(lab: &Lab, follower: &Gateway, gateways: &[Gateway]) -> usize {
    let look = async || {
        let events = follower.events("controller_followed").await?;
        let last = events.last().ok_or("none")?;
        let by = |gateway: &Gateway| last.message.contains(&gateway.mesh.to_string());
        let index = gateways.iter().position(by);
        index.ok_or_else(|| last.message.clone())
    };
    lab.eventually("the worker follows a manager", BOUND, look)
        .await
}
