//! Certificates and trust roots, for the gateway that serves them and for the controller that distributes them.

pub mod certificates;
pub(crate) mod trust_roots;
