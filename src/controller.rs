//! The half that knows the swarm: it watches the engine of a manager, probes, decides, and writes what little Hiveway
//! writes.

pub mod acme;
pub mod actuator;
pub mod inventory_file;
pub mod probe;
pub mod reconciler;
mod secrets;
pub mod swarm;
