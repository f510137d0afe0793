//! The integration tests, in one binary.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on panics, in its helpers too"
)]

mod admin;
mod agent;
mod bounded;
mod command_line;
mod control;
mod controller;
mod data_plane;
mod dns;
mod engine;
mod fake_engine;
mod folder;
mod layers;
mod swarm;
