//! The agent against an engine that serves recordings of a real one: what it tells, and what it runs.

mod commands;
mod hints;
mod local;

use std::sync::Arc;
use std::time::Duration;

use hiveway::agent;
use hiveway::core::protocol::{AgentMessage, CommandTargets, ProbeReport};
use hiveway::docker::Engine;
use hiveway::observe::event_log;
use hiveway::observe::metrics::Metrics;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::fake_engine::{FakeEngine, recording};

/// How long a note may take.
const BOUND: Duration = Duration::from_secs(30);

/// An agent of a fake engine at work.
struct Working {
    fake: FakeEngine,
    commands: watch::Sender<Arc<CommandTargets>>,
    notes: broadcast::Receiver<Arc<AgentMessage>>,
    metrics: Metrics,
    _agent: JoinSet<()>,
}

impl Working {
    /// Starts one on a worker's engine, which knows no services.
    async fn start(answer_timeout: Duration) -> Self {
        let fake = FakeEngine::start(recording("no_swarm"));
        fake.recording()["info"]["Swarm"]["LocalNodeState"] = "active".into();
        let mut config = fake.config();
        config.answer_timeout = answer_timeout;
        let engine = Engine::connect(&config).await.unwrap();
        assert!(!engine.manages());
        let (commands, asked) = watch::channel(Arc::default());
        let (sender, notes) = broadcast::channel(64);
        let metrics = Metrics::new(event_log::channel().0.drop_counter());
        let stop = CancellationToken::new();
        let mut task = JoinSet::new();
        task.spawn(agent::run(engine, asked, sender, metrics.clone(), stop));
        Self {
            fake,
            commands,
            notes,
            metrics,
            _agent: task,
        }
    }

    async fn note(&mut self) -> AgentMessage {
        let note = timeout(BOUND, self.notes.recv()).await;
        AgentMessage::clone(&note.expect("a note comes in time").unwrap())
    }

    async fn report(&mut self) -> ProbeReport {
        match self.note().await {
            AgentMessage::Report(report) => report,
            other => panic!("{other:?}"),
        }
    }

    fn shows(&self, sample: &str) -> bool {
        self.metrics.render(None).lines().any(|line| line == sample)
    }
}
