//! How snapshots come from controllers to gateways: transport, server and client of the control channel.

pub mod client;
pub mod server;
pub mod transport;
