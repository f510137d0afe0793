//! `hiveway run`: finds out which roles this process has, wires them, and runs them under the supervisor.
//!
//! Every process is a gateway. Where its engine is a Swarm manager's it is a controller as well, and where it has an engine at
//! all it is an agent. Roles are settled at the start: when the node is promoted or demoted the process ends, and Swarm starts
//! it in its new role.

mod open_files;
mod overview;
mod role;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, watch};

use self::overview::Desk;
use self::role::Role;
use crate::admin::{self, AdminState};
use crate::agent;
use crate::channel::{Identity, Secret};
use crate::cli::{ControlConfig, RunConfig};
use crate::controller::probe::Targets;
use crate::controller::publish::{self, Publisher};
use crate::controller::reconciler::{self, Inputs, Outputs};
use crate::controller::swarm::{self, OwnContainer};
use crate::controller::{actuator, probe};
use crate::core::control::{CommandTargets, Note};
use crate::core::desired;
use crate::core::event::Event;
use crate::core::model::Inventory;
use crate::core::snapshot::Snapshot;
use crate::core::wishes::Wishes;
use crate::follow::{self, Store};
use crate::gateway::Gateway;
use crate::gateway::dns::NameServer;
use crate::journal::{self, Emitter, Journal};
use crate::logging;
use crate::metrics::Metrics;
use crate::readiness::Readiness;
use crate::supervisor::Supervisor;

/// Results that may wait for the reconciler. When it is full, probes wait, and nothing is lost.
const REPORTS: usize = 1024;

/// What agents tell and nobody has looked at yet. When it is full, hints are dropped and counted, and looks by the clock make
/// up for them.
const NOTES: usize = 1024;

/// Runs until a signal, or until a component ends.
///
/// # Errors
///
/// A socket cannot be bound, the engine or the secret cannot be used, or a component ended.
pub async fn run(config: RunConfig) -> anyhow::Result<()> {
    let RunConfig {
        source,
        desired,
        control,
        mut gateway,
        mut dns,
        admin,
        admin_token_file,
        log_format,
    } = config;
    logging::init(log_format)?;
    open_files::raise();
    let (emitter, events) = journal::channel();
    let metrics = Metrics::new(&emitter);
    // Every socket is bound and the source reached before anything runs, so that a mistake leaves nothing half-started.
    let role = Role::find(source, &desired, control.places.is_empty()).await?;
    let node = control.node.clone();
    let node = node.or_else(|| Some(role.engine()?.node()));
    if let Some(dns) = &mut dns {
        dns.node.clone_from(&node);
    }
    gateway.node.clone_from(&node);
    let (settings, gateway) = (gateway.clone(), Gateway::bind(&gateway, &metrics)?);
    let names = dns
        .map(|dns| NameServer::bind(&dns, &metrics))
        .transpose()?;
    let admin = bind_admin(admin).await?;
    let identity = identify(&control).await?;
    let publisher = match control.listen {
        Some(address) if role.controls() => Some(Publisher::bind(address, identity.clone()).await?),
        _ => None,
    };
    let token = admin_token_file.as_deref();
    let (mut instance, desk) = overview::open(&role, &settings, &gateway, publisher, token).await?;
    let mut supervisor = Supervisor::new().context("cannot wait for signals")?;
    announce(
        &gateway,
        names.as_ref(),
        &admin,
        desk.publisher.as_ref(),
        &role,
    )?;

    let readiness = Readiness::default();
    readiness.require("snapshot", Err("warming up: no snapshot yet".into()));
    readiness.require("stopping", Ok(()));
    let journal = Journal::default();
    let mut store = control.state_dir.as_deref().map(Store::new);
    let kept = match &mut store {
        Some(store) => store.restore(&emitter).await,
        None => None,
    };
    let (snapshots, snapshot) = watch::channel::<Option<Arc<Snapshot>>>(kept);
    let (notes, _) = broadcast::channel::<Arc<Note>>(NOTES);
    let (commands, commanded) = watch::channel(Arc::<CommandTargets>::default());
    let (follow, followed) = watch::channel(None);
    instance.followed = Some(followed);

    let state = AdminState {
        snapshots: snapshot.clone(),
        journal: journal.clone(),
        metrics: metrics.clone(),
        readiness: readiness.clone(),
        instance,
    };
    let last = supervisor.last();
    supervisor.tell("admin", async move {
        admin::serve(admin, state, last).await;
        Ok(())
    });
    supervisor.tell("journal", {
        let (metrics, last) = (metrics.clone(), supervisor.last());
        async move {
            journal.run(events, metrics).await;
            last.cancelled().await;
            Ok(())
        }
    });
    if let Some(engine) = role.engine() {
        let (engine, stop) = (engine.clone(), supervisor.stop());
        supervisor.serve("the agent", {
            let (engine, stop) = (engine.clone(), stop.clone());
            let (notes, metrics) = (notes.clone(), metrics.clone());
            async move {
                agent::run(engine, commanded, notes, metrics, stop).await;
                Ok(())
            }
        });
        supervisor.serve("the role of this process", role::hold(engine, stop));
    }
    let own_listener = desk.publisher.as_ref().map(Publisher::address);
    let own = role.controls().then(|| {
        control_swarm(
            &mut supervisor,
            role,
            desired,
            desk,
            notes.subscribe(),
            &emitter,
            &metrics,
        )
    });
    supervisor.serve("the follower", {
        let config = follow::Config {
            places: control.places,
            identity,
            node,
            own_listener,
        };
        let outputs = follow::Outputs {
            snapshots,
            commands,
            notes,
            followed: follow,
            emitter: emitter.clone(),
            readiness: readiness.clone(),
            metrics: metrics.clone(),
        };
        let stop = supervisor.stop();
        async move {
            follow::run(config, own, outputs, stop).await;
            Ok(())
        }
    });
    if let Some(store) = store {
        let (snapshot, emitter, stop) = (snapshot.clone(), emitter.clone(), supervisor.stop());
        supervisor.serve("the keeper of the last snapshot", async move {
            store.run(snapshot, emitter, stop).await;
            Ok(())
        });
    }
    if let Some(names) = names {
        let (snapshot, stop) = (snapshot.clone(), supervisor.stop());
        supervisor.serve("the name server", async move {
            Ok(names.run(snapshot, stop).await?)
        });
    }
    supervisor.serve("the gateway", {
        let (readiness, stop) = (readiness.clone(), supervisor.stop());
        let ready = move || readiness.require("snapshot", Ok(()));
        let (metrics, emitter) = (metrics.clone(), emitter.clone());
        async move {
            let serving = gateway.run(snapshot, metrics, emitter, ready, stop);
            Ok(serving.await?)
        }
    });
    supervisor
        .run(move |reason| {
            readiness.require("stopping", Err(format!("stopping: {reason}")));
            emitter.emit(Event::StopRequested { reason });
        })
        .await
}

/// Runs the controller, and gives what the follower in this process needs of it.
fn control_swarm(
    supervisor: &mut Supervisor,
    role: Role,
    desired: desired::Options,
    desk: Desk,
    own_notes: broadcast::Receiver<Arc<Note>>,
    emitter: &Emitter,
    metrics: &Metrics,
) -> follow::Own {
    let (inventories, inventory) = watch::channel::<Option<Arc<Inventory>>>(None);
    let (targets, probed) = watch::channel(Arc::new(Targets::new()));
    let (snapshots, snapshot) = watch::channel::<Option<Arc<Snapshot>>>(None);
    let (wishes, wished) = watch::channel(Wishes::default());
    let (look_failure, look_failed) = watch::channel(None);
    let (freeze, frozen) = watch::channel(None);
    let (commands, commanded) = watch::channel(Arc::<publish::Commands>::default());
    let (nudges, nudged) = watch::channel(0);
    let (report, reports) = mpsc::channel(REPORTS);
    let (note, noted) = mpsc::channel(NOTES);

    let stop = supervisor.stop();
    supervisor.serve("the notes of the own agent", {
        let (note, metrics, stop) = (note.clone(), metrics.clone(), stop.clone());
        async move {
            let passing = agent::local::pass_notes(own_notes, note, metrics);
            stop.run_until_cancelled(passing).await;
            Ok(())
        }
    });
    let (own_commands, own_commanded) = watch::channel(Arc::default());
    if let Some(engine) = role.engine() {
        let (engine, commanded, stop) = (engine.clone(), commanded.clone(), stop.clone());
        supervisor.serve("the commands of the own node", async move {
            let picking = agent::local::pick_commands(engine, commanded, own_commands);
            stop.run_until_cancelled(picking).await;
            Ok(())
        });
    }
    match role {
        Role::Manager(engine) => {
            supervisor.serve("the actuator", {
                let (engine, emitter, stop) = (engine.clone(), emitter.clone(), stop.clone());
                async move {
                    actuator::run(engine, wished, emitter, stop).await;
                    Ok(())
                }
            });
            supervisor.serve("the watcher of the swarm", {
                let (emitter, stop) = (emitter.clone(), stop.clone());
                async move {
                    let own = OwnContainer::look();
                    swarm::run(
                        engine,
                        own,
                        nudged,
                        inventories,
                        look_failure,
                        emitter,
                        stop,
                    )
                    .await;
                    Ok(())
                }
            });
        }
        Role::File(file) => supervisor.serve("the watcher of the inventory file", {
            let (emitter, stop) = (emitter.clone(), stop.clone());
            async move {
                file.run(inventories, emitter, stop).await;
                Ok(())
            }
        }),
        Role::Worker(_) | Role::Edge => {}
    }
    supervisor.serve("the prober", {
        let (metrics, stop) = (metrics.clone(), stop.clone());
        async move {
            probe::run(probed, report, metrics, stop).await;
            Ok(())
        }
    });
    supervisor.serve("the reconciler", {
        let inputs = Inputs {
            inventory,
            frozen: look_failed,
            reports,
            notes: noted,
            inquiries: desk.inquiries,
            drained: desk.drained,
        };
        let outputs = Outputs {
            targets,
            commands,
            nudges,
            snapshots,
            frozen: freeze,
            wishes,
            diagnostics: desk.diagnostics,
            emitter: emitter.clone(),
        };
        let (metrics, stop) = (metrics.clone(), stop.clone());
        async move {
            reconciler::run(desired, epoch(), inputs, outputs, metrics, stop).await;
            Ok(())
        }
    });
    if let Some(publisher) = desk.publisher {
        let inputs = publish::Inputs {
            snapshots: snapshot.clone(),
            frozen: frozen.clone(),
            commands: commanded,
            notes: note,
        };
        let (emitter, metrics) = (emitter.clone(), metrics.clone());
        supervisor.serve("the control channel", async move {
            publisher.run(inputs, emitter, metrics, stop).await;
            Ok(())
        });
    }
    follow::Own {
        snapshots: snapshot,
        frozen,
        commands: own_commanded,
    }
}

async fn identify(control: &ControlConfig) -> anyhow::Result<Identity> {
    let secret = match &control.secret_file {
        Some(path) => Secret::read(path).await?,
        None => Secret::none(),
    };
    Ok(Identity::derive(&secret))
}

async fn bind_admin(address: SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        anyhow::anyhow!(
            "cannot listen on {address} for admin: {error}; stop what listens there, or choose another address with --admin"
        )
    })
}

fn announce(
    gateway: &Gateway,
    names: Option<&NameServer>,
    admin: &TcpListener,
    publisher: Option<&Publisher>,
    role: &Role,
) -> anyhow::Result<()> {
    let shown =
        |address: Option<SocketAddr>| address.map_or_else(|| "off".to_owned(), |it| it.to_string());
    tracing::info!(
        target: "hiveway",
        internal = shown(gateway.internal()),
        public = shown(gateway.public()),
        dns = shown(names.map(NameServer::address)),
        control = shown(publisher.map(Publisher::address)),
        admin = %admin.local_addr()?,
        "hiveway {} listens: {role}",
        env!("CARGO_PKG_VERSION")
    );
    Ok(())
}

/// Milliseconds since the Unix epoch: the snapshots of a later start are newer.
fn epoch() -> u64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
