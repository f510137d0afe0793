//! Hiveway steers HTTP traffic in a Docker Swarm. It parses what services declare in their labels (**desired**), probes their
//! tasks (**observed**), reconciles the two into one immutable **snapshot**, emits typed **events** for what changed, and a
//! Pingora proxy routes by the snapshot. This page is its architecture.
//!
//! # The picture
//!
//! ```text
//! the controller, on every manager:
//!
//!   Docker API ─► swarm ──────────┐
//!   (lists, events)               ├─ Inventory ─► reconciler ─┬─ Snapshot ────────► sync::server ═══► followers
//!   a file ─────► inventory_file ─┘                 ▲  ▲  │   ├─ DesiredChanges ──► actuator ──► Docker API
//!                                                   │  │  │   └─ Event ───────────► event log
//!                              probe ─── results ───┘  │  └───── targets ──► probe; commands by sync::server
//!                              agents ── messages ─────┘
//!
//!   Snapshot, DesiredChanges ──► acme ◄──► an ACME server; certificates, challenges ─► sync::server ═══► all gateways
//!
//! gateway and agent, on every node:
//!
//!   controllers ═══► sync::client ─┬─ Snapshot ─┬─► gateway ◄── clients
//!                          ▲       │            │      └──────► tasks
//!                          │       │            └─► store: the last good one, on disk
//!                          │       └─ commands ───► agent ◄──── Docker API (the node's containers)
//!                          └───────── messages ───────┘
//!
//! in every process: event log (log, count, keep) ─► admin: /dashboard /live /ready /metrics /snapshot /events /v1/…
//!
//!   ═══ the control channel: TLS by one shared secret
//! ```
//!
//! A process has up to three roles: it is always a *gateway*, a *controller* if its engine is a manager's, and an *agent* if it
//! has an engine at all.
//!
//! # The path of a change
//!
//! 1. [`controller::swarm`] syncs with the swarm when an event of the engine arrives, and periodically: often while anything
//!    converges, rarely at rest. The result is one [`Inventory`](core::model::Inventory), published only when it differs.
//!    [`controller::inventory_file`] is the other source: a file.
//! 2. [`controller::reconciler`] parses the labels of the inventory ([`core::labels`], [`core::reconcile::desired`]) and publishes
//!    what has to be probed. [`controller::probe`] probes over the network, the [`agent`] of a container's node runs commands in
//!    it, and [`core::reconcile::observed`] derives health from both. An agent also reports signals and exits of containers; they
//!    trigger a sync, and known endpoints drain at once ([`core::reconcile::signals`]).
//! 3. [`core::reconcile`] compares desired and observed with what is published. It returns the next
//!    [`Snapshot`](core::model::snapshot::Snapshot) and the [`Event`](core::event::Event)s that lead to it, or nothing.
//! 4. [`sync::server`] sends the snapshot over the control channel ([`sync::transport`]) to every [`sync::client`], whole or as a
//!    delta. A client has a link to every controller, applies what is newer ([`core::protocol::following`]), and keeps the last
//!    snapshot on disk for the next start. A manager's own gateway is served in-process.
//! 5. [`gateway`] builds a route table of the snapshot, which every request reads once, and [`dns`] the names that it resolves.
//!    [`controller::actuator`] writes the little that Hiveway writes. [`observe::event_log`] logs, counts and keeps the events,
//!    and [`admin`] shows them.
//!
//! # The path of a request
//!
//! [`gateway`]`::listener` accepts the connection, `exchange` reads the head and checks its framing, `routing` finds the route and
//! leases an endpoint, `filters` decide who is let in and what is changed, `upstream` connects to the task. `local_reply` is the
//! response if Hiveway answers itself, and `passthrough` forwards TLS connections of `tcp://` routes without decrypting them.
//!
//! # The rooms
//!
//! * [`app`] wires a process in order: bind, spawn under the [`process::supervisor`], run. [`cli`] turns flags into each
//!   component's configuration.
//! * [`docker`] is the client of an engine. [`tls`] holds certificates and trust roots; [`controller::acme`] orders what
//!   [`core::certificates::acme`] finds missing.
//! * [`observe`] is what a process reports of itself: metrics, the event log, the access log, spans (OTLP), readiness.
//! * [`state`] is what survives a restart: the endpoints that an operator drains, and the form of file in which [`sync::client`]
//!   keeps the last snapshot.
//! * [`tools`] are the commands beside `hiveway run`: `check` and `plan` for stack files, `status`, `explain` and others for a
//!   running instance, and the demo.
//!
//! Users read `deploy/reference`. Its labels and flags are generated from [`core::labels::reference`] and [`cli::reference`];
//! `tests/it/reference.rs` compares the pages with the code.
//!
//! # Layers
//!
//! * [`core`] is pure and imports nothing but itself: decisions are plain functions from values to values.
//! * [`controller`], [`gateway`] and [`agent`] import [`core`], never each other. Between them pass snapshots and the messages of
//!   [`core::protocol`].
//! * No files import each other in a circle. The top file of a room is the vocabulary of the files in it.
//! * One room knows one foreign thing: bollard in [`docker`] (whose TLS comes from Pingora's rustls), Pingora in [`gateway`], Hickory in [`dns`], the ACME protocol in
//!   [`controller::acme`], clap in [`cli`], YAML in `tools::check::yaml`, OTLP in [`observe::otlp`].
//!
//! `tests/it/layers.rs` checks these rules against the sources.
//!
//! # Invariants
//!
//! 1. **Level, not edge.** An event of the engine only triggers a sync. The reconciler has no input but the latest state, so lost,
//!    repeated or reordered events cost time, never correctness. The one other effect of an event is to drain a known endpoint;
//!    none can add an endpoint or put one into rotation.
//! 2. **One immutable value.** A request pins one route, and nothing that it reads changes under it. The same inputs always give
//!    the same snapshot, byte for byte, and a snapshot is published only when it differs.
//! 3. **Fail static.** A failed sync keeps the last inventory. No path leads from a fault of the control plane to an emptied route
//!    table; a *successful* empty list is believed.
//! 4. **Starts out, warms up.** An endpoint is out of rotation until it passes its probe. Its health is keyed by task and survives
//!    snapshots. Nothing is published before the first inventory arrived and every endpoint was probed, or a deadline passed.
//! 5. **Drains first.** An endpoint leaves rotation as soon as Swarm wants its task to stop (about two seconds before SIGTERM), its
//!    container is sent a signal to end, or its node is down. In-flight requests complete. A draining endpoint goes on serving
//!    only where nothing else can.
//! 6. **No task is detached.** The end or panic of any component ends the process with a non-zero code, and Swarm restarts it.
//!    Queues are bounded, and what overflows is counted.
//! 7. **Few writes.** Only the leading manager writes, and only the replicas of services with a `scale` label and the network
//!    aliases of Hiveway's own service, one field at a time, by version.
//! 8. **User mistakes are data.** A label that cannot be parsed is a diagnostic. It stops nothing and affects no other service;
//!    a guard that cannot be parsed closes its own.
//!
//! # Lexicon
//!
//! *Manager, worker, node, service, task* are Swarm's. *Cluster* is Envoy's: the group of endpoints of a routed service, never the
//! swarm. *Endpoint*: a running task that requests can be sent to. *Claim*: one service's share in a route. *In rotation*: may be
//! given new requests. *Draining*: gets no new requests, and completes those that it has. *Controller*: the part that watches,
//! decides and writes. *Gateway*: the part that requests pass through. *Agent*: the part that knows the containers of its own
//! node. *Reconcile* is the function, the *reconciler* the loop. *Sync*: one reading of the whole swarm; a *partial sync* reads
//! only the few services that change, and their tasks. *Stale*: of a controller, unable to sync, so that it keeps what it read last. *Manual drain*: an operator's request
//! that an endpoint drains.

pub mod admin;
pub mod agent;
pub mod app;
pub mod cli;
pub mod controller;
pub mod core;
pub mod dns;
pub mod docker;
pub mod gateway;
pub mod observe;
pub mod process;
pub mod state;
pub mod sync;
pub mod tls;
pub mod tools;
