//! `probe.url`: what a probe asks of a task.

use super::number;
use super::path::check_characters;
use super::report::{LabelFault, shown};
use crate::core::model::route::Check;

/// What HTTP probes ask when no port is written.
const HTTP_PORT: u16 = 80;

const REMEDY: &str =
    "write http://container[:PORT][/path], tcp://container:PORT, or none for no probe";

pub(super) fn parse(value: &str) -> Result<Check, LabelFault> {
    let value = value.trim();
    if value.eq_ignore_ascii_case("none") {
        return Ok(Check::None);
    }
    if value.is_empty() {
        return Err(LabelFault::error("is empty", REMEDY));
    }
    let Some((scheme, rest)) = value.split_once("://") else {
        return Err(
            LabelFault::error("has no scheme", REMEDY).suggesting(format!("http://{value}"))
        );
    };
    let (authority, target) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    match scheme.to_ascii_lowercase().as_str() {
        "http" => {
            let port = port(scheme, authority, target)?.unwrap_or(HTTP_PORT);
            let path = path(scheme, authority, target)?;
            Ok(Check::Http {
                port,
                path: path.into(),
            })
        }
        "tcp" => {
            let Some(port) = port(scheme, authority, target)? else {
                return Err(LabelFault::error(
                    "has no port, which a TCP probe needs",
                    "write tcp://container:PORT",
                ));
            };
            match target {
                "" => Ok(Check::Tcp { port }),
                _ => Err(LabelFault::error(
                    "has a path, which a TCP probe cannot ask for",
                    "leave the path out, or probe by http://",
                )
                .suggesting(format!("{scheme}://{authority}"))),
            }
        }
        "https" => Err(LabelFault::error(
            "asks for TLS, which probes do not speak",
            "probe a plain port of the container by http://, or any port by tcp://container:PORT",
        )),
        _ => Err(LabelFault::error(
            format!("has the unknown scheme \"{}\"", shown(scheme)),
            REMEDY,
        )),
    }
}

/// The port that follows the literal host.
fn port(scheme: &str, authority: &str, target: &str) -> Result<Option<u16>, LabelFault> {
    let (host, port) = match authority.split_once(':') {
        Some((host, port)) => (host, Some(port)),
        None => (authority, None),
    };
    if !host.eq_ignore_ascii_case("container") {
        let port = port.map(|port| format!(":{port}")).unwrap_or_default();
        return Err(LabelFault::error(
            format!("names the host \"{}\"", shown(host)),
            "write the literal word container, which stands for the address of each task",
        )
        .suggesting(format!("{scheme}://container{port}{target}")));
    }
    let Some(port) = port else {
        return Ok(None);
    };
    let number = number::parse(port, 1..=u16::MAX);
    // Blanks around a number are fine in a label of its own, not inside a URL.
    number
        .ok()
        .filter(|_| port.trim() == port)
        .map(Some)
        .ok_or_else(|| {
            LabelFault::error(
                format!("\"{}\" is no port", shown(port)),
                "write a port from 1 to 65535 after the colon",
            )
        })
}

/// Path and query as they are sent, so a last slash stays.
fn path<'a>(scheme: &str, authority: &str, target: &'a str) -> Result<&'a str, LabelFault> {
    if let Some(index) = target.find('#') {
        return Err(LabelFault::error(
            "has a fragment, which is never sent",
            "leave out everything from the #",
        )
        .suggesting(format!("{scheme}://{authority}{}", &target[..index])));
    }
    if target.starts_with('?') {
        return Err(LabelFault::error(
            "has a query without a path",
            "write a slash before the question mark",
        )
        .suggesting(format!("{scheme}://{authority}/{target}")));
    }
    check_characters(target)?;
    Ok(if target.is_empty() { "/" } else { target })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_understood() {
        let http = |port, path: &str| Check::Http {
            port,
            path: path.into(),
        };
        for (value, expected) in [
            ("http://container:80", http(80, "/")),
            ("http://container", http(80, "/")),
            (" HTTP://Container:8080/health/ ", http(8080, "/health/")),
            ("http://container/a?b=c&d=%20", http(80, "/a?b=c&d=%20")),
            ("http://container/?q", http(80, "/?q")),
            ("tcp://container:6379", Check::Tcp { port: 6379 }),
            ("none", Check::None),
            (" NONE ", Check::None),
        ] {
            assert_eq!(parse(value), Ok(expected), "{value:?}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for (value, reason, suggestion) in [
            ("", "is empty", None),
            ("container:80", "has no scheme", Some("http://container:80")),
            (
                "https://container",
                "asks for TLS, which probes do not speak",
                None,
            ),
            ("udp://container:1", "has the unknown scheme \"udp\"", None),
            (
                "http://localhost:80/up",
                "names the host \"localhost\"",
                Some("http://container:80/up"),
            ),
            ("http://", "names the host \"\"", Some("http://container")),
            (
                "http://u:p@container",
                "names the host \"u\"",
                Some("http://container:p@container"),
            ),
            ("http://container:", "\"\" is no port", None),
            ("http://container:0", "\"0\" is no port", None),
            ("http://container:65536", "\"65536\" is no port", None),
            ("http://container: 80", "\" 80\" is no port", None),
            ("http://container:web", "\"web\" is no port", None),
            (
                "http://container/a#b",
                "has a fragment, which is never sent",
                Some("http://container/a"),
            ),
            (
                "http://container?a",
                "has a query without a path",
                Some("http://container/?a"),
            ),
            (
                "http://container/a b",
                "has ' ' in its path, which cannot stand there as it is",
                None,
            ),
            (
                "tcp://container",
                "has no port, which a TCP probe needs",
                None,
            ),
            (
                "tcp://container:80/up",
                "has a path, which a TCP probe cannot ask for",
                Some("tcp://container:80"),
            ),
        ] {
            let fault = parse(value).unwrap_err();
            assert_eq!(
                (fault.reason.as_str(), fault.suggestion.as_deref()),
                (reason, suggestion),
                "{value:?}"
            );
        }
    }
}
