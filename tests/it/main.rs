//! The integration tests, in one binary.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on panics, in its helpers too"
)]

mod admin;
mod agent;
mod authority;
mod bounded;
mod collector;
mod command_line;
mod control;
mod controller;
mod data_plane;
mod dns;
mod docker;
mod engine;
mod eventually;
mod fake_engine;
mod folder;
mod images;
mod lab;
mod layers;
mod needs;
mod own_engine;
mod pause;
mod reference;
mod stack;
mod style;
mod swarm;
