//! Tests of whole services: labels in, spec and diagnostics out.

mod together;

use std::time::Duration;

use super::{LabelOptions, parse};
use crate::core::model::route::{
    Balance, Check, Diagnostic, HostPattern, Level, PathPrefix, ProbeSpec, RouteSpec,
    RoutingPolicy, Scheme, ServiceSpec,
};
use crate::core::model::{Mode, Service};

pub(super) type Written<'a> = &'a [(&'a str, &'a str)];

pub(super) const REPLICATED: Mode = Mode::Replicated { replicas: 1 };

pub(super) fn service(mode: Mode, labels: Written<'_>, container_labels: Written<'_>) -> Service {
    let owned = |labels: Written<'_>| {
        let pairs = labels
            .iter()
            .map(|(key, value)| (key.to_string(), value.to_string()));
        pairs.collect()
    };
    Service {
        id: "s1".into(),
        name: "web".into(),
        mode,
        labels: owned(labels),
        container_labels: owned(container_labels),
        updating: false,
    }
}

pub(super) fn parsed(
    mode: Mode,
    labels: Written<'_>,
    container_labels: Written<'_>,
) -> (ServiceSpec, Vec<Diagnostic>) {
    parsed_with(&LabelOptions::default(), mode, labels, container_labels)
}

pub(super) fn parsed_with(
    options: &LabelOptions,
    mode: Mode,
    labels: Written<'_>,
    container_labels: Written<'_>,
) -> (ServiceSpec, Vec<Diagnostic>) {
    parse(&service(mode, labels, container_labels), options)
}

pub(super) fn route(host: &str, port: u16) -> RouteSpec {
    RouteSpec {
        host: HostPattern::Exact(host.into()),
        path: PathPrefix::root(),
        scheme: Scheme::Any,
        port,
    }
}

/// The diagnostics in short: level, key, value and reason.
pub(super) fn said(diagnostics: &[Diagnostic]) -> Vec<(Level, &str, &str, &str)> {
    diagnostics
        .iter()
        .map(|said| (said.level, &*said.key, &*said.value, said.reason.as_str()))
        .collect()
}

const PENDING: &str = "is understood but not yet effective";

#[test]
fn the_example_of_the_contract_works_as_it_stands() {
    let read = parsed(
        REPLICATED,
        &[
            ("aliyun.routing.port_80", "restserver.local"),
            ("aliyun.scale", "2"),
            ("aliyun.probe.url", "http://container:80"),
            ("aliyun.probe.initial_delay_seconds", "2"),
            ("aliyun.probe.timeout_seconds", "2"),
            ("com.docker.stack.namespace", "demo"),
        ],
        &[("com.docker.stack.namespace", "demo")],
    );
    let spec = ServiceSpec {
        routes: vec![route("restserver.local", 80)],
        probe: ProbeSpec {
            check: Check::Http {
                port: 80,
                path: "/".into(),
            },
            initial_delay: Duration::from_secs(2),
            timeout: Duration::from_secs(2),
            ..ProbeSpec::default()
        },
        scale: Some(2),
        ..ServiceSpec::default()
    };
    assert_eq!(read, (spec, vec![]));
}

#[test]
fn every_key_sets_what_it_names() {
    let (spec, diagnostics) = parsed(
        REPLICATED,
        &[
            (
                "hiveway.routing.port_8080",
                "https://b.example/x/;; *.example ",
            ),
            ("hiveway.routing.port_80", "a.example"),
            ("hiveway.routing.session_sticky", "False"),
            ("hiveway.routing.balance", "hash:cookie:Sid"),
            ("hiveway.routing.weight", "7"),
            ("hiveway.routing.network", " front "),
            ("hiveway.routing.strip_prefix", "true"),
            ("hiveway.routing.retries", "0"),
            ("hiveway.routing.connect_timeout_seconds", "0.25"),
            ("hiveway.routing.response_timeout_seconds", "5"),
            ("hiveway.routing.idle_timeout_seconds", "86400"),
            ("hiveway.routing.max_in_flight", "32"),
            ("hiveway.routing.hold_seconds", "10"),
            ("hiveway.routing.slow_start_seconds", "30"),
            ("hiveway.routing.hsts_seconds", "31536000"),
            ("hiveway.probe.cmd", "test -e /ready"),
            ("hiveway.probe.initial_delay_seconds", "0"),
            ("hiveway.probe.timeout_seconds", "1.5"),
            ("hiveway.probe.interval_seconds", "0.1"),
            ("hiveway.probe.rise", "10"),
            ("hiveway.probe.fall", "1"),
            ("hiveway.scale", "0"),
        ],
        &[],
    );
    let expected = ServiceSpec {
        routes: vec![
            route("a.example", 80),
            RouteSpec {
                path: PathPrefix("/x".into()),
                scheme: Scheme::Https,
                ..route("b.example", 8080)
            },
            RouteSpec {
                host: HostPattern::Under("example".into()),
                ..route("", 8080)
            },
        ],
        policy: RoutingPolicy {
            sticky: false,
            balance: Balance::HashCookie("Sid".into()),
            weight: 7,
            strip_prefix: true,
            retries: 0,
            connect_timeout: Duration::from_millis(250),
            response_timeout: Duration::from_secs(5),
            idle_timeout: Duration::from_secs(86_400),
            max_in_flight: Some(32),
            hold: Duration::from_secs(10),
            slow_start: Duration::from_secs(30),
            hsts_seconds: Some(31_536_000),
            middleware: None,
        },
        network: Some("front".into()),
        probe: ProbeSpec {
            check: Check::Command("test -e /ready".into()),
            initial_delay: Duration::ZERO,
            timeout: Duration::from_millis(1_500),
            interval: Duration::from_millis(100),
            rise: 10,
            fall: 1,
        },
        scale: Some(0),
    };
    assert_eq!(spec, expected);
    assert_eq!(
        said(&diagnostics),
        [(
            Level::Warning,
            "hiveway.routing.idle_timeout_seconds",
            "86400",
            PENDING
        ),]
    );
}

#[test]
fn values_that_ask_for_nothing_new_are_not_pending() {
    let (_, diagnostics) = parsed(
        REPLICATED,
        &[
            (
                "hiveway.routing.port_80",
                "http://a.example; ws://a.example/ws",
            ),
            ("hiveway.routing.strip_prefix", "false"),
        ],
        &[],
    );
    assert_eq!(diagnostics, []);
}

#[test]
fn no_labels_are_no_routes_and_the_defaults() {
    assert_eq!(
        parsed(REPLICATED, &[], &[]),
        (ServiceSpec::default(), vec![])
    );
}

#[test]
fn a_diagnostic_names_service_key_item_reason_and_remedy() {
    let (spec, diagnostics) = parsed(
        REPLICATED,
        &[(
            "aliyun.routing.port_80",
            "a.example ; b_c.example:80/x ; 10.0.0.1",
        )],
        &[],
    );
    assert_eq!(spec.routes, [route("a.example", 80)]);
    let lines: Vec<_> = diagnostics.iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "service web: label aliyun.routing.port_80: \"10.0.0.1\": is an IP address where a host name must stand; \
             write the name by which clients call the service",
            "service web: label aliyun.routing.port_80: \"b_c.example:80/x\": has a port, but a route serves its host on \
             every port that is listened on; leave the port out; the container's port is the number in the label's key",
        ]
    );
}

#[test]
fn a_probe_url_wins_over_a_command_unless_it_is_refused() {
    const CMD: &str = "hiveway.probe.cmd";
    let beside = (
        Level::Error,
        CMD,
        "true",
        "stands beside probe.url, which is used",
    );
    for (url, check, expected) in [
        ("none", Check::None, vec![beside]),
        ("tcp://container:1", Check::Tcp { port: 1 }, vec![beside]),
        (
            "https://container",
            Check::Command("true".into()),
            vec![(
                Level::Error,
                "aliyun.probe.url",
                "https://container",
                "asks for TLS, which probes do not speak",
            )],
        ),
    ] {
        let (spec, diagnostics) = parsed(
            REPLICATED,
            &[
                ("hiveway.routing.port_80", "a.example"),
                ("aliyun.probe.url", url),
                (CMD, "true"),
            ],
            &[],
        );
        assert_eq!(
            (spec.probe.check, said(&diagnostics)),
            (check, expected),
            "{url}"
        );
    }
}

#[test]
fn only_replicated_services_scale_and_jobs_are_not_routed_to() {
    let labels: Written<'_> = &[
        ("hiveway.routing.port_80", "a.example"),
        ("hiveway.scale", "3"),
    ];
    let job = "cannot route to a job, whose tasks run to their end";
    for (mode, routes, scale, expected) in [
        (REPLICATED, 1, Some(3), vec![]),
        (
            Mode::Global,
            1,
            None,
            vec!["cannot scale a global service, which runs one task on every node"],
        ),
        (
            Mode::Job,
            0,
            None,
            vec![job, "cannot scale a job, whose tasks run to their end"],
        ),
    ] {
        let (spec, diagnostics) = parsed(mode, labels, &[]);
        let reasons: Vec<_> = diagnostics
            .iter()
            .map(|said| said.reason.as_str())
            .collect();
        assert_eq!(
            (spec.routes.len(), spec.scale, reasons),
            (routes, scale, expected)
        );
    }
}

#[test]
fn labels_that_need_a_route_say_so_where_there_is_none() {
    let no_route = "has no effect, since the service has no route";
    let (spec, diagnostics) = parsed(
        REPLICATED,
        &[
            ("hiveway.probe.url", "none"),
            ("hiveway.routing.retries", "1"),
            ("hiveway.scale", "3"),
        ],
        &[],
    );
    assert_eq!((spec.routes, spec.scale), (vec![], Some(3)));
    assert_eq!(
        said(&diagnostics),
        [
            (Level::Notice, "hiveway.probe.url", "none", no_route),
            (Level::Notice, "hiveway.routing.retries", "1", no_route),
        ]
    );
}

#[test]
fn quotes_that_yaml_left_in_are_explained() {
    let (spec, diagnostics) = parsed(
        REPLICATED,
        &[
            ("hiveway.routing.port_80", "\"a.example\""),
            ("hiveway.scale", "'3'"),
        ],
        &[],
    );
    assert_eq!(spec, ServiceSpec::default());
    let quotes = "has quotation marks that are part of the value";
    let said: Vec<_> = diagnostics
        .iter()
        .map(|said| (said.reason.as_str(), said.suggestion.as_deref()))
        .collect();
    assert_eq!(said, [(quotes, Some("a.example")), (quotes, Some("3"))]);
}
