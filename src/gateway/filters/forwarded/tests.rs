use super::*;
use crate::gateway::client::Side;

/// What is read of a client from these header lines from this peer, where 10.0.0.0/8 and ::1 are trusted.
fn said(peer: &str, lines: &[(&'static str, &str)]) -> (Option<String>, bool, RequestHeader) {
    let trusted = ["10.0.0.0/8", "::1/128"].map(|it| it.parse().expect("a network"));
    let peer: IpAddr = peer.parse().expect("an address");
    let client = Client::new(Side::Internal, peer.into(), None);
    let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
    for (name, value) in lines {
        request.append_header(*name, *value).expect("a header");
    }
    let origin = origin(&request, &client, &trusted);
    if let Origin::Unknown { behind } = origin {
        assert!(trusts(&trusted, &behind), "unknown behind {behind}");
    }
    let secure = is_secure(&request, &client, &trusted);
    set(&mut request, &client, &trusted, secure).expect("a request");
    (origin.address().map(|it| it.to_string()), secure, request)
}

const XFF: &str = "X-Forwarded-For";
const XFP: &str = "X-Forwarded-Proto";
const FWD: &str = "Forwarded";

#[test]
fn the_client_is_the_nearest_address_that_no_trusted_proxy_has() {
    let proxy = "10.0.0.1";
    for (peer, lines, expected) in [
        ("192.0.2.1", &[][..], Some("192.0.2.1")),
        ("192.0.2.1", &[(XFF, "198.51.100.1")], Some("192.0.2.1")),
        ("192.0.2.1", &[(XFF, "unknown")], Some("192.0.2.1")),
        ("192.0.2.1", &[(FWD, "for=198.51.100.1")], Some("192.0.2.1")),
        (proxy, &[], Some(proxy)),
        (proxy, &[(XFF, "198.51.100.1")], Some("198.51.100.1")),
        (
            proxy,
            &[(XFF, "203.0.113.9, 198.51.100.1,10.0.0.2")],
            Some("198.51.100.1"),
        ),
        (
            proxy,
            &[(XFF, "203.0.113.9"), (XFF, "198.51.100.1")],
            Some("198.51.100.1"),
        ),
        (proxy, &[(XFF, "10.0.0.3, 10.0.0.2")], Some("10.0.0.3")),
        ("::1", &[(XFF, "::ffff:198.51.100.1")], Some("198.51.100.1")),
        // With ports, as Azure's gateways send them.
        (proxy, &[(XFF, "203.0.113.9:4711")], Some("203.0.113.9")),
        (proxy, &[(XFF, "[2001:db8::1]:80")], Some("2001:db8::1")),
        (proxy, &[(XFF, "1.1.1.1, 10.0.0.2:80")], Some("1.1.1.1")),
        // What cannot be read is not the proxy.
        (proxy, &[(XFF, "198.51.100.1, unknown")], None),
        (
            proxy,
            &[(XFF, "unknown, 198.51.100.1")],
            Some("198.51.100.1"),
        ),
        (proxy, &[(XFF, "unknown, 10.0.0.2")], None),
        (proxy, &[(XFF, "_hidden")], None),
        (proxy, &[(XFF, "")], None),
        (proxy, &[(XFF, "198.51.100.1,")], None),
        (proxy, &[(XFF, "198.51.100.1"), (XFF, "")], None),
        (proxy, &[(XFF, "127.0.0.1 10.0.0.1")], None),
        // RFC 7239.
        (proxy, &[(FWD, "for=198.51.100.1")], Some("198.51.100.1")),
        (
            proxy,
            &[
                (FWD, "for=1.1.1.1, For=\"[2001:db8::1]:80\""),
                (FWD, "for=10.0.0.2"),
            ],
            Some("2001:db8::1"),
        ),
        (proxy, &[(FWD, "for=_hidden")], None),
        (proxy, &[(FWD, "for=unknown;proto=https")], None),
        (proxy, &[(FWD, "proto=https")], None),
        (proxy, &[(FWD, "")], None),
        (proxy, &[(FWD, "for=\"198.51.100.1")], None),
        (
            proxy,
            &[(FWD, "for=\""), (FWD, "for=1.1.1.1")],
            Some("1.1.1.1"),
        ),
        // Both.
        (
            proxy,
            &[(XFF, "1.1.1.1:80"), (FWD, "for=\"1.1.1.1:81\"")],
            Some("1.1.1.1"),
        ),
        (
            proxy,
            &[(XFF, "6.6.6.6, 1.1.1.1, 10.0.0.2"), (FWD, "for=1.1.1.1")],
            Some("1.1.1.1"),
        ),
        (
            proxy,
            &[(XFF, "1.1.1.1"), (FWD, "proto=https")],
            Some("1.1.1.1"),
        ),
        (proxy, &[(XFF, "1.1.1.1"), (FWD, "for=10.0.0.9")], None),
        (proxy, &[(XFF, "10.0.0.9"), (FWD, "for=1.1.1.1")], None),
        (proxy, &[(XFF, "1.1.1.1"), (FWD, "for=_hidden")], None),
        (proxy, &[(XFF, "1.1.1.1"), (FWD, "for=\"")], None),
        (proxy, &[(XFF, "unknown"), (FWD, "for=1.1.1.1")], None),
    ] {
        let (origin, _, _) = said(peer, lines);
        assert_eq!(origin.as_deref(), expected, "{peer} {lines:?}");
    }
}

#[test]
fn the_first_scheme_that_trusted_proxies_name_counts() {
    for (lines, secure) in [
        (&[][..], false),
        (&[(XFP, "https")], true),
        (&[(XFP, "HTTPS")], true),
        (&[(XFP, "wss")], true),
        (&[(XFP, "http")], false),
        (&[(XFP, "ws")], false),
        (&[(XFP, "https,http")], true),
        (&[(XFP, " wss , http")], true),
        (&[(XFP, "http, https")], false),
        (&[(XFP, "https"), (XFP, "http")], true),
        (&[(XFP, "http"), (XFP, "https")], false),
        (&[(XFP, "")], false),
        (&[(XFP, ",https")], false),
        (&[(XFP, "on")], false),
        (&[(XFP, "httpsx")], false),
        (&[(FWD, "for=1.1.1.1;proto=https")], true),
        (&[(FWD, "proto=\"wss\"")], true),
        (&[(FWD, "for=1.1.1.1;proto=http")], false),
        (&[(FWD, "for=1.1.1.1")], false),
        // The hop that names the client, not what the client wrote before it.
        (
            &[(FWD, "for=6.6.6.6;proto=https, for=1.1.1.1;proto=http")],
            false,
        ),
        (
            &[(FWD, "for=1.1.1.1;proto=https, for=10.0.0.2;proto=http")],
            true,
        ),
        (&[(XFP, "https"), (FWD, "for=1.1.1.1")], true),
        (&[(XFP, "https"), (FWD, "for=1.1.1.1;proto=https")], true),
        (&[(XFP, "https"), (FWD, "for=1.1.1.1;proto=http")], false),
        (&[(XFP, "http"), (FWD, "for=1.1.1.1;proto=https")], false),
    ] {
        let (_, found, _) = said("10.0.0.1", lines);
        assert_eq!(found, secure, "{lines:?}");
        let (_, found, _) = said("192.0.2.1", lines);
        assert!(!found, "{lines:?} from anybody");
    }
}

#[test]
fn a_task_is_told_one_story() {
    for (lines, chain, proto, forwarded) in [
        (
            &[(XFF, "203.0.113.9:4711")][..],
            "203.0.113.9:4711, 10.0.0.1",
            "http",
            None,
        ),
        (&[(XFF, "_hidden")], "_hidden, 10.0.0.1", "http", None),
        (&[(XFP, "wss")], "10.0.0.1", "https", None),
        (&[(XFP, "https,http")], "10.0.0.1", "https", None),
        (
            &[(FWD, "for=\"[2001:db8::1]:80\";proto=https, for=_x")],
            "2001:db8::1, unknown, 10.0.0.1",
            "http",
            Some("for=\"[2001:db8::1]:80\";proto=https, for=_x"),
        ),
        (
            &[(XFF, "1.1.1.1"), (FWD, "for=1.1.1.1")],
            "1.1.1.1, 10.0.0.1",
            "http",
            Some("for=1.1.1.1"),
        ),
        (
            &[(XFF, "1.1.1.1"), (FWD, "for=10.0.0.9")],
            "1.1.1.1, 10.0.0.1",
            "http",
            None,
        ),
        (
            &[(XFP, "https"), (FWD, "for=1.1.1.1;proto=http")],
            "1.1.1.1, 10.0.0.1",
            "http",
            Some("for=1.1.1.1;proto=http"),
        ),
        (
            &[(XFP, "http"), (FWD, "for=1.1.1.1;proto=https")],
            "1.1.1.1, 10.0.0.1",
            "http",
            None,
        ),
    ] {
        let (_, _, request) = said("10.0.0.1", lines);
        let told = |name| {
            request
                .headers
                .get(name)
                .map(|it: &HeaderValue| it.to_str())
        };
        let told = |name| told(name).map(|it| it.expect("text"));
        assert_eq!(told(FORWARDED_FOR), Some(chain), "{lines:?}");
        assert_eq!(told(FORWARDED_PROTO), Some(proto), "{lines:?}");
        assert_eq!(told(FORWARDED), forwarded, "{lines:?}");
    }
}
