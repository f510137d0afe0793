//! Hiveway steers HTTP traffic in a Docker Swarm: it reads what services ask for in their labels (**desired**), probes
//! their tasks (**observed**), reconciles the two into one immutable **snapshot**, tells what changed in typed
//! **events**, and a Pingora proxy steers by the snapshot. This page is its architecture.
//!
//! # The picture
//!
//! ```text
//! the controller, on every manager:
//!
//!   Docker API ─► swarm ──────────┐
//!   (lists, hints)                ├─ Inventory ─► reconciler ─┬─ Snapshot ─► publish ═══► followers
//!   a file ─────► inventory_file ─┘                 ▲  ▲  │   ├─ Wishes ───► actuator ──► Docker API
//!                                                   │  │  │   └─ Event ────► journal
//!                              probe ─── results ───┘  │  └───── targets ──► probe; commands by publish
//!                              agents ─── notes ───────┘
//!
//!   Snapshot, Wishes ──► acme ◄──► an ACME server; certificates, challenges ─► publish ═══► all gateways
//!
//! gateway and agent, on every node:
//!
//!   controllers ═══► follow ─┬─ Snapshot ─┬─► gateway ◄── clients
//!                      ▲     │            │      └──────► tasks
//!                      │     │            └─► store: the last good one, on disk
//!                      │     └─ commands ───► agent ◄──── Docker API (the node's containers)
//!                      └───────── notes ────────┘
//!
//! in every process: journal (log, count, remember) ─► admin: /dashboard /live /ready /metrics /snapshot /events /v1/…
//!
//!   ═══ the channel: TLS by one shared secret
//! ```
//!
//! One process has up to three roles: it is a *gateway* always, a *controller* where its engine is a manager's, and an *agent*
//! where it has an engine at all.
//!
//! # The way of a change
//!
//! 1. [`controller::swarm`] looks at the swarm when an event of the engine hints at a change, and by the clock: often while
//!    anything converges, seldom at rest. What it saw is one [`Inventory`](core::model::Inventory), published only when it
//!    differs. [`controller::inventory_file`] is the other source: a file.
//! 2. [`controller::reconciler`] reads the inventory through the labels ([`core::labels`], [`core::desired`]) and names
//!    what has to be probed. [`controller::probe`] probes over the network, the [`agent`] of a container's node runs commands
//!    in it, and both report; [`core::observed`] makes health of it. An agent tells of signals and ends, too, which makes the
//!    watcher look and drains at once what it knows ([`core::signals`]).
//! 3. [`core::reconcile`] compares the two with what is published, and makes the next
//!    [`Snapshot`](core::snapshot::Snapshot) and the [`Event`](core::event::Event)s that lead to it, or nothing.
//! 4. [`controller::publish`] sends it over the [`channel`] to all who [`follow`], whole or as the difference to what they
//!    have. A follower has a link to every controller, takes over what is newer ([`core::following`]), and keeps the last on
//!    disk to begin with. The gateway of a manager follows its own controller, without a network in between.
//! 5. [`gateway`] turns the snapshot into a route table, which every request reads once, and [`gateway::dns`] into the
//!    names that it answers for. [`controller::actuator`] writes the little that Hiveway writes. [`journal`] logs, counts
//!    and remembers the events, and [`admin`] shows all of it.
//!
//! [`certificates`] keeps what TLS is served with, for the gateway, and for the controller to give to others. Where that is
//! wanted, [`controller::acme`] on the leader orders what is missing, as [`core::acme`] decides; every controller keeps what was
//! issued, and every gateway answers what the server asks. Where it is asked for, the gateway tells the [`access_log`] of every
//! request that has ended, and as [`spans`] a collector of OpenTelemetry of those whose trace is sampled.
//!
//! [`supervisor`] owns every task, and [`run`] wires them; [`cli`] turns flags into each component's configuration.
//! [`check`] reads stack files before they are deployed, and [`plan`] compares them with the swarm. [`operator`] is the other
//! end of the admin listener: the commands that ask a running instance. What is drained by hand stands in the [`order_book`] of
//! every process, and is [`kept`] on disk as the last snapshot is.
//! [`demo`] is the example's server and client, and the story that `hiveway demo` tells.
//!
//! What users read is in `deploy/reference`. Labels and flags are told there by the code itself, through
//! [`core::labels::reference`] and [`cli::reference`], and `tests/it/reference.rs` holds the pages against it.
//!
//! # Layers
//!
//! * [`core`] is pure and imports nothing but itself: decisions are plain functions from values to values.
//! * [`controller`], [`gateway`] and [`agent`] import [`core`], never each other: what passes between them is a snapshot,
//!   or a message of [`core::control`]. The members of the controller know each other's types where one feeds the other.
//! * One file knows one outside thing: the engine and bollard are known below [`engine`], Pingora below
//!   [`gateway`], Hickory below [`gateway::dns`], the ACME protocol below [`controller::acme`], clap in [`cli`], YAML below
//!   `check::yaml`, OTLP below [`spans`].
//!
//! `tests/it/layers.rs` holds these rules against the sources.
//!
//! # Invariants
//!
//! 1. **Level, not edge.** A hint of the engine only says "look again". The reconciler takes no input but the latest state,
//!    so lost, repeated or reordered hints cost time, never truth. The one thing more that a hint can do is to take out an
//!    endpoint that is known; none can add one or bring one in.
//! 2. **One immutable value.** A request pins one route; nothing that it sees changes under it. The same inputs always
//!    give the same snapshot, byte for byte, and one is published only when it differs.
//! 3. **Fail static.** A failed look keeps the last inventory. No path leads from a fault of the control plane to an
//!    emptied table; a *successful* empty list is believed.
//! 4. **Starts out, warms up.** An endpoint is out of rotation until it has passed its probe; its health is keyed by task
//!    and survives snapshots. Nothing is published before the first inventory is in and every endpoint is judged, or a
//!    deadline has passed.
//! 5. **Drains first.** An endpoint leaves rotation the moment Swarm wants its task to stop, which is about two seconds
//!    before SIGTERM, its container is sent a signal to end, or its node is down. Requests in flight end in peace. Only
//!    where nothing else can serve does one that drains go on.
//! 6. **Nobody is detached.** The end or panic of any component ends the process with a non-zero code, and Swarm restarts
//!    it. Queues are bounded, and what overflows is counted.
//! 7. **Writes are few.** Only on the leading manager, only the replicas of services with a `scale` label and the network
//!    aliases of Hiveway's own service, one field at a time, by version.
//! 8. **User mistakes are data.** A label that cannot be read is a diagnostic; it stops nothing and harms nobody else.
//!
//! # Lexicon
//!
//! *Manager, worker, node, service, task*: Swarm's. *Cluster, endpoint*: Envoy's. *Controller*: the part that watches, decides and
//! writes. *Gateway*: the part that requests pass through. *Agent*: the part that knows the containers of its own node.
//! *Follower*: the part that brings a gateway the snapshots of a controller. *Cluster*: a routed service's group of endpoints,
//! never the swarm. *Endpoint*: a running task that requests can be sent to. *Claim*: one service's share in a route. *In
//! rotation*: may be given new requests. *Draining*: gets none any more, and ends those that it has. *Reconcile* is the function,
//! the *reconciler* the loop. *Look*: one reading of the whole swarm. *Hint*: something that says only that it is time for one.
//! *Note*: what an agent tells the controllers, a hint or the result of a command. *Wish*: what the swarm should be changed to.
//! *Frozen*: of a controller, unable to look, so that it stands by what it saw last. *Order*: an operator's word that an endpoint
//! is to drain, or no longer; of a certificate, what an ACME server is asked for.

pub mod access_log;
pub mod admin;
pub mod agent;
mod authorities;
mod backoff;
pub mod certificates;
pub mod channel;
pub mod check;
pub mod cli;
mod clock;
pub mod controller;
pub mod core;
pub mod demo;
pub mod engine;
pub mod follow;
pub mod gateway;
pub mod healthcheck;
pub mod journal;
pub mod kept;
pub mod logging;
pub mod metrics;
mod news;
pub mod operator;
pub mod order_book;
pub mod plan;
pub mod readiness;
mod retry_after;
mod roster;
pub mod run;
pub mod spans;
pub mod stdout;
pub mod supervisor;
