//! What the long-running parts of a process are made with: supervision, back-off, the clock, watched values and keyed tasks.

pub(crate) mod backoff;
pub(crate) mod bind_remedy;
pub(crate) mod clock;
pub(crate) mod keyed_tasks;
pub(crate) mod retry_after;
pub mod supervisor;
pub(crate) mod watch_ext;
