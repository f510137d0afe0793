//! The integration tests, in one binary.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on panics, in its helpers too"
)]

mod admin;
mod controller;
mod fake_engine;
mod swarm;
