//! Which names should resolve to Hiveway's own service.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Desired, DesiredService};
use crate::core::model::OwnService;
use crate::core::model::route::{Diagnostic, HostPattern, Level, RouteSpec};
use crate::core::reconcile::wishes::AliasRequest;

impl Desired {
    /// Reads the `.local` hosts of all routes.
    pub(super) fn name(&mut self, own: &OwnService, networks: &[Arc<str>]) {
        let mut names = BTreeSet::new();
        for service in self.services.values() {
            let hosts = service.spec.routes.iter();
            for route in hosts.filter(|route| route.host.is_local()) {
                match &route.host {
                    HostPattern::Exact(name) => drop(names.insert(name.clone())),
                    HostPattern::Under(_) => {
                        self.diagnostics.insert(nameless(service, route));
                    }
                }
            }
        }
        self.aliases = Some(AliasRequest {
            service: own.clone(),
            networks: networks.to_vec(),
            names,
        });
    }
}

/// What to say of a route to all names under one.
fn nameless(service: &DesiredService, route: &RouteSpec) -> Diagnostic {
    Diagnostic {
        level: Level::Notice,
        service: service.name.clone(),
        key: format!("routing.port_{}", route.port).into(),
        value: route.host.to_string().into(),
        reason: "is routed, but resolves nowhere by itself: a network alias is one name".into(),
        remedy: "write the names out, or have clients ask the resolver of --dns".into(),
        suggestion: None,
    }
}
