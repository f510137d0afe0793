//! What is told of an ACME server: challenges to all, certificates to those who serve TLS, by every controller.

use std::sync::Arc;

use hiveway::core::certificates::PrivatePem;
use hiveway::core::certificates::acme::{Challenge, ChallengeKind, Issued, IssuedCertificate};
use hiveway::core::model::Timestamp;
use hiveway::sync::server::Acme;
use tokio::sync::watch;

use super::controllers::Controller;
use super::node::Node;
use super::relay::Relay;
use super::snapshot;
use crate::bounded::bounded;

const FAR: Timestamp = Timestamp(1 << 50);

/// What a controller that orders tells.
struct Orders {
    issued: watch::Sender<Arc<Issued>>,
    challenges: watch::Sender<Arc<[Challenge]>>,
}

impl Orders {
    fn of(issued: Issued) -> Self {
        Self {
            issued: watch::Sender::new(Arc::new(issued)),
            challenges: watch::Sender::new(Arc::default()),
        }
    }

    async fn controller(&self, epoch: u64) -> Controller {
        let told = Acme {
            issued: self.issued.subscribe(),
            challenges: self.challenges.subscribe(),
        };
        Controller::start_ordering(Some(snapshot(epoch, 1, &["a.test"])), told).await
    }
}

fn issued(all: &[(&str, u64)]) -> Issued {
    let all = all.iter().map(|(host, from)| IssuedCertificate {
        host: (*host).into(),
        directory: "https://acme.test/dir".into(),
        not_before: Timestamp(*from),
        not_after: FAR,
        pem: PrivatePem::new(&format!("the key of {host} from {from}")),
    });
    all.map(|it| (it.host.clone(), Arc::new(it))).collect()
}

fn challenge(host: &str) -> Arc<[Challenge]> {
    Arc::new([Challenge {
        kind: ChallengeKind::Http01,
        host: host.into(),
        token: format!("token-{host}").into(),
        answer: "answer".into(),
    }])
}

/// Waits until these certificates are known.
async fn knows(node: &mut Node, expected: &Issued) {
    let same = node.issued.wait_for(|it| **it == *expected);
    bounded(same).await.expect("the follower lives");
}

#[tokio::test]
async fn challenges_reach_all_gateways_certificates_those_with_tls() {
    let orders = Orders::of(issued(&[("a.test", 1)]));
    let controller = orders.controller(1).await;
    let relay = Relay::to(controller.address).await;
    let mut serving = Node::start_serving_tls(&[relay.address]).await;
    let mut plain = Node::start(&[controller.address]).await;
    knows(&mut serving, &issued(&[("a.test", 1)])).await;
    for open in [challenge("b.test"), Arc::default()] {
        orders.challenges.send_replace(open.clone());
        for node in [&mut serving, &mut plain] {
            let heard = node.challenges.wait_for(|it| **it == *open);
            bounded(heard).await.expect("the follower lives");
        }
    }
    let renewed = issued(&[("a.test", 2), ("b.test", 1)]);
    orders.issued.send_replace(Arc::new(renewed.clone()));
    knows(&mut serving, &renewed).await;
    assert!(plain.issued.borrow().is_empty());
    // Nothing of it passed in the clear.
    let text = b"the key of";
    assert!(!relay.seen().windows(text.len()).any(|it| it == text));
}

#[tokio::test]
async fn newest_certificate_of_any_controller_is_kept() {
    let (old, new) = (
        issued(&[("a.test", 1), ("b.test", 5)]),
        issued(&[("a.test", 2), ("b.test", 4)]),
    );
    let joined = issued(&[("a.test", 2), ("b.test", 5)]);
    let (first, second) = (Orders::of(old), Orders::of(new));
    let (one, two) = (first.controller(1).await, second.controller(2).await);
    let mut node = Node::start_serving_tls(&[one.address, two.address]).await;
    knows(&mut node, &joined).await;
    second.challenges.send_replace(challenge("a.test"));
    first.challenges.send_replace(challenge("b.test"));
    let both = bounded(node.challenges.wait_for(|it| it.len() == 2)).await;
    both.expect("the follower lives");
    // The challenges of one that is gone are nobody's, and its certificates stand.
    drop(two);
    let open = challenge("b.test");
    let left = node.challenges.wait_for(|it| **it == *open);
    bounded(left).await.expect("the follower lives");
    assert_eq!(**node.issued.borrow(), joined);
    // One that has lost what it knew takes nothing away.
    first.issued.send_replace(Arc::default());
    first.challenges.send_replace(Arc::default());
    let none = bounded(node.challenges.wait_for(|it| it.is_empty())).await;
    none.expect("the follower lives");
    assert_eq!(**node.issued.borrow(), joined);
}
