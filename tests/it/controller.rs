//! The controller's modules against an engine that serves recordings of a real one.

mod actuator;
mod api;
mod swarm;
