//! Redirects that lead to their own service.

use super::Read;
use super::finding::{Finding, Findings};
use crate::core::labels::Target;
use crate::core::model::route::PathPrefix;

/// Reports services whose requests are sent to another path of their own, from which they are sent on again. A redirect to the
/// same path is reported with the labels.
pub(super) fn check(services: &[Read<'_>], findings: &mut Findings) {
    for read in services {
        let middleware = read.spec.policy.middleware.as_ref();
        let redirect = middleware.and_then(|it| it.redirect.as_ref());
        let Some(target) = redirect.and_then(Target::of) else {
            continue;
        };
        let strips = read.spec.policy.strip_prefix;
        let circle = read.spec.routes.iter().find(|route| {
            let path = match (&*route.path.0, strips) {
                ("/", _) | (_, true) => target.path.to_owned(),
                (path, false) => format!("{}{path}", target.path),
            };
            target.reaches(route)
                && !target.path.is_empty()
                && route.path.matches(&path)
                && !is_taken(services, read, &target, &route.path, &path)
        });
        let label = read.service.label("routing.redirect");
        if let (Some(route), Some(label)) = (circle, label) {
            let message = format!(
                "leads back to {route}, a route of this service, so that its clients are sent on without an end"
            );
            let remedy = "name another host, or give the path that it leads to to another service";
            findings.push(Finding::error(label.value_span, message, remedy).of(read.name));
        }
    }
}

/// Whether another service claims the path that requests are sent to, and so ends the circle.
fn is_taken(
    services: &[Read<'_>],
    own: &Read<'_>,
    target: &Target<'_>,
    from: &PathPrefix,
    path: &str,
) -> bool {
    let others = services.iter().filter(|it| it.name != own.name);
    let mut routes = others.flat_map(|it| &it.spec.routes);
    routes.any(|route| {
        target.reaches(route) && route.path.matches(path) && route.path.0.len() >= from.0.len()
    })
}
