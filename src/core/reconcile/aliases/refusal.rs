//! Why names are not added, although they are wanted.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::AliasRequest;
use crate::core::model::UpdateState;

/// Why names are not added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NotAttached,
    NotStartFirst,
    HostPort,
    RolledBack,
}

impl Refusal {
    /// `failed` are the names that were wanted when Swarm took the last change back: it would do so again.
    pub(super) fn of(wish: &AliasRequest, failed: Option<&BTreeSet<Arc<str>>>) -> Option<Self> {
        let service = &wish.service;
        if wish.attached().next().is_none() {
            Some(Self::NotAttached)
        } else if !service.start_first {
            Some(Self::NotStartFirst)
        } else if service.host_port {
            Some(Self::HostPort)
        } else if service.update == UpdateState::RolledBack
            && failed.is_some_and(|failed| wish.missing().is_subset(failed))
        {
            Some(Self::RolledBack)
        } else {
            None
        }
    }

    /// What an operator is told: which names, why, and the remedy.
    pub(super) fn sentence(self, wish: &AliasRequest, missing: &BTreeSet<Arc<str>>) -> String {
        let names: Vec<&str> = missing.iter().map(|name| &**name).collect();
        let (names, service) = (names.join(", "), &wish.service.name);
        let by_hand =
            "or list the names under `aliases` in its stack file and set HIVEWAY_ALIASES=off";
        match self {
            Self::NotAttached => {
                let networks = wish.networks.join(" or ");
                format!(
                    "{names} cannot be added, since it is not attached to {networks}; attach it, or name its network with \
                     --network"
                )
            }
            Self::NotStartFirst => format!(
                "{names} would be added by replacing its tasks, and with its update order that refuses requests; set \
                 `update_config.order: start-first`, {by_hand}"
            ),
            Self::HostPort => format!(
                "{names} would be added by replacing its tasks, start-first, and its host-mode port belongs to one task a \
                 node; publish the port by a service of its own, {by_hand}"
            ),
            Self::RolledBack => format!(
                "{names} would be added, but Swarm rolled its last update back, and would do so again; `docker service ps \
                 --no-trunc {service}` shows why. The next name, or a successful update of the service, is another try"
            ),
        }
    }
}
