//! Guards that look at clients' addresses, where Swarm's ingress replaces those by its own.
//!
//! # Design notes
//!
//! Swarm spreads the connections to a port of `mode: ingress` over all nodes, and gives each an address of the ingress network as
//! its source. A list of networks then lets in everybody or no one. The port may be there for others
//! than the service's own clients, so this is a warning; names under `.local` are for clients inside the cluster, who come by
//! another way.

use crate::core::model::route::{Diagnostic, Level, ServiceSpec};
use crate::core::model::{OwnService, Service};
use crate::core::reconcile::status::HIDDEN_CLIENTS;

/// The diagnostic of a service with such a guard; `None` if its clients' addresses are known, or do not matter.
pub(super) fn hidden(
    own: &OwnService,
    service: &Service,
    spec: &ServiceSpec,
) -> Option<Diagnostic> {
    let networks = spec.policy.middleware.as_ref()?.allow.as_ref()?;
    let public = spec.routes.iter().any(|route| !route.host.is_local());
    let networks: Vec<String> = networks.iter().map(ToString::to_string).collect();
    (own.ingress_port && public).then(|| Diagnostic {
        level: Level::Warning,
        service: service.name.clone(),
        key: "routing.allow_cidrs".into(),
        value: networks.join(", ").into(),
        reason: HIDDEN_CLIENTS.to_owned(),
        remedy: format!(
            "publish the ports of {} with `mode: host`, or have a proxy in front name the clients",
            own.name
        ),
        suggestion: None,
    })
}
