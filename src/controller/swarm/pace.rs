//! How often the swarm is looked at.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use crate::core::model::{
    DesiredState, Inventory, Mode, NodeId, Service, ServiceId, Task, TaskState,
};

/// The least pause between two looks, however many hints arrive.
pub(super) const BURST: Duration = Duration::from_millis(100);
/// The pause while the swarm converges. A stopping task serves for two seconds after the first sign, so it is seen in
/// time even where the next look is slow.
const CONVERGING: Duration = Duration::from_millis(300);
/// The pause when the swarm should converge and has not moved for [`STUCK_AFTER`]: no node fits, an image is missing.
const STUCK: Duration = Duration::from_secs(2);
const STUCK_AFTER: Duration = Duration::from_secs(60);
/// The pause at rest, with the engine's hints to interrupt it.
const REST: Duration = Duration::from_secs(10);
/// The pause at rest when there are no hints.
const REST_UNHINTED: Duration = Duration::from_secs(2);
/// How long a hint or a change keeps a swarm that looks settled from being at rest: Swarm announces an update some
/// moments before it shows in services and tasks.
const LINGERING: Duration = Duration::from_secs(3);

/// The longest pause while the swarm converges and those services that move are glanced at meanwhile. Of the others nothing is
/// to be expected, but a task that stops would still be seen in time.
const COVERED: Duration = Duration::from_secs(1);
/// A look that takes so long is dear: glances are worth it.
const DEAR: Duration = Duration::from_millis(20);
/// So many services at most are glanced at: more are not much cheaper to ask for than all.
const FEW: usize = 32;

/// What decides about the time of the next look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Circumstances {
    /// Whether everything is as Swarm wants it.
    pub(super) settled: bool,
    /// Since the last change or hint.
    pub(super) quiet: Duration,
    /// Whether the engine gives hints.
    pub(super) hinted: bool,
    /// Whether the services that move are glanced at until then.
    pub(super) covered: bool,
    /// How long the last look took.
    pub(super) cost: Duration,
}

/// The pause before the next look, when no hint comes first. Looks never take more than a fifth of the time.
pub(super) fn pause(now: Circumstances) -> Duration {
    let pause = match (now.settled, now.quiet) {
        (true, quiet) if quiet >= LINGERING && now.hinted => REST,
        (true, quiet) if quiet >= LINGERING => REST_UNHINTED,
        (false, quiet) if quiet >= STUCK_AFTER => STUCK,
        _ if now.covered => (now.cost * 10).clamp(CONVERGING, COVERED),
        _ => CONVERGING,
    };
    pause.max(share(now.cost))
}

/// The pause behind something that took so long and may take a fifth of the time.
pub(super) fn share(cost: Duration) -> Duration {
    cost * 4
}

/// Whether glances are worth it: a look is dear, few services move, and something has happened lately.
pub(super) fn glances_pay(cost: Duration, quiet: Duration, moving: usize) -> bool {
    cost >= DEAR && quiet < STUCK_AFTER && (1..=FEW).contains(&moving)
}

/// The services that are not as Swarm wants them: one is updated, a task is replaced, started or stopped, or is missing.
/// Those that are gone, whose last tasks end, are among them.
pub(super) fn moving(inventory: &Inventory) -> BTreeSet<&ServiceId> {
    let ready = inventory.nodes.iter().filter(|node| node.ready);
    let ready: HashSet<&NodeId> = ready.map(|node| &node.id).collect();
    let is_settled = |task: &Task| match (task.desired, task.state) {
        (DesiredState::Running, state) => state == TaskState::Running,
        (DesiredState::Ready, _) => false,
        (DesiredState::Stopped, TaskState::Ended) => true,
        // Nobody hears from it, perhaps for a day: Swarm then forgets it.
        (DesiredState::Stopped, _) => !task.node.as_ref().is_some_and(|id| ready.contains(id)),
    };
    let mut moving = BTreeSet::new();
    let mut running: HashMap<&ServiceId, u64> = HashMap::new();
    for task in &inventory.tasks {
        if !is_settled(task) {
            moving.insert(&task.service);
        }
        if (task.desired, task.state) == (DesiredState::Running, TaskState::Running) {
            *running.entry(&task.service).or_default() += 1;
        }
    }
    let service_is_settled = |service: &Service| match service.mode {
        _ if service.updating => false,
        Mode::Replicated { replicas } => {
            running.get(&service.id).copied().unwrap_or_default() == replicas
        }
        Mode::Global | Mode::Job => true,
    };
    let services = inventory.services.iter();
    moving.extend(
        services
            .filter(|it| !service_is_settled(it))
            .map(|it| &it.id),
    );
    moving
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::core::model::Node;

    fn swarm(replicas: u64, tasks: &[(DesiredState, TaskState)]) -> Inventory {
        let task = |(number, &(desired, state)): (usize, &(DesiredState, TaskState))| Task {
            id: format!("task{number}").as_str().into(),
            service: "web".into(),
            node: Some("node".into()),
            slot: Some(1),
            container: None,
            desired,
            state,
            since: None,
            error: None,
            addresses: Vec::new(),
        };
        Inventory {
            own_node: None,
            own_service: None,
            services: vec![Service {
                id: "web".into(),
                name: "web".into(),
                mode: Mode::Replicated { replicas },
                labels: BTreeMap::new(),
                container_labels: BTreeMap::new(),
                updating: false,
            }],
            tasks: tasks.iter().enumerate().map(task).collect(),
            nodes: vec![Node {
                id: "node".into(),
                hostname: "node".into(),
                ready: true,
                manager: true,
                leader: true,
            }],
        }
    }

    #[test]
    fn a_swarm_is_settled_when_nothing_is_on_its_way() {
        use DesiredState as Want;
        use TaskState as Is;
        let up = (Want::Running, Is::Running);
        for (replicas, tasks, settled) in [
            (0, vec![], true),
            (1, vec![], false),
            (1, vec![up], true),
            (1, vec![up, up], false),
            (1, vec![(Want::Running, Is::Pending)], false),
            (1, vec![(Want::Running, Is::Ended)], false),
            (1, vec![up, (Want::Ready, Is::Pending)], false),
            (1, vec![up, (Want::Stopped, Is::Running)], false),
            (1, vec![up, (Want::Stopped, Is::Ended)], true),
        ] {
            assert_eq!(
                moving(&swarm(replicas, &tasks)).is_empty(),
                settled,
                "{replicas} {tasks:?}"
            );
        }
    }

    #[test]
    fn an_update_and_a_lost_node_decide_too() {
        let up = (DesiredState::Running, TaskState::Running);
        let mut updating = swarm(1, &[up]);
        updating.services[0].updating = true;
        assert_eq!(moving(&updating), BTreeSet::from([&"web".into()]));

        let mut lost = swarm(0, &[(DesiredState::Stopped, TaskState::Running)]);
        lost.nodes[0].ready = false;
        assert_eq!(moving(&lost), BTreeSet::new());

        // The last tasks of a service that is gone.
        let mut removed = swarm(0, &[(DesiredState::Stopped, TaskState::Running)]);
        removed.services.clear();
        assert_eq!(moving(&removed), BTreeSet::from([&"web".into()]));
    }

    #[test]
    fn looks_are_frequent_while_something_moves_and_rare_at_rest() {
        let second = Duration::from_secs(1);
        let millis = Duration::from_millis;
        for (settled, quiet, hinted, covered, cost, expected) in [
            (true, 3 * second, true, false, millis(5), REST),
            (true, 3 * second, false, false, millis(5), REST_UNHINTED),
            (true, 2 * second, true, false, millis(5), CONVERGING),
            (false, 59 * second, true, false, millis(5), CONVERGING),
            (false, 60 * second, true, false, millis(5), STUCK),
            (false, 60 * second, false, false, millis(5), STUCK),
            (false, second, true, false, millis(500), 2 * second),
            (false, second, true, true, DEAR, CONVERGING),
            (false, second, true, true, millis(70), millis(700)),
            (false, second, true, true, millis(200), COVERED),
            (false, second, true, true, millis(500), 2 * second),
            (true, 3 * second, true, false, 3 * second, 12 * second),
        ] {
            let now = Circumstances {
                settled,
                quiet,
                hinted,
                covered,
                cost,
            };
            assert_eq!(pause(now), expected, "{now:?}");
        }
    }

    #[test]
    fn partial_sync_is_for_few_services_of_an_expensive_swarm() {
        let millis = Duration::from_millis;
        let lately = STUCK_AFTER - millis(1);
        for (cost, quiet, services, expected) in [
            (DEAR - millis(1), lately, 1, false),
            (DEAR, lately, 1, true),
            (DEAR, STUCK_AFTER, 1, false),
            (DEAR, lately, 0, false),
            (DEAR, lately, FEW, true),
            (DEAR, lately, FEW + 1, false),
        ] {
            let pay = glances_pay(cost, quiet, services);
            assert_eq!(pay, expected, "{cost:?} {quiet:?} {services}");
        }
    }
}
