//! The name server as clients see it: real packets by UDP and TCP, and other resolvers that behave or do not.

mod client;
mod forwarding;
mod hostile;
mod limits;
mod server;
mod upstream;

use std::net::{SocketAddr, TcpListener, UdpSocket};

use hickory_server::proto::op::{Edns, Message, OpCode, ResponseCode};
use hickory_server::proto::rr::{DNSClass, RData, RecordType};
use hiveway::dns::{Error, NameServer};

use self::client::{addresses, by_tcp, by_udp, question};
use self::server::{Server, config, gateways, metrics, snapshot};

#[tokio::test]
async fn a_local_host_has_the_gateways_addresses_the_own_nodes_first() {
    let gateways = gateways(&[
        ("n1", "10.0.0.1"),
        ("n2", "10.0.0.2"),
        ("n3", "10.0.0.3"),
        ("n1", "fd00::1"),
        ("n2", "fd00::2"),
    ]);
    let server = Server::start(&["Shop.local", "*.blog.local"], gateways).await;
    for (name, kind, own, others) in [
        (
            "sHop.LOCAL.",
            RecordType::A,
            "10.0.0.2",
            ["10.0.0.1", "10.0.0.3"].as_slice(),
        ),
        (
            "a.b.blog.local.",
            RecordType::A,
            "10.0.0.2",
            &["10.0.0.1", "10.0.0.3"],
        ),
        ("shop.local.", RecordType::AAAA, "fd00::2", &["fd00::1"]),
    ] {
        let asked = question(name, kind);
        for answer in [
            by_udp(server.address, &asked).await,
            by_tcp(server.address, &asked).await,
        ] {
            assert_eq!(answer.response_code, ResponseCode::NoError, "{answer}");
            assert!(answer.authoritative && !answer.truncation);
            assert!(answer.recursion_desired && !answer.recursion_available);
            assert_eq!(answer.queries, asked.queries);
            assert!(answer.queries[0].name.eq_case(&asked.queries[0].name));
            assert!(answer.answers.iter().all(|it| it.ttl == 5));
            assert_eq!(answer.edns, None);
            let mut told = addresses(&answer);
            assert_eq!(told.remove(0), own, "{answer}");
            told.sort();
            assert_eq!(told, others, "{answer}");
        }
    }
    // The others take turns.
    let second = |answer: &Message| addresses(answer)[1].clone();
    let asked = question("shop.local.", RecordType::A);
    let first = second(&by_udp(server.address, &asked).await);
    assert_ne!(first, second(&by_udp(server.address, &asked).await));
    assert_eq!(first, second(&by_udp(server.address, &asked).await));
    assert_eq!(server.count("answered"), 9);
}

#[tokio::test]
async fn what_does_not_exist_is_told_with_a_short_life() {
    let server = Server::start(&["a.shop.local"], gateways(&[("n1", "10.0.0.1")])).await;
    for (name, kind, code) in [
        ("b.shop.local.", RecordType::A, ResponseCode::NXDomain),
        ("b.shop.local.", RecordType::TXT, ResponseCode::NXDomain),
        ("a.shop.local.", RecordType::AAAA, ResponseCode::NoError),
        ("a.shop.local.", RecordType::HTTPS, ResponseCode::NoError),
        ("a.shop.local.", RecordType::ANY, ResponseCode::NoError),
        ("shop.local.", RecordType::A, ResponseCode::NoError),
        ("local.", RecordType::SOA, ResponseCode::NoError),
    ] {
        let answer = by_udp(server.address, &question(name, kind)).await;
        assert_eq!(answer.response_code, code, "{answer}");
        assert!(
            answer.authoritative && answer.answers.is_empty(),
            "{answer}"
        );
        let [authority] = &*answer.authorities else {
            panic!("one authority: {answer}");
        };
        let RData::SOA(data) = &authority.data else {
            panic!("an SOA record: {answer}");
        };
        assert_eq!(authority.name.to_ascii(), "local.");
        assert_eq!((authority.ttl, data.minimum), (1, 1));
    }
    assert_eq!((server.count("no_name"), server.count("no_data")), (2, 5));
}

#[tokio::test]
async fn names_come_and_go_with_snapshots() {
    let server = Server::cold(|_| {});
    let ask = async |name| {
        let answer = by_udp(server.address, &question(name, RecordType::A)).await;
        (answer.response_code, addresses(&answer))
    };
    // Nobody knows yet: not to be remembered.
    let failed = (ResponseCode::ServFail, vec![]);
    assert_eq!(ask("a.local.").await, failed);
    assert_eq!(server.count("failed"), 1);
    let refused = (ResponseCode::Refused, vec![]);
    assert_eq!(ask("example.com.").await, refused);
    let address = |address: &str| (ResponseCode::NoError, vec![address.to_owned()]);
    server.publish(snapshot(1, &["a.local"], gateways(&[("n1", "10.0.0.1")])));
    server.eventually("a.local.", ResponseCode::NoError).await;
    assert_eq!(ask("a.local.").await, address("10.0.0.1"));
    server.publish(snapshot(2, &["b.local"], gateways(&[("n1", "10.0.0.9")])));
    server.eventually("a.local.", ResponseCode::NXDomain).await;
    assert_eq!(ask("b.local.").await, address("10.0.0.9"));
}

#[tokio::test]
async fn the_last_snapshot_serves_when_no_more_are_made() {
    let mut server = Server::start(&["a.local"], gateways(&[("n1", "10.0.0.1")])).await;
    server.no_more_snapshots();
    let answer = by_udp(server.address, &question("a.local.", RecordType::A)).await;
    assert_eq!(addresses(&answer), ["10.0.0.1"]);
    server.stop().await.expect("it ends in peace");
}

#[tokio::test]
async fn what_is_not_served_is_said_so() {
    let server = Server::start(&["a.local"], gateways(&[("n1", "10.0.0.1")])).await;
    let asked = |change: &dyn Fn(&mut Message)| {
        let mut asked = question("a.local.", RecordType::A);
        change(&mut asked);
        asked
    };
    for (asked, code) in [
        (
            question("example.com.", RecordType::A),
            ResponseCode::Refused,
        ),
        (question("locals.", RecordType::A), ResponseCode::Refused),
        (question(".", RecordType::NS), ResponseCode::Refused),
        (
            question("a.local.", RecordType::AXFR),
            ResponseCode::Refused,
        ),
        (
            asked(&|it| it.queries[0].query_class = DNSClass::CH),
            ResponseCode::Refused,
        ),
        (
            asked(&|it| it.metadata.op_code = OpCode::Notify),
            ResponseCode::NotImp,
        ),
        (
            asked(&|it| {
                let mut edns = Edns::new();
                edns.set_version(1);
                it.set_edns(edns);
            }),
            ResponseCode::BADVERS,
        ),
    ] {
        for answer in [
            by_udp(server.address, &asked).await,
            by_tcp(server.address, &asked).await,
        ] {
            // 16 has two names, of which a client cannot know the right one.
            let codes = [answer.response_code, code].map(u16::from);
            assert_eq!(codes[0], codes[1], "{asked} {answer}");
            assert!(answer.answers.is_empty() && !answer.authoritative);
        }
    }
    assert_eq!(server.count("refused"), 14);
}

#[tokio::test]
async fn a_client_with_edns_gets_it_back() {
    let server = Server::start(&["a.local"], gateways(&[("n1", "10.0.0.1")])).await;
    let mut asked = question("a.local.", RecordType::A);
    let mut edns = Edns::new();
    edns.set_max_payload(4096).set_dnssec_ok(true);
    asked.set_edns(edns);
    let answer = by_udp(server.address, &asked).await;
    let edns = answer.edns.expect("EDNS in the answer");
    assert_eq!((edns.version(), edns.max_payload()), (0, 1232));
    assert!(edns.flags().dnssec_ok);
}

#[tokio::test]
async fn a_taken_port_is_told_with_its_transport() {
    let any = "127.0.0.1:0";
    let udp = UdpSocket::bind(any).expect("a free port");
    let tcp = TcpListener::bind(any).expect("a free port");
    let addresses = [udp.local_addr(), tcp.local_addr()].map(|it| it.expect("bound"));
    for (address, expected) in addresses.into_iter().zip(["UDP", "TCP"]) {
        let mut config = config();
        config.address = address;
        let error = NameServer::bind(&config, &metrics()).expect_err("it is taken");
        assert!(
            matches!(error, Error::Bind { transport, .. } if transport == expected),
            "{error}"
        );
        let text = error.to_string();
        for told in [&*address.to_string(), "in use", "stop what listens there"] {
            assert!(text.contains(told), "{told} in {text}");
        }
    }
}

#[tokio::test]
async fn a_server_does_not_forward_to_itself() {
    // A port that is free now may be taken by the next moment, by another test.
    let tries = (0..50).map(|_| {
        let free = UdpSocket::bind("127.0.0.1:0").and_then(|it| it.local_addr());
        let address: SocketAddr = free.expect("a free port");
        let mut config = config();
        config.address = address;
        config.forward = vec![address];
        let error = NameServer::bind(&config, &metrics()).expect_err("a loop");
        (address, error)
    });
    let mut tries = tries.filter(|(_, error)| !matches!(error, Error::Bind { .. }));
    let (address, error) = tries.next().expect("a port that stays free");
    assert!(
        matches!(error, Error::ForwardToItself(it) if it == address),
        "{error}"
    );
}
