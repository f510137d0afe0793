//! How endpoints are chosen: each in turn, or the one that a client's cookie names.

use hiveway::core::model::snapshot::EndpointState;

use super::client::Client;
use super::edge::Edge;
use super::origin::{Behaviour, Origin, origins};
use super::service::Service;

/// The cookie that binds a client to a task, as it must be sent.
fn cookie(origin: &Origin, path: &str) -> String {
    format!("CONTAINERID={}; path={path}", origin.container)
}

fn naming(origin: &Origin) -> String {
    format!("Cookie: CONTAINERID={}\r\n", origin.container)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn endpoints_take_turns() {
    let origins = origins([Behaviour::Answer; 3]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints(&origins)]).await;
    let mut served = Vec::new();
    for _ in 0..3 {
        // Turns do not depend on the connection.
        let mut client = edge.client().await;
        for _ in 0..3 {
            let answer = client.get("web.test", "/").await;
            assert_eq!(answer.head.all("set-cookie"), [""; 0]);
            served.push(answer.body);
        }
    }
    let round = served[..3].to_vec();
    let mut all: Vec<_> = origins.iter().map(|it| it.container.clone()).collect();
    all.sort();
    let mut once = round.clone();
    once.sort();
    assert_eq!(once, all, "a round meets each once");
    assert_eq!(served, [&round[..], &round, &round].concat());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_without_a_cookie_gets_one_and_stays_where_it_names() {
    let origins = origins([Behaviour::Answer; 3]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").sticky().endpoints(&origins)]).await;
    let mut client = edge.client().await;
    for origin in &origins {
        assert_eq!(origin.container.len(), 64);
        let first = client.get("web.test", "/").await;
        let chosen = origins.iter().find(|it| it.container == first.body);
        let chosen = chosen.expect("one of them");
        assert_eq!(first.head.all("set-cookie"), [cookie(chosen, "/")]);
        for _ in 0..3 {
            let again = client.get_with("web.test", "/", &naming(origin)).await;
            assert_eq!(again.body, origin.container);
            assert_eq!(again.head.all("set-cookie"), [""; 0], "it has a valid one");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_cookie_is_the_gateways_and_the_others_are_the_tasks() {
    let [origin] = origins([Behaviour::Answer]).await;
    let edge = Edge::start(&[Service::new("web", "web.test")
        .sticky()
        .endpoints([&origin])])
    .await;
    let mut client = edge.client().await;
    let ours = format!("CONTAINERID={}", origin.container);
    let lines = [
        (format!("Cookie: {ours}\r\n"), vec![]),
        ("Cookie: CONTAINERID=unknown\r\n".to_owned(), vec![]),
        (
            format!("Cookie: a=1; {ours}; b=\"2;3\"\r\n"),
            vec!["a=1; b=\"2; 3\""],
        ),
        (
            format!("cookie: a=1;{ours}\r\nCOOKIE: c=3\r\n"),
            vec!["a=1", "c=3"],
        ),
        ("Cookie: a=1;b=2\r\n".to_owned(), vec!["a=1;b=2"]),
        (
            "Cookie: XCONTAINERID=1\r\n".to_owned(),
            vec!["XCONTAINERID=1"],
        ),
    ];
    for (lines, _) in &lines {
        assert_eq!(client.get_with("web.test", "/", lines).await.status, 200);
    }
    let received = origin.received(lines.len()).await;
    for (request, (lines, expected)) in received.iter().zip(&lines) {
        assert_eq!(request.head.all("cookie"), *expected, "{lines}");
    }
    assert!(!origin.bytes().contains("; CONTAINERID") && !origin.bytes().contains(&ours));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cookie_of_a_task_that_takes_no_clients_is_replaced() {
    let origins = origins([Behaviour::Answer; 5]).await;
    let [ready, draining, starting, failing, lost] = &origins;
    let service = Service::new("web", "web.test")
        .sticky()
        .endpoint(ready, EndpointState::Ready)
        .endpoint(draining, EndpointState::Draining)
        .endpoint(starting, EndpointState::Starting)
        .endpoint(failing, EndpointState::Failing)
        .endpoint(lost, EndpointState::Lost);
    let edge = Edge::start(&[service]).await;
    let mut client = edge.client().await;
    let named = [draining, starting, failing, lost].map(naming);
    let odd = [
        "Cookie: CONTAINERID=\r\n".to_owned(),
        "Cookie: CONTAINERID=vanished\r\n".to_owned(),
        format!("Cookie: CONTAINERID={}\r\n", &ready.container[..12]),
    ];
    for lines in named.iter().chain(&odd) {
        let answer = client.get_with("web.test", "/", lines).await;
        assert_eq!(answer.body, ready.container, "{lines}");
        assert_eq!(
            answer.head.all("set-cookie"),
            [cookie(ready, "/")],
            "{lines}"
        );
    }
    for origin in [draining, starting, failing, lost] {
        assert_eq!(origin.requests(), []);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_moves_with_a_new_cookie_when_its_task_drains() {
    let [first, second] = origins([Behaviour::Answer; 2]).await;
    let service = || Service::new("web", "web.test").sticky();
    let edge = Edge::start(&[service().endpoints([&first, &second])]).await;
    let mut client = edge.client().await;
    let bound = client.get_with("web.test", "/", &naming(&first)).await;
    assert_eq!(bound.body, first.container);
    let drained = service()
        .endpoint(&first, EndpointState::Draining)
        .endpoint(&second, EndpointState::Ready);
    edge.publish(&[drained]).await;
    let moved = client.get_with("web.test", "/", &naming(&first)).await;
    assert_eq!(moved.body, second.container);
    assert_eq!(moved.head.all("set-cookie"), [cookie(&second, "/")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_services_on_one_host_keep_apart() {
    let [shop, _other_shop] = origins([Behaviour::Answer; 2]).await;
    let [api, other_api] = origins([Behaviour::Answer; 2]).await;
    let services = [
        Service::new("shop", "shop.test")
            .sticky()
            .endpoints([&shop]),
        Service::new("api", "shop.test/api")
            .sticky()
            .endpoints([&api, &other_api]),
    ];
    let edge = Edge::start(&services).await;
    let mut client = edge.client().await;
    let at_shop = client.get("shop.test", "/").await;
    assert_eq!(at_shop.head.all("set-cookie"), [cookie(&shop, "/")]);
    let at_api = client.get("shop.test", "/api/x").await;
    let [set] = at_api.head.all("set-cookie")[..] else {
        panic!("{at_api:?}")
    };
    assert!(set.ends_with("; path=/api"), "{set}");
    // A browser sends both cookies below /api, the one with the longer path first; others may not.
    for target in [&api, &other_api] {
        let (at_api, at_shop) = (&target.container, &shop.container);
        for both in [
            format!("Cookie: CONTAINERID={at_api}; CONTAINERID={at_shop}\r\n"),
            format!("Cookie: CONTAINERID={at_shop}; CONTAINERID={at_api}\r\n"),
        ] {
            for _ in 0..3 {
                let answer = client.get_with("shop.test", "/api/x", &both).await;
                assert_eq!(answer.body, target.container);
                assert_eq!(answer.head.all("set-cookie"), [""; 0]);
                assert_eq!(
                    client.get_with("shop.test", "/", &both).await.body,
                    shop.container
                );
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn services_of_a_route_keep_clients_except_at_weight_zero() {
    let [blue, green] = origins([Behaviour::Answer; 2]).await;
    let share = |name, origin, weight| {
        Service::new(name, "shop.test")
            .sticky()
            .endpoints([origin])
            .policy(|policy| policy.weight = weight)
    };
    let edge = Edge::start(&[share("blue", &blue, 1), share("green", &green, 99)]).await;
    let mut client = edge.client().await;
    for _ in 0..10 {
        let answer = client.get_with("shop.test", "/", &naming(&blue)).await;
        assert_eq!(answer.body, blue.container);
    }
    edge.publish(&[share("blue", &blue, 0), share("green", &green, 99)])
        .await;
    let moved = client.get_with("shop.test", "/", &naming(&blue)).await;
    assert_eq!(moved.body, green.container);
    assert_eq!(moved.head.all("set-cookie"), [cookie(&green, "/")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_stickiness_a_cookie_binds_nobody_and_none_is_set() {
    let origins = origins([Behaviour::Answer; 2]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints(&origins)]).await;
    let mut client = Client::connect(edge.internal).await;
    let mut served = Vec::new();
    for _ in 0..4 {
        let answer = client.get_with("web.test", "/", &naming(&origins[0])).await;
        assert_eq!(answer.head.all("set-cookie"), [""; 0]);
        served.push(answer.body);
    }
    assert_ne!(served[0], served[1]);
    assert_eq!(served[..2], served[2..]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tasks_own_cookies_stand_beside_the_gateways() {
    let own = "HTTP/1.1 200 OK\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 0\r\n\r\n";
    let [origin] = origins([Behaviour::Say(own)]).await;
    let edge = Edge::start(&[Service::new("web", "web.test")
        .sticky()
        .endpoints([&origin])])
    .await;
    let answer = edge.get("web.test", "/").await;
    let ours = cookie(&origin, "/");
    assert_eq!(answer.head.all("set-cookie"), ["a=1", "b=2", &ours]);
}
