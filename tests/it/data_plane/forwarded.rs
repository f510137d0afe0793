//! What a task is told of its client, and who is believed about it.

use std::net::{IpAddr, Ipv4Addr};

use hiveway::gateway::Config;

use super::client::Client;
use super::edge::Edge;
use super::message::Head;
use super::origin::{Behaviour, origins};
use super::service::Service;

const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 77));
const PROXY: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 9, 1));

fn trusting(config: &mut Config) {
    config.trusted_proxies = vec!["127.0.9.0/24".parse().expect("a network")];
}

/// What a task receives when `from` asks with these lines.
async fn received(edge: &Edge, from: IpAddr, lines: &str, task: &super::origin::Origin) -> Head {
    let before = task.requests().len();
    let mut client = Client::connect_from(from, edge.internal).await;
    let answer = client.get_with("Web.test:80", "/", lines).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    task.received(before + 1).await.remove(before).head
}

const SAID: &str = "X-Forwarded-For: 10.1.1.1\r\n\
                    X-Forwarded-Proto: https\r\n\
                    X-Forwarded-Host: evil.test\r\n\
                    X-Real-IP: 10.1.1.1\r\n\
                    Forwarded: for=10.1.1.1;proto=https\r\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_told_what_the_connection_says() {
    let [task] = origins([Behaviour::Answer]).await;
    let edge = Edge::start(&[Service::new("web", "web.test").endpoints([&task])]).await;
    for lines in [
        "",
        SAID,
        "x-forwarded-for: 10.1.1.1\r\nX-FORWARDED-FOR: 10.2.2.2\r\n",
    ] {
        let head = received(&edge, CLIENT, lines, &task).await;
        assert_eq!(head.one("x-forwarded-for"), Some("127.0.0.77"), "{lines}");
        assert_eq!(head.one("x-forwarded-proto"), Some("http"), "{lines}");
        assert_eq!(head.one("x-forwarded-host"), Some("Web.test:80"), "{lines}");
        assert_eq!(head.one("x-real-ip"), None, "{lines}");
        assert_eq!(head.one("forwarded"), None, "{lines}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_trusted_proxy_is_believed_and_added_to() {
    let [task] = origins([Behaviour::Answer]).await;
    let service = Service::new("web", "web.test").endpoints([&task]);
    let edge = Edge::start_with(trusting, &[service]).await;

    let head = received(&edge, PROXY, SAID, &task).await;
    assert_eq!(head.one("x-forwarded-for"), Some("10.1.1.1, 127.0.9.1"));
    assert_eq!(head.one("x-forwarded-proto"), Some("https"));
    assert_eq!(head.one("x-forwarded-host"), Some("evil.test"));
    assert_eq!(head.one("x-real-ip"), Some("10.1.1.1"));
    assert_eq!(head.one("forwarded"), Some("for=10.1.1.1;proto=https"));

    let lines =
        "X-Forwarded-For: 10.1.1.1, 10.2.2.2\r\nAccept: */*\r\nx-forwarded-for: 10.3.3.3\r\n";
    let head = received(&edge, PROXY, lines, &task).await;
    let chain = "10.1.1.1, 10.2.2.2, 10.3.3.3, 127.0.9.1";
    assert_eq!(head.one("x-forwarded-for"), Some(chain));

    let head = received(&edge, PROXY, "", &task).await;
    assert_eq!(head.one("x-forwarded-for"), Some("127.0.9.1"));
    assert_eq!(head.one("x-forwarded-proto"), Some("http"));
    assert_eq!(head.one("x-forwarded-host"), Some("Web.test:80"));

    // Anyone else's word counts as little as before.
    let head = received(&edge, CLIENT, SAID, &task).await;
    assert_eq!(head.one("x-forwarded-for"), Some("127.0.0.77"));
    assert_eq!(head.one("x-forwarded-proto"), Some("http"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_else_is_forwarded_counts_from_trusted_proxies_alone() {
    let [task] = origins([Behaviour::Answer]).await;
    let service = Service::new("web", "web.test").endpoints([&task]);
    let edge = Edge::start_with(trusting, &[service]).await;
    for name in ["User", "Port", "Server", "Ssl", "Scheme", "Prefix"] {
        let lines = format!("X-Forwarded-{name}: 1\r\nx-forwarded-{name}: 2\r\n");
        let name = format!("x-forwarded-{}", name.to_lowercase());
        let head = received(&edge, CLIENT, &lines, &task).await;
        assert_eq!(head.all(&name), Vec::<&str>::new(), "{name}");
        let head = received(&edge, PROXY, &lines, &task).await;
        assert_eq!(head.all(&name), ["1", "2"], "{name}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_only_its_underscores_tell_from_ours_is_nobodys() {
    let [task] = origins([Behaviour::Answer]).await;
    let service = Service::new("web", "web.test").endpoints([&task]);
    let edge = Edge::start_with(trusting, &[service]).await;
    for name in [
        "X_Forwarded_For",
        "X-Forwarded_Proto",
        "x_forwarded-host",
        "X_FORWARDED_USER",
        "X_Real_IP",
        "Content_Length",
        "Transfer_Encoding",
    ] {
        for from in [CLIENT, PROXY] {
            let head = received(&edge, from, &format!("{name}: 1\r\n"), &task).await;
            assert_eq!(head.one(&name.to_lowercase()), None, "{name} from {from}");
        }
    }
    // Others are the application's.
    let lines = "X_Tenant: 1\r\nclient_id: 2\r\nX-Forward_For: 3\r\n";
    let head = received(&edge, CLIENT, lines, &task).await;
    let told = ["x_tenant", "client_id", "x-forward_for"].map(|name| head.one(name));
    assert_eq!(told, [Some("1"), Some("2"), Some("3")]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_route_for_tls_only_sends_plain_clients_there() {
    let [task, plain] = origins([Behaviour::Answer; 2]).await;
    let services = [
        Service::new("secure", "https://secure.test").endpoints([&task]),
        Service::new("mixed", "http://mixed.test").endpoints([&plain]),
    ];
    let edge = Edge::start_with(trusting, &services).await;
    let tls = "X-Forwarded-Proto: https\r\n";

    for (from, lines) in [
        (CLIENT, ""),
        (CLIENT, tls),
        (PROXY, ""),
        (PROXY, "X-Forwarded-Proto: http\r\n"),
        (PROXY, "X-Forwarded-Proto: ws\r\n"),
        (PROXY, "X-Forwarded-Proto: http,https\r\n"),
        (PROXY, "Forwarded: for=192.0.2.1;proto=http\r\n"),
        (CLIENT, "Forwarded: for=192.0.2.1;proto=https\r\n"),
        (
            PROXY,
            "X-Forwarded-Proto: http\r\nForwarded: for=192.0.2.1;proto=https\r\n",
        ),
    ] {
        let mut client = Client::connect_from(from, edge.internal).await;
        let answer = client
            .get_with("Secure.test:8080", "/a%20b?c=d&e", lines)
            .await;
        answer.assert_refused(308, "tls-only");
        let location = answer.head.one("location");
        assert_eq!(
            location,
            Some("https://secure.test/a%20b?c=d&e"),
            "{from} {lines}"
        );
        // The method and the body are the client's to repeat: 308 keeps both.
        let post =
            format!("POST / HTTP/1.1\r\nHost: secure.test\r\n{lines}Content-Length: 2\r\n\r\nhi");
        client.request(&post).await.assert_refused(308, "tls-only");
    }
    assert_eq!(task.requests(), []);

    let mut proxy = Client::connect_from(PROXY, edge.internal).await;
    let by_tls = [
        tls,
        "x-forwarded-proto: HTTPS\r\n",
        "X-Forwarded-Proto: wss\r\n",
        "X-Forwarded-Proto: https,http\r\n",
        "X-Forwarded-Proto: https\r\nX-Forwarded-Proto: http\r\n",
        "Forwarded: for=192.0.2.1;proto=https\r\n",
    ];
    for lines in by_tls {
        let answer = proxy.get_with("secure.test", "/", lines).await;
        assert_eq!(answer.body, task.container, "{lines}");
    }
    let heads = task.received(by_tls.len()).await;
    assert!(
        heads
            .iter()
            .all(|it| it.head.one("x-forwarded-proto") == Some("https"))
    );

    // What is plain only is not there for those who come by TLS.
    assert_eq!(proxy.get("mixed.test", "/").await.body, plain.container);
    let answer = proxy.get_with("mixed.test", "/", tls).await;
    answer.assert_refused(404, "no-route");
}
