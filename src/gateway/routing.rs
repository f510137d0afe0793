//! The route table of the gateway, and the endpoint that a request is given.

pub(crate) mod attempt;
pub(crate) mod choice;
pub(crate) mod cookie;
pub(crate) mod hold;
pub(crate) mod key;
pub(crate) mod pool;
pub(crate) mod queue;
pub(crate) mod runtime;
pub(crate) mod steering;
pub(crate) mod table;
