//! Which controller a node follows, and what it takes over.

use std::sync::Arc;

use hiveway::core::event::Event;
use hiveway::core::model::route::ProbeSpec;
use hiveway::core::model::snapshot::Delta;
use hiveway::core::protocol::{
    AgentMessage, CommandTarget, ContainerAction, ContainerHint, ProbeReport, Standing,
    ToController, ToNode,
};
use hiveway::sync::client::Own;
use hiveway::sync::transport;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::controllers::Controller;
use super::node::Node;
use super::relay::Relay;
use super::{SECRET, identity, snapshot};
use crate::bounded::bounded;
use crate::fake_engine::until;

#[tokio::test]
async fn a_node_steers_by_what_its_controller_publishes() {
    let controller = Controller::start(Some(snapshot(1, 1, &["a.local"]))).await;
    let mut node = Node::start(&[controller.address]).await;
    node.steers_by(&snapshot(1, 1, &["a.local"])).await;
    for (sequence, hosts) in [
        (2, &["a.local", "b.local"][..]),
        (3, &[]),
        (9, &["c.local"]),
    ] {
        controller.publish(snapshot(1, sequence, hosts));
        node.steers_by(&snapshot(1, sequence, hosts)).await;
    }
    let Event::ControllerFollowed { controller: told } = node.event().await else {
        panic!("something else was told first");
    };
    assert_eq!(&*told, "127.0.0.1");
    let is_one = |text: &str| text.contains("\nhiveway_followers 1\n");
    until("one follower is counted", || {
        is_one(&controller.metrics.render(None))
    })
    .await;
    assert!(
        node.metrics
            .render(None)
            .contains("\nhiveway_snapshot_stale_seconds 0\n")
    );
}

#[tokio::test]
async fn snapshots_of_all_sizes_arrive_whole() {
    let controller = Controller::start(Some(snapshot(1, 1, &[]))).await;
    let mut node = Node::start(&[controller.address]).await;
    for (sequence, count) in (2..).zip([1, 20, 25, 300, 30_000]) {
        let hosts: Vec<String> = (0..count).map(|it| format!("host-{it}.local")).collect();
        let hosts: Vec<&str> = hosts.iter().map(String::as_str).collect();
        controller.publish(snapshot(1, sequence, &hosts));
        node.steers_by(&snapshot(1, sequence, &hosts)).await;
    }
}

#[tokio::test]
async fn a_controller_that_warms_up_is_waited_for() {
    let controller = Controller::start(None).await;
    let mut node = Node::start(&[controller.address]).await;
    until("the reason is told", || {
        node.readiness
            .report()
            .to_string()
            .contains("it is warming up")
    })
    .await;
    assert!(!node.readiness.report().ready);
    controller.publish(snapshot(1, 1, &["a.local"]));
    node.steers_by(&snapshot(1, 1, &["a.local"])).await;
}

#[tokio::test]
async fn a_node_that_follows_one_of_two_stays_with_it() {
    let controllers = [
        Controller::start(Some(snapshot(1, 1, &["one.local"]))).await,
        Controller::start(Some(snapshot(2, 1, &["two.local"]))).await,
    ];
    let addresses = controllers.each_ref().map(|it| it.address);
    let mut node = Node::start(&addresses).await;
    bounded(node.snapshots.wait_for(Option::is_some))
        .await
        .expect("it lives");
    let epoch = |node: &Node| {
        node.snapshots
            .borrow()
            .as_ref()
            .expect("one")
            .generation
            .epoch
    };
    let first = epoch(&node);
    let both = |text: &str| text.contains("\nhiveway_controllers 2\n");
    until("both are heard", || both(&node.metrics.render(None))).await;
    for sequence in 2..30 {
        controllers[0].publish(snapshot(1, sequence, &["one.local"]));
        controllers[1].publish(snapshot(2, sequence, &["two.local"]));
        let name = ["one.local", "two.local"][first as usize - 1];
        node.steers_by(&snapshot(first, sequence, &[name])).await;
    }
    assert_eq!(node.events_so_far(), ["controller_followed"]);
}

#[tokio::test]
async fn node_switches_controllers_and_keeps_its_routes() {
    let first = Controller::start(Some(snapshot(5, 7, &["a.local"]))).await;
    let second = Controller::start(None).await;
    let mut node = Node::start(&[first.address, second.address]).await;
    node.steers_by(&snapshot(5, 7, &["a.local"])).await;
    drop(first);
    let Event::ControllerLeft { reason, .. } = node.event_of("controller_left").await else {
        unreachable!("of this kind");
    };
    assert_eq!(&*reason, "it closed the connection");
    let Event::RoutesStale { reason } = node.event_of("routes_stale").await else {
        unreachable!("of this kind");
    };
    assert!(reason.contains("127.0.0.1: it is warming up"), "{reason}");
    assert!(
        node.readiness
            .report()
            .to_string()
            .contains("routes: frozen for")
    );
    node.steers_by(&snapshot(5, 7, &["a.local"])).await;

    // It began earlier than the other, and counts for itself.
    second.publish(snapshot(4, 1, &["a.local", "b.local"]));
    node.steers_by(&snapshot(4, 1, &["a.local", "b.local"]))
        .await;
    node.event_of("routes_fresh").await;
}

#[tokio::test]
async fn a_controller_that_falls_silent_is_left() {
    let first = Controller::start(Some(snapshot(1, 1, &["a.local"]))).await;
    let relay = Relay::to(first.address).await;
    let second = Controller::start(None).await;
    let mut node = Node::start(&[relay.address, second.address]).await;
    node.steers_by(&snapshot(1, 1, &["a.local"])).await;
    second.publish(snapshot(2, 1, &["b.local"]));
    relay.stall();
    node.steers_by(&snapshot(2, 1, &["b.local"])).await;
    let Event::ControllerLeft { reason, .. } = node.event_of("controller_left").await else {
        unreachable!("of this kind");
    };
    assert!(reason.contains("said nothing"), "{reason}");
}

#[tokio::test]
async fn a_frozen_controller_is_left_for_one_that_knows_the_swarm() {
    let controllers = [
        Controller::start(Some(snapshot(1, 1, &["one.local"]))).await,
        Controller::start(Some(snapshot(2, 1, &["two.local"]))).await,
    ];
    controllers[1].frozen.send_replace(Some("no quorum".into()));
    let addresses = controllers.each_ref().map(|it| it.address);
    let mut node = Node::start(&addresses).await;
    node.steers_by(&snapshot(1, 1, &["one.local"])).await;

    // Where none knows it, the last routes stand, and it is told why.
    controllers[0].frozen.send_replace(Some("no leader".into()));
    let Event::RoutesStale { reason } = node.event_of("routes_stale").await else {
        unreachable!("of this kind");
    };
    assert!(reason.contains("it is frozen: no leader"), "{reason}");
    node.steers_by(&snapshot(1, 1, &["one.local"])).await;

    controllers[1].frozen.send_replace(None);
    node.steers_by(&snapshot(2, 1, &["two.local"])).await;
    node.event_of("routes_fresh").await;
}

#[tokio::test]
async fn the_own_controller_is_followed_while_it_knows_the_swarm() {
    let remote = Controller::start(Some(snapshot(1, 1, &["remote.local"]))).await;
    let (snapshots, own_snapshot) = watch::channel(None);
    let (freeze, frozen) = watch::channel(None);
    let (_commands, commands) = watch::channel(Arc::default());
    let own = Own {
        snapshots: own_snapshot,
        frozen,
        commands,
    };
    let mut node = Node::start_with(SECRET, &[remote.address], Some(own), None).await;
    node.steers_by(&snapshot(1, 1, &["remote.local"])).await;
    snapshots.send_replace(Some(snapshot(9, 1, &["own.local"])));
    node.steers_by(&snapshot(9, 1, &["own.local"])).await;
    freeze.send_replace(Some("the engine is away".into()));
    node.steers_by(&snapshot(1, 1, &["remote.local"])).await;
    freeze.send_replace(None);
    node.steers_by(&snapshot(9, 1, &["own.local"])).await;
}

#[tokio::test]
async fn agents_report_to_and_run_commands_of_every_controller() {
    let mut controllers = [Controller::start(None).await, Controller::start(None).await];
    let addresses = controllers.each_ref().map(|it| it.address);
    let mut node = Node::start(&addresses).await;
    let both = |text: &str| text.contains("\nhiveway_controllers 2\n");
    until("both are heard", || both(&node.metrics.render(None))).await;
    let notes = [
        AgentMessage::Hint(ContainerHint {
            task: "t".into(),
            container: "c".into(),
            action: ContainerAction::Signalled,
        }),
        AgentMessage::Report(ProbeReport {
            task: "t".into(),
            result: Err("exited 1".into()),
        }),
    ];
    for note in &notes {
        node.notes.send(Arc::new(note.clone())).expect("links");
    }
    for controller in &mut controllers {
        for note in &notes {
            assert_eq!(bounded(controller.notes.recv()).await.as_ref(), Some(note));
        }
    }

    let target = |container: &str| CommandTarget {
        container: container.into(),
        since: None,
        spec: ProbeSpec::default(),
    };
    let commands = |task: &str| Arc::new([(task.into(), target("c"))].into());
    let told = |node: &str, task| Arc::new([(node.into(), commands(task))].into());
    controllers[0].commands.send_replace(told("n1", "one"));
    controllers[1].commands.send_replace(told("n1", "two"));
    let names = |tasks: &[&str]| tasks.iter().map(|it| (*it).into()).collect::<Vec<_>>();
    let expected = names(&["one", "two"]);
    let waited = node.commands.wait_for(|it| it.keys().eq(&expected));
    bounded(waited).await.expect("it lives");
    // What is for another node, or from a controller that is gone, is not run here.
    let [first, second] = controllers;
    first.commands.send_replace(told("n2", "one"));
    let expected = names(&["two"]);
    let waited = node.commands.wait_for(|it| it.keys().eq(&expected));
    bounded(waited).await.expect("it lives");
    drop(second);
    let waited = node.commands.wait_for(|it| it.is_empty());
    bounded(waited).await.expect("it lives");
}

#[tokio::test]
async fn gap_is_filled_by_a_full_snapshot_and_older_ones_fail() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let mut node = Node::start(&[address]).await;
    let (stream, _) = bounded(listener.accept()).await.expect("a node");
    let opened = transport::accept(stream, &identity(SECRET).await).await;
    let (mut sender, mut receiver) = opened.expect("the same secret");
    let mut heard = async || {
        bounded(receiver.next::<ToController>())
            .await
            .expect("it speaks")
    };
    assert!(matches!(heard().await, ToController::Hello { .. }));
    let standing = ToNode::Standing {
        standing: Standing {
            generation: Some(snapshot(1, 5, &[]).generation),
            frozen: None,
        },
        by_hand: Arc::default(),
    };
    sender.send(&standing).await.expect("it hears");
    assert_eq!(
        heard().await,
        ToController::Follow {
            have: None,
            certificates: false
        }
    );
    let whole = |snapshot| ToNode::Snapshot { snapshot };
    sender
        .send(&whole(snapshot(1, 5, &["a.local"])))
        .await
        .expect("it hears");
    node.steers_by(&snapshot(1, 5, &["a.local"])).await;

    sender
        .send(&whole(snapshot(1, 4, &[])))
        .await
        .expect("it hears");
    let beyond = Delta::between(&snapshot(1, 6, &[]), &snapshot(1, 7, &["b.local"]));
    let delta = Arc::new(beyond);
    sender
        .send(&ToNode::Delta { delta })
        .await
        .expect("it hears");
    assert_eq!(
        heard().await,
        ToController::Follow {
            have: None,
            certificates: false
        }
    );
    // Neither of the two was taken over.
    node.steers_by(&snapshot(1, 5, &["a.local"])).await;
    sender
        .send(&whole(snapshot(1, 7, &["b.local"])))
        .await
        .expect("it hears");
    node.steers_by(&snapshot(1, 7, &["b.local"])).await;
    assert_eq!(node.metrics.control().applied.get(), 2);
}
