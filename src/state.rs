//! What a process keeps on disk.

pub mod drain_store;
pub mod state_file;
