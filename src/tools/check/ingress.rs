//! Whether guards see the clients that they are for: ports that are published through Swarm's ingress, and past Hiveway.

use super::Read;
use super::finding::{Finding, Findings};
use super::stack::{Port, StackService};
use crate::core::reconcile::status::HIDDEN_CLIENTS;

/// Reports services with `routing.allow_cidrs` whose clients come by the ingress, and those that publish the guarded port
/// themselves.
pub(super) fn check(services: &[Read<'_>], findings: &mut Findings) {
    let own = services.iter().filter(|it| is_hiveway(it.service));
    let mut own_ports = own.flat_map(|it| &it.service.ports);
    let by_ingress = own_ports.find(|port| port.ingress);
    for read in services {
        let middleware = read.spec.policy.middleware.as_ref();
        if middleware.is_none_or(|it| it.allow.is_none()) {
            continue;
        }
        if let Some(port) = by_ingress {
            findings.extend(hidden(read, port));
        }
        findings.extend(beside(read));
    }
}

/// The image's own name, whatever registry and tag it has.
fn is_hiveway(service: &StackService) -> bool {
    let image = service.image.as_deref().unwrap_or_default();
    let name = image.rsplit('/').next().unwrap_or_default();
    name.split([':', '@']).next() == Some("hiveway")
}

fn hidden(read: &Read<'_>, port: &Port) -> Option<Finding> {
    let public = read.spec.routes.iter().any(|route| !route.host.is_local());
    let label = read.service.label("routing.allow_cidrs")?;
    let finding = Finding::warning(
        label.value_span,
        format!("routing.allow_cidrs {HIDDEN_CLIENTS}"),
        "publish Hiveway's ports with `mode: host`, or have a proxy in front name the clients",
    );
    let finding = finding.beside(port.span, "Hiveway's port, published through the ingress");
    public.then(|| finding.of(read.name))
}

fn beside(read: &Read<'_>) -> Option<Finding> {
    let routed = |port: &&Port| {
        let mut routes = read.spec.routes.iter();
        routes.any(|route| Some(route.port) == port.target)
    };
    let port = read.service.ports.iter().find(routed)?;
    let label = read.service.label("routing.allow_cidrs")?;
    let finding = Finding::warning(
        port.span,
        "the service publishes its port itself, where routing.allow_cidrs lets everybody in",
        "remove the port from `ports`, since Hiveway reaches it without, or guard it elsewhere",
    );
    let finding = finding.beside(label.value_span, "holds for clients that come by Hiveway");
    Some(finding.of(read.name))
}
