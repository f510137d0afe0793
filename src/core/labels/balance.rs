//! `routing.balance`: how an endpoint is chosen.

use super::report::{LabelFault, shown};
use crate::core::model::route::Balance;

/// Every form of the value, as the label reference writes it.
const FORMS: [&str; 7] = [
    "round_robin",
    "least_request",
    "peak_ewma",
    "random",
    "hash:source",
    "hash:header:NAME",
    "hash:cookie:NAME",
];

pub(super) fn parse(value: &str) -> Result<Balance, LabelFault> {
    let value = value.trim();
    match value {
        "round_robin" => Ok(Balance::RoundRobin),
        "least_request" => Ok(Balance::LeastRequest),
        "peak_ewma" => Ok(Balance::PeakEwma),
        "random" => Ok(Balance::Random),
        "hash:source" => Ok(Balance::HashSource),
        _ => {
            if let Some(name) = value.strip_prefix("hash:header:") {
                // Header names have no case; the lower one is how HTTP/2 writes them.
                token(name).map(|name| Balance::HashHeader(name.to_ascii_lowercase().into()))
            } else if let Some(name) = value.strip_prefix("hash:cookie:") {
                token(name).map(|name| Balance::HashCookie(name.into()))
            } else {
                Err(unknown(value))
            }
        }
    }
}

/// The name of a header or a cookie, which HTTP calls a token.
fn token(name: &str) -> Result<&str, LabelFault> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() {
        return Err(LabelFault::error(
            "names no header or cookie to hash",
            "write its name after the last colon, such as hash:header:x-user",
        ));
    }
    if name.bytes().all(allowed) {
        return Ok(name);
    }
    Err(LabelFault::error(
        format!(
            "\"{}\" cannot be the name of a header or cookie",
            shown(name)
        ),
        "use letters, digits and hyphens",
    ))
}

fn unknown(value: &str) -> LabelFault {
    let fault = LabelFault::error(
        "is no way to choose an endpoint",
        format!("write one of {}", FORMS.join(", ")),
    );
    let written = value.to_ascii_lowercase().replace(['-', ' '], "_");
    let near = FORMS
        .iter()
        .filter(|form| !form.ends_with("NAME"))
        .find(|form| strsim::normalized_damerau_levenshtein(&written, form) >= 0.7);
    match near {
        Some(form) if value.len() <= 80 => fault.suggesting(*form),
        _ => fault,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_form_is_understood() {
        for (value, expected) in [
            ("round_robin", Balance::RoundRobin),
            (" least_request ", Balance::LeastRequest),
            ("peak_ewma", Balance::PeakEwma),
            ("random", Balance::Random),
            ("hash:source", Balance::HashSource),
            ("hash:header:X-User", Balance::HashHeader("x-user".into())),
            ("hash:cookie:Sid", Balance::HashCookie("Sid".into())),
        ] {
            assert_eq!(parse(value), Ok(expected), "{value:?}");
        }
    }

    #[test]
    fn anything_else_is_refused() {
        let unknown = "is no way to choose an endpoint";
        let nameless = "names no header or cookie to hash";
        for (value, reason, suggestion) in [
            ("", unknown, None),
            ("Round-Robin", unknown, Some("round_robin")),
            ("leastrequest", unknown, Some("least_request")),
            ("hash:sources", unknown, Some("hash:source")),
            ("hash", unknown, None),
            ("fastest", unknown, None),
            ("hash:header:", nameless, None),
            ("hash:cookie:", nameless, None),
            (
                "hash:header:a b",
                "\"a b\" cannot be the name of a header or cookie",
                None,
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
