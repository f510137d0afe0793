//! `hiveway run`: finds out which roles this process has, wires them, and runs them under the supervisor.
//!
//! Every process is a gateway. Where its engine is a Swarm manager's it is a controller as well, and where it has an engine at
//! all it is an agent. Roles are settled at the start: when the node is promoted or demoted the process ends, and Swarm starts
//! it in its new role.

mod certificates;
mod controller;
mod open_files;
mod overview;
mod role;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};

use self::certificates::Certificates;
use self::controller::Sources;
use self::role::Role;
use crate::admin::{self, AdminState};
use crate::agent;
use crate::cli::{self, ControlConfig, RunConfig};
use crate::controller::acme::{self, Issuer};
use crate::controller::probe::{Ask, Network};
use crate::core::event::Event;
use crate::core::model::snapshot::Snapshot;
use crate::core::protocol::{AcmeShare, AgentMessage, CommandTargets};
use crate::dns::NameServer;
use crate::gateway::{Challenges, Gateway};
use crate::observe::access_log;
use crate::observe::event_log::{self, Journal};
use crate::observe::logging;
use crate::observe::metrics::Metrics;
use crate::observe::otlp;
use crate::observe::readiness::Readiness;
use crate::process::supervisor::Supervisor;
use crate::state::drain_store::{self, OrderBook};
use crate::sync::client::{self, Store};
use crate::sync::server::Publisher;
use crate::sync::transport::{Identity, Secret};
use crate::tls::certificates::FromController;

/// What agents tell and nobody has looked at yet. When it is full, hints are dropped and counted, and looks by the clock make
/// up for them.
const NOTES: usize = 1024;

/// Runs until a signal, or until a component ends.
///
/// # Errors
///
/// A socket cannot be bound, the engine or the secret cannot be used, or a component ended.
pub async fn run(config: RunConfig) -> anyhow::Result<()> {
    run_asking(config, Network).await
}

/// The same with another way to ask tasks whether they serve.
///
/// # Errors
///
/// As for [`run`].
pub async fn run_asking(config: RunConfig, ask: impl Ask) -> anyhow::Result<()> {
    let RunConfig {
        source,
        desired,
        control,
        mut gateway,
        certificates,
        acme,
        mut dns,
        admin,
        admin_token_file,
        log_format,
        metrics_services,
        access_log,
        spans,
    } = config;
    let (emitter, events) = event_log::channel();
    let metrics = Metrics::new(emitter.drop_counter());
    let library_lines = logging::init(log_format, metrics.log_dropped())?;
    metrics.expose(library_lines.family());
    metrics.bound_services(metrics_services);
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for slip in cli::variables::unread(names) {
        tracing::warn!(target: "hiveway", "{slip}");
    }
    open_files::raise_limit();
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
    let readiness = Readiness::default();
    let issuer = match acme.filter(|_| controls) {
        Some(acme) => {
            let (emitter, metrics) = (emitter.clone(), metrics.clone());
            Some(Issuer::open(acme, emitter, metrics, readiness.clone()).await?)
        }
        None => None,
    };
    let issues = issuer.is_some();
    let certificates = Certificates::open(
        certificates,
        serves_tls,
        issues,
        controls,
        &emitter,
        &metrics,
    )
    .await?;
    let (issue, heard) = watch::channel(Arc::default());
    let (challenge, challenged) = watch::channel(Arc::default());
    let told = issuer.as_ref().map(Issuer::told);
    let own_challenges = told.iter().map(|it| it.challenges.clone());
    gateway.challenges = Challenges::new(own_challenges.chain([challenged]));
    let access_log = access_log.map(|it| access_log::channel(it, metrics.access_log_dropped()));
    let access_log = access_log.map(|(log, writer)| {
        gateway.access_log = Some(log);
        writer
    });
    let exporter = match spans {
        Some(spans) => {
            let (spans, exporter) = otlp::open(spans, node.as_ref(), emitter.clone(), &metrics)?;
            gateway.spans = Some(spans);
            Some(exporter)
        }
        None => None,
    };
    let (settings, mut gateway) = (gateway.clone(), Gateway::bind(&gateway, &metrics)?);
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
    if control.secret_file.is_some() {
        if let Some(to_give) = certificates.to_give() {
            publisher = publisher.map(|it| it.with_certificates(to_give));
        }
        if let Some(told) = &told {
            publisher = publisher.map(|it| it.with_acme(told.clone()));
        }
    }
    let token = admin_token_file.as_deref();
    let mut store = control.state_dir.as_deref().map(Store::new);
    let kept = match &mut store {
        Some(store) => store.restore(&emitter).await,
        None => None,
    };
    let (snapshots, snapshot) = watch::channel::<Option<Arc<Snapshot>>>(kept);
    let order_book = OrderBook::new(snapshot.clone());
    let mut orders_kept = control.state_dir.as_deref().map(drain_store::Store::new);
    if let Some(store) = &mut orders_kept {
        order_book.take_in(&store.restore(&emitter).await);
    }
    let orders = order_book.subscribe();
    let (mut instance, desk) = overview::open(
        &role,
        &settings,
        &gateway,
        publisher,
        order_book.clone(),
        certificates.in_use(),
        token,
    )
    .await?;
    let mut supervisor = Supervisor::new().context("cannot wait for signals")?;
    announce(
        &gateway,
        names.as_ref(),
        &admin,
        desk.publisher.as_ref(),
        &role,
    )?;

    readiness.require("snapshot", Err("warming up: no snapshot yet".into()));
    readiness.require("stopping", Ok(()));
    let journal = Journal::default();
    let (notes, _) = broadcast::channel::<Arc<AgentMessage>>(NOTES);
    let (commands, commanded) = watch::channel(Arc::<CommandTargets>::default());
    let (gives, given) = watch::channel::<FromController>(Arc::new([]));
    let (follow, followed) = watch::channel(None);
    instance.followed = Some(followed);

    let state = AdminState {
        snapshots: snapshot.clone(),
        journal: journal.clone(),
        metrics: metrics.clone(),
        readiness: readiness.clone(),
        instance,
    };
    let (stop, last) = (supervisor.stop(), supervisor.last());
    supervisor.tell("admin", admin::serve(admin, state, last.clone()));
    supervisor.tell("journal", {
        let (metrics, last) = (metrics.clone(), last.clone());
        async move {
            journal.run(events, metrics).await;
            last.cancelled().await;
        }
    });
    if let Some(writer) = access_log {
        let writing = writer.run(tokio::io::stdout(), last.clone());
        supervisor.tell("the access log", writing);
    }
    if let Some(exporter) = exporter {
        supervisor.tell("the exporter of spans", exporter.run(last));
    }
    if let Some(engine) = role.engine() {
        let holding = role::hold(engine.clone(), stop.clone());
        supervisor.serve("the role of this process", holding);
        let (engine, notes, metrics) = (engine.clone(), notes.clone(), metrics.clone());
        let watching = agent::run(engine, commanded, notes, metrics, stop.clone());
        supervisor.serve("the agent", watching);
    }
    let own_listener = desk.publisher.as_ref().map(Publisher::address);
    let alone = matches!(role, Role::File(_));
    let own = controls.then(|| {
        let sources = Sources {
            role,
            ask,
            own_notes: notes.subscribe(),
        };
        controller::run(&mut supervisor, sources, desired, desk, &emitter, &metrics)
    });
    let (own, wishes) = own.unzip();
    if let (Some(issuer), Some(own), Some(wishes)) = (issuer, &own, wishes) {
        let inputs = acme::Inputs {
            snapshots: own.snapshots.clone(),
            wishes,
            alone,
            not_issued: certificates.not_issued(),
            heard: heard.clone(),
        };
        let ordering = issuer.run(inputs, stop.clone());
        supervisor.serve("the orders from the ACME server", ordering);
    }
    let following = client::Config {
        places: control.places,
        identity,
        node,
        own_listener,
        serves_tls,
        acme: match serves_tls || issues {
            true => AcmeShare::Certificates,
            false => AcmeShare::Challenges,
        },
        public: settings.faces_outside(),
    };
    let outputs = client::Outputs {
        snapshots,
        commands,
        certificates: gives,
        order_book,
        issued: issue,
        challenges: challenge,
        notes,
        followed: follow,
        emitter: emitter.clone(),
        readiness: readiness.clone(),
        metrics: metrics.clone(),
    };
    let following = client::run(following, own, outputs, stop.clone());
    supervisor.serve("the follower", following);
    // A controller that is issued some tells its own gateway, too, what it heard of others.
    let issued = told.map_or(heard, |it| it.issued);
    certificates.serve(given, issued, &mut supervisor);
    if let Some(store) = store {
        let keeping = store.run(snapshot.clone(), emitter.clone(), stop.clone());
        supervisor.serve("the keeper of the last snapshot", keeping);
    }
    if let Some(store) = orders_kept {
        let keeping = store.run(orders, emitter.clone(), stop.clone());
        supervisor.serve("the keeper of what is drained by hand", keeping);
    }
    if let Some(names) = names {
        let answering = names.run(snapshot.clone(), stop.clone());
        supervisor.serve("the name server", answering);
    }
    let warm = readiness.clone();
    let ready = move || warm.require("snapshot", Ok(()));
    let serving = gateway.run(snapshot, metrics, emitter.clone(), ready, stop);
    supervisor.serve("the gateway", serving);
    supervisor
        .run(move |reason| {
            readiness.require("stopping", Err(format!("stopping: {reason}")));
            emitter.emit(Event::StopRequested { reason });
        })
        .await
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
