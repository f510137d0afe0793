//! Which services should be scaled: what `scale` labels ask for, beside what Swarm was told.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::model::ServiceId;

/// What the actuator is to do. Written by the reconciler with every inventory, read by the actuator.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScaleWishes {
    /// Whether this node's manager leads. Only the leader's controller writes.
    pub leading: bool,
    /// The services with a `scale` label.
    pub replicas: BTreeMap<ServiceId, ScaleWish>,
}

impl ScaleWishes {
    /// The wishes to be fulfilled now: none where another manager leads.
    pub fn open(&self) -> impl Iterator<Item = (&ServiceId, &ScaleWish)> {
        let differs = |(_, wish): &(&ServiceId, &ScaleWish)| wish.current != wish.wanted;
        self.replicas
            .iter()
            .filter(move |wish| self.leading && differs(wish))
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_leader_acts_and_only_on_what_differs() {
        let wish = |current, wanted| ScaleWish {
            service: "web".into(),
            current,
            wanted,
        };
        let replicas = [("differs".into(), wish(1, 2)), ("same".into(), wish(2, 2))];
        let mut wishes = ScaleWishes {
            leading: true,
            replicas: replicas.into(),
        };
        let open: Vec<&str> = wishes.open().map(|(id, _)| id.as_str()).collect();
        assert_eq!(open, ["differs"]);
        wishes.leading = false;
        assert_eq!(wishes.open().count(), 0);
    }
}
