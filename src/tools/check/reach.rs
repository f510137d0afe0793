//! Whether Hiveway can reach what it is to route to: the networks that both sides share.

use super::finding::{Finding, Findings};
use super::stack::{DEFAULT_NETWORK, Stack};
use super::{Options, Read};

/// Reports services with routes that are on none of the networks.
pub(super) fn check(
    stack: &Stack,
    services: &[Read<'_>],
    options: &Options,
    findings: &mut Findings,
) {
    for read in services {
        // Of one that Docker refuses nothing follows.
        let declared = |key: &str| key == DEFAULT_NETWORK || stack.networks.contains_key(key);
        let is_known = !read.service.networks_are_unread
            && read.service.networks.keys().all(|key| declared(key));
        if is_known && !read.spec.routes.is_empty() {
            findings.extend(unreachable(stack, read, options));
        }
    }
}

fn unreachable(stack: &Stack, read: &Read<'_>, options: &Options) -> Option<Finding> {
    let default = ([(DEFAULT_NETWORK.into(), read.service.span)]).into();
    let networks = match read.service.networks.is_empty() {
        true => &default,
        false => &read.service.networks,
    };
    // Without the stack's name, whatever Docker may call it.
    let is = |key: &str, wanted: &str| match stack.network_name(key, options.stack.as_deref()) {
        Some(name) => name == wanted,
        None => wanted.ends_with(&format!("_{key}")),
    };
    let on = |wanted: &str| networks.keys().any(|key| is(key, wanted));
    if let Some(named) = &read.spec.network {
        if on(named) {
            return None;
        }
        let label = read.service.label("routing.network")?;
        let message =
            format!("the service is not on the network {named}, where its label has it reached");
        let remedy = format!("attach it to {named}, or name one of its networks");
        return Some(Finding::error(label.value_span, message, remedy).of(read.name));
    }
    if options.networks.iter().any(|wanted| on(wanted)) {
        return None;
    }
    let wanted = options.networks.join(" or ");
    let first = options.networks.first()?;
    // One of this name that the stack makes for itself is another.
    if let Some((key, span)) = networks.get_key_value(first)
        && let Some(network) = stack.networks.get(key)
        && network.name.is_none()
    {
        let prefix = options.stack.as_deref().unwrap_or("STACK");
        let message = format!(
            "has routes, but its network {key} is one of the stack's own, {prefix}_{key}, and not the {key} that Hiveway is on"
        );
        let remedy = format!(
            "write `external: true` below `{key}` in the top-level `networks`, or `name: {key}` where this stack is to make it"
        );
        let finding = Finding::error(*span, message, remedy).of(read.name);
        return Some(finding.beside(network.span, "declared here"));
    }
    let message =
        format!("has routes, but is not on the network {wanted}, so Hiveway cannot reach it");
    let remedy = format!(
        "attach it with `networks: [{first}]`, and declare `{first}: {{ external: true }}` in the top-level `networks`; \
         --network names other networks"
    );
    let span = read.service.networks.values().next();
    let span = span.copied().unwrap_or(read.service.span);
    Some(Finding::error(span, message, remedy).of(read.name))
}
