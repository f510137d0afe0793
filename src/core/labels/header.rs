//! `routing.headers.request.NAME` and `routing.headers.response.NAME`: headers that are set or removed.

use std::sync::Arc;

use super::report::LabelFault;

/// Whose headers a label sets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Side {
    /// Those of requests, before the service gets them.
    Request,
    /// Those of answers, before the client gets them.
    Response,
}

/// A header that a label may set: its name is well formed, in lower case and not one of those that others own.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Header {
    pub(super) side: Side,
    pub(super) name: Arc<str>,
}

/// How the name of such a key begins.
pub(super) const PREFIXES: [(&str, Side); 2] = [
    ("routing.headers.request.", Side::Request),
    ("routing.headers.response.", Side::Response),
];

/// What HTTP itself is made of, on either side: it is written by whoever holds the connection.
const FRAMING: [&str; 9] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-authenticate",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The longest name; longer ones are slips of the pen.
const LONGEST: usize = 80;

/// Reads the key that is left behind the prefix, under which any case may be written; none where this is no such key.
pub(super) fn of_key(name: &str) -> Option<Result<Header, LabelFault>> {
    let (prefix, side) = PREFIXES
        .iter()
        .find(|(prefix, _)| name.starts_with(prefix))?;
    Some(parse(&name[prefix.len()..], *side))
}

fn parse(name: &str, side: Side) -> Result<Header, LabelFault> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() {
        return Err(LabelFault::error(
            "the key names no header",
            "write its name at the end, such as routing.headers.request.x-tenant",
        ));
    }
    if name.len() > LONGEST || !name.bytes().all(allowed) {
        return Err(LabelFault::error(
            "the key ends in what cannot be the name of a header",
            "use letters, digits and hyphens",
        ));
    }
    let name = name.to_ascii_lowercase();
    let owned = FRAMING.contains(&name.as_str())
        || match side {
            Side::Request => matches!(name.as_str(), "host" | "expect" | "proxy-authorization"),
            Side::Response => matches!(name.as_str(), "content-encoding" | "date"),
        };
    if owned {
        return Err(LabelFault::error(
            format!("the key names {name}, which belongs to the connection and not to the service"),
            "remove the label",
        ));
    }
    Ok(Header {
        side,
        name: name.into(),
    })
}

/// What a header is set to; empty where it is removed.
pub(super) fn value(written: &str) -> Result<Arc<str>, LabelFault> {
    let value = written.trim();
    let allowed = |character: char| character == '\t' || matches!(character, ' '..='~');
    if let Some(character) = value.chars().find(|character| !allowed(*character)) {
        return Err(LabelFault::error(
            format!("has {character:?}, which cannot stand in a header"),
            "use printable ASCII on one line; an empty value removes the header",
        ));
    }
    if value.len() > 4_096 {
        return Err(LabelFault::error(
            "is longer than 4096 bytes",
            "write a shorter value: it is added to every message",
        ));
    }
    Ok(value.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_the_key_is_a_header_in_any_case() {
        for (key, side, name) in [
            (
                "routing.headers.request.X-Tenant",
                Side::Request,
                "x-tenant",
            ),
            ("routing.headers.response.server", Side::Response, "server"),
            ("routing.headers.request.a.b", Side::Request, "a.b"),
            ("routing.headers.response.host", Side::Response, "host"),
        ] {
            let header = Header {
                side,
                name: name.into(),
            };
            assert_eq!(of_key(key), Some(Ok(header)), "{key}");
        }
        assert_eq!(of_key("routing.headers.x"), None);
    }

    #[test]
    fn what_cannot_be_set_is_refused() {
        for (key, reason) in [
            ("request.", "the key names no header"),
            ("request.x y", "cannot be the name of a header"),
            ("response.bücher", "cannot be the name of a header"),
            (
                "request.Host",
                "names host, which belongs to the connection",
            ),
            ("request.Transfer-Encoding", "names transfer-encoding"),
            ("response.Content-Length", "names content-length"),
            ("response.content-encoding", "names content-encoding"),
        ] {
            let fault = of_key(&format!("routing.headers.{key}"));
            let fault = fault.expect("a header's key").expect_err(key);
            assert!(fault.reason.contains(reason), "{key}: {}", fault.reason);
        }
        for (written, expected) in [
            (" a b ", Some("a b")),
            ("", Some("")),
            ("a\nb", None),
            ("ü", None),
            ("\u{7f}", None),
        ] {
            assert_eq!(value(written).ok().as_deref(), expected, "{written:?}");
        }
    }
}
