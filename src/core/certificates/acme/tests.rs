use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::core::certificates::CertificateName;
use crate::core::model::route::PathPrefix;
use crate::core::model::snapshot::{Claim, RouteKey};

const DAY: u64 = 24 * 60 * 60 * 1000;
const MINUTE: u64 = 60 * 1000;

fn certificate(host: &str, from: u64, until: u64) -> Arc<IssuedCertificate> {
    Arc::new(IssuedCertificate {
        host: host.into(),
        directory: "https://acme.test/dir".into(),
        not_before: Timestamp(from),
        not_after: Timestamp(until),
        pem: PrivatePem::new(host),
    })
}

fn issued(all: &[(&str, u64, u64)]) -> Issued {
    let all = all
        .iter()
        .map(|(host, from, until)| certificate(host, *from, *until));
    all.map(|it| (it.host.clone(), it)).collect()
}

fn wanted(hosts: &[&str]) -> Wanted {
    Wanted {
        hosts: hosts.iter().map(|host| Arc::from(*host)).collect(),
        wildcards: BTreeSet::new(),
    }
}

#[test]
fn certificates_are_wanted_for_external_hosts_served_by_tls() {
    let route = |host: &str, scheme| {
        let host = match host.strip_prefix("*.") {
            Some(name) => HostPattern::Under(name.into()),
            None => HostPattern::Exact(host.into()),
        };
        let path = PathPrefix::root();
        let claim = Claim {
            service: "s1".into(),
            port: 80,
            scheme,
        };
        let claims: Arc<[Claim]> = Arc::new([claim]);
        (RouteKey { host, path }, claims)
    };
    let snapshot = Snapshot {
        routes: BTreeMap::from([
            route("shop.test", Scheme::Https),
            route("any.test", Scheme::Any),
            route("plain.test", Scheme::Http),
            route("calls.test", Scheme::Grpc),
            route("shop.local", Scheme::Https),
            route("*.many.test", Scheme::Https),
            route("*.other.test", Scheme::Any),
        ]),
        ..Snapshot::default()
    };
    let all = Wanted::of(&snapshot);
    assert_eq!(all.hosts, BTreeSet::from(["shop.test".into()]));
    assert_eq!(all.wildcards, BTreeSet::from(["many.test".into()]));

    let own = |names: &[&str], until| Certificate {
        file: "own.crt".into(),
        names: names
            .iter()
            .map(|name| CertificateName::parse(name).expect("a name"))
            .collect(),
        not_before: Timestamp(0),
        not_after: Timestamp(until),
        fallback: true,
    };
    for (names, until, hosts, wildcards) in [
        (&["shop.test"][..], 9, 0, 1),
        (&["*.test"], 9, 0, 1),
        (&["*.many.test"], 9, 1, 0),
        (&["other.test"], 9, 1, 1),
        // One that has ended stands for nothing.
        (&["shop.test", "*.many.test"], 5, 1, 1),
    ] {
        let left = all.clone().without(&[own(names, until)], Timestamp(5));
        assert_eq!(
            (left.hosts.len(), left.wildcards.len()),
            (hosts, wildcards),
            "{names:?}"
        );
    }
}

#[test]
fn renewal_is_due_after_two_thirds_spread_over_the_hosts() {
    let renewals: BTreeSet<u64> = (0..50)
        .map(|number| {
            certificate(&format!("h{number}.test"), DAY, 91 * DAY)
                .renewal()
                .0
        })
        .collect();
    let bounds = 58 * DAY..=61 * DAY;
    assert!(
        renewals.iter().all(|it| bounds.contains(it)),
        "{renewals:?}"
    );
    assert!(renewals.len() > 30, "{renewals:?}");
    // One that makes no sense is due at once, and breaks nothing.
    assert_eq!(certificate("a.test", 9, 3).renewal(), Timestamp(9));
}

#[test]
fn orders_run_one_at_a_time_and_the_most_urgent_first() {
    let ledger = RenewalState::default();
    let known = issued(&[
        ("old.test", 0, 90 * DAY),
        ("older.test", 0, 80 * DAY),
        ("fresh.test", 60 * DAY, 150 * DAY),
    ]);
    let at = |day: u64| Timestamp(day * DAY);
    for (hosts, day, expected) in [
        (&[][..], 1, Next::Rest),
        (&["new.test"], 1, Next::Order("new.test".into())),
        (
            &["old.test", "new.test"],
            70,
            Next::Order("new.test".into()),
        ),
        (
            &["old.test", "older.test"],
            70,
            Next::Order("older.test".into()),
        ),
        (
            &["old.test", "fresh.test"],
            61,
            Next::Order("old.test".into()),
        ),
        (
            &["fresh.test"],
            61,
            Next::Wait(known["fresh.test"].renewal()),
        ),
    ] {
        assert_eq!(
            ledger.next(&wanted(hosts), &known, at(day)),
            expected,
            "{hosts:?}"
        );
    }
}

#[test]
fn failed_host_backs_off_without_delaying_others() {
    let mut ledger = RenewalState::default();
    let host: Arc<str> = "bad.test".into();
    let (both, none) = (wanted(&["bad.test", "good.test"]), Issued::new());
    let mut minutes = Vec::new();
    let mut now = Timestamp(0);
    for _ in 0..11 {
        let wait = ledger.fail(&host, Failure::Refused, None, now, 0);
        minutes.push(wait.as_secs() / 60);
        assert_eq!(
            ledger.next(&both, &none, now),
            Next::Order("good.test".into())
        );
        let end = Timestamp(now.0 + wait.as_millis() as u64);
        let only = wanted(&["bad.test"]);
        assert_eq!(ledger.next(&only, &none, now), Next::Wait(end));
        assert_eq!(ledger.next(&only, &none, end), Next::Order(host.clone()));
        now = end;
    }
    assert_eq!(
        minutes,
        [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1440, 1440]
    );
    ledger.succeed("bad.test");
    assert_eq!(ledger, RenewalState::default());
    let least = ledger.fail(&host, Failure::Refused, None, now, u64::MAX);
    assert_eq!(least, Duration::from_secs(225));
    ledger.retain(&wanted(&["good.test"]));
    assert_eq!(ledger, RenewalState::default());
}

#[test]
fn unreachable_server_pauses_all_hosts_for_an_hour_at_most() {
    let mut ledger = RenewalState::default();
    let (both, none) = (wanted(&["a.test", "b.test"]), Issued::new());
    let waits: Vec<u64> = (0..9)
        .map(|_| {
            ledger
                .fail(&"a.test".into(), Failure::Away, None, Timestamp(0), 0)
                .as_secs()
        })
        .collect();
    assert_eq!(waits, [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
    let hour = Timestamp(60 * MINUTE);
    assert_eq!(ledger.next(&both, &none, Timestamp(0)), Next::Wait(hour));
    assert_eq!(
        ledger.next(&both, &none, hour),
        Next::Order("a.test".into())
    );
}

#[test]
fn rate_limit_pauses_its_host_and_spaces_out_the_others() {
    const HOUR: u64 = 60 * 60;
    for (asked, seconds, lull) in [
        (None, HOUR, 300),
        // Sooner than Hiveway would by itself, but not at once.
        (Some(0), 5, 5),
        (Some(1), 5, 5),
        (Some(60), 60, 60),
        (Some(3 * HOUR), 3 * HOUR, 300),
        (Some(u64::MAX), 7 * 24 * HOUR, 300),
    ] {
        let mut ledger = RenewalState::default();
        let asked = asked.map(Duration::from_secs);
        let wait = ledger.fail(&"a.test".into(), Failure::Limited, asked, Timestamp(0), 0);
        assert_eq!(wait.as_secs(), seconds, "{asked:?}");
        let both = wanted(&["a.test", "b.test"]);
        let lull = Timestamp(lull * 1_000);
        let none = Issued::new();
        assert_eq!(ledger.next(&both, &none, Timestamp(0)), Next::Wait(lull));
        let other = wanted(&["b.test"]);
        let order = Next::Order("b.test".into());
        assert_eq!(ledger.next(&other, &none, lull), order, "{asked:?}");
    }
}

#[test]
fn server_that_names_a_time_is_asked_then_and_backs_off() {
    let host: Arc<str> = "a.test".into();
    let seconds = |failure, asked| -> Vec<u64> {
        let mut ledger = RenewalState::default();
        let asked = Some(Duration::from_secs(asked));
        let waits = (0..4).map(|_| ledger.fail(&host, failure, asked, Timestamp(0), 0));
        waits.map(|wait| wait.as_secs()).collect()
    };
    for (failure, asked, expected) in [
        (Failure::Away, 1, [5, 10, 20, 40]),
        (Failure::Limited, 1, [5, 10, 20, 40]),
        (Failure::Away, 15, [15, 15, 20, 40]),
        (Failure::Away, 600, [600; 4]),
        (Failure::Away, u64::MAX, [24 * 60 * 60; 4]),
        // Hosts that are not believed are counted, whatever the server says of the time.
        (Failure::Refused, 1, [300, 600, 1200, 2400]),
        (Failure::Refused, 1_000, [1000, 1000, 1200, 2400]),
    ] {
        assert_eq!(seconds(failure, asked), expected, "{failure:?} {asked}");
    }
    // Chance takes nothing off what was asked for.
    let mut ledger = RenewalState::default();
    let asked = Some(Duration::from_secs(90));
    let wait = ledger.fail(&host, Failure::Away, asked, Timestamp(0), u64::MAX);
    assert_eq!(wait.as_secs(), 90);
}

#[test]
fn an_open_challenge_is_answered_for_its_own_path_or_host_only() {
    let challenge = |kind, host: &str, token: &str| Challenge {
        kind,
        host: host.into(),
        token: token.into(),
        answer: format!("{token}.thumb").into(),
    };
    let open = [
        challenge(ChallengeKind::Http01, "a.test", "t1"),
        challenge(ChallengeKind::TlsAlpn01, "b.test", "t2"),
    ];
    for (path, expected) in [
        ("/.well-known/acme-challenge/t1", Some("t1.thumb")),
        ("/.well-known/acme-challenge/t1/", None),
        ("/.well-known/acme-challenge/t2", None),
        ("/.well-known/acme-challenge/", None),
        ("/t1", None),
        ("/", None),
    ] {
        assert_eq!(file(&open, path).map(|it| &**it), expected, "{path}");
    }
    let found = |host| by_certificate(&open, host).map(|it| &*it.token);
    assert_eq!((found("a.test"), found("b.test")), (None, Some("t2")));
}

#[test]
fn what_has_ended_is_shown_for_a_while_and_then_forgotten() {
    let mut known = issued(&[("a.test", 0, 10 * DAY), ("b.test", 0, 60 * DAY)]);
    let all = wanted(&["a.test", "b.test"]);
    assert_eq!(all.lacking(&known, Timestamp(20 * DAY)), ["a.test".into()]);
    assert!(!forget_ended(&mut known, Timestamp(39 * DAY)));
    assert!(forget_ended(&mut known, Timestamp(40 * DAY)));
    assert_eq!(known.keys().map(|it| &**it).collect::<Vec<_>>(), ["b.test"]);
}

proptest! {
    #[test]
    fn what_is_told_in_any_order_and_again_comes_to_the_same(
        told in vec(("[abc]", 0..5u64, 0..5u64, "[xyz]"), 0..12),
        again in vec(0..12usize, 0..6),
    ) {
        let one = |(host, from, until, pem): &(String, u64, u64, String)| {
            let certificate = IssuedCertificate {
                pem: PrivatePem::new(pem),
                ..(*certificate(host, *from, *until)).clone()
            };
            Issued::from([(certificate.host.clone(), Arc::new(certificate))])
        };
        let (mut forwards, mut backwards) = (Issued::new(), Issued::new());
        for it in &told {
            join(&mut forwards, &one(it));
        }
        for it in told.iter().rev() {
            join(&mut backwards, &one(it));
        }
        prop_assert_eq!(&forwards, &backwards);
        for index in again {
            if let Some(it) = told.get(index) {
                prop_assert!(!join(&mut forwards, &one(it)));
            }
        }
        let mut told_by_news = Issued::new();
        for it in news(&told_by_news, &forwards) {
            told_by_news.insert(it.host.clone(), it);
        }
        prop_assert!(news(&told_by_news, &forwards).is_empty());
        prop_assert_eq!(told_by_news, forwards);
    }
}
