//! On which networks tasks are reached. An address on any other could lead to another service, and is never used.

use std::net::IpAddr;
use std::slice;
use std::sync::Arc;

use crate::core::model::route::{Diagnostic, Level};
use crate::core::model::{Inventory, Service, Task};

/// The networks that Hiveway is on.
pub(super) struct Networks {
    /// All of them, as far as they are known.
    attached: Vec<Arc<str>>,
    /// Those of `--network` among them, the preferred first.
    pub(super) shared: Vec<Arc<str>>,
}

impl Networks {
    /// Those of Hiveway's own service where it is known, or else what it was told by `--network`.
    pub(super) fn of(inventory: &Inventory, configured: &[Arc<str>]) -> Self {
        let own = inventory.own_service.iter().flat_map(|own| &own.networks);
        let attached: Vec<Arc<str>> = own.map(|network| network.name.clone()).collect();
        let is_attached = |network: &&Arc<str>| attached.contains(network);
        let shared: Vec<_> = configured.iter().filter(is_attached).cloned().collect();
        // A service that is on none of them was not understood, or is being attached: believe what was configured.
        match shared.is_empty() {
            true => Self {
                attached: configured.to_vec(),
                shared: configured.to_vec(),
            },
            false => Self { attached, shared },
        }
    }

    /// The networks on which a service is reached: the one that its label names, or those that both sides may share.
    pub(super) fn usable<'a>(&'a self, named: Option<&'a Arc<str>>) -> &'a [Arc<str>] {
        match named {
            None => &self.shared,
            Some(network) if self.attached.contains(network) => slice::from_ref(network),
            Some(_) => &[],
        }
    }

    /// What to say of a service whose label names a network that Hiveway is not on.
    pub(super) fn foreign(&self, service: &Service, named: &str) -> Diagnostic {
        let ours = self.shared.join(" or ");
        Diagnostic {
            level: Level::Error,
            service: service.name.clone(),
            key: "routing.network".into(),
            value: named.into(),
            reason: "names a network that Hiveway is not attached to, so its tasks cannot be reached there".into(),
            remedy: format!(
                "name {ours}, or attach Hiveway to {named} in its stack file and by --network"
            ),
            suggestion: None,
        }
    }
}

/// The task's address on the first of these networks that it is on.
pub(super) fn address(task: &Task, networks: &[Arc<str>]) -> Option<IpAddr> {
    let on = |network: &Arc<str>| {
        let mut addresses = task.addresses.iter();
        addresses.find(|at| at.network == *network)
    };
    networks.iter().find_map(on).map(|at| at.address)
}

/// What to say of a service whose tasks are on none of these networks.
pub(super) fn unreachable(service: &Service, networks: &[Arc<str>]) -> Diagnostic {
    let wanted = networks.join(" or ");
    let first = networks.first().map_or("mesh", |network| network);
    Diagnostic {
        level: Level::Error,
        service: service.name.clone(),
        key: "routing.network".into(),
        value: wanted.as_str().into(),
        reason: format!("its tasks have no address on network {wanted}, so they cannot be reached"),
        remedy: format!(
            "attach the service with `networks: [{first}]` in its stack file, where `{first}: {{ external: true }}` stands \
             under the top-level `networks`"
        ),
        suggestion: None,
    }
}
