//! Certificates on their way from a controller to gateways on other nodes.

use std::sync::Arc;
use std::time::Duration;

use hiveway::core::certificates::{GivenCertificate, PrivatePem};
use hiveway::observe::event_log;
use hiveway::observe::metrics::Metrics;
use hiveway::tls::certificates::{self, CertificateManager, FromController};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::controllers::Controller;
use super::node::Node;
use super::relay::Relay;
use super::snapshot;
use crate::authority::{Authority, Pair};
use crate::bounded::bounded;
use crate::folder::Folder;

fn given(pairs: &[(&str, &Pair)]) -> FromController {
    let give = |(file, pair): &(&str, &Pair)| GivenCertificate {
        file: (*file).into(),
        pem: PrivatePem::new(&pair.combined()),
    };
    pairs.iter().map(give).collect()
}

#[tokio::test]
async fn only_nodes_that_serve_tls_receive_certificates() {
    let authority = Authority::new("the test");
    let (first, second) = (authority.vouch(&["a.test"]), authority.vouch(&["a.test"]));
    let (gives, to_give) = watch::channel(given(&[("a.pem", &first)]));
    let snapshot = snapshot(1, 1, &["a.test"]);
    let controller = Controller::start_giving(Some(snapshot.clone()), Some(to_give)).await;
    let relay = Relay::to(controller.address).await;
    let mut serving = Node::start_serving_tls(&[relay.address]).await;
    let mut other = Node::start(&[controller.address]).await;
    other.steers_by(&snapshot).await;
    for pair in [&first, &second] {
        let expected = given(&[("a.pem", pair)]);
        gives.send_replace(expected.clone());
        let arrived = serving.certificates.wait_for(|it| *it == expected);
        bounded(arrived).await.expect("the follower lives");
    }
    gives.send_replace(given(&[]));
    let gone = serving.certificates.wait_for(|it| it.is_empty());
    bounded(gone).await.expect("the follower lives");
    assert_eq!(other.certificates.borrow().len(), 0);
    assert!(
        !other
            .certificates
            .has_changed()
            .expect("the follower lives")
    );
    // Nothing of it passed in the clear.
    let seen = relay.seen();
    assert!(seen.len() > 1000, "{} bytes", seen.len());
    let line = first.key.lines().nth(1).expect("a line of the key");
    assert!(!seen.windows(line.len()).any(|it| it == line.as_bytes()));
}

#[tokio::test]
async fn what_a_controller_gave_stays_when_another_has_none_to_give() {
    let authority = Authority::new("the test");
    let pair = authority.vouch(&["a.test"]);
    let (_gives, to_give) = watch::channel(given(&[("a.pem", &pair)]));
    let first = Controller::start_giving(Some(snapshot(1, 1, &["a.test"])), Some(to_give)).await;
    let second = Controller::start(None).await;
    let mut node = Node::start_serving_tls(&[first.address, second.address]).await;
    let arrived = node.certificates.wait_for(|it| it.len() == 1);
    bounded(arrived).await.expect("the follower lives");
    drop(first);
    second.publish(snapshot(2, 1, &["b.test"]));
    node.steers_by(&snapshot(2, 1, &["b.test"])).await;
    assert_eq!(node.certificates.borrow().len(), 1);
}

/// The files of the certificates in use, as soon as they are these.
async fn uses(in_use: &mut watch::Receiver<certificates::ActiveCertificates>, files: &[&str]) {
    let same = |latest: &certificates::ActiveCertificates| {
        let latest = latest.iter().map(|it| &*it.certificate.file);
        latest.eq(files.iter().copied())
    };
    let waited = bounded(in_use.wait_for(same)).await;
    waited.expect("the keeper lives");
}

#[tokio::test]
async fn own_certificates_go_before_those_that_were_given() {
    let (folder, authority) = (Folder::new(), Authority::new("the test"));
    authority.vouch(&["a.test"]).write(folder.path(), "own");
    let config = certificates::Config {
        folders: vec![folder.path().to_owned()],
        look_every: Duration::from_millis(20),
    };
    let (emitter, mut events) = event_log::channel();
    let metrics = Metrics::new(emitter.drop_counter());
    let keeper = CertificateManager::open(config, emitter, metrics.clone()).await;
    let keeper = keeper.expect("a folder");
    let (mut in_use, own) = (keeper.in_use(), keeper.own());
    let (gives, taken) = watch::channel::<FromController>(Arc::new([]));
    let mut running = JoinSet::new();
    let (_issues, issued) = watch::channel(Arc::default());
    running.spawn(keeper.run(taken, issued, CancellationToken::new()));
    let file = folder.file("own.crt");
    uses(&mut in_use, &[&file]).await;

    // The same name, valid for as long, and another.
    let (a, b) = (authority.vouch(&["a.test"]), authority.vouch(&["b.test"]));
    gives.send_replace(given(&[("/certs/a.pem", &a), ("/certs/b.pem", &b)]));
    let all = [&*file, "controller:/certs/a.pem", "controller:/certs/b.pem"];
    uses(&mut in_use, &all).await;
    // Those that were given are not given on.
    assert_eq!(own.borrow().len(), 1);
    let garbage = GivenCertificate {
        file: "/certs/a.pem".into(),
        pem: PrivatePem::new("garbage"),
    };
    gives.send_replace(Arc::new([garbage]));
    uses(&mut in_use, &all[..2]).await;
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        told.push(event.to_string());
    }
    let starts = [
        format!("certificate {file} for a.test is used"),
        "certificate controller:/certs/a.pem for a.test is used".to_owned(),
        "certificate controller:/certs/b.pem for b.test is used".to_owned(),
        "certificate controller:/certs/b.pem for b.test is used no more".to_owned(),
        "certificate controller:/certs/a.pem cannot be used".to_owned(),
    ];
    assert_eq!(told.len(), starts.len(), "{told:#?}");
    for (told, start) in told.iter().zip(starts) {
        assert!(told.starts_with(&start), "{told}");
    }
    // A key is shown nowhere.
    let shown = format!(
        "{:?} {:?} {}",
        in_use.borrow(),
        own.borrow(),
        metrics.render(None)
    );
    assert!(
        !shown.contains("PRIVATE KEY") && !shown.contains("MII"),
        "{shown}"
    );
}
