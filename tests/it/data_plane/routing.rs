//! Which service a request comes to, and what it is told when there is none.

use std::collections::BTreeMap;

use hiveway::gateway::Config;

use super::client::Client;
use super::edge::Edge;
use super::origin::{Behaviour, origins};
use super::service::Service;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_most_specific_route_of_a_host_serves() {
    let routes = [
        "shop.example.com",
        "shop.example.com/api",
        "*.example.com",
        "*.eu.example.com",
    ];
    let origins = origins([Behaviour::Answer; 4]).await;
    let services: Vec<_> = routes
        .iter()
        .zip(&origins)
        .map(|(route, origin)| Service::new(route, route).endpoints([origin]))
        .collect();
    let edge = Edge::start(&services).await;
    let mut client = edge.client().await;
    for (host, path, served) in [
        ("shop.example.com", "/", Some(0)),
        ("shop.example.com", "/apix", Some(0)),
        ("shop.example.com", "/API", Some(0)),
        ("shop.example.com", "/api", Some(1)),
        ("shop.example.com", "/api?query=/", Some(1)),
        ("shop.example.com", "/api/v1", Some(1)),
        ("SHOP.Example.com", "/api/v1", Some(1)),
        ("shop.example.com:8080", "/api", Some(1)),
        ("shop.example.com.", "/api", Some(1)),
        ("shop.example.com.:80", "/api", Some(1)),
        ("other.example.com", "/api", Some(2)),
        ("a.b.example.com", "/", Some(2)),
        ("a.eu.example.com", "/", Some(3)),
        ("eu.example.com", "/", Some(2)),
        ("example.com", "/", None),
        ("example.org", "/", None),
    ] {
        let answer = client.get(host, path).await;
        match served {
            Some(served) => assert_eq!(answer.body, origins[served].container, "{host}{path}"),
            None => answer.assert_refused(404, "no-route"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_path_and_the_host_reach_the_task_as_they_came() {
    let [origin] = origins([Behaviour::Answer]).await;
    let edge = Edge::start(&[Service::new("web", "web.test/a").endpoints([&origin])]).await;
    let mut client = edge.client().await;
    // But for dot segments, which are left to no task: see `paths`.
    let paths = ["/a/%62%2F%2fb?x=%20&y=/../", "/a//b//c;d", "/a?"];
    for path in paths {
        assert_eq!(client.get("WEB.test:81", path).await.status, 200);
    }
    let received = origin.received(paths.len()).await;
    for (request, path) in received.iter().zip(paths) {
        assert_eq!(request.head.first, format!("GET {path} HTTP/1.1"));
        assert_eq!(request.head.one("host"), Some("WEB.test:81"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_local_host_does_not_exist_on_the_public_listener() {
    let [local, public] = origins([Behaviour::Answer; 2]).await;
    let services = [
        Service::new("local", "restserver.local").endpoints([&local]),
        Service::new("under", "*.deep.local").endpoints([&local]),
        Service::new("public", "public.test").endpoints([&public]),
    ];
    let edge = Edge::start(&services).await;
    let mut outside = Client::connect(edge.public).await;
    for host in [
        "restserver.local",
        "RESTSERVER.LOCAL",
        "restserver.local.",
        "restserver.local:80",
        "restserver.local.:80",
        "x.deep.local",
        "unknown.local",
        "local",
    ] {
        let answer = outside.get(host, "/").await;
        answer.assert_refused(404, "no-route");
    }
    // What a client says of an earlier host changes nothing, nor does the absolute form.
    let forwarded = "X-Forwarded-Host: public.test\r\nForwarded: host=public.test\r\n";
    let answer = outside.get_with("restserver.local", "/", forwarded).await;
    answer.assert_refused(404, "no-route");
    let absolute = "GET http://restserver.local/ HTTP/1.1\r\nHost: restserver.local\r\n\r\n";
    let answer = outside.request(absolute).await;
    answer.assert_refused(404, "no-route");
    // The answer tells nobody that the name is known inside.
    let known = outside.get("restserver.local", "/").await.body;
    let unknown = outside.get("restserved.local", "/").await.body;
    assert_eq!(known.replace("restserver", "restserved"), unknown);

    assert_eq!(outside.get("public.test", "/").await.status, 200);
    assert_eq!(edge.get("restserver.local", "/").await.status, 200);
    assert_eq!(edge.get("x.deep.local", "/").await.status, 200);
    assert_eq!(edge.get("public.test", "/").await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_share_a_route_by_weight() {
    let [blue, green, none] = origins([Behaviour::Answer; 3]).await;
    let share = |name, origin, weight| {
        Service::new(name, "shop.test")
            .endpoints([origin])
            .policy(|policy| policy.weight = weight)
    };
    let services = [
        share("blue", &blue, 75),
        share("green", &green, 25),
        share("none", &none, 0),
    ];
    let edge = Edge::start(&services).await;
    let mut client = edge.client().await;
    let mut met = BTreeMap::new();
    for _ in 0..100 {
        *met.entry(client.get("shop.test", "/").await.body)
            .or_insert(0) += 1;
    }
    let of = |container: &String| met.get(container).copied().unwrap_or(0);
    assert!((70..=80).contains(&of(&blue.container)), "{met:?}");
    assert_eq!(of(&blue.container) + of(&green.container), 100, "{met:?}");
    assert_eq!(none.requests(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_share_of_a_service_without_endpoints_goes_to_the_others() {
    let [green] = origins([Behaviour::Answer]).await;
    let services = [
        Service::new("blue", "shop.test"),
        Service::new("green", "shop.test")
            .endpoints([&green])
            .policy(|policy| policy.weight = 1),
    ];
    let edge = Edge::start(&services).await;
    let mut client = edge.client().await;
    for _ in 0..20 {
        assert_eq!(client.get("shop.test", "/").await.status, 200);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_is_told_and_the_connection_lives_on() {
    let [origin] = origins([Behaviour::Answer]).await;
    let edge = Edge::cold(|_| {});
    let mut client = edge.client().await;
    let answer = client.get("web.test", "/").await;
    answer.assert_refused(503, "warming-up");
    assert_eq!(answer.head.one("retry-after"), Some("1"));

    let services = [
        Service::new("web", "web.test").endpoints([&origin]),
        Service::new("empty", "empty.test"),
        Service::new("weightless", "weightless.test")
            .endpoints([&origin])
            .policy(|policy| policy.weight = 0),
    ];
    edge.publish(&services).await;
    let answer = client.get("nobody.test", "/where").await;
    answer.assert_refused(404, "no-route");
    assert!(answer.body.contains("nobody.test/where"), "{answer:?}");
    assert_eq!(answer.head.one("retry-after"), None);
    for service in ["empty", "weightless"] {
        let answer = client.get(&format!("{service}.test"), "/").await;
        answer.assert_refused(503, "no-endpoint");
        assert_eq!(answer.head.one("retry-after"), Some("1"));
        assert!(answer.body.contains(service), "{answer:?}");
    }
    assert_eq!(client.get("web.test", "/").await.body, origin.container);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_nobody_wanted_is_not_taken_for_a_request() {
    let [origin] = origins([Behaviour::Answer]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints([&origin])]).await;
    let body = "GET /smuggled HTTP/1.1\r\nHost: web.test\r\n\r\n";
    let length = body.len();
    let unwanted =
        format!("POST / HTTP/1.1\r\nHost: nobody.test\r\nContent-Length: {length}\r\n\r\n{body}");
    // At once, after a while, and after the answer.
    let half = unwanted.len() - length / 2;
    for (first, pause) in [(unwanted.len(), false), (half, false), (half, true)] {
        let mut client = edge.client().await;
        let (now, later) = unwanted.split_at(first);
        client.send(now).await;
        if pause {
            client.answer("POST").await.assert_refused(404, "no-route");
        }
        // A server that does not want the rest may have closed by now.
        let _ = client.wire.send(later).await;
        let _ = client.wire.finish().await;
        let told = client.closed().await;
        assert!(told.matches("HTTP/1.1 ").count() <= 1, "{told}");
    }
    assert_eq!(origin.bytes(), "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_head_request_is_answered_without_a_body() {
    let [origin] = origins([Behaviour::Answer]).await;
    let services = [
        Service::new("web", "web.test").endpoints([&origin]),
        Service::new("empty", "empty.test"),
        Service::new("secure", "https://secure.test").endpoints([&origin]),
    ];
    // A proxy that is not this client may terminate TLS.
    let proxied = |config: &mut Config| {
        config.trusted_proxies = vec!["192.0.2.1/32".parse().expect("a network")];
    };
    let edge = Edge::start_with(proxied, &services).await;
    let mut client = edge.client().await;
    for (host, status) in [
        ("nobody.test", 404),
        ("empty.test", 503),
        ("secure.test", 308),
        ("web.test", 200),
    ] {
        let head = format!("HEAD / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let answer = client.request(&head).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (status, ""),
            "{host}"
        );
        let length = answer.head.one("content-length").expect("a length");
        assert_ne!(length, "0", "the length is that of the GET");
    }
    assert_eq!(client.get("web.test", "/").await.body, origin.container);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_client_is_served_as_it_expects() {
    let [origin] = origins([Behaviour::Answer]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints([&origin])]).await;
    // HTTP/1.0 closes after its answer, unless the client asked for more.
    let mut client = edge.client().await;
    let old = client
        .request("GET / HTTP/1.0\r\nHost: web.test\r\n\r\n")
        .await;
    assert_eq!(old.body, origin.container);
    assert_eq!(client.closed().await, "");
    // Without a host no service can be meant.
    let mut client = edge.client().await;
    let nameless = client.request("GET / HTTP/1.0\r\n\r\n").await;
    nameless.assert_refused(404, "no-route");
}
