//! The gateway as clients and tasks see it: real sockets on loopback, bytes where bytes matter.
//!
//! Every test publishes its own snapshots to its own gateway. The tasks are [`origin`]s, small servers that keep what they
//! received, so that a test can say what a task must never see.

mod access_log;
mod admission;
mod balance;
mod bodies;
mod client;
mod dead_client;
mod dead_peer;
mod draining;
mod edge;
mod ejection;
mod endpoint_figures;
mod forwarded;
mod fuzz;
mod grpc;
mod hashing;
mod hold;
mod hops;
mod http2;
mod limits;
mod local_replies;
mod locality;
mod message;
mod middleware;
mod namespace;
mod origin;
mod overload;
mod paths;
mod proxy_protocol;
mod retries;
mod retry_budget;
mod routing;
mod service;
mod silence;
mod slow_bodies;
mod slow_readers;
mod slow_start;
mod smuggling;
mod socket;
mod spans;
mod sticky;
mod stop;
mod streams;
mod task_connections;
mod tls;
mod websocket;
mod wire;
