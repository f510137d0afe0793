//! The controller's modules: against an engine that serves recordings of a real one, real sockets and paused time.

mod acme;
mod actuator;
mod aliases;
mod probe;
mod reconciler;
mod swarm;
