//! Who is let in, and who is answered at once.

use std::net::{IpAddr, Ipv4Addr};

use hiveway::core::model::middleware::{Credential, PasswordHash, Redirect};
use hiveway::gateway::Config;

use super::super::client::{Answer, Client};
use super::super::edge::Edge;
use super::super::local_replies::comes_to;
use super::super::origin::{Behaviour, origins};
use super::super::service::Service;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));
const OTHER: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 78));
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 9, 1));

/// `s3cret` and `password`.
const BCRYPT: &str = "$2b$04$LhRHyYb92TBsI3aIYbm2MOSl1HD09/qy8U8dBaQhwZ4egNNkmpBGq";
const ARGON2: &str =
    "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";

/// `alice:s3cret`, `bob:password` and `bob:s3cret`.
const ALICE: &str = "Authorization: Basic YWxpY2U6czNjcmV0\r\n";
const BOB: &str = "authorization: basic Ym9iOnBhc3N3b3Jk\r\n";
const WRONG: &str = "Authorization: Basic Ym9iOnMzY3JldA==\r\n";

fn trusting(config: &mut Config) {
    config.trusted_proxies = vec!["127.0.9.0/24".parse().expect("a network")];
}

fn users() -> Option<Vec<Credential>> {
    let users = [("alice", BCRYPT), ("bob", ARGON2)].map(|(user, hash)| Credential {
        user: user.into(),
        hash: PasswordHash(hash.into()),
    });
    Some(users.into())
}

fn moved(status: u16, target: &str) -> Option<Redirect> {
    Some(Redirect {
        status,
        target: target.into(),
    })
}

async fn get_from(edge: &Edge, from: IpAddr, lines: &str) -> Answer {
    let mut client = Client::connect_from(from, edge.internal).await;
    client.get_with("web.test", "/", lines).await
}

/// Waits until the gateway has counted this number of requests for a service that it answered itself for
/// this reason.
async fn counted(edge: &Edge, service: &str, reason: &str, count: u64) {
    let labels = [("service", service), ("reason", reason)];
    comes_to(edge, "hiveway_local_replies_total", &labels, count).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_keeps_path_and_query_and_needs_no_task() {
    let services = [
        Service::new("old", "old.test")
            .middleware(|it| it.redirect = moved(308, "https://new.test")),
        Service::new("part", "new.test/part")
            .middleware(|it| it.redirect = moved(301, "http://part.test/p"))
            .policy(|policy| policy.strip_prefix = true),
    ];
    let edge = Edge::start(&services).await;
    let mut client = edge.client().await;
    for (host, path, status, location) in [
        ("old.test", "/a%20b?c=d", 308, "https://new.test/a%20b?c=d"),
        ("old.test", "/", 308, "https://new.test/"),
        ("new.test", "/part", 301, "http://part.test/p/"),
        ("new.test", "/part/x?y", 301, "http://part.test/p/x?y"),
        ("new.test", "/part?y", 301, "http://part.test/p/?y"),
    ] {
        // The connection goes on.
        let answer = client.get(host, path).await;
        answer.assert_refused(status, "redirect");
        assert_eq!(answer.head.one("location"), Some(location));
    }
    counted(&edge, "old", "redirect", 2).await;
    counted(&edge, "part", "redirect", 3).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_allowed_networks_pass_as_seen_by_trusted_proxies() {
    let [task] = origins([Behaviour::Answer]).await;
    let web = |networks: &[&str]| {
        let networks = networks.iter().map(|it| it.parse().expect("a network"));
        let networks = networks.collect();
        let service = Service::new("web", "web.test").middleware(|it| it.allow = Some(networks));
        service.endpoints([&task])
    };
    let edge = Edge::start_with(trusting, &[web(&["127.0.0.77/32", "10.0.0.0/8"])]).await;
    for (from, lines, allowed) in [
        (CLIENT, "", true),
        (OTHER, "", false),
        (OTHER, "X-Forwarded-For: 10.0.0.1\r\n", false),
        (PROXY, "", false),
        (PROXY, "X-Forwarded-For: 10.0.0.1\r\n", true),
        (PROXY, "X-Forwarded-For: 10.0.0.1, 192.0.2.1\r\n", false),
        (
            PROXY,
            "X-Forwarded-For: 192.0.2.1, 10.0.0.1, 127.0.9.7\r\n",
            true,
        ),
    ] {
        let answer = get_from(&edge, from, lines).await;
        match allowed {
            true => assert_eq!(answer.status, 200, "{from} {lines}"),
            false => answer.assert_refused(403, "not-allowed"),
        }
    }
    assert_eq!(task.requests().len(), 3);
    counted(&edge, "web", "not-allowed", 4).await;
    // A list of which nothing could be read.
    edge.publish(&[web(&[])]).await;
    get_from(&edge, CLIENT, "")
        .await
        .assert_refused(403, "not-allowed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_its_proxy_does_not_name_is_let_in_nowhere() {
    let [task] = origins([Behaviour::Answer]).await;
    let near = ["127.0.0.0/8", "198.51.100.7/32"].map(|it| it.parse().expect("a network"));
    let all = ["0.0.0.0/0", "::/0"].map(|it| it.parse().expect("a network"));
    let services = [
        Service::new("near", "web.test").middleware(|it| it.allow = Some(near.into())),
        Service::new("all", "all.test").middleware(|it| it.allow = Some(all.into())),
    ];
    let services = services.map(|it| it.endpoints([&task]));
    let edge = Edge::start_with(trusting, &services).await;
    let mut proxy = Client::connect_from(PROXY, edge.internal).await;
    for (lines, near, all) in [
        // It speaks for itself.
        ("", true, true),
        ("X-Forwarded-For: 198.51.100.7:4711\r\n", true, true),
        ("X-Forwarded-For: 203.0.113.9:4711\r\n", false, true),
        ("X-Forwarded-For: [2001:db8::1]:80\r\n", false, true),
        ("X-Forwarded-For: unknown\r\n", false, false),
        ("X-Forwarded-For: _hidden\r\n", false, false),
        ("X-Forwarded-For: \r\n", false, false),
        ("X-Forwarded-For: 127.0.0.1,\r\n", false, false),
        ("X-Forwarded-For: 127.0.0.1 x\r\n", false, false),
        ("X-Forwarded-For: unknown, 198.51.100.7\r\n", true, true),
        ("X-Forwarded-For: 198.51.100.7, unknown\r\n", false, false),
        ("Forwarded: for=\"198.51.100.7:4711\"\r\n", true, true),
        ("Forwarded: for=203.0.113.9\r\n", false, true),
        ("Forwarded: for=unknown\r\n", false, false),
        ("Forwarded: proto=https\r\n", false, false),
        ("Forwarded: for=\"198.51.100.7\r\n", false, false),
        // One of the two may be the client's own.
        (
            "X-Forwarded-For: 203.0.113.9\r\nForwarded: for=198.51.100.7\r\n",
            false,
            false,
        ),
        (
            "X-Forwarded-For: 198.51.100.7\r\nForwarded: for=203.0.113.9\r\n",
            false,
            false,
        ),
        (
            "X-Forwarded-For: 198.51.100.7:80\r\nForwarded: for=198.51.100.7\r\n",
            true,
            true,
        ),
    ] {
        for (host, allowed) in [("web.test", near), ("all.test", all)] {
            let answer = proxy.get_with(host, "/", lines).await;
            let status = if allowed { 200 } else { 403 };
            assert_eq!(answer.status, status, "{host} {lines}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_with_a_guard_that_is_not_known_lets_nobody_in() {
    let [task] = origins([Behaviour::Answer]).await;
    let web = |keys: &[&str]| {
        let keys = keys.iter().map(|key| (*key).into()).collect();
        let service = Service::new("web", "web.test").middleware(|it| {
            it.unreadable_guards = keys;
            it.basic_auth = users();
        });
        service.endpoints([&task])
    };
    let edge = Edge::start(&[web(&["hiveway.routing.allow_cidr"])]).await;
    for lines in ["", ALICE] {
        let answer = get_from(&edge, CLIENT, lines).await;
        answer.assert_refused(503, "guard-unreadable");
        assert_eq!(answer.head.one("www-authenticate"), None);
    }
    assert_eq!(task.requests(), []);
    edge.publish(&[web(&[])]).await;
    assert_eq!(get_from(&edge, CLIENT, ALICE).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_client_has_its_own_rate_which_outlives_other_changes() {
    let [task] = origins([Behaviour::Answer]).await;
    let web = |change: fn(&mut hiveway::core::model::middleware::Middleware)| {
        let service = Service::new("web", "web.test").middleware(|it| it.rate_limit = Some(1));
        service.middleware(change).endpoints([&task])
    };
    let free = Service::new("free", "free.test").endpoints([&task]);
    let edge = Edge::start_with(trusting, &[web(|_| {}), free.clone()]).await;
    let refused = |answer: &Answer| {
        answer.assert_refused(429, "rate-limit");
        assert_eq!(answer.head.one("retry-after"), Some("1"));
    };
    let said = |last: u8| format!("X-Forwarded-For: 192.0.2.{last}\r\n");
    assert_eq!(get_from(&edge, PROXY, &said(1)).await.status, 200);
    // Within the same second, of which a slow machine may have none left: at most one of the next comes through.
    let mut client = Client::connect_from(PROXY, edge.internal).await;
    let mut through = 0;
    for _ in 0..20 {
        match client.get_with("web.test", "/", &said(1)).await {
            answer if answer.status == 200 => through += 1,
            answer => refused(&answer),
        }
    }
    assert!(
        through <= 10,
        "{through} of 20 came through at one a second"
    );
    assert_eq!(get_from(&edge, PROXY, &said(2)).await.status, 200);
    assert_eq!(client.get("free.test", "/").await.status, 200);
    // The buckets are as they were after other labels of the service have changed.
    let mut bursts = 0;
    for turn in 3..23 {
        let first = get_from(&edge, PROXY, &said(turn)).await;
        assert_eq!(first.status, 200);
        edge.publish(&[web(|it| it.max_body_bytes = Some(9)), free.clone()])
            .await;
        let second = get_from(&edge, PROXY, &said(turn)).await;
        edge.publish(&[web(|_| {}), free.clone()]).await;
        bursts += u32::from(second.status == 429);
    }
    assert!(bursts > 0, "each snapshot gave every client a new bucket");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn known_user_is_admitted_and_forwarded_to_the_task() {
    let [task] = origins([Behaviour::Answer]).await;
    let web = Service::new("web", "web.test").middleware(|it| it.basic_auth = users());
    let shut = Service::new("shut", "shut.test").middleware(|it| it.basic_auth = Some(vec![]));
    let edge = Edge::start(&[web.endpoints([&task]), shut.endpoints([&task])]).await;
    let mut client = edge.client().await;
    for lines in ["", WRONG, "Authorization: Bearer x\r\n"] {
        let answer = client.get_with("web.test", "/", lines).await;
        answer.assert_refused(401, "unauthorized");
        let challenge = answer.head.one("www-authenticate");
        assert_eq!(
            challenge,
            Some("Basic realm=\"restricted\", charset=\"UTF-8\"")
        );
    }
    assert_eq!(task.requests(), []);
    for (index, (lines, user)) in [(ALICE, "alice"), (BOB, "bob"), (ALICE, "alice")]
        .into_iter()
        .enumerate()
    {
        // What a client says of itself does not count.
        let lines = format!("{lines}X-Forwarded-User: root\r\n");
        let answer = client.get_with("web.test", "/", &lines).await;
        assert_eq!(answer.status, 200, "{user}");
        let head = task.received(index + 1).await.remove(index).head;
        assert_eq!(head.one("x-forwarded-user"), Some(user));
        assert_eq!(head.one("authorization"), None);
    }
    let answer = client.get_with("shut.test", "/", ALICE).await;
    answer.assert_refused(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redirected_or_denied_clients_get_no_password_prompt() {
    let [task] = origins([Behaviour::Answer]).await;
    let service = |name: &str| {
        let host = format!("{name}.test");
        Service::new(name, &host).middleware(|it| it.basic_auth = users())
    };
    let services = [
        service("moved").middleware(|it| it.redirect = moved(302, "https://new.test")),
        service("far").middleware(|it| it.allow = Some(vec!["10.0.0.0/8".parse().expect("it")])),
        service("small").middleware(|it| it.max_body_bytes = Some(3)),
    ];
    let edge = Edge::start(&services.map(|it| it.endpoints([&task]))).await;
    edge.get("moved.test", "/")
        .await
        .assert_refused(302, "redirect");
    edge.get("far.test", "/")
        .await
        .assert_refused(403, "not-allowed");
    // Only who is let in learns how much may be sent.
    for (lines, status, reason) in [("", 401, "unauthorized"), (ALICE, 413, "body-too-large")] {
        let request =
            format!("POST / HTTP/1.1\r\nHost: small.test\r\n{lines}Content-Length: 4\r\n\r\nabcd");
        let answer = edge.client().await.request(&request).await;
        answer.assert_refused(status, reason);
    }
    assert_eq!(task.requests(), []);
}
