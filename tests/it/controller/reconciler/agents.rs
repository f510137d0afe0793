//! What agents tell, and what they are asked to run.

use hiveway::core::model::route::{Check, ProbeSpec};
use hiveway::core::protocol::{CommandTarget, CommandTargets, ContainerAction, ContainerHint};

use super::*;

const COMMAND: &str = "test -e /ready";

/// The swarm of the neighbours, with a command as its probe.
fn commanded(tasks: &[&str]) -> Inventory {
    let mut inventory = swarm(tasks);
    let label = ("hiveway.probe.cmd".to_owned(), COMMAND.to_owned());
    inventory.services[0].labels.extend([label]);
    inventory
}

fn targets(tasks: &[&str]) -> Arc<CommandTargets> {
    let target = |task: &&str| CommandTarget {
        container: (*task).into(),
        since: None,
        spec: ProbeSpec {
            check: Check::Command(COMMAND.into()),
            ..ProbeSpec::default()
        },
    };
    let targets = tasks.iter();
    Arc::new(targets.map(|task| ((*task).into(), target(task))).collect())
}

impl Loop {
    async fn hint(&self, task: &str, container: &str, action: ContainerAction) {
        let hint = ContainerHint {
            task: task.into(),
            container: container.into(),
            action,
        };
        self.notes.send(AgentMessage::Hint(hint)).await.unwrap();
    }

    async fn note_report(&self, task: &str, result: Result<(), &str>) {
        let result = result.map_err(Arc::from);
        let task = task.into();
        let note = AgentMessage::Report(ProbeReport { task, result });
        self.notes.send(note).await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn commands_are_published_by_node_and_results_awaited() {
    let mut reconciler = Loop::start();
    let mut inventory = commanded(&["a", "b"]);
    inventory.tasks[1].node = Some("m".into());
    reconciler.see(inventory);
    let began = Instant::now();
    let two = |commands: &Arc<Commands>| commands.len() == 2;
    let commands = reconciler.commands.wait_for(two).await.unwrap().clone();
    assert_eq!(
        *commands,
        Commands::from([("m".into(), targets(&["b"])), ("n".into(), targets(&["a"]))])
    );
    assert!(reconciler.targets.borrow().is_empty());

    reconciler.note_report("a", Ok(())).await;
    for _ in 0..2 {
        reconciler.note_report("b", Err("probe.cmd exited 1")).await;
    }
    let snapshot = reconciler.published().await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(
        states(&snapshot),
        [("a", EndpointState::Ready), ("b", EndpointState::Unproven)]
    );
    assert_eq!(*reconciler.nudges.borrow(), 0);

    reconciler.see(swarm(&["a"]));
    let none = |commands: &Arc<Commands>| commands.is_empty();
    reconciler.commands.wait_for(none).await.unwrap();
    assert_eq!(reconciler.targets.borrow().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_agent_is_believed_about_commands_only() {
    let mut reconciler = Loop::start();
    reconciler.warm_up().await;
    for _ in 0..2 {
        reconciler.note_report("a", Err("a lie")).await;
        reconciler.note_report("gone", Err("of the past")).await;
    }
    assert_eq!(reconciler.published().await, None);
    reconciler.see(commanded(&["a"]));
    assert_eq!(reconciler.published().await, None);
    for _ in 0..2 {
        reconciler.report("a", Err("of the past")).await;
    }
    assert_eq!(reconciler.published().await, None);
    for _ in 0..2 {
        reconciler.note_report("a", Err("probe.cmd exited 1")).await;
    }
    let snapshot = reconciler.published().await.unwrap();
    assert_eq!(states(&snapshot), [("a", EndpointState::Failing)]);
}

#[tokio::test(start_paused = true)]
async fn signal_drains_for_fifteen_seconds_and_an_end_forever() {
    let mut reconciler = Loop::start();
    reconciler.warm_up().await;
    let began = Instant::now();
    reconciler.hint("a", "a", ContainerAction::Signalled).await;
    let snapshot = reconciler.published().await.unwrap();
    assert_eq!(states(&snapshot), [("a", EndpointState::Draining)]);
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(*reconciler.nudges.borrow(), 1);

    let snapshot = reconciler.published().await.unwrap();
    assert_eq!(states(&snapshot), [("a", EndpointState::Ready)]);
    assert_eq!(began.elapsed().as_secs(), 15);

    reconciler.hint("a", "a", ContainerAction::Died).await;
    let snapshot = reconciler.published().await.unwrap();
    assert_eq!(states(&snapshot), [("a", EndpointState::Ended)]);
    reconciler.see(swarm(&["a"]));
    assert_eq!(reconciler.published().await, None);
    reconciler.see(swarm(&[]));
    let snapshot = reconciler.published().await.unwrap();
    assert_eq!(states(&snapshot), []);
    reconciler.story();
}

#[tokio::test(start_paused = true)]
async fn container_event_requests_a_sync_and_unknown_ones_do_nothing() {
    let mut reconciler = Loop::start();
    // Before the first look nothing is known.
    reconciler.hint("a", "a", ContainerAction::Died).await;
    reconciler.warm_up().await;
    for (task, container) in [("a", "b"), ("b", "a"), ("x", "x")] {
        reconciler
            .hint(task, container, ContainerAction::Died)
            .await;
        reconciler
            .hint(task, container, ContainerAction::Signalled)
            .await;
    }
    reconciler.hint("a", "a", ContainerAction::Started).await;
    reconciler.hint("a", "a", ContainerAction::Changed).await;
    assert_eq!(reconciler.published().await, None);
    assert_eq!(*reconciler.nudges.borrow_and_update(), 9);
}
