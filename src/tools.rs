//! The commands that need no running controller or gateway in their process.

pub mod check;
pub mod demo;
pub mod healthcheck;
pub mod operator;
pub mod plan;
pub mod stdout;
