//! What is changed in requests and answers.

use std::sync::Arc;

use hiveway::gateway::Config;

use super::super::client::Client;
use super::super::edge::Edge;
use super::super::origin::{Behaviour, origins};
use super::super::service::Service;

fn trusting(config: &mut Config) {
    config.trusted_proxies = vec!["127.0.9.0/24".parse().expect("a network")];
}

fn pairs(list: &[(&str, &str)]) -> std::collections::BTreeMap<Arc<str>, Arc<str>> {
    let pairs = list.iter();
    pairs
        .map(|(name, value)| (Arc::from(*name), Arc::from(*value)))
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_routes_path_is_cut_off_and_told() {
    let [task] = origins([Behaviour::Answer]).await;
    let service = Service::new("api", "web.test/api").route("web.test");
    let service = service.policy(|policy| policy.strip_prefix = true);
    let edge = Edge::start_with(trusting, &[service.endpoints([&task])]).await;
    for (index, (path, from, lines, got, prefix)) in [
        ("/api", "127.0.0.77", "", "/", Some("/api")),
        ("/api/", "127.0.0.77", "", "/", Some("/api")),
        (
            "/api/x%2fy?a=/api",
            "127.0.0.77",
            "",
            "/x%2fy?a=/api",
            Some("/api"),
        ),
        ("/api?a", "127.0.0.77", "", "/?a", Some("/api")),
        ("/apix", "127.0.0.77", "", "/apix", None),
        (
            "/",
            "127.0.0.77",
            "X-Forwarded-Prefix: /evil\r\n",
            "/",
            None,
        ),
        (
            "/api/x",
            "127.0.0.77",
            "X-Forwarded-Prefix: /evil\r\n",
            "/x",
            Some("/api"),
        ),
        (
            "/api/x",
            "127.0.9.1",
            "X-Forwarded-Prefix: /outer\r\n",
            "/x",
            Some("/outer/api"),
        ),
        (
            "http://web.test/api/x",
            "127.0.0.77",
            "",
            "/x",
            Some("/api"),
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let from = from.parse().expect("an address");
        let mut client = Client::connect_from(from, edge.internal).await;
        let answer = client.get_with("web.test", path, lines).await;
        assert_eq!(answer.status, 200, "{path}");
        let head = task.received(index + 1).await.remove(index).head;
        assert_eq!(head.first, format!("GET {got} HTTP/1.1"), "{path}");
        assert_eq!(head.one("x-forwarded-prefix"), prefix, "{path}");
        assert_eq!(head.one("host"), Some("web.test"), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_are_set_and_removed_on_both_ways() {
    let said = "HTTP/1.1 200 OK\r\nServer: nginx/1.2.3\r\nX-Frame-Options: ALLOW\r\nX-Kept: 1\r\n\
                Content-Length: 2\r\n\r\nok";
    let [task] = origins([Behaviour::Say(said)]).await;
    let service = Service::new("web", "web.test/app")
        .sticky()
        .middleware(|it| {
            it.request_headers = pairs(&[
                ("x-tenant", "blue"),
                ("cookie", ""),
                ("x-forwarded-proto", "https"),
            ]);
            it.response_headers = pairs(&[("server", ""), ("x-frame-options", "DENY")]);
        });
    let service = service.policy(|policy| policy.strip_prefix = true);
    let edge = Edge::start(&[service.endpoints([&task])]).await;
    let lines = "Cookie: a=b\r\nX-Tenant: red\r\nX-Tenant: green\r\nX-Other: 1\r\nX_Tenant: red\r\nx_other: 1\r\n";
    let answer = edge
        .client()
        .await
        .get_with("web.test", "/app/x", lines)
        .await;
    let head = task.received(1).await.remove(0).head;
    assert_eq!(head.first, "GET /x HTTP/1.1");
    for (name, value) in [
        ("x-tenant", Some("blue")),
        ("cookie", None),
        ("x-other", Some("1")),
        // Some tasks would not tell it from the label's.
        ("x_tenant", None),
        ("x_other", Some("1")),
        ("x-forwarded-proto", Some("https")),
    ] {
        assert_eq!(head.one(name), value, "{name}");
    }
    for (name, value) in [
        ("server", None),
        ("x-frame-options", Some("DENY")),
        ("x-kept", Some("1")),
    ] {
        assert_eq!(answer.head.one(name), value, "{name}");
    }
    assert_eq!(answer.body, "ok");
    let cookie = answer.head.one("set-cookie").expect("it is sticky");
    assert!(cookie.starts_with("CONTAINERID="), "{cookie}");
    // The gateway's own answers are not the service's.
    let own = edge.get("web.test", "/").await;
    own.assert_refused(404, "no-route");
    assert_eq!(own.head.one("x-frame-options"), None);
}
