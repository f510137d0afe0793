//! Hiveway (the architecture document is written here).

pub mod admin;
pub mod cli;
pub mod controller;
pub mod core;
pub mod demo;
pub mod gateway;
pub mod healthcheck;
pub mod journal;
pub mod logging;
pub mod metrics;
pub mod readiness;
pub mod supervisor;
