//! The `Forwarded` header (RFC 7239): what each proxy on the way reports of its client.
//!
//! # Design notes
//!
//! A line is read whole or not at all. A client writes the beginning of a line to which a proxy appends, so a quotation mark
//! that it leaves open would swallow what the proxy reports; such a line is malformed as a whole, and nothing of it is believed.
//! What is accepted beyond the grammar, because it is written and can be read in one way only: blanks around semicolons, and
//! addresses with colons and brackets that are not quoted.

use std::net::IpAddr;

use super::origin::node;

/// One hop: what a proxy reports of its client. Parameters that are not used (`by`, `host`, extensions) are read over.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hop {
    /// Whether it has a `for` parameter.
    pub names_client: bool,
    /// The address in `for`; `None` if there is none that can be read.
    pub client: Option<IpAddr>,
    /// Whether `proto` names a scheme over TLS; `None` without `proto`.
    pub secure: Option<bool>,
}

/// Whether a proxy reports that its client came by TLS: `https`, or `wss` as Traefik and others write it for a WebSocket.
#[must_use]
pub fn is_secure_scheme(scheme: &[u8]) -> bool {
    scheme.eq_ignore_ascii_case(b"https") || scheme.eq_ignore_ascii_case(b"wss")
}

/// Reads one line of the header, the farthest hop first. `None` if it is malformed.
#[must_use]
pub fn hops(line: &[u8]) -> Option<Vec<Hop>> {
    let mut hops = Vec::new();
    let mut rest = line;
    loop {
        let (hop, end) = hop(rest)?;
        hops.push(hop);
        match end.split_first() {
            Some((_, after)) => rest = after,
            None => return Some(hops),
        }
    }
}

/// Reads a hop up to the comma behind it, or to the end of the line.
fn hop(line: &[u8]) -> Option<(Hop, &[u8])> {
    let mut hop = Hop::default();
    let mut rest = line.trim_ascii_start();
    loop {
        match rest.first() {
            None | Some(b',') => return Some((hop, rest)),
            Some(b';') => {
                rest = rest[1..].trim_ascii_start();
                continue;
            }
            Some(_) => {}
        }

        let (name, after) = split(rest, |byte| !is_token(byte));
        let after = after.strip_prefix(b"=").filter(|_| !name.is_empty())?;
        let (value, after) = value(after)?;
        set(&mut hop, name, &value)?;

        rest = after.trim_ascii_start();
        if !matches!(rest.first(), None | Some(b',' | b';')) {
            return None;
        }
    }
}

/// Sets a parameter. `None` if it is there twice, which RFC 7239, section 4 forbids.
fn set(hop: &mut Hop, name: &[u8], value: &[u8]) -> Option<()> {
    if name.eq_ignore_ascii_case(b"for") {
        if std::mem::replace(&mut hop.names_client, true) {
            return None;
        }
        hop.client = std::str::from_utf8(value).ok().and_then(node);
    } else if name.eq_ignore_ascii_case(b"proto")
        && hop.secure.replace(is_secure_scheme(value)).is_some()
    {
        return None;
    }
    Some(())
}

/// Reads a value, quoted or not, and what follows it.
fn value(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let Some(quoted) = text.strip_prefix(b"\"") else {
        let (value, rest) = split(text, |byte| !is_token(byte) && !b":[]".contains(&byte));
        return (!value.is_empty()).then(|| (value.to_vec(), rest));
    };
    let mut value = Vec::new();
    let mut bytes = quoted.iter().enumerate();
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return Some((value, &quoted[at + 1..])),
            b'\\' => value.push(*bytes.next()?.1),
            _ => value.push(*byte),
        }
    }
    None
}

fn split(text: &[u8], ends: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| ends(*byte));
    text.split_at(end.unwrap_or(text.len()))
}

/// Whether a byte may stand in a token (RFC 9110, section 5.6.2).
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn by(client: Option<&str>, secure: Option<bool>) -> Hop {
        Hop {
            names_client: true,
            client: client.map(|it| it.parse().expect("an address")),
            secure,
        }
    }

    #[test]
    fn hops_are_read_as_the_rfc_writes_them() {
        let nobody = Hop::default();
        for (line, expected) in [
            // RFC 7239, section 4.
            ("for=\"_gazonk\"", vec![by(None, None)]),
            (
                "For=\"[2001:db8:cafe::17]:4711\"",
                vec![by(Some("2001:db8:cafe::17"), None)],
            ),
            (
                "for=192.0.2.60;proto=http;by=203.0.113.43",
                vec![by(Some("192.0.2.60"), Some(false))],
            ),
            (
                "for=192.0.2.43, for=198.51.100.17",
                vec![
                    by(Some("192.0.2.43"), None),
                    by(Some("198.51.100.17"), None),
                ],
            ),
            // Section 6.
            ("for=unknown", vec![by(None, None)]),
            (
                "for=\"192.0.2.43:47011\"",
                vec![by(Some("192.0.2.43"), None)],
            ),
            (
                "for=\"[2001:db8:cafe::17]:_port\"",
                vec![by(Some("2001:db8:cafe::17"), None)],
            ),
            ("for=_hidden, for=_SEVKISEK", vec![by(None, None); 2]),
            // Any order and case, extensions, quoted pairs.
            (
                "PROTO=\"HTTPS\";x=\"a,;\\\"b\";FOR=192.0.2.1;host=a.test",
                vec![by(Some("192.0.2.1"), Some(true))],
            ),
            ("for=\"192.0.2.\\1\"", vec![by(Some("192.0.2.1"), None)]),
            (
                "proto=wss;for=192.0.2.1",
                vec![by(Some("192.0.2.1"), Some(true))],
            ),
            (
                "proto=ws;for=192.0.2.1",
                vec![by(Some("192.0.2.1"), Some(false))],
            ),
            // Beyond the grammar, and with one meaning.
            (
                "for=192.0.2.1:80 ; proto=https",
                vec![by(Some("192.0.2.1"), Some(true))],
            ),
            ("for=[2001:db8::1]:80", vec![by(Some("2001:db8::1"), None)]),
            (";;for=192.0.2.1;", vec![by(Some("192.0.2.1"), None)]),
            // An address of IPv6 without brackets may end in a port.
            ("for=\"2001:db8::1\"", vec![by(None, None)]),
            // A hop that reports nothing is one all the same.
            ("", vec![nobody.clone()]),
            (
                "for=192.0.2.1,",
                vec![by(Some("192.0.2.1"), None), nobody.clone()],
            ),
            (
                "proto=https",
                vec![Hop {
                    secure: Some(true),
                    ..nobody
                }],
            ),
        ] {
            assert_eq!(hops(line.as_bytes()), Some(expected), "{line}");
        }
    }

    #[test]
    fn a_malformed_line_is_not_read_in_part() {
        for line in [
            "192.0.2.1",
            "for",
            "for=",
            "=192.0.2.1",
            "for =192.0.2.1",
            "for= 192.0.2.1",
            "for=192.0.2.1 for=192.0.2.2",
            "for=192.0.2.1;for=192.0.2.2",
            "proto=http;for=192.0.2.1;proto=https",
            "for=\"192.0.2.1",
            "for=\"192.0.2.1\\",
            "for=\"192.0.2.1\"x",
            // What a client leaves open ends in what a proxy appends.
            "for=6.6.6.6;x=\", for=192.0.2.1",
            "for=6.6.6.6;x=\", for=\"[2001:db8::1]\"",
            "for=6.6.6.6;x=\", for=\"[2001:db8::1]:80\";proto=\"https\"",
        ] {
            assert_eq!(hops(line.as_bytes()), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn an_appended_hop_is_the_last_or_the_line_is_malformed(
            before in "(for|proto|x|[=;,\"\\\\ ]|6\\.6\\.6\\.6|https|_a){0,12}",
            appended in prop::sample::select(vec![
                "for=192.0.2.1",
                "for=\"192.0.2.1:80\";proto=http",
                "proto=\"http\";for=192.0.2.1",
                "by=_b;for=\"192.0.2.1:_p\";host=\"a.test:80\"",
            ]),
        ) {
            let line = format!("{before}, {appended}");
            if let Some(hops) = hops(line.as_bytes()) {
                let last = hops.last().expect("a hop");
                prop_assert_eq!(last.client, "192.0.2.1".parse().ok(), "{}", line);
            }
        }

        #[test]
        fn no_bytes_panic(line in proptest::collection::vec(any::<u8>(), 0..60)) {
            let _ = hops(&line);
        }
    }
}
