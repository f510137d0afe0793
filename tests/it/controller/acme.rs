//! The controller that orders certificates, with servers that refuse, and what it knows before it asks one.

mod server;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use hiveway::controller::acme::{Config, Error, Inputs, Issuer};
use hiveway::core::certificates::PrivatePem;
use hiveway::core::certificates::acme::{ChallengeKind, Issued, IssuedCertificate};
use hiveway::core::event::Event;
use hiveway::core::model::route::{HostPattern, PathPrefix, Scheme};
use hiveway::core::model::snapshot::{Claim, RouteKey, Snapshot};
use hiveway::core::reconcile::wishes::DesiredChanges;
use hiveway::observe::event_log;
use hiveway::observe::metrics::Metrics;
use hiveway::observe::readiness::Readiness;
use hiveway::tls::certificates::{Loaded, NotIssued};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use self::server::{Manner, Server};
use crate::authority::{Authority, DAY, ahead, past};
use crate::bounded::bounded;
use crate::folder::Folder;
use crate::pause::pause;

/// What a running controller is told, and tells.
struct Orders {
    wishes: watch::Sender<DesiredChanges>,
    heard: watch::Sender<Arc<Issued>>,
    not_issued: watch::Sender<NotIssued>,
    issued: watch::Receiver<Arc<Issued>>,
    metrics: Metrics,
    readiness: Readiness,
    events: mpsc::Receiver<Event>,
    _snapshots: watch::Sender<Option<Arc<Snapshot>>>,
    _running: JoinSet<()>,
}

fn config(server: &Server, state: &Folder) -> Config {
    Config {
        directory: server.directory.clone(),
        contacts: Vec::new(),
        root: Some(server.root.clone()),
        challenge: ChallengeKind::Http01,
        state_dir: state.path().to_owned(),
    }
}

fn routes(hosts: &[&str]) -> Arc<Snapshot> {
    let route = |host: &&str| {
        let key = RouteKey {
            host: HostPattern::Exact((*host).into()),
            path: PathPrefix::root(),
        };
        let claims: Arc<[Claim]> = Arc::new([Claim {
            service: "s1".into(),
            port: 80,
            scheme: Scheme::Https,
        }]);
        (key, claims)
    };
    Arc::new(Snapshot {
        routes: hosts.iter().map(route).collect::<BTreeMap<_, _>>(),
        ..Snapshot::default()
    })
}

impl Orders {
    async fn start(server: &Server, state: &Folder, hosts: &[&str], leading: bool) -> Self {
        let (emitter, events) = event_log::channel();
        let (metrics, readiness) = (Metrics::new(emitter.drop_counter()), Readiness::default());
        let config = config(server, state);
        let issuer = Issuer::open(config, emitter, metrics.clone(), readiness.clone()).await;
        let issuer = issuer.expect("a folder");
        let issued = issuer.told().issued;
        let (snapshots, published) = watch::channel(Some(routes(hosts)));
        let (wishes, wished) = watch::channel(DesiredChanges {
            leading,
            ..DesiredChanges::default()
        });
        let (heard, told) = watch::channel(Arc::default());
        let (others, not_issued) = watch::channel(NotIssued::default());
        let inputs = Inputs {
            snapshots: published,
            wishes: wished,
            alone: false,
            not_issued,
            heard: told,
        };
        let mut running = JoinSet::new();
        running.spawn(issuer.run(inputs, CancellationToken::new()));
        Self {
            wishes,
            heard,
            not_issued: others,
            issued,
            metrics,
            readiness,
            events,
            _snapshots: snapshots,
            _running: running,
        }
    }

    /// What is said of the first order that comes to nothing.
    async fn failure(&mut self) -> String {
        loop {
            let event = bounded(self.events.recv()).await.expect("an emitter");
            if event.kind() == "certificate_not_issued" {
                return event.to_string();
            }
        }
    }

    /// How long the first order that comes to nothing waits for the next.
    async fn wait(&mut self) -> u64 {
        loop {
            let event = bounded(self.events.recv()).await.expect("an emitter");
            if let Event::CertificateNotIssued { seconds, .. } = event {
                return seconds.expect("a next try");
            }
        }
    }

    fn counted(&self, result: &str) -> bool {
        let line = format!("hiveway_acme_orders_total{{result=\"{result}\"}} 1\n");
        self.metrics.render(None).contains(&line)
    }
}

/// A certificate for a host that a server issued to another controller.
fn issued(server: &Server, authority: &Authority, host: &str) -> Issued {
    let pair = authority.vouch_within(&[host], past(DAY), ahead(80 * DAY));
    let pem = PrivatePem::new(&pair.combined());
    let loaded = Loaded::parse(host, &pem).expect("a pair");
    let certificate = IssuedCertificate {
        host: host.into(),
        directory: server.directory.clone(),
        not_before: loaded.certificate.not_before,
        not_after: loaded.certificate.not_after,
        pem,
    };
    Issued::from([(host.into(), Arc::new(certificate))])
}

#[tokio::test]
async fn refusal_is_reported_with_its_reason_and_the_next_try() {
    let limited = Manner::Limited { retry_after: 7200 };
    for (manner, result, parts) in [
        (
            Manner::OutOfOrder,
            "away",
            &["answered 503 Service Unavailable", "next try in 2"][..],
        ),
        (
            Manner::Page,
            "away",
            &["does not speak ACME", "--acme-directory", "next try in 2"],
        ),
        (
            limited,
            "rate-limited",
            &[
                "the server says: too many certificates already (rateLimited)",
                "next try in 2h",
            ],
        ),
    ] {
        let (server, state) = (Server::start(manner).await, Folder::new());
        let mut orders = Orders::start(&server, &state, &["shop.test"], true).await;
        let told = orders.failure().await;
        let start = "no certificate was issued for shop.test: ";
        assert!(told.starts_with(start), "{told}");
        for part in parts {
            assert!(told.contains(part), "{part} in {told}");
        }
        assert!(orders.counted(result), "{manner:?}");
        let report = orders.readiness.report();
        let reason = report.conditions[0].reason.clone().unwrap_or_default();
        assert!(reason.starts_with("shop.test: "), "{reason}");
        assert!(!report.conditions[0].required);
    }
}

// RFC 8555, section 6.6, and RFC 9110, section 10.2.3. Let's Encrypt answers 503 with `Retry-After:
// 1` while it is busy.
#[tokio::test]
async fn every_step_of_an_order_waits_as_long_as_the_server_asks() {
    const STEPS: [&str; 5] = [
        "/account",
        "/order",
        "/authorization",
        "/order/1",
        "/finalize",
    ];
    let busy = |step, status, problem, retry_after| Manner::Busy {
        step,
        status,
        problem,
        retry_after,
    };
    let limited = Some("rateLimited");
    let steps = STEPS.map(|step| (busy(step, 503, limited, "1"), "rate-limited", 3..=5));
    let others = [
        (
            busy("/order", 429, limited, "100"),
            "rate-limited",
            100..=100,
        ),
        (busy("/order", 429, None, "100"), "rate-limited", 100..=100),
        (busy("/order", 503, None, "1"), "away", 3..=5),
        (busy("/dir", 503, None, "100"), "away", 100..=100),
        (busy("/dir", 503, limited, "100"), "away", 100..=100),
        (busy("/dir", 429, limited, "100"), "rate-limited", 100..=100),
        (
            busy("/order", 500, Some("serverInternal"), "100"),
            "away",
            100..=100,
        ),
        (
            busy("/order", 503, Some("compound"), "100"),
            "away",
            100..=100,
        ),
        // Long ago, and never.
        (
            busy("/order", 503, limited, "Sun, 06 Nov 1994 08:49:37 GMT"),
            "rate-limited",
            3..=5,
        ),
        (
            busy("/order", 503, limited, "soon"),
            "rate-limited",
            2_700..=3_600,
        ),
        // It refuses this host, and is not asked about it sooner for any word about the time.
        (
            busy("/order", 403, Some("rejectedIdentifier"), "1"),
            "refused",
            225..=300,
        ),
    ];
    // Together, because each begins by listening to other controllers for some seconds.
    let mut cases = JoinSet::new();
    for (manner, result, expected) in steps.into_iter().chain(others) {
        cases.spawn(async move {
            let (server, state) = (Server::start(manner).await, Folder::new());
            let mut orders = Orders::start(&server, &state, &["shop.test"], true).await;
            let wait = orders.wait().await;
            assert!(expected.contains(&wait), "{manner:?}: {wait}");
            assert!(orders.counted(result), "{manner:?}");
        });
    }
    while let Some(ended) = bounded(cases.join_next()).await {
        ended.expect("a case");
    }
}

#[tokio::test]
async fn account_unknown_to_the_server_is_registered_again() {
    let (server, state) = (Server::start(Manner::Stranger).await, Folder::new());
    let mut orders = Orders::start(&server, &state, &["shop.test"], true).await;
    let told = orders.failure().await;
    assert!(told.contains("who are you (accountDoesNotExist)"), "{told}");
    drop(orders);
    let mut orders = Orders::start(&server, &state, &["shop.test"], true).await;
    orders.failure().await;
    assert_eq!(server.asked("/account"), 2);
}

#[tokio::test]
async fn only_the_leader_orders_and_only_what_nobody_has() {
    let limited = Manner::Limited { retry_after: 60 };
    let (server, state) = (Server::start(limited).await, Folder::new());
    let authority = Authority::new("the test");
    let hosts = ["heard.test", "lacking.test", "own.test"];
    let mut orders = Orders::start(&server, &state, &hosts, false).await;
    // Another leads: nothing is asked, and what was issued to it is written down here.
    let known = issued(&server, &authority, "heard.test");
    let elsewhere = IssuedCertificate {
        directory: "https://trials.test/dir".into(),
        host: "lacking.test".into(),
        ..(*known["heard.test"]).clone()
    };
    let mut told = known.clone();
    told.insert("lacking.test".into(), Arc::new(elsewhere));
    orders.heard.send_replace(Arc::new(told));
    let taken = bounded(orders.issued.wait_for(|it| **it == known)).await;
    taken.expect("it runs");
    let own = authority.vouch(&["own.test"]).combined();
    let own = Loaded::parse("own.pem", &PrivatePem::new(&own)).expect("a pair");
    orders.not_issued.send_replace(Arc::new([own.certificate]));
    tokio::time::pause();
    pause(Duration::from_secs(2 * 60 * 60)).await;
    tokio::time::resume();
    assert_eq!(server.asked("/dir"), 0);

    // It begins to lead, and orders what is neither its own nor was issued by this server.
    orders.wishes.send_modify(|wishes| wishes.leading = true);
    orders.failure().await;
    assert_eq!(server.ordered(), ["lacking.test"]);
    drop(orders);

    // What was written down is there at the next start, without anybody who tells it.
    let hosts = ["heard.test", "lacking.test"];
    let mut orders = Orders::start(&server, &state, &hosts, true).await;
    assert_eq!(**orders.issued.borrow(), known);
    orders.failure().await;
    assert_eq!(server.ordered(), ["lacking.test", "lacking.test"]);
    assert_eq!(server.asked("/account"), 1);
}

#[tokio::test]
async fn unusable_saved_state_is_reported_and_ordered_again() {
    let limited = Manner::Limited { retry_after: 60 };
    let (server, state) = (Server::start(limited).await, Folder::new());
    drop(Orders::start(&server, &state, &[], false).await);
    let mut folders = std::fs::read_dir(state.path().join("acme")).expect("a folder");
    let folder = folders
        .next()
        .expect("one server")
        .expect("a folder")
        .path();
    let authority = Authority::new("the test");
    let other = authority.vouch(&["other.test"]).combined();
    std::fs::write(folder.join("cut.test.pem"), &other[..100]).expect("a writable folder");
    std::fs::write(folder.join("wrong.test.pem"), other).expect("a writable folder");
    let mut orders = Orders::start(&server, &state, &["cut.test"], true).await;
    let mut told = Vec::new();
    for _ in 0..2 {
        let event = bounded(orders.events.recv()).await.expect("an emitter");
        assert_eq!(event.kind(), "certificate_not_kept", "{event}");
        told.push(event.to_string());
    }
    told.sort();
    assert!(
        told[0].contains("cut.test.pem: it cannot be used"),
        "{told:?}"
    );
    assert!(told[1].contains("it is not for wrong.test"), "{told:?}");
    orders.failure().await;
    assert_eq!(server.ordered(), ["cut.test"]);
}

#[tokio::test]
async fn bad_state_folder_and_bad_roots_are_reported_at_startup() {
    let (server, state) = (Server::start(Manner::Page).await, Folder::new());
    let open = async |config| {
        let (emitter, _events) = event_log::channel();
        let metrics = Metrics::new(emitter.drop_counter());
        let opened = Issuer::open(config, emitter, metrics, Readiness::default()).await;
        opened.err().expect("it is refused")
    };
    let mut wrong = config(&server, &state);
    wrong.state_dir = server.root.clone();
    let error = open(wrong).await;
    assert!(matches!(error, Error::Keep { .. }), "{error}");
    assert!(error.to_string().contains("--state-dir"), "{error}");
    let mut wrong = config(&server, &state);
    wrong.root = Some(state.path().join("none.pem"));
    let error = open(wrong).await;
    assert!(matches!(error, Error::Authorities { .. }), "{error}");
    assert!(error.to_string().contains("--acme-root"), "{error}");
    assert_eq!(server.asked("/dir"), 0);
}
