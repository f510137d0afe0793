//! The pure half of Hiveway: values, and plain functions between values.
//!
//! # Architecture invariant
//!
//! Nothing below this module knows an async runtime, a clock, a socket, a file or a random source. Time arrives as a
//! [`model::Timestamp`] or a count, randomness as a number. Whatever is decided here can therefore be tested by
//! comparing whole values, and the same inputs always give the same bytes. `tests/it/layers.rs` holds the rule.

pub mod acme;
pub mod aliases;
pub mod balance;
pub mod by_hand;
pub mod certificates;
pub mod control;
pub mod desired;
pub mod ejection;
pub mod entity_tag;
pub mod event;
pub mod explain;
pub mod following;
pub mod forwarded;
pub mod labels;
pub mod lookup;
pub mod middleware;
pub mod misses;
pub mod model;
pub mod names;
pub mod network;
pub mod observed;
pub mod origin;
pub mod pacing;
pub mod rate_limit;
pub mod rates;
pub mod reconcile;
pub mod request_path;
pub mod retry_budget;
pub mod route;
pub mod signals;
pub mod snapshot;
pub mod status;
pub mod tcp_route;
pub mod tls_access;
pub mod wishes;
