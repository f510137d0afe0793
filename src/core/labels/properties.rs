//! Properties that hold for all labels, whoever wrote them.

use std::collections::BTreeMap;

use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::setting::Setting;
use super::tests::{REPLICATED, service};
use super::{LabelOptions, parse, route_item};
use crate::core::model::route::Diagnostic;
use crate::core::model::{Mode, Service};

type Labels = BTreeMap<String, String>;

const PREFIXES: [&str; 2] = ["hiveway.", "aliyun."];

/// A key that is known.
fn known_key() -> impl Strategy<Value = String> {
    let names = Setting::NAMES.map(|(name, _)| name.to_owned());
    let name = prop_oneof![
        2 => select(names.to_vec()),
        1 => (1_u16..).prop_map(|port| format!("routing.port_{port}")),
        1 => "routing\\.headers\\.(request|response)\\.[a-zA-Z]{1,9}-x",
    ];
    (select(&PREFIXES[..]), name).prop_map(|(prefix, name)| format!("{prefix}{name}"))
}

/// Words of the grammar and near it, strung together in any way.
fn scraps() -> impl Strategy<Value = String> {
    let words = "hiveway aliyun . routing probe port_ _ 80 0 scale url cmd http https tcp grpc :// / * container shop \
        local ; : ? # % @ [ ] ::1 \" none true 1e9 - , é \n \u{202e} hash:header: 5s";
    let words: Vec<_> = words.split(' ').chain([" "]).collect();
    let scrap = prop_oneof![8 => select(words).prop_map(str::to_owned), 1 => any::<String>()];
    vec(scrap, 0..8).prop_map(|scraps| scraps.concat())
}

fn any_labels() -> impl Strategy<Value = Labels> {
    let key = prop_oneof![known_key(), scraps()];
    btree_map(key, prop_oneof![scraps(), item()], 0..8)
}

/// An item that is accepted with a domain suffix, in any of the ways to write it.
fn item() -> impl Strategy<Value = String> {
    let scheme = select(vec![
        "", "http://", "HTTPS://", "ws://", "wss://", "grpc://",
    ]);
    let host = prop_oneof![
        "(\\*\\.)?([a-z0-9]([a-zA-Z0-9-]{0,8}[a-z0-9])?\\.){1,3}[a-z]{2,6}\\.?",
        "[a-z]{1,9}"
    ];
    let path = "(/[a-zA-Z0-9_~:@]{0,6}[a-z0-9])?(/[a-z]{1,4}){0,2}/{0,2}";
    let http =
        (scheme, host, path).prop_map(|(scheme, host, path)| format!("{scheme}{host}{path}"));
    prop_oneof![5 => http, 1 => "tcp://(\\*\\.)?[a-z]{1,5}\\.[A-Z]{2}\\.?/?"]
}

/// A good label: a known key, and a value that is accepted for it.
fn good_label() -> impl Strategy<Value = (String, String)> {
    let setting = select(vec![
        ("routing.session_sticky", "false"),
        ("routing.balance", "random"),
        ("routing.weight", "0"),
        ("routing.network", "front"),
        ("routing.strip_prefix", "TRUE"),
        ("routing.retries", "5"),
        ("routing.connect_timeout_seconds", "0.5"),
        ("routing.response_timeout_seconds", "7"),
        ("routing.idle_timeout_seconds", "8"),
        ("routing.max_in_flight", "9"),
        ("routing.hold_seconds", "10"),
        ("routing.slow_start_seconds", "14"),
        ("routing.hsts_seconds", "15"),
        ("routing.redirect", "301 https://b.example"),
        ("routing.allow_cidrs", "10.0.0.0/8, ::1"),
        ("routing.rate_limit", "7"),
        (
            "routing.basic_auth",
            "a:$2y$05$c4WoMPo3SXsafkva.HHa6uXQZWr7oboPiC2bT/r7q1BB8I2s0BRqC",
        ),
        ("routing.max_body_bytes", "0"),
        ("routing.compress", "gzip;zstd"),
        ("routing.headers.request.X-A", ""),
        ("routing.headers.response.x-b", "c"),
        ("probe.url", "http://container:81/x"),
        ("probe.initial_delay_seconds", "11"),
        ("probe.timeout_seconds", "12"),
        ("probe.interval_seconds", "13"),
        ("probe.rise", "3"),
        ("probe.fall", "4"),
        ("scale", "5"),
    ]);
    let setting = setting.prop_map(|(name, value)| (name.to_owned(), value.to_owned()));
    let route = (1_u16.., vec(item(), 1..4))
        .prop_map(|(port, items)| (format!("routing.port_{port}"), items.join(" ;")));
    (select(&PREFIXES[..]), prop_oneof![setting, route])
        .prop_map(|(prefix, (name, value))| (format!("{prefix}{name}"), value))
}

/// A label that is wrong whatever stands beside it.
fn bad_label() -> impl Strategy<Value = (String, String)> {
    let value = select(vec![
        "",
        "?",
        "-1",
        "nan:",
        "1.2e3?",
        "http://10.0.0.1",
        "https://container:x",
        "ü",
        "a b",
        ";",
    ]);
    // Nearly anything can be a command or a network's name, but not a blank.
    let value_for = |key: String, value: &str| match key.split_once('.') {
        Some((_, "probe.cmd" | "routing.network" | "routing.redirect")) => (key, " ".to_owned()),
        Some((_, name)) if name.starts_with("routing.headers.") => (key, "\n ü".to_owned()),
        _ => (key, value.to_owned()),
    };
    // What guards a service and cannot be read shuts it.
    let guards = |key: &String| key.ends_with(".allow_cidrs") || key.ends_with(".basic_auth");
    let open_key = known_key().prop_filter("it guards", move |key| !guards(key));
    prop_oneof![
        (open_key, value).prop_map(move |(key, value)| value_for(key, value)),
        ("(hiveway|aliyun)\\.[A-Z]{1,9}", any::<String>()),
        ("(hiveway|aliyun)\\.routing\\.port_(0|http|99999)", item()),
    ]
}

fn options() -> LabelOptions {
    LabelOptions {
        domain_suffix: Some("mesh.example".into()),
        secrets: None,
    }
}

fn service_of(mode: Mode, labels: &Labels, container_labels: &Labels) -> Service {
    Service {
        labels: labels.clone(),
        container_labels: container_labels.clone(),
        ..service(mode, &[], &[])
    }
}

fn follow(said: &Diagnostic, suggestion: &str, mode: Mode) -> bool {
    // A suggestion is for the key when the key was refused; then it is a known one.
    if super::key::parse(&said.key).is_err() {
        return matches!(super::key::parse(suggestion), Ok(Some(_)));
    }
    let service = service(mode, &[(&said.key, suggestion)], &[]);
    let (_, diagnostics) = parse(&service, &options());
    diagnostics
        .iter()
        .all(|said| said.level < crate::core::model::route::Level::Error)
}

proptest! {
    // A failure is printed with its smallest input, which belongs into a table test; no file of seeds is kept.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_labels_panic_and_every_diagnostic_is_one_short_line(
        labels in any_labels(),
        container_labels in any_labels(),
        mode in select(vec![REPLICATED, Mode::Global, Mode::Job]),
        suffix in any::<bool>(),
    ) {
        let service = service_of(mode, &labels, &container_labels);
        let options = if suffix { options() } else { LabelOptions::default() };
        let (spec, diagnostics) = parse(&service, &options);
        prop_assert_eq!(parse(&service, &options), (spec.clone(), diagnostics.clone()));
        prop_assert!(spec.routes.is_sorted_by(|a, b| a < b), "{:?}", spec.routes);
        prop_assert!(diagnostics.is_sorted_by(|a, b| a < b), "{:?}", diagnostics);
        for said in &diagnostics {
            let line = said.to_string();
            prop_assert!(!line.contains(char::is_control), "{:?}", line);
            // 80 characters of key and of value, of which each may take 10 to escape, twice for the backslash.
            prop_assert!(line.len() < 3_000, "{}", line);
            if let Some(suggestion) = &said.suggestion {
                prop_assert!(follow(said, suggestion, mode), "{}", line);
            }
        }
    }

    #[test]
    fn any_strings_at_all_are_labels(key in any::<String>(), value in any::<String>(), known in known_key()) {
        for key in [key.clone(), format!("hiveway.{key}"), format!("aliyun.routing.port_{key}"), known] {
            let (spec, _) = parse(&service(REPLICATED, &[(&key, &value)], &[]), &options());
            prop_assert!(spec.routes.len() <= value.split(';').count());
        }
    }

    #[test]
    fn a_bad_label_never_affects_another(
        good in vec(good_label(), 0..6),
        bad in vec(bad_label(), 1..4),
        on_container in any::<bool>(),
    ) {
        let good: Labels = good.into_iter().collect();
        let mut labels = good.clone();
        let mut container_labels = Labels::new();
        for (key, value) in bad {
            let place = if on_container { &mut container_labels } else { &mut labels };
            place.entry(key).or_insert(value);
        }
        let (expected, _) = parse(&service_of(REPLICATED, &good, &Labels::new()), &options());
        let (spec, diagnostics) = parse(&service_of(REPLICATED, &labels, &container_labels), &options());
        prop_assert_eq!(spec, expected);
        for key in labels.keys().filter(|key| !good.contains_key(*key)) {
            prop_assert!(diagnostics.iter().any(|said| *said.key == **key), "nothing is said about {}", key);
        }
    }

    #[test]
    fn a_bad_item_never_affects_another(
        items in vec(item(), 0..5),
        bad in select(vec!["", "10.0.0.1", "[::1]", "a.b:80", "a.b?c", "http://", "tcp://a.b:1", "tcp://a.local", "_.b", "a b", "ä.b", "\n"]),
        at in any::<Index>(),
    ) {
        let spec_of = |items: &[String]| {
            let value = items.join(";");
            parse(&service(REPLICATED, &[("hiveway.routing.port_80", &value)], &[]), &options()).0
        };
        let mut with_bad = items.clone();
        with_bad.insert(at.index(items.len() + 1), bad.to_owned());
        prop_assert_eq!(spec_of(&with_bad), spec_of(&items));
    }

    #[test]
    fn the_order_of_items_does_not_matter(items in vec(item(), 0..6).prop_shuffle()) {
        let spec_of = |items: Vec<String>| {
            let value = items.join(";");
            parse(&service(REPLICATED, &[("hiveway.routing.port_80", &value)], &[]), &options())
        };
        let reversed = items.iter().rev().cloned().collect();
        prop_assert_eq!(spec_of(reversed), spec_of(items));
    }

    #[test]
    fn a_route_item_reads_as_it_is_displayed(item in item(), port in 1_u16..) {
        let route = route_item::parse(&item, port, Some("mesh.example"));
        prop_assert!(route.is_ok(), "{:?}", route);
        if let Ok(route) = route {
            prop_assert_eq!(route_item::parse(&route.to_string(), port, None), Ok(route));
        }
    }
}
