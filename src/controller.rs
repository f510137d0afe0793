//! The half that knows the swarm: it watches the engine of a manager and writes what little Hiveway writes.

pub mod actuator;
pub mod api;
mod backoff;
pub mod swarm;
