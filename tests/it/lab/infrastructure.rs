//! The lab itself does what the other tests rely on.

use tokio::time::Instant;

use super::load::{Load, Way, end_flawless};
use super::node::BOUND;
use super::stage::Lab;

#[tokio::test]
async fn nodes_are_cut_off_and_healed_and_die_and_boot() {
    let Some(mut lab) = Lab::build(1, 2).await else {
        return;
    };
    let host = "restserver.local";
    let gateways = lab.deploy(&[], &[], &[0]).await;
    lab.serve("web", host, "--replicas 3").await;
    let url = format!("http://{host}/");
    let look = async || match gateways[0].get(&url).await? {
        answer if answer.status == 200 => Ok(()),
        answer => Err(answer.status.to_string()),
    };
    lab.eventually("it is served", BOUND, look).await;
    let mut loads = Vec::new();
    for (index, node) in lab.nodes.iter().enumerate() {
        let name = format!("load-{index}");
        loads.push(Load::start(node, &name, &url, Way::Through(&gateways[0])).await);
    }
    for load in &loads {
        load.makes(100).await;
    }
    end_flawless(loads).await;

    lab.cut(1).await;
    becomes(&lab, 1, "down").await;
    lab.heal(1).await;
    becomes(&lab, 1, "ready").await;
    lab.kill(2).await;
    becomes(&lab, 2, "down").await;
    lab.restore(2).await;
    becomes(&lab, 2, "ready").await;
}

async fn becomes(lab: &Lab, index: usize, state: &str) {
    let began = Instant::now();
    let name = &lab.nodes[index].engine.name;
    let inspect = format!("node inspect --format {{{{.Status.State}}}} {name}");
    let look = async || match lab.manager().ask(&inspect).await? {
        found if found == state => Ok(()),
        found => Err(found),
    };
    let what = format!("{name} is {state}");
    lab.eventually(&what, BOUND, look).await;
    eprintln!("{what} after {:.1?}", began.elapsed());
}
