//! The reconciler's loop on paused time: what it publishes, when, and what it tells.

mod agents;
mod by_hand;
mod secrets;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hiveway::controller::probe::Targets;
use hiveway::controller::reconciler::{self, Inputs, Inquiry, Outputs};
use hiveway::core::event::Event;
use hiveway::core::model::snapshot::{EndpointState, Snapshot};
use hiveway::core::model::{
    DesiredState, Inventory, Mode, Node, OwnService, Service, Task, TaskAddress, TaskId, TaskState,
    UpdateState,
};
use hiveway::core::protocol::{AgentMessage, ProbeReport};
use hiveway::core::reconcile::by_hand::ManualDrains;
use hiveway::core::reconcile::desired::Options;
use hiveway::core::reconcile::wishes::DesiredChanges;
use hiveway::observe::event_log;
use hiveway::observe::metrics::Metrics;
use hiveway::sync::server::Commands;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::fake_engine::until;

/// The loop at work, with the other end of everything that it reads and writes.
struct Loop {
    inventory: watch::Sender<Option<Arc<Inventory>>>,
    look_failure: watch::Sender<Option<Arc<str>>>,
    reports: mpsc::Sender<ProbeReport>,
    notes: mpsc::Sender<AgentMessage>,
    inquiries: mpsc::Sender<Inquiry>,
    orders: watch::Sender<Arc<ManualDrains>>,
    targets: watch::Receiver<Arc<Targets>>,
    commands: watch::Receiver<Arc<Commands>>,
    nudges: watch::Receiver<u64>,
    snapshots: watch::Receiver<Option<Arc<Snapshot>>>,
    frozen: watch::Receiver<Option<Arc<str>>>,
    wishes: watch::Receiver<DesiredChanges>,
    events: mpsc::Receiver<Event>,
    _task: JoinSet<()>,
}

impl Loop {
    fn start() -> Self {
        Self::start_with(|_| {})
    }

    fn start_with(change: impl FnOnce(&mut Options)) -> Self {
        let (inventory, seen) = watch::channel(None);
        let (look_failure, look_failed) = watch::channel(None);
        let (freeze, frozen) = watch::channel(None);
        let (reports, reported) = mpsc::channel(16);
        let (notes, noted) = mpsc::channel(16);
        let (inquiries, inquired) = mpsc::channel(16);
        let (orders, ordered) = watch::channel(Arc::default());
        let (diagnostics, _) = watch::channel(Arc::default());
        let (targets, probed) = watch::channel(Arc::new(Targets::new()));
        let (commands, commanded) = watch::channel(Arc::new(Commands::new()));
        let (nudges, nudged) = watch::channel(0);
        let (published, snapshots) = watch::channel(None);
        let (emitter, events) = event_log::channel();
        let metrics = Metrics::new(emitter.drop_counter());
        let (wishes, wished) = watch::channel(DesiredChanges::default());
        let inputs = Inputs {
            inventory: seen,
            frozen: look_failed,
            reports: reported,
            notes: noted,
            inquiries: inquired,
            orders: ordered,
        };
        let outputs = Outputs {
            targets,
            commands,
            nudges,
            snapshots: published,
            frozen: freeze,
            wishes,
            diagnostics,
            probes: watch::Sender::default(),
            emitter,
        };
        let mut options = Options {
            networks: vec!["mesh".into()],
            manage_aliases: true,
            ..Options::default()
        };
        change(&mut options);
        let mut task = JoinSet::new();
        task.spawn(reconciler::run(
            options,
            7,
            inputs,
            outputs,
            metrics,
            CancellationToken::new(),
        ));
        Self {
            inventory,
            look_failure,
            reports,
            notes,
            inquiries,
            orders,
            targets: probed,
            commands: commanded,
            nudges: nudged,
            snapshots,
            frozen,
            wishes: wished,
            events,
            _task: task,
        }
    }

    fn see(&self, inventory: Inventory) {
        self.inventory.send_replace(Some(Arc::new(inventory)));
    }

    /// Gets one task, `a`, judged and published.
    async fn warm_up(&mut self) {
        self.see(swarm(&["a"]));
        let one = |targets: &Arc<Targets>| targets.len() == 1;
        self.targets.wait_for(one).await.unwrap();
        self.report("a", Ok(())).await;
        self.published().await.unwrap();
    }

    async fn report(&self, task: &str, result: Result<(), &str>) {
        let result = result.map_err(Arc::from);
        self.reports
            .send(ProbeReport {
                task: TaskId::from(task),
                result,
            })
            .await
            .unwrap();
    }

    /// The next snapshot, or none when nothing is published for an hour of paused time.
    async fn published(&mut self) -> Option<Arc<Snapshot>> {
        let hour = Duration::from_secs(3600);
        timeout(hour, self.snapshots.changed()).await.ok()?.unwrap();
        self.snapshots.borrow_and_update().clone()
    }

    fn story(&mut self) -> Vec<&'static str> {
        let mut story = Vec::new();
        while let Ok(event) = self.events.try_recv() {
            story.push(event.kind());
        }
        story
    }
}

fn swarm(tasks: &[&str]) -> Inventory {
    let label = ("hiveway.routing.port_80".to_owned(), "web.local".to_owned());
    let task = |id: &&str| Task {
        id: (*id).into(),
        service: "s".into(),
        node: Some("n".into()),
        slot: Some(1),
        container: Some((*id).into()),
        desired: DesiredState::Running,
        state: TaskState::Running,
        since: None,
        error: None,
        addresses: vec![TaskAddress {
            network: "mesh".into(),
            address: [10, 0, 0, 1].into(),
        }],
    };
    Inventory {
        own_node: Some("n".into()),
        own_service: None,
        services: vec![Service {
            id: "s".into(),
            name: "web".into(),
            mode: Mode::Replicated { replicas: 2 },
            labels: BTreeMap::from([label]),
            container_labels: BTreeMap::new(),
            updating: false,
        }],
        tasks: tasks.iter().map(task).collect(),
        nodes: vec![Node {
            id: "n".into(),
            hostname: "n".into(),
            ready: true,
            manager: true,
            leader: true,
        }],
    }
}

fn states(snapshot: &Snapshot) -> Vec<(&str, EndpointState)> {
    let endpoints = snapshot
        .clusters
        .values()
        .flat_map(|cluster| &cluster.endpoints);
    endpoints
        .map(|(task, endpoint)| (task.as_str(), endpoint.state))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn the_first_snapshot_waits_until_every_endpoint_is_judged() {
    let mut reconciler = Loop::start();
    reconciler.see(swarm(&["a", "b"]));
    reconciler
        .targets
        .wait_for(|targets| targets.len() == 2)
        .await
        .unwrap();
    let began = Instant::now();
    reconciler.report("a", Ok(())).await;
    reconciler.report("b", Err("refused")).await;
    reconciler.report("b", Err("refused")).await;
    let snapshot = reconciler.published().await.unwrap();
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(
        states(&snapshot),
        [("a", EndpointState::Ready), ("b", EndpointState::Unproven)]
    );
    assert_eq!(
        (snapshot.generation.epoch, snapshot.generation.sequence),
        (7, 1)
    );
    let story = [
        "warmed_up",
        "route_added",
        "endpoint_admitted",
        "endpoint_failed",
        "snapshot_published",
    ];
    assert_eq!(reconciler.story(), story);
}

#[tokio::test(start_paused = true)]
async fn unprobed_endpoint_delays_the_first_snapshot_ten_seconds() {
    let mut reconciler = Loop::start();
    reconciler.see(swarm(&["a"]));
    let began = Instant::now();
    let snapshot = reconciler.published().await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 10);
    assert_eq!(states(&snapshot), [("a", EndpointState::Starting)]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_swarm_is_published_and_an_unseen_one_is_not() {
    let mut reconciler = Loop::start();
    assert_eq!(reconciler.published().await, None);
    reconciler.see(Inventory::default());
    let snapshot = reconciler.published().await.unwrap();
    assert_eq!(snapshot.routes.len(), 0);
}

#[tokio::test(start_paused = true)]
async fn only_changes_are_published_and_unknown_tasks_ignored() {
    let mut reconciler = Loop::start();
    reconciler.warm_up().await;
    reconciler.see(swarm(&["a"]));
    reconciler.report("a", Ok(())).await;
    reconciler.report("gone", Err("refused")).await;
    assert_eq!(reconciler.published().await, None);
    reconciler.report("a", Err("refused")).await;
    reconciler.report("a", Err("refused")).await;
    let snapshot = reconciler.published().await.unwrap();
    assert_eq!(states(&snapshot), [("a", EndpointState::Failing)]);
    assert_eq!(snapshot.generation.sequence, 2);
}

#[tokio::test(start_paused = true)]
async fn result_right_after_others_is_applied_a_moment_later() {
    let mut reconciler = Loop::start();
    reconciler.warm_up().await;
    let free = reconciler.reports.capacity();
    reconciler.report("a", Ok(())).await;
    // This wakes the loop, which would take in the result as well.
    reconciler.see(swarm(&["a", "b"]));
    reconciler.published().await.unwrap();
    assert_eq!(reconciler.reports.capacity(), free - 1);
    until("it is taken in", || reconciler.reports.capacity() == free).await;
}

#[tokio::test(start_paused = true)]
async fn health_outlives_a_new_inventory() {
    let mut reconciler = Loop::start();
    reconciler.warm_up().await;
    reconciler.see(swarm(&["a", "b"]));
    let snapshot = reconciler.published().await.unwrap();
    assert_eq!(
        states(&snapshot),
        [("a", EndpointState::Ready), ("b", EndpointState::Starting)]
    );
}

#[tokio::test(start_paused = true)]
async fn stale_swarm_is_fresh_once_missed_tasks_are_probed() {
    let mut reconciler = Loop::start();
    reconciler.warm_up().await;
    reconciler
        .look_failure
        .send_replace(Some("no quorum".into()));
    reconciler.frozen.wait_for(Option::is_some).await.unwrap();
    reconciler.see(swarm(&["a", "b"]));
    reconciler.look_failure.send_replace(None);
    let snapshot = reconciler.published().await.unwrap();
    assert_eq!(states(&snapshot)[1], ("b", EndpointState::Starting));
    assert!(reconciler.frozen.borrow().is_some());
    reconciler.report("b", Ok(())).await;
    reconciler.frozen.wait_for(Option::is_none).await.unwrap();
    let snapshot = reconciler.snapshots.borrow_and_update().clone().unwrap();
    assert_eq!(states(&snapshot)[1], ("b", EndpointState::Ready));
}

#[tokio::test(start_paused = true)]
async fn stale_swarm_is_fresh_after_ten_seconds_at_most() {
    let mut reconciler = Loop::start();
    reconciler.warm_up().await;
    reconciler
        .look_failure
        .send_replace(Some("no quorum".into()));
    reconciler.frozen.wait_for(Option::is_some).await.unwrap();
    reconciler.see(swarm(&["a", "b"]));
    reconciler.look_failure.send_replace(None);
    let began = Instant::now();
    reconciler.frozen.wait_for(Option::is_none).await.unwrap();
    assert_eq!(began.elapsed().as_secs(), 10);
}

#[tokio::test(start_paused = true)]
async fn names_are_wished_for_only_when_the_routes_are_known() {
    let mut reconciler = Loop::start();
    let mut seen = swarm(&["a"]);
    let own = OwnService {
        id: "own".into(),
        name: "hiveway".into(),
        networks: vec![],
        update: UpdateState::Done,
        proven: true,
        start_first: true,
        host_port: false,
        ingress_port: false,
    };
    seen.own_service = Some(own);
    reconciler.see(seen);
    let wishes = reconciler.wishes.wait_for(|wishes| wishes.leading).await;
    assert_eq!(wishes.unwrap().aliases, None);
    reconciler.published().await.unwrap();
    let names = reconciler.wishes.borrow().aliases.clone().unwrap().names;
    assert_eq!(names, ["web.local".into()].into());
}
