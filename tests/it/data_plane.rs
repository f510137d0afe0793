//! The gateway as clients and tasks see it: real sockets on loopback, bytes where bytes matter.
//!
//! Every test publishes its own snapshots to its own gateway. The tasks are [`origin`]s, small servers that keep what they
//! received, so that a test can say what a task must never see.

mod admission;
mod bodies;
mod client;
mod dead_peer;
mod draining;
mod edge;
mod ejection;
mod forwarded;
mod fuzz;
mod grpc;
mod hops;
mod http2;
mod limits;
mod locality;
mod message;
mod namespace;
mod origin;
mod retries;
mod routing;
mod service;
mod smuggling;
mod sticky;
mod stop;
mod streams;
mod wire;
