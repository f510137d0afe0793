//! How labels of one service depend on each other.

use super::*;

#[test]
fn what_follows_from_a_refused_route_is_not_told() {
    for (key, value) in [
        ("hiveway.routing.port_80", "10.0.0.1"),
        ("hiveway.routing.port_80", ""),
        ("hiveway.routing.prot_80", "a.example"),
        ("hiveway.routing.port", "a.example"),
        ("hivewy.routing.port_80", "a.example"),
        ("hiveway.host", "a.example"),
    ] {
        let labels = [
            (key, value),
            ("hiveway.probe.url", "none"),
            ("hiveway.routing.retries", "1"),
        ];
        let (_, diagnostics) = parsed(REPLICATED, &labels, &[]);
        let keys: Vec<_> = diagnostics.iter().map(|said| &*said.key).collect();
        assert_eq!(keys, [key], "{value:?}");
    }
}

#[test]
fn a_redirect_to_its_own_route_is_refused() {
    let circle = |routes: &str, redirect: &str, strip: bool| {
        let mut labels = vec![
            ("hiveway.routing.port_80", routes),
            ("hiveway.routing.redirect", redirect),
        ];
        if strip {
            labels.push(("hiveway.routing.strip_prefix", "true"));
        }
        let (spec, diagnostics) = parsed(REPLICATED, &labels, &[]);
        assert!(spec.policy.middleware.is_some(), "it stays in effect");
        let mut said = diagnostics.into_iter();
        said.find(|it| it.level == Level::Error)
            .map(|it| it.reason.contains("in a circle"))
    };
    for (routes, redirect, is_circle) in [
        ("a.example", "https://a.example", true),
        ("a.example", "http://A.example.:80/", true),
        ("a.example; www.a.example", "301 https://a.example", true),
        ("https://a.example", "http://a.example", true),
        ("a.example/old", "https://a.example", true),
        ("a.example", "https://www.a.example", false),
        ("a.example", "https://a.example:8443", false),
        ("http://a.example", "https://a.example", false),
        ("*.a.example", "https://www.a.example", false),
        ("a.example", "https://a.example/new", false),
    ] {
        let told = circle(routes, redirect, false);
        assert_eq!(told, is_circle.then_some(true), "{routes} {redirect}");
    }
    assert_eq!(circle("a.example/old", "https://a.example", true), None);
    assert_eq!(circle("a.example", "https://a.example", true), Some(true));
}
