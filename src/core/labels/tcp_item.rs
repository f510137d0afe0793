//! One item of a `routing.port_N` label whose scheme is `tcp`: `tcp://host`.
//!
//! # Design notes
//!
//! Bytes that are no HTTP name no host. What tells two services on one listener apart is the name in the first message of
//! TLS, so that a host is all that such an item can have. A port of its own (`tcp://db.example.com:5432`, `tcp://:5432`) would
//! ask every gateway for one more listener: a service could take any port of the node by a label, and every client would have
//! to reach it through a port that the stack of Hiveway publishes. `ports:` of the service does this already, and Swarm
//! balances it. So it is refused, with the reason.

use super::host;
use super::report::LabelFault;
use crate::core::model::route::{PathPrefix, RouteSpec, Scheme};

/// Reads what follows the scheme. Suggestions are for the host.
pub(super) fn read(
    host: &str,
    path: &str,
    port: u16,
    suffix: Option<&str>,
) -> Result<RouteSpec, LabelFault> {
    if let Some((name, digits)) = host.rsplit_once(':')
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && !name.contains(':')
    {
        let fault = LabelFault::error(
            "has a port of the gateway, but TCP routes are told apart by the name that a client asks for by TLS, on the \
             listener for TLS",
            "leave the port out where clients speak TLS from the first byte; where they do not, publish the port by `ports:`",
        );
        return Err(match name {
            "" => fault,
            name => fault.suggesting(name),
        });
    }
    if !matches!(path, "" | "/") {
        return Err(LabelFault::error(
            "has a path, which only HTTP knows",
            "leave everything behind the host out",
        )
        .suggesting(host));
    }
    let host = host::parse(host, suffix)?;
    if host.is_local() {
        return Err(LabelFault::error(
            "is a TCP route under .local, whose names exist on the internal listener only, which speaks no TLS",
            "let clients inside the cluster connect to the service's own name, by a network that both share",
        ));
    }
    Ok(RouteSpec {
        host,
        path: PathPrefix::root(),
        scheme: Scheme::Tcp,
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::super::route_item::parse;
    use crate::core::model::route::Level;

    #[test]
    fn only_a_host_that_the_outside_knows_makes_a_route() {
        let port = "has a port of the gateway";
        for (item, reason, suggestion) in [
            (
                "tcp://db.example.com:5432",
                port,
                Some("tcp://db.example.com"),
            ),
            ("tcp://:5432", port, None),
            ("tcp://", "names no host", None),
            ("tcp://10.0.0.1", "is an IP address", None),
            ("tcp://[::1]:5432", "is an IP address", None),
            (
                "tcp://db.example.com/x",
                "has a path, which only HTTP knows",
                Some("tcp://db.example.com"),
            ),
            ("tcp://db.local", "is a TCP route under .local", None),
            ("tcp://*.local", "is a TCP route under .local", None),
        ] {
            let fault = parse(item, 5432, None).expect_err(item);
            assert!(fault.reason.starts_with(reason), "{item}: {fault:?}");
            assert_eq!(
                (fault.level, fault.suggestion.as_deref()),
                (Level::Error, suggestion),
                "{item}"
            );
        }
        let written = parse("tcp://*.example.com/", 5432, None).expect("a route");
        assert_eq!(written.to_string(), "tcp://*.example.com");
    }
}
