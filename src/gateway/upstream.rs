//! Connections to tasks.

pub(crate) mod peer;
pub(crate) mod upgrade;
pub(crate) mod watched;
