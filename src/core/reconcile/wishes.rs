//! What the actuator is to write into the swarm.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::core::model::{OwnService, ServiceId};

/// Everything that is to be as labels ask. Written by the reconciler with every inventory, read by the actuator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DesiredChanges {
    /// Whether this node's manager leads. Only the leader's controller writes.
    pub leading: bool,
    /// The services with a `scale` label.
    pub replicas: BTreeMap<ServiceId, ScaleChange>,
    /// The names of Hiveway's own service; none before warm-up is over, and where they are not managed.
    pub aliases: Option<AliasRequest>,
}

/// What one service's `scale` label asks for, beside what Swarm was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScaleChange {
    /// The service's name.
    pub service: Arc<str>,
    /// The replicas that its spec had at the last look.
    pub current: u64,
    /// The replicas that its label asks for.
    pub wanted: u64,
}

/// The names that should resolve to Hiveway's own service, beside those that do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AliasRequest {
    /// The service as it was at the last look.
    pub service: OwnService,
    /// The networks on which the names should resolve (`--network`), as far as the service is attached to them.
    pub networks: Vec<Arc<str>>,
    /// The names: the `.local` hosts of all routes.
    pub names: BTreeSet<Arc<str>>,
}

impl DesiredChanges {
    /// The services to be scaled now: none where another manager leads.
    pub fn to_scale(&self) -> impl Iterator<Item = (&ServiceId, &ScaleChange)> {
        let differs = |(_, wish): &(&ServiceId, &ScaleChange)| wish.current != wish.wanted;
        self.replicas
            .iter()
            .filter(move |wish| self.leading && differs(wish))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_leader_scales_and_only_what_differs() {
        let wish = |current, wanted| ScaleChange {
            service: "web".into(),
            current,
            wanted,
        };
        let replicas = [("differs".into(), wish(1, 2)), ("same".into(), wish(2, 2))];
        let mut wishes = DesiredChanges {
            leading: true,
            replicas: replicas.into(),
            aliases: None,
        };
        let open: Vec<&str> = wishes.to_scale().map(|(id, _)| id.as_str()).collect();
        assert_eq!(open, ["differs"]);
        wishes.leading = false;
        assert_eq!(wishes.to_scale().count(), 0);
    }
}
