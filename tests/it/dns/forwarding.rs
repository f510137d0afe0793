//! Names that are not ours: asked of other resolvers, whose answers are believed only when they fit.

use std::collections::BTreeSet;
use std::time::Duration;

use hickory_server::proto::op::{Edns, Message, ResponseCode};
use hickory_server::proto::rr::RecordType;

use super::client::{addresses, by_tcp, by_udp, question};
use super::server::{Server, gateways};
use super::upstream::{By, Upstream, answer, packet};

/// A server that asks these, the first first.
async fn forwarding(upstreams: &[&Upstream]) -> Server {
    forwarding_within(Duration::from_secs(30), upstreams).await
}

/// The same with a time-out for each.
async fn forwarding_within(timeout: Duration, upstreams: &[&Upstream]) -> Server {
    let addresses = upstreams.iter().map(|it| it.address).collect();
    Server::start_with(
        |config| {
            config.forward = addresses;
            config.limits.forward_timeout = timeout;
        },
        &["a.local"],
        gateways(&[("n1", "10.0.0.1")]),
    )
    .await
}

#[tokio::test]
async fn other_names_are_asked_of_another_resolver_under_another_id() {
    let upstream = Upstream::honest(7);
    let server = forwarding(&[&upstream]).await;
    let mut asked = question("www.Example.com.", RecordType::A);
    for number in 0..20 {
        // A client whose ids can be guessed.
        asked.metadata.id = number;
        let answer = by_udp(server.address, &asked).await;
        assert_eq!(addresses(&answer), ["192.0.2.7"]);
        assert!(answer.recursion_available && !answer.authoritative);
    }
    let answer = by_tcp(server.address, &asked).await;
    assert_eq!(
        (answer.id, addresses(&answer)),
        (19, vec!["192.0.2.7".to_owned()])
    );
    let seen = upstream.asked();
    let ways: Vec<By> = seen.iter().map(|(by, _)| *by).collect();
    assert_eq!(ways, [[By::Udp; 20].as_slice(), &[By::Tcp]].concat());
    let ids: BTreeSet<u16> = seen.iter().map(|(_, message)| message.id).collect();
    assert!(ids.len() > 15 && ids.last() > Some(&255), "{ids:?}");
    assert!(seen.iter().all(|(_, message)| {
        message.queries == asked.queries && message.recursion_desired && message.edns.is_none()
    }));
    assert_eq!(server.count("forwarded"), 21);
}

#[tokio::test]
async fn local_names_are_never_asked_of_others() {
    let upstream = Upstream::honest(7);
    let server = forwarding(&[&upstream]).await;
    for (name, code) in [
        ("a.local.", ResponseCode::NoError),
        ("unclaimed.local.", ResponseCode::NXDomain),
        ("UNCLAIMED.LOCAL.", ResponseCode::NXDomain),
        ("local.", ResponseCode::NoError),
    ] {
        for kind in [RecordType::A, RecordType::TXT] {
            let answer = by_udp(server.address, &question(name, kind)).await;
            assert_eq!(answer.response_code, code, "{answer}");
        }
    }
    let cold = Server::cold(|config| config.forward = vec![upstream.address]);
    let answer = by_udp(cold.address, &question("a.local.", RecordType::A)).await;
    assert_eq!(answer.response_code, ResponseCode::ServFail);
    assert!(upstream.asked().is_empty());
    // It does forward.
    let answer = by_udp(cold.address, &question("locals.", RecordType::A)).await;
    assert_eq!(addresses(&answer), ["192.0.2.7"]);
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_passed_over() {
    let upstream = Upstream::start(|_, asked| {
        let good = answer(asked, &[7]);
        let forged = |change: &dyn Fn(&mut Message)| {
            let mut forged = answer(asked, &[66]);
            change(&mut forged);
            packet(&forged)
        };
        vec![
            forged(&|it| it.metadata.id ^= 1),
            forged(&|it| it.queries = question("evil.example.", RecordType::A).queries),
            forged(&|it| it.queries[0].query_type = RecordType::AAAA),
            forged(&|it| it.queries.clear()),
            packet(asked),
            b"no packet".to_vec(),
            Vec::new(),
            packet(&good),
        ]
    });
    let server = forwarding(&[&upstream]).await;
    let asked = question("www.example.com.", RecordType::A);
    assert_eq!(
        addresses(&by_udp(server.address, &asked).await),
        ["192.0.2.7"]
    );
    assert_eq!(
        addresses(&by_tcp(server.address, &asked).await),
        ["192.0.2.7"]
    );
    assert_eq!(upstream.asked().len(), 2);
}

#[tokio::test]
async fn a_silent_resolver_is_left_for_the_next_one_for_good() {
    let (silent, honest) = (Upstream::silent(), Upstream::honest(7));
    let server = forwarding_within(Duration::from_millis(100), &[&silent, &honest]).await;
    let asked = question("www.example.com.", RecordType::A);
    for _ in 0..3 {
        assert_eq!(
            addresses(&by_udp(server.address, &asked).await),
            ["192.0.2.7"]
        );
    }
    assert_eq!(
        addresses(&by_tcp(server.address, &asked).await),
        ["192.0.2.7"]
    );
    assert_eq!(silent.asked().len(), 1, "it cost one question its time-out");
}

#[tokio::test]
async fn when_all_are_silent_the_client_is_told() {
    let (one, other) = (Upstream::silent(), Upstream::silent());
    let server = forwarding_within(Duration::from_millis(50), &[&one, &other]).await;
    let asked = question("www.example.com.", RecordType::A);
    for answer in [
        by_udp(server.address, &asked).await,
        by_tcp(server.address, &asked).await,
    ] {
        assert_eq!(answer.response_code, ResponseCode::ServFail);
        assert_eq!(answer.queries, asked.queries);
    }
    assert_eq!((one.asked().len(), other.asked().len()), (2, 2));
    assert_eq!(server.count("failed"), 2);
}

#[tokio::test]
async fn failing_resolver_is_asked_once_and_its_error_is_a_fallback() {
    let failing = Upstream::failing(ResponseCode::ServFail);
    let refusing = Upstream::failing(ResponseCode::Refused);
    let honest = Upstream::honest(7);
    let asked = question("www.example.com.", RecordType::A);
    let server = forwarding(&[&failing, &refusing, &honest]).await;
    assert_eq!(
        addresses(&by_udp(server.address, &asked).await),
        ["192.0.2.7"]
    );
    let server = forwarding(&[&refusing, &failing]).await;
    let answer = by_udp(server.address, &asked).await;
    assert_eq!(answer.response_code, ResponseCode::Refused);
    // That a name does not exist is an answer like any other.
    let unknowing = Upstream::failing(ResponseCode::NXDomain);
    let server = forwarding(&[&unknowing, &honest]).await;
    let answer = by_udp(server.address, &asked).await;
    assert_eq!(answer.response_code, ResponseCode::NXDomain);
}

#[tokio::test]
async fn a_port_where_nobody_listens_costs_no_time() {
    let honest = Upstream::honest(7);
    let gone = Upstream::silent().address;
    // A time-out that no test waits for.
    let server = Server::start_with(
        |config| {
            config.forward = vec![gone, honest.address];
            config.limits.forward_timeout = Duration::from_secs(600);
        },
        &[],
        gateways(&[]),
    )
    .await;
    let asked = question("www.example.com.", RecordType::A);
    let answer = by_udp(server.address, &asked).await;
    assert_eq!(addresses(&answer), ["192.0.2.7"]);
    let server = Server::cold(|config| {
        config.forward = vec![gone, honest.address];
        config.limits.forward_timeout = Duration::from_secs(600);
    });
    let answer = by_tcp(server.address, &asked).await;
    assert_eq!(addresses(&answer), ["192.0.2.7"]);
}

#[tokio::test]
async fn a_long_answer_comes_by_tcp() {
    let many: Vec<u8> = (0..100).collect();
    let upstream = Upstream::start(move |by, asked| {
        let mut message = answer(asked, &many);
        if by == By::Udp {
            message = message.truncate();
        }
        vec![packet(&message)]
    });
    let server = forwarding(&[&upstream]).await;
    let asked = question("many.example.com.", RecordType::A);
    // The client has to ask again, and is told so.
    let answer = by_udp(server.address, &asked).await;
    assert!(answer.truncation && answer.answers.is_empty(), "{answer}");
    assert_eq!(addresses(&by_tcp(server.address, &asked).await).len(), 100);
    let ways: Vec<By> = upstream.asked().iter().map(|(by, _)| *by).collect();
    assert_eq!(ways, [By::Udp, By::Tcp, By::Tcp]);
}

#[tokio::test]
async fn truncated_answer_is_asked_again_over_tcp() {
    let few: Vec<u8> = (0..40).collect();
    let upstream = Upstream::start(move |by, asked| {
        let mut message = answer(asked, &few);
        if by == By::Udp {
            message = message.truncate();
        }
        vec![packet(&message)]
    });
    let server = forwarding(&[&upstream]).await;
    let mut asked = question("few.example.com.", RecordType::A);
    let mut edns = Edns::new();
    edns.set_max_payload(4096).set_dnssec_ok(true);
    asked.set_edns(edns);
    let answer = by_udp(server.address, &asked).await;
    assert_eq!((addresses(&answer).len(), answer.truncation), (40, false));
    let told = upstream.asked()[0].1.edns.clone().expect("EDNS");
    assert_eq!((told.max_payload(), told.flags().dnssec_ok), (1232, true));
}

#[tokio::test]
async fn a_resolver_that_says_too_much_does_not_make_us_do_it() {
    let many: Vec<u8> = (0..100).collect();
    let upstream = Upstream::start(move |_, asked| vec![packet(&answer(asked, &many))]);
    let server = forwarding(&[&upstream]).await;
    let asked = question("many.example.com.", RecordType::A);
    let answer = by_udp(server.address, &asked).await;
    assert!(answer.truncation && answer.answers.is_empty(), "{answer}");
    assert_eq!(answer.queries, asked.queries);
}
