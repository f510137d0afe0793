//! Which services an operator means: by name, by stack, or by the host of a route.

use super::ServiceStatus;
use crate::core::routing::lookup::normal_host;

/// A name that no service has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// The name.
    pub name: String,
    /// The nearest that one has.
    pub suggestion: Option<String>,
}

/// The services that any of the names stands for; all of them where there is no name.
#[must_use]
pub fn matching(services: Vec<ServiceStatus>, names: &[String]) -> Vec<ServiceStatus> {
    let meant = |service: &ServiceStatus| {
        names.is_empty() || names.iter().any(|name| stands_for(name, service))
    };
    services.into_iter().filter(meant).collect()
}

/// The first name that stands for no service.
#[must_use]
pub fn unknown(services: &[ServiceStatus], names: &[String]) -> Option<Unknown> {
    let known = |name: &&String| services.iter().any(|it| stands_for(name, it));
    let name = names.iter().find(|name| !known(name))?;
    Some(Unknown {
        name: name.clone(),
        suggestion: nearest(name, services),
    })
}

fn stands_for(name: &str, service: &ServiceStatus) -> bool {
    *service.service == *name
        || stack(&service.service) == Some(name)
        || service
            .routes
            .iter()
            .any(|route| covers(host(route), &normal_host(name)))
}

/// The stack of a service: Docker puts its name and an underscore in front.
fn stack(service: &str) -> Option<&str> {
    service.split_once('_').map(|(stack, _)| stack)
}

/// The host of a route as `host/path` or `tcp://host`.
fn host(route: &str) -> &str {
    let route = route.strip_prefix("tcp://").unwrap_or(route);
    route.split('/').next().unwrap_or_default()
}

/// Whether a route's host is this name, or a wildcard that it is under.
fn covers(pattern: &str, name: &str) -> bool {
    let under = pattern.strip_prefix('*');
    pattern == name || under.is_some_and(|under| name.len() > under.len() && name.ends_with(under))
}

/// The name, stack or host that was probably meant: at most a third of it is other.
fn nearest(name: &str, services: &[ServiceStatus]) -> Option<String> {
    let names = services.iter().flat_map(|it| {
        let hosts = it.routes.iter().map(|route| host(route));
        [Some(&*it.service), stack(&it.service)]
            .into_iter()
            .flatten()
            .chain(hosts)
    });
    let (distance, near) = names
        .map(|it| (strsim::damerau_levenshtein(name, it), it))
        .min()?;
    (distance <= 3 && distance * 3 <= name.len()).then(|| near.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::routing::rates::RequestCounts;

    fn services() -> Vec<ServiceStatus> {
        let service = |name: &str, routes: &[&str]| ServiceStatus {
            service: name.into(),
            routes: routes.iter().map(|it| (*it).to_owned()).collect(),
            ready: 0,
            total: 0,
            states: Default::default(),
            ejected: 0,
            probes_disbelieved: false,
            probe: None,
            endpoints: None,
            requests: RequestCounts::default(),
        };
        vec![
            service("shop_web", &["shop.test/", "*.shop.test/"]),
            service("shop_api", &["shop.test/api"]),
            service("db", &["tcp://db.test"]),
        ]
    }

    #[test]
    fn services_are_meant_by_name_stack_or_host() {
        let all = ["shop_web", "shop_api", "db"];
        for (names, meant) in [
            (&[][..], &all[..]),
            (&["shop_api"], &["shop_api"]),
            (&["shop"], &["shop_web", "shop_api"]),
            (&["Shop.test"], &["shop_web", "shop_api"]),
            (&["a.shop.test"], &["shop_web"]),
            (&["*.shop.test"], &["shop_web"]),
            (&["db.test", "shop_api"], &["shop_api", "db"]),
        ] {
            let names: Vec<String> = names.iter().map(|it| (*it).to_owned()).collect();
            assert_eq!(unknown(&services(), &names), None, "{names:?}");
            let found = matching(services(), &names);
            let found: Vec<&str> = found.iter().map(|it| &*it.service).collect();
            assert_eq!(found, meant, "{names:?}");
        }
    }

    #[test]
    fn a_name_that_nobody_has_gets_a_suggestion() {
        for (name, suggestion) in [
            ("shop_wbe", Some("shop_web")),
            ("shpo", Some("shop")),
            ("shop.tset", Some("shop.test")),
            ("nothing", None),
            ("shop_", Some("shop")),
        ] {
            let found = unknown(&services(), &["db".to_owned(), name.to_owned()]);
            let found = found.expect("it is unknown");
            assert_eq!(found.name, name);
            assert_eq!(found.suggestion.as_deref(), suggestion, "{name}");
        }
    }
}
