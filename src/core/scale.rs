//! Which services should be scaled: what `scale` labels ask for, beside what Swarm was told.

use std::sync::Arc;

/// What one service's label asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaleWish {
    /// The service's name.
    pub service: Arc<str>,
    /// The replicas that its spec had at the last look.
    pub current: u64,
    /// The replicas that its label asks for.
    pub wanted: u64,
}
