//! One item of a `routing.port_N` label: `[scheme://]host[/path]`.

use super::report::{LabelFault, shown};
use super::{host, path, quotes, tcp_item};
use crate::core::model::route::{RouteSpec, Scheme};

/// Reads an item that has no blanks around it. A suggestion in the fault is a whole item that would be accepted.
pub(super) fn parse(item: &str, port: u16, suffix: Option<&str>) -> Result<RouteSpec, LabelFault> {
    let accepts = |item: &str| read(item, port, suffix).is_ok();
    read(item, port, suffix)
        .map_err(|fault| quotes::blame(fault.suggesting_only(accepts), item, accepts))
}

fn read(item: &str, port: u16, suffix: Option<&str>) -> Result<RouteSpec, LabelFault> {
    let (scheme, rest) = match item.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, check_colon(item)?),
    };
    let border = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(border);
    let scheme_written = &item[..item.len() - rest.len()];
    let scheme = scheme.map_or(Ok(Scheme::Any), |scheme| {
        parse_scheme(scheme).map_err(|fault| fault.embedding(|scheme| format!("{scheme}://{rest}")))
    })?;
    if scheme == Scheme::Tcp {
        return tcp_item::read(host, path, port, suffix)
            .map_err(|fault| fault.embedding(|host| format!("{scheme_written}{host}")));
    }
    Ok(RouteSpec {
        scheme,
        host: host::parse(host, suffix)
            .map_err(|fault| fault.embedding(|host| format!("{scheme_written}{host}{path}")))?,
        path: path::parse(path)
            .map_err(|fault| fault.embedding(|path| format!("{scheme_written}{host}{path}")))?,
        port,
    })
}

/// Refuses `http:/host`, which would otherwise read as a host with a port.
fn check_colon(item: &str) -> Result<&str, LabelFault> {
    match item.split_once(":/") {
        Some((scheme, rest)) if parse_scheme(scheme).is_ok() => Err(LabelFault::error(
            "has a scheme with a single slash",
            "write two slashes between scheme and host",
        )
        .suggesting(format!("{scheme}://{rest}"))),
        _ => Ok(item),
    }
}

fn parse_scheme(written: &str) -> Result<Scheme, LabelFault> {
    const REMEDY: &str =
        "write http, https, ws, wss, grpc or tcp before the ://, or no scheme at all";
    host::check_separators(written)?;
    let scheme = written.to_ascii_lowercase();
    match scheme.as_str() {
        "http" | "ws" => Ok(Scheme::Http),
        "https" | "wss" => Ok(Scheme::Https),
        "grpc" => Ok(Scheme::Grpc),
        "tcp" => Ok(Scheme::Tcp),
        "" => Err(LabelFault::error("has nothing before its ://", REMEDY)),
        _ => {
            let fault = LabelFault::error(
                format!("has the unknown scheme \"{}\"", shown(written)),
                REMEDY,
            );
            // Two slips of the pen at most, in words this short.
            let near = ["http", "https", "grpc", "wss", "tcp"]
                .into_iter()
                .find(|known| scheme.len() <= 8 && strsim::osa_distance(&scheme, known) == 1);
            Err(match near {
                Some(near) => fault.suggesting(near),
                None => fault,
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::model::route::{HostPattern, Level, PathPrefix};

    fn route(scheme: Scheme, host: &str, path: &str) -> RouteSpec {
        RouteSpec {
            host: HostPattern::Exact(host.into()),
            path: PathPrefix(path.into()),
            scheme,
            port: 80,
        }
    }

    #[test]
    fn scheme_host_and_path_are_told_apart() {
        for (item, expected) in [
            ("shop", route(Scheme::Any, "shop.mesh", "/")),
            ("a.b/", route(Scheme::Any, "a.b", "/")),
            ("http://a.b", route(Scheme::Http, "a.b", "/")),
            ("WS://a.b/x/", route(Scheme::Http, "a.b", "/x")),
            ("Https://A.b", route(Scheme::Https, "a.b", "/")),
            ("wss://a.b/chat", route(Scheme::Https, "a.b", "/chat")),
            (
                "grpc://a.b/pkg.Service",
                route(Scheme::Grpc, "a.b", "/pkg.Service"),
            ),
            ("TCP://A.b", route(Scheme::Tcp, "a.b", "/")),
            ("tcp://db/", route(Scheme::Tcp, "db.mesh", "/")),
            ("a.b/x:y", route(Scheme::Any, "a.b", "/x:y")),
        ] {
            assert_eq!(parse(item, 80, Some("mesh")), Ok(expected), "{item:?}");
        }
    }

    #[test]
    fn a_refused_item_says_why_and_suggests_a_whole_item() {
        for (item, reason, suggestion) in [
            (
                "https://a.b:443/x",
                "has a port, but a route serves its host on every port that is listened on",
                Some("https://a.b/x"),
            ),
            (
                "https://a.b/x?y",
                "has a query, but routes are chosen by host and path alone",
                Some("https://a.b/x"),
            ),
            (
                "a.b?y",
                "has a query, but routes are chosen by host and path alone",
                Some("a.b"),
            ),
            (
                "htps://a.b",
                "has the unknown scheme \"htps\"",
                Some("https://a.b"),
            ),
            (
                "tpc://a.b",
                "has the unknown scheme \"tpc\"",
                Some("tcp://a.b"),
            ),
            ("udp://a.b", "has the unknown scheme \"udp\"", None),
            // The scheme could be mended, but the item would still be refused.
            ("htps://10.0.0.1", "has the unknown scheme \"htps\"", None),
            ("://a.b", "has nothing before its ://", None),
            ("http://", "names no host", None),
            ("http:///x", "names no host", None),
            ("/x", "names no host", None),
            (
                "http:/a.b",
                "has a scheme with a single slash",
                Some("http://a.b"),
            ),
            ("a.b http://c.d", "has a comma or a blank in its host", None),
            (
                "http://a.b, http://c.d",
                "has a comma or a blank in its host",
                None,
            ),
        ] {
            let fault = parse(item, 80, None).unwrap_err();
            assert_eq!(
                (
                    fault.level,
                    fault.reason.as_str(),
                    fault.suggestion.as_deref()
                ),
                (Level::Error, reason, suggestion),
                "{item:?}"
            );
        }
    }
}
