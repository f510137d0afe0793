//! One request and its answer, from the head to the access log.

pub(crate) mod access;
pub(crate) mod challenge;
pub(crate) mod context;
pub(crate) mod framing;
pub(crate) mod head;
pub(crate) mod proxy;
pub(crate) mod span;
pub(crate) mod spelling;
pub(crate) mod timings;
pub(crate) mod trace;
