//! Hiveway (the architecture document is written here).

pub mod core;
pub mod journal;
