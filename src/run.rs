//! `hiveway run`: finds out which roles this process has, wires them, and runs them under the supervisor.
//!
//! Every process is a gateway. Where its engine is a Swarm manager's it is a controller as well, and where it has an engine at
//! all it is an agent. Roles are settled at the start: when the node is promoted or demoted the process ends, and Swarm starts
//! it in its new role.

mod certificates;
mod open_files;
mod role;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, mpsc, watch};

use self::certificates::Certificates;
use self::role::Role;
use crate::access_log;
use crate::admin::{self, AdminState};
use crate::agent;
use crate::certificates::Given;
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
        certificates,
        mut dns,
        admin,
        log_format,
        access_log,
    } = config;
    logging::init(log_format)?;
    open_files::raise_limit();
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
    let serves_tls = gateway.tls.is_some();
    let controls = role.controls();
    let certificates =
        Certificates::open(certificates, serves_tls, controls, &emitter, &metrics).await?;
    let access_log = access_log.map(|it| access_log::channel(it, metrics.access_log_dropped()));
    let access_log = access_log.map(|(log, writer)| {
        gateway.access_log = Some(log);
        writer
    });
    let mut gateway = Gateway::bind(&gateway, &metrics)?;
    if let Some(in_use) = certificates.in_use() {
        gateway = gateway.with_certificates(in_use);
    }
    let names = dns
        .map(|dns| NameServer::bind(&dns, &metrics))
        .transpose()?;
    let admin = bind_admin(admin).await?;
    let identity = identify(&control).await?;
    let mut publisher = match control.listen {
        Some(address) if controls => Some(Publisher::bind(address, identity.clone()).await?),
        _ => None,
    };
    // Who has no secret cannot tell to whom it would give keys.
    if let Some(to_give) = certificates
        .to_give()
        .filter(|_| control.secret_file.is_some())
    {
        publisher = publisher.map(|it| it.with_certificates(to_give));
    }
    let mut supervisor = Supervisor::new().context("cannot wait for signals")?;
    announce(&gateway, names.as_ref(), &admin, publisher.as_ref(), &role)?;

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
    let (gives, given) = watch::channel::<Given>(Arc::new([]));

    let state = AdminState {
        snapshots: snapshot.clone(),
        journal: journal.clone(),
        metrics: metrics.clone(),
        readiness: readiness.clone(),
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
    if let Some(writer) = access_log {
        let last = supervisor.last();
        supervisor.tell("the access log", async move {
            writer.run(tokio::io::stdout(), last).await;
            Ok(())
        });
    }
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
    let own_listener = publisher.as_ref().map(Publisher::address);
    let own = controls.then(|| {
        control_swarm(
            &mut supervisor,
            role,
            desired,
            publisher,
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
            serves_tls,
        };
        let outputs = follow::Outputs {
            snapshots,
            commands,
            certificates: gives,
            notes,
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
    certificates.serve(given, &mut supervisor);
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
    publisher: Option<Publisher>,
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
                let (emitter, metrics, stop) = (emitter.clone(), metrics.clone(), stop.clone());
                async move {
                    let own = OwnContainer::look();
                    let outputs = swarm::Outputs {
                        inventory: inventories,
                        frozen: look_failure,
                        emitter,
                        metrics,
                    };
                    swarm::run(engine, own, nudged, outputs, stop).await;
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
        };
        let outputs = Outputs {
            targets,
            commands,
            nudges,
            snapshots,
            frozen: freeze,
            wishes,
            emitter: emitter.clone(),
        };
        let (metrics, stop) = (metrics.clone(), stop.clone());
        async move {
            reconciler::run(desired, epoch(), inputs, outputs, metrics, stop).await;
            Ok(())
        }
    });
    if let Some(publisher) = publisher {
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
        public_tls = shown(gateway.public_tls()),
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
