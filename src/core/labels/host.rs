//! The host of a route: a name, or `*.` and a name.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::report::{LabelFault, shown};
use crate::core::model::route::HostPattern;

/// The most that DNS allows for one label of a name, in bytes (RFC 1035, 2.3.4).
const LONGEST_LABEL: usize = 63;
/// The most that DNS allows for a whole name as it is written, without the trailing dot.
const LONGEST_NAME: usize = 253;

/// A name of one label is completed by the suffix. Suggestions are for the host, not for the item.
pub(super) fn parse(written: &str, suffix: Option<&str>) -> Result<HostPattern, LabelFault> {
    check_shape(written)?;
    let lower = written.to_ascii_lowercase();
    let (name, is_wildcard) = match lower.strip_prefix("*.") {
        Some(name) => (name, true),
        None => (lower.as_str(), false),
    };
    let name = name.strip_suffix('.').unwrap_or(name);
    for label in name.split('.') {
        check_label(label, &lower)?;
    }
    if is_wildcard {
        check_name(name)?;
        return Ok(HostPattern::Under(name.into()));
    }
    let name = if name.contains('.') {
        name.to_owned()
    } else {
        let suffix = suffix.ok_or_else(|| {
            LabelFault::error(
                "is a single label, and there is no --domain-suffix to complete it",
                "write the whole name, such as shop.example.com, or set --domain-suffix",
            )
        })?;
        format!("{name}.{suffix}")
    };
    check_name(&name)?;
    Ok(HostPattern::Exact(name.into()))
}

/// Refuses what is no name at all but something else that people put in its place.
fn check_shape(written: &str) -> Result<(), LabelFault> {
    if written.is_empty() {
        return Err(LabelFault::error(
            "names no host",
            "write a host name before the path",
        ));
    }
    check_separators(written)?;
    if let Some((_, host)) = written.rsplit_once('@') {
        return Err(LabelFault::error(
            "has a user before the host, by which no route is chosen",
            "leave out everything up to the @",
        )
        .suggesting(host));
    }
    let before_colon = written.split(':').next().unwrap_or(written);
    if written.starts_with('[')
        || before_colon.parse::<Ipv4Addr>().is_ok()
        || written.parse::<Ipv6Addr>().is_ok()
    {
        return Err(LabelFault::error(
            "is an IP address where a host name must stand",
            "write the name by which clients call the service",
        ));
    }
    if let Some((host, port)) = written.split_once(':') {
        return Err(if port.bytes().all(|byte| byte.is_ascii_digit()) {
            LabelFault::error(
                "has a port, but a route serves its host on every port that is listened on",
                "leave the port out; the container's port is the number in the label's key",
            )
            .suggesting(host)
        } else {
            LabelFault::error(
                "has a colon in its host",
                "write a name of letters, digits, hyphens and dots",
            )
        });
    }
    if !written.is_ascii() {
        return Err(LabelFault::error(
            "is not in ASCII, which is how clients send host names",
            "write the name in its xn-- form, as `idn` or a browser's address bar shows it",
        ));
    }
    Ok(())
}

/// Refuses several items written as one.
pub(super) fn check_separators(written: &str) -> Result<(), LabelFault> {
    match written.find(|character: char| character == ',' || character.is_whitespace()) {
        Some(_) => Err(LabelFault::error(
            "has a comma or a blank in its host",
            "separate several hosts by semicolons",
        )),
        None => Ok(()),
    }
}

fn check_label(label: &str, host: &str) -> Result<(), LabelFault> {
    if label.is_empty() {
        return Err(LabelFault::error(
            "has an empty label in its host: a dot at the start or next to another",
            "write single dots between the labels",
        ));
    }
    if label.contains('*') {
        return Err(LabelFault::error(
            "has a `*` elsewhere than as its whole first label",
            "write *.example.com to match every name under example.com",
        ));
    }
    if label.contains('_') {
        return Err(LabelFault::error(
            "has an underscore, which host names cannot hold",
            "write a hyphen for it",
        )
        .suggesting(host.replace('_', "-")));
    }
    let allowed = |character: char| character.is_ascii_alphanumeric() || character == '-';
    if let Some(character) = label.chars().find(|character| !allowed(*character)) {
        return Err(LabelFault::error(
            format!("has {character:?} in its host"),
            "write a name of letters, digits, hyphens and dots",
        ));
    }
    if label.starts_with('-') || label.ends_with('-') {
        return Err(LabelFault::error(
            format!(
                "has the label \"{}\", which starts or ends with a hyphen",
                shown(label)
            ),
            "start and end each label with a letter or a digit",
        ));
    }
    if label.len() > LONGEST_LABEL {
        return Err(LabelFault::error(
            format!("has a label of {} characters between two dots", label.len()),
            format!("write at most {LONGEST_LABEL}, the limit of DNS"),
        ));
    }
    Ok(())
}

/// Refuses what DNS would not resolve, though each label is right.
fn check_name(name: &str) -> Result<(), LabelFault> {
    if name.len() > LONGEST_NAME {
        return Err(LabelFault::error(
            format!("makes a host name of {} characters", name.len()),
            format!("write at most {LONGEST_NAME}, the limit of DNS"),
        ));
    }
    let last = name.rsplit('.').next().unwrap_or(name);
    if last.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(LabelFault::error(
            "ends in a number, as only IP addresses do",
            "write the name by which clients call the service",
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_wildcards_are_hosts() {
        let exact = |name: &str| HostPattern::Exact(name.into());
        let under = |name: &str| HostPattern::Under(name.into());
        for (written, expected) in [
            ("shop.example.com", exact("shop.example.com")),
            ("restserver.local", exact("restserver.local")),
            ("Shop.Example.COM.", exact("shop.example.com")),
            ("xn--bcher-kva.example", exact("xn--bcher-kva.example")),
            ("1.example.com", exact("1.example.com")),
            ("shop", exact("shop.mesh.example")),
            ("shop.", exact("shop.mesh.example")),
            ("80", exact("80.mesh.example")),
            ("*.example.com", under("example.com")),
            ("*.Example.com.", under("example.com")),
            ("*.local", under("local")),
        ] {
            assert_eq!(
                parse(written, Some("mesh.example")),
                Ok(expected),
                "{written:?}"
            );
        }
    }

    #[test]
    fn a_single_label_needs_the_suffix() {
        assert_eq!(
            parse("shop", None),
            Err(LabelFault::error(
                "is a single label, and there is no --domain-suffix to complete it",
                "write the whole name, such as shop.example.com, or set --domain-suffix",
            ))
        );
    }

    #[test]
    fn lengths_are_those_of_dns() {
        let label = "a".repeat(63);
        let name = format!("{label}.{label}.{label}.{}", "a".repeat(61));
        assert_eq!(
            parse(&name, None),
            Ok(HostPattern::Exact(name.as_str().into()))
        );
        for (written, reason) in [
            (
                format!("a{name}"),
                "has a label of 64 characters between two dots",
            ),
            (format!("{name}a"), "makes a host name of 254 characters"),
            (format!("*.{name}a"), "makes a host name of 254 characters"),
        ] {
            assert_eq!(
                parse(&written, None).unwrap_err().reason,
                reason,
                "{written}"
            );
        }
        let suffix = &name[64..];
        let completed = parse(&label, Some(suffix));
        assert_eq!(completed, Ok(HostPattern::Exact(name.as_str().into())));
        let completed = parse(&label, Some(&format!("{suffix}a")));
        assert_eq!(
            completed.unwrap_err().reason,
            "makes a host name of 254 characters"
        );
    }

    #[test]
    fn anything_else_is_refused_with_its_own_reason() {
        let ip = "is an IP address where a host name must stand";
        let number = "ends in a number, as only IP addresses do";
        let port = "has a port, but a route serves its host on every port that is listened on";
        let user = "has a user before the host, by which no route is chosen";
        let empty = "has an empty label in its host: a dot at the start or next to another";
        let star = "has a `*` elsewhere than as its whole first label";
        let several = "has a comma or a blank in its host";
        let ascii = "is not in ASCII, which is how clients send host names";
        let underscore = "has an underscore, which host names cannot hold";
        for (written, reason, suggestion) in [
            ("", "names no host", None),
            ("10.0.0.1", ip, None),
            ("10.0.0.1:80", ip, None),
            ("::1", ip, None),
            ("[::1]", ip, None),
            ("[::1]:80", ip, None),
            ("1.2.3", number, None),
            ("shop.1", number, None),
            ("*.10.0.0.1", number, None),
            ("a.b:80", port, Some("a.b")),
            ("a.b:", port, Some("a.b")),
            ("a.b:http", "has a colon in its host", None),
            ("u:p@a.b", user, Some("a.b")),
            ("@a.b", user, Some("a.b")),
            (".a.b", empty, None),
            ("a..b", empty, None),
            ("a.b..", empty, None),
            (".", empty, None),
            ("*.", empty, None),
            ("*", star, None),
            ("*.*.a.b", star, None),
            ("a.*.b", star, None),
            ("*a.b", star, None),
            ("a.b,c.d", several, None),
            ("a.b c.d", several, None),
            ("bücher.example", ascii, None),
            ("web_shop.a.b", underscore, Some("web-shop.a.b")),
            ("a.b\u{0}", "has '\\0' in its host", None),
            ("${HOST}.a.b", "has '$' in its host", None),
            (
                "-a.b",
                "has the label \"-a\", which starts or ends with a hyphen",
                None,
            ),
            (
                "a-.b",
                "has the label \"a-\", which starts or ends with a hyphen",
                None,
            ),
        ] {
            let fault = parse(written, Some("mesh.example")).unwrap_err();
            assert_eq!(
                (fault.reason.as_str(), fault.suggestion.as_deref()),
                (reason, suggestion),
                "{written:?}"
            );
        }
    }
}
