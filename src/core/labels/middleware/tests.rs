//! Tests of services whose labels ask for middleware.

use std::collections::BTreeMap;

use super::super::tests::{REPLICATED, Written, parsed, said};
use crate::core::model::middleware::{Credential, Encoding, Middleware, PasswordHash, Redirect};
use crate::core::model::route::Level;

const HASH: &str = "$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC";

const ROUTE: (&str, &str) = ("hiveway.routing.port_80", "a.example");

fn users(names: &[&str]) -> Option<Vec<Credential>> {
    let user = |name: &&str| Credential {
        user: (*name).into(),
        hash: PasswordHash(HASH.into()),
    };
    Some(names.iter().map(user).collect())
}

/// The middleware and what is said, of a service with a route and these labels.
fn read(labels: Written<'_>) -> (Option<Middleware>, Vec<(Level, String, String)>) {
    let labels = [labels, &[ROUTE]].concat();
    let (spec, diagnostics) = parsed(REPLICATED, &labels, &[]);
    let said = said(&diagnostics).into_iter();
    let said = said.map(|(level, _, value, reason)| (level, value.to_owned(), reason.to_owned()));
    (spec.policy.middleware.as_deref().cloned(), said.collect())
}

#[test]
fn every_label_sets_what_it_names() {
    let auth = format!("alice:{HASH};bob:{HASH} ;");
    let (middleware, said) = read(&[
        ("hiveway.routing.redirect", "https://b.example"),
        ("hiveway.routing.allow_cidrs", "10.0.0.0/8, ::1; 192.0.2.1,"),
        ("hiveway.routing.rate_limit", "10"),
        ("hiveway.routing.basic_auth", &auth),
        ("hiveway.routing.max_body_bytes", "1048576"),
        ("hiveway.routing.headers.request.X-Tenant", "blue"),
        ("hiveway.routing.headers.request.cookie", ""),
        ("aliyun.routing.headers.response.X-Frame-Options", " DENY "),
        ("hiveway.routing.compress", "gzip, zstd"),
    ]);
    let networks = ["10.0.0.0/8", "::1/128", "192.0.2.1/32"];
    let expected = Middleware {
        redirect: Some(Redirect {
            status: 308,
            target: "https://b.example".into(),
        }),
        allow: Some(networks.map(|it| it.parse().expect("a network")).into()),
        rate_limit: Some(10),
        basic_auth: users(&["alice", "bob"]),
        max_body_bytes: Some(1_048_576),
        request_headers: BTreeMap::from([
            ("cookie".into(), "".into()),
            ("x-tenant".into(), "blue".into()),
        ]),
        response_headers: BTreeMap::from([("x-frame-options".into(), "DENY".into())]),
        compress: vec![Encoding::Gzip, Encoding::Zstd],
        ..Middleware::default()
    };
    assert_eq!((middleware, said), (Some(expected), vec![]));
}

#[test]
fn bad_label_value_is_reported_with_service_and_remedy() {
    for (key, value, shown) in [
        ("redirect", "elsewhere", "elsewhere"),
        ("redirect", "303 https://b.example", "303 https://b.example"),
        ("redirect", "https://b.example?x", "https://b.example?x"),
        ("allow_cidrs", "lan", "lan"),
        ("allow_cidrs", "10.0.0.0/33", "10.0.0.0/33"),
        ("rate_limit", "0", "0"),
        ("rate_limit", "many", "many"),
        ("rate_limit", "1000001", "1000001"),
        ("basic_auth", "alice", "…"),
        ("basic_auth", "alice:s3cret", "alice:…"),
        ("basic_auth", "secret:../shadow", "secret:…"),
        ("basic_auth", "secret:no such", "secret:…"),
        ("max_body_bytes", "1MB", "1MB"),
        ("max_body_bytes", "-1", "-1"),
        ("headers.request.Host", "x", "x"),
        ("headers.response.Content-Length", "1", "1"),
        ("headers.response.X-A", "a\nb", "a\\nb"),
        ("compress", "lz4", "lz4"),
        ("compress", "gzip, lzma", "gzip, lzma"),
        ("strip_prefix", "on", "on"),
    ] {
        let key = format!("hiveway.routing.{key}");
        let (_, diagnostics) = parsed(REPLICATED, &[ROUTE, (&key, value)], &[]);
        let [said] = &diagnostics[..] else {
            panic!("{key} {value}: {diagnostics:?}");
        };
        assert_eq!(said.level, Level::Error, "{key} {value}");
        let named = (&*said.service, &*said.key, &*said.value);
        assert_eq!(named, ("web", &*key, shown), "{said}");
        for part in [&said.reason, &said.remedy] {
            assert!(part.len() > 10 && said.to_string().contains(part), "{said}");
        }
    }
}

#[test]
fn what_asks_for_nothing_leaves_nothing() {
    assert_eq!(read(&[]), (None, vec![]));
    assert_eq!(
        read(&[("hiveway.routing.compress", "false")]),
        (None, vec![])
    );
    let (middleware, said) = read(&[("hiveway.routing.rate_limit", "0")]);
    assert_eq!(middleware, None);
    assert_eq!(said.len(), 1);
}

#[test]
fn an_item_that_cannot_be_read_is_dropped_and_the_others_stand() {
    let auth = format!("alice:{HASH}; bob:secret; alice:{HASH}");
    let (middleware, said) = read(&[
        ("hiveway.routing.allow_cidrs", "10.0.0.0/8; lan"),
        ("hiveway.routing.basic_auth", &auth),
    ]);
    let expected = Middleware {
        allow: Some(vec!["10.0.0.0/8".parse().expect("a network")]),
        basic_auth: users(&["alice"]),
        ..Middleware::default()
    };
    assert_eq!(middleware, Some(expected));
    let said: Vec<_> = said.iter().map(|(_, value, _)| value.as_str()).collect();
    assert_eq!(said, ["lan", "alice:…", "bob:…"]);
}

#[test]
fn bad_secret_name_is_reported_and_secret_is_a_valid_user() {
    let auth = format!("secret:{HASH}; secret:no such");
    let labels = [ROUTE, ("hiveway.routing.basic_auth", &auth)];
    let (spec, diagnostics) = parsed(REPLICATED, &labels, &[]);
    let known = spec.policy.middleware.and_then(|it| it.basic_auth.clone());
    assert_eq!(known, users(&["secret"]));
    let [said] = &diagnostics[..] else {
        panic!("{diagnostics:?}");
    };
    let reason = "has a blank in the name of a secret";
    assert_eq!((&*said.value, &*said.reason), ("secret:…", reason));
    for part in ["docker secret ls", "called secret"] {
        assert!(said.remedy.contains(part), "{said}");
    }
}

#[test]
fn what_guards_and_cannot_be_read_lets_nobody_in() {
    for (key, value) in [
        ("hiveway.routing.allow_cidrs", "lan"),
        ("hiveway.routing.allow_cidrs", " , "),
        ("hiveway.routing.allow_cidrs", ""),
        ("hiveway.routing.basic_auth", "alice:secret"),
        ("hiveway.routing.basic_auth", "secret:no such"),
        ("hiveway.routing.basic_auth", ";"),
    ] {
        let (middleware, said) = read(&[(key, value)]);
        let middleware = middleware.expect("it is shut");
        let nobody = match key {
            "hiveway.routing.allow_cidrs" => middleware.allow.map(|list| list.len()),
            _ => middleware.basic_auth.map(|list| list.len()),
        };
        assert_eq!(nobody, Some(0), "{key} {value:?}");
        assert_eq!(said.len(), 1, "{key} {value:?}");
        assert_eq!(said[0].0, Level::Error);
    }
    // One of lower precedence that can be read stands in.
    let (middleware, _) = read(&[
        ("hiveway.routing.allow_cidrs", "lan"),
        ("aliyun.routing.allow_cidrs", "::1"),
    ]);
    let allow = middleware.and_then(|it| it.allow);
    assert_eq!(allow, Some(vec!["::1/128".parse().expect("a network")]));
}

#[test]
fn no_diagnostic_shows_a_secret() {
    let doubled = format!("alice:{}", HASH.replace('$', "$$"));
    let good = format!("alice:{HASH}");
    for labels in [
        &[("hiveway.routing.basic_auth", "alice:s3cret")][..],
        &[("hiveway.routing.basic_auth", &doubled)],
        &[("hiveway.routing.basic_auht", &good)],
        &[
            ("hiveway.routing.basic_auth", &good),
            ("aliyun.routing.basic_auth", "bob:s3cret"),
        ],
    ] {
        let labels = [labels, &[ROUTE]].concat();
        let (_, diagnostics) = parsed(REPLICATED, &labels, &[]);
        assert!(!diagnostics.is_empty(), "{labels:?}");
        for said in diagnostics {
            let json = serde_json::to_string(&said).expect("JSON");
            for text in [said.to_string(), json] {
                assert!(
                    !text.contains("s3cret") && !text.contains("c4WoMP"),
                    "{text}"
                );
            }
        }
    }
}

#[test]
fn a_header_in_two_cases_is_one_label() {
    let (middleware, said) = read(&[
        ("hiveway.routing.headers.request.X-A", "1"),
        ("hiveway.routing.headers.request.x-a", "2"),
    ]);
    let headers = middleware.expect("headers").request_headers;
    assert_eq!(headers, BTreeMap::from([("x-a".into(), "1".into())]));
    let beside = "is overridden by hiveway.routing.headers.request.X-A with another value";
    assert_eq!(said, [(Level::Notice, "2".to_owned(), beside.to_owned())]);
}

#[test]
fn a_key_that_was_meant_for_a_guard_shuts_the_service() {
    let known = format!("alice:{HASH}");
    for (key, reason) in [
        ("hiveway.routing.basicauth", "the key is unknown"),
        ("aliyun.routing.allow_cidr", "the key is unknown"),
        ("hiveway.routing.basic_auth_80", "the key is unknown"),
        ("hiveway.routing.forward_auth", "the key is unknown"),
        ("hiveway.routing.policy", "the key is unknown"),
        ("hiveway.routing.gateways", "the key is unknown"),
        (
            "hiveway.routing.Allow_Cidrs",
            "the key is not in lower case",
        ),
        (
            "Hiveway.routing.basic_auth",
            "the key's prefix is not in lower case",
        ),
        ("hivewy.routing.basic_auth", "the key's prefix is misspelt"),
        (
            "hivewy.routing.basicauth",
            "the key has no prefix of Hiveway's",
        ),
        ("routing.allow_cidrs", "the key has no prefix of Hiveway's"),
    ] {
        // Another guard that is right does not open it: what the first was to ask for is not known.
        for more in [&[][..], &[("hiveway.routing.basic_auth", &*known)]] {
            let labels = [&[(key, "10.0.0.0/8")][..], more].concat();
            let (middleware, said) = read(&labels);
            let shut = middleware.unwrap_or_default().unreadable_guards;
            assert_eq!(shut, [key.into()].into(), "{key}");
            let (level, _, told) = &said[0];
            assert_eq!(*level, Level::Error, "{key}");
            assert!(told.starts_with(reason), "{key}");
            assert!(told.ends_with("so the service lets no client in"), "{key}");
        }
    }
    for key in [
        "hiveway.routing.wieght",
        "aliyun.global",
        "traefik.basicauth",
    ] {
        let shut = read(&[(key, "1")]).0.unwrap_or_default().unreadable_guards;
        assert!(shut.is_empty(), "{key}");
    }
}
