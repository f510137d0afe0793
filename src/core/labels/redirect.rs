//! `routing.redirect`: where all requests are sent instead.

use super::path::check_characters;
use super::report::LabelFault;
use crate::core::model::middleware::Redirect;
use crate::core::model::route::{HostPattern, RouteSpec, Scheme, ServiceSpec};

/// What a redirect is answered with unless another is written: permanent, and method and body are kept.
const STATUS: u16 = 308;

/// `[status] URL`, such as `https://other.example.com` or `302 https://example.com/closed`.
pub(super) fn parse(value: &str) -> Result<Redirect, LabelFault> {
    let value = value.trim();
    let (status, target) = match value.split_once(char::is_whitespace) {
        Some((status, target)) => (self::status(status)?, target.trim_start()),
        None => (STATUS, value),
    };
    let lower = target.to_ascii_lowercase();
    let scheme = ["https://", "http://"]
        .into_iter()
        .find(|scheme| lower.starts_with(scheme));
    let Some(scheme) = scheme else {
        let fault = LabelFault::error(
            "is no http or https URL",
            "write a whole one, such as https://other.example.com",
        );
        return Err(match authority_is_sound(target) && target.contains('.') {
            true => fault.suggesting(format!("https://{target}")),
            false => fault,
        });
    };
    let rest = &target[scheme.len()..];
    if let Some(index) = target.find(['?', '#']) {
        return Err(LabelFault::error(
            "has a query or a fragment, but those of the request are kept",
            "leave out everything from there",
        )
        .suggesting(&target[..index]));
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if !authority_is_sound(authority) {
        return Err(LabelFault::error(
            "has no host after its scheme, or one that cannot be a host",
            "write a name or an address, and a port where it is not the usual one",
        ));
    }
    check_characters(path)?;
    Ok(Redirect {
        status,
        target: format!("{scheme}{authority}{}", path.trim_end_matches('/')).into(),
    })
}

/// What is wrong with a redirect that leads back to the route that it stands on, by the same path: its clients never
/// arrive. Whether one that leads to another path arrives depends on what else claims that.
pub(super) fn circle(spec: &ServiceSpec) -> Option<LabelFault> {
    let redirect = spec.policy.middleware.as_ref()?.redirect.as_ref()?;
    let target = Target::of(redirect)?;
    if !target.path.is_empty() {
        return None;
    }
    let strips = |route: &RouteSpec| spec.policy.strip_prefix && &*route.path.0 != "/";
    let mut routes = spec.routes.iter().filter(|route| !strips(route));
    let route = routes.find(|route| target.reaches(route))?;
    let remedy = match (target.is_https, route.scheme) {
        (true, Scheme::Any) => {
            "to bring all to HTTPS, write https:// before the host in hiveway.routing.port_N instead; else name another host"
        }
        _ => "name another host, or take this one out of hiveway.routing.port_N",
    };
    let reason = format!(
        "leads back to {route}, a route of this service, so that its clients are sent in a circle"
    );
    Some(LabelFault::error(reason, remedy))
}

/// The parts of a redirect's target.
pub(crate) struct Target<'a> {
    is_https: bool,
    host: String,
    pub(crate) path: &'a str,
}

impl<'a> Target<'a> {
    /// None where it names a port of its own, behind which another server may listen.
    pub(crate) fn of(redirect: &'a Redirect) -> Option<Self> {
        let (scheme, rest) = redirect.target.split_once("://")?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let is_https = scheme == "https";
        let usual = if is_https { ":443" } else { ":80" };
        let host = authority.strip_suffix(usual).unwrap_or(authority);
        let host = host.strip_suffix('.').unwrap_or(host).to_ascii_lowercase();
        (!host.contains(':')).then_some(Self {
            is_https,
            host,
            path,
        })
    }

    /// Whether requests for the target's host and scheme come to this route, if their path does. A wildcard is
    /// not certain: any other service may claim the name itself.
    pub(crate) fn reaches(&self, route: &RouteSpec) -> bool {
        let same_host = matches!(&route.host, HostPattern::Exact(host) if **host == *self.host);
        same_host
            && match route.scheme {
                Scheme::Any | Scheme::Grpc => true,
                Scheme::Http => !self.is_https,
                // A plain request is sent to HTTPS, and comes to the route after all.
                Scheme::Https => true,
                Scheme::Tcp => false,
            }
    }
}

fn status(text: &str) -> Result<u16, LabelFault> {
    match text {
        "301" => Ok(301),
        "302" => Ok(302),
        "307" => Ok(307),
        "308" => Ok(308),
        _ => Err(LabelFault::error(
            "does not begin with a status of a redirect that keeps the path",
            "write 301, 302, 307 or 308 before the URL, or the URL alone for 308",
        )),
    }
}

/// Whether this is a host and perhaps a port; an IPv6 address stands in brackets.
fn authority_is_sound(authority: &str) -> bool {
    let (host, port) = match authority.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) => match address.parse::<std::net::Ipv6Addr>() {
                Ok(_) => ("v6", port),
                Err(_) => return false,
            },
            None => return false,
        },
        None => authority.split_at(authority.find(':').unwrap_or(authority.len())),
    };
    let port_is_sound = match port.strip_prefix(':') {
        Some(digits) => digits.parse::<u16>().is_ok_and(|port| port > 0),
        None => port.is_empty(),
    };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    port_is_sound && !host.is_empty() && host.len() <= 253 && host.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_url_and_a_status_may_stand_before_it() {
        for (value, status, target) in [
            ("https://b.example.com", 308, "https://b.example.com"),
            (
                " HTTP://b.example.com:8080/ ",
                308,
                "http://b.example.com:8080",
            ),
            (
                "301 https://b.example.com/new/",
                301,
                "https://b.example.com/new",
            ),
            ("302\thttp://10.0.0.1", 302, "http://10.0.0.1"),
            (
                "307  https://[2001:db8::1]:444",
                307,
                "https://[2001:db8::1]:444",
            ),
        ] {
            let expected = Redirect {
                status,
                target: target.into(),
            };
            assert_eq!(parse(value), Ok(expected), "{value}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_the_reason() {
        let no_url = "is no http or https URL";
        let no_host = "has no host after its scheme, or one that cannot be a host";
        let query = "has a query or a fragment, but those of the request are kept";
        let status = "does not begin with a status of a redirect that keeps the path";
        for (value, reason, suggestion) in [
            ("", no_url, None),
            ("b.example.com", no_url, Some("https://b.example.com")),
            ("ftp://b.example.com", no_url, None),
            ("/elsewhere", no_url, None),
            ("https://", no_host, None),
            ("https:///x", no_host, None),
            ("https://b.example.com:0", no_host, None),
            ("https://user@b.example.com", no_host, None),
            ("https://[::1", no_host, None),
            (
                "https://b.example.com?x=1",
                query,
                Some("https://b.example.com"),
            ),
            ("303 https://b.example.com", status, None),
            ("https://b.example.com https://c.example.com", status, None),
            (
                "https://b.example.com/\u{e4}",
                "has 'ä' in its path, which cannot stand there as it is",
                None,
            ),
        ] {
            let fault = parse(value).expect_err(value);
            let said = (fault.reason.as_str(), fault.suggestion.as_deref());
            assert_eq!(said, (reason, suggestion), "{value}");
        }
    }
}
