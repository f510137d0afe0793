//! The pure half of Hiveway: values, and plain functions between values.
//!
//! # Architecture invariant
//!
//! Nothing below this module knows an async runtime, a clock, a socket, a file or a random source. Time arrives as a
//! [`model::Timestamp`] or a count, randomness as a number. Whatever is decided here can therefore be tested by
//! comparing whole values, and the same inputs always give the same bytes. `tests/it/layers.rs` holds the rule.

pub mod certificates;
pub mod event;
pub mod labels;
pub mod model;
pub mod protocol;
pub mod reconcile;
pub mod request;
pub mod routing;
