//! Whether hosts that are not `.local` can be reached from outside the cluster.

use std::collections::BTreeSet;

use super::{Condition, Truth};
use crate::core::model::route::HostPattern;
use crate::core::model::snapshot::Snapshot;

/// The most hosts that the condition names. Three show which kind they are of; `status` lists all routes.
const NAMED: usize = 3;

/// What brings requests from outside to the gateways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Entrance {
    /// A gateway that is known here has a public listener, with TLS or without.
    pub listener: bool,
    /// A proxy in front is trusted (`--trusted-proxies`).
    pub proxy: bool,
}

/// Whether public hosts can be reached. `None` if no route has one.
#[must_use]
pub fn exposure(snapshot: &Snapshot, entrance: Entrance) -> Option<Condition> {
    let http = snapshot.routes.keys().map(|key| &key.host);
    let hosts = http.chain(snapshot.tcp_routes.keys());
    let public: BTreeSet<&HostPattern> = hosts.filter(|host| !host.is_local()).collect();
    if public.is_empty() {
        return None;
    }

    let (status, reason, message) = match entrance {
        Entrance { listener: true, .. } => (Truth::True, "PublicListener", String::new()),
        Entrance { proxy: true, .. } => (
            Truth::True,
            "BehindProxy",
            "no gateway has a public listener: taken to come by a proxy of --trusted-proxies"
                .to_owned(),
        ),
        _ => (Truth::False, "NoPublicListener", unreachable(&public)),
    };
    Some(Condition {
        kind: "PublicHostsReachable".to_owned(),
        status,
        reason: reason.to_owned(),
        message,
        since: None,
    })
}

fn unreachable(hosts: &BTreeSet<&HostPattern>) -> String {
    let named = hosts.iter().take(NAMED).map(ToString::to_string);
    let named = named.collect::<Vec<_>>().join(", ");
    let more = match hosts.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    format!(
        "labels have public hosts ({named}{more}), and no gateway has a public listener: start one with --listen-public \
         or --listen-public-tls, or name the proxy in front of it with --trusted-proxies"
    )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::core::model::route::PathPrefix;
    use crate::core::model::snapshot::RouteKey;

    fn snapshot(hosts: &[&str]) -> Snapshot {
        let key = |host: &&str| RouteKey {
            host: HostPattern::Exact((*host).into()),
            path: PathPrefix::root(),
        };
        let mut snapshot = Snapshot::default();
        let routes = hosts.iter().map(|host| (key(host), Arc::from([])));
        snapshot.routes.extend(routes);
        snapshot
    }

    #[test]
    fn public_hosts_without_a_public_listener_are_a_condition() {
        let nowhere = Entrance::default();
        for hosts in [&[][..], &["a.local"]] {
            assert_eq!(exposure(&snapshot(hosts), nowhere), None);
        }
        let some = snapshot(&["a.local", "a.test", "b.test", "c.test", "d.test"]);
        let listener = Entrance {
            listener: true,
            ..nowhere
        };
        let proxy = Entrance {
            proxy: true,
            ..nowhere
        };
        for (entrance, status, reason) in [
            (nowhere, Truth::False, "NoPublicListener"),
            (listener, Truth::True, "PublicListener"),
            (proxy, Truth::True, "BehindProxy"),
        ] {
            let condition = exposure(&some, entrance).expect("a condition");
            assert_eq!((condition.status, &*condition.reason), (status, reason));
        }
        let message = exposure(&some, nowhere).expect("a condition").message;
        assert!(
            message.contains("(a.test, b.test, c.test and 1 more)"),
            "{message}"
        );
    }

    #[test]
    fn a_host_that_is_passed_on_is_public_too() {
        let mut snapshot = snapshot(&[]);
        let host = HostPattern::Under("db.test".into());
        snapshot.tcp_routes.insert(host, Arc::from([]));
        let condition = exposure(&snapshot, Entrance::default());
        let message = condition.expect("a condition").message;
        assert!(message.contains("(*.db.test)"), "{message}");
    }
}
