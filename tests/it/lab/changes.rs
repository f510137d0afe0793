//! What people change on purpose, on a swarm of a manager and two workers: not one request is refused meanwhile.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::load::{Load, Way, end_flawless};
use super::node::BOUND;
use super::stage::Lab;
use crate::stack;

/// The host of the example.
const HOST: &str = "restserver.local";
/// How many services come at once.
const BURST: usize = 50;

#[tokio::test]
#[ignore = "needs a swarm of several nodes: make lab"]
async fn routes_and_names_reach_every_node_without_a_failure() {
    let lab = Lab::build(1, 2).await;
    lab.deploy().await;
    stack::deploy("example", "example.yml", &[], &lab.variables()).await;
    let gateways = lab.named(HOST).await;
    for gateway in &gateways {
        let nodes = lab.in_rotation(gateway, "example_restserver", 2).await;
        assert_ne!(nodes[0], nodes[1], "the example is spread over nodes");
    }
    alternates(&lab).await;

    let mut loads = Vec::new();
    for node in &lab.nodes {
        for way in [Way::ByName, Way::ByNameEachTime] {
            loads.push(Load::start(node, &format!("http://{HOST}/"), way).await);
        }
    }
    let hosts = format!("{HOST};added.example.com");
    let since = lab.add_host("example_restserver", &hosts).await;
    let all: Vec<_> = gateways.iter().collect();
    for took in lab.served_after(&all, "added.example.com", since).await {
        assert!(took <= Duration::from_secs(1), "only after {took:?}");
    }

    let began = Instant::now();
    let update = "service update --detach --no-resolve-image --quiet --force";
    lab.manager()
        .docker(&format!("{update} hiveway_hiveway"))
        .await;
    lab.updated("hiveway_hiveway").await;
    eprintln!(
        "hiveway is updated on every node after {:.1?}",
        began.elapsed()
    );
    for (old, new) in gateways.iter().zip(lab.gateways().await) {
        assert_ne!(old.container, new.container, "{}", old.node);
    }
    end_flawless(loads).await;
}

#[tokio::test]
#[ignore = "needs a swarm of several nodes: make lab"]
async fn fifty_services_at_once_get_their_names_by_one_update() {
    let lab = Lab::build(1, 2).await;
    lab.deploy().await;
    lab.serve("web", HOST, 3).await;
    let before = alias_updates(&lab).len();
    let mut loads = Vec::new();
    for node in &lab.nodes {
        for way in [Way::ByName, Way::ByNameEachTime] {
            loads.push(Load::start(node, &format!("http://{HOST}/"), way).await);
        }
    }

    let began = Instant::now();
    stack::deploy_text("burst", &burst(), &lab.variables()).await;
    eprintln!("{BURST} services are created after {:.1?}", began.elapsed());
    names_are_known(&lab).await;
    lab.updated("hiveway_hiveway").await;
    eprintln!(
        "their names are aliases of every gateway after {:.1?}",
        began.elapsed()
    );
    for gateway in lab.gateways().await {
        let what = format!("{} serves all {BURST} services", gateway.node);
        let look = async || {
            for number in 0..BURST {
                gateway.serves(&format!("burst-{number}.local")).await?;
            }
            Ok(())
        };
        lab.eventually(&what, 3 * BOUND, look).await;
    }
    eprintln!(
        "every gateway serves all of them after {:.1?}",
        began.elapsed()
    );
    for host in ["burst-0.local", "burst-25.local", "burst-49.local"] {
        join_all(lab.nodes.iter().map(async |node| {
            let what = format!("{host} is found on {}", node.engine.name);
            lab.eventually(&what, BOUND, async || node.finds(host).await)
                .await;
        }))
        .await;
    }
    eprintln!(
        "names are found on every node after {:.1?}",
        began.elapsed()
    );
    let updates = alias_updates(&lab);
    assert_eq!(updates.len(), before + 1, "{updates:#?}");
    end_flawless(loads).await;
}

/// A stack file of many services, each with a name of its own.
fn burst() -> String {
    let service = |number: usize| {
        format!(
            "  s{number}:\n    image: hiveway-demo:dev\n    networks: [mesh]\n    deploy:\n      labels:\n        \
             hiveway.routing.port_80: burst-{number}.local\n"
        )
    };
    let services: String = (0..BURST).map(service).collect();
    format!("version: \"3.8\"\nservices:\n{services}networks:\n  mesh:\n    external: true\n")
}

/// Waits until the services' names are aliases of Hiveway's own.
async fn names_are_known(lab: &Lab) {
    let look = async || {
        let networks = lab.aliases().await?;
        let known = |number: &usize| networks.contains(&format!("\"burst-{number}.local\""));
        match (0..BURST).filter(known).count() {
            BURST => Ok(()),
            known => Err(format!("{known} of them")),
        }
    };
    lab.eventually("all names are aliases", BOUND, look).await;
}

/// What Hiveway logged of its changes to the aliases, by all instances that the manager ever had: each change replaces them.
fn alias_updates(lab: &Lab) -> Vec<String> {
    let log = lab.manager().gateway_logs("all");
    let lines = log
        .lines()
        .filter(|line| line.contains("kind=aliases_updated"));
    lines.map(str::to_owned).collect()
}

/// Waits until the client of the example has had six answers in a row that alternate between two containers.
async fn alternates(lab: &Lab) {
    let look = async || {
        let log = lab
            .manager()
            .ask("service logs --raw example_restclient")
            .await?;
        let last: Vec<_> = log.lines().rev().take(6).collect();
        let answers: Option<Vec<_>> = last
            .iter()
            .map(|line| line.split_once("200  served by ").map(|(_, answer)| answer))
            .collect();
        match answers {
            Some(it) if it.len() == 6 && it.windows(2).all(|pair| pair[0] != pair[1]) => Ok(()),
            _ => Err(format!("{last:#?}")),
        }
    };
    lab.eventually("the example's client alternates", BOUND, look)
        .await;
}
