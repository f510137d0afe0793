//! Which certificate is shown to a client that connects by TLS.

use super::*;
use crate::core::certificates::{Certificate, CertificateName};

const DAY: u64 = 24 * 60 * 60 * 1000;

fn certificate(file: &str, names: &[&str], from: u64, until: u64) -> Certificate {
    let names = names
        .iter()
        .map(|it| CertificateName::parse(it).expect("a name"));
    Certificate {
        file: file.into(),
        names: names.collect(),
        not_before: Timestamp(from),
        not_after: Timestamp(until),
        fallback: file == "default.crt",
    }
}

#[test]
fn the_certificate_of_a_name_is_a_step() {
    let snapshot = of(&[
        ("web", "web.test/", &[Ready]),
        ("all", "*.test/", &[Ready]),
        ("number", "10.0.0.1/", &[Ready]),
    ]);
    let tls = Listener {
        tls: true,
        ..listener(true, 443)
    };
    let mut known = Known {
        listeners: vec![tls],
        certificates: Some(vec![
            certificate("web.crt", &["web.test"], 0, 9 * DAY),
            certificate("wild.crt", &["*.deep.test", "deep.test"], 0, 9 * DAY),
            certificate("old.crt", &["old.test"], 0, DAY),
            certificate("new.crt", &["new.test"], 8 * DAY, 9 * DAY),
        ]),
        now: Timestamp(2 * DAY),
        ..Known::default()
    };
    let told = |url: &str, known: &Known| {
        let explanation = ask(url, &snapshot, known);
        let step = says(&explanation).into_iter();
        let step = step.filter(|it| it[2..].starts_with("certificate: "));
        let step: Vec<String> = step.collect();
        (step.join("\n"), explanation.outcome.forwarded)
    };
    for (url, says, forwarded) in [
        (
            "https://web.test/",
            "+ certificate: web.crt for web.test, valid until 1970-01-10T00:00:00Z",
            true,
        ),
        (
            "https://a.deep.test/",
            "+ certificate: wild.crt for *.deep.test, deep.test, valid until",
            true,
        ),
        (
            "https://old.test/",
            ". certificate: old.crt for old.test, which ended on 1970-01-02T",
            true,
        ),
        (
            "https://new.test/",
            ". certificate: new.crt for new.test, valid from 1970-01-09T",
            true,
        ),
        (
            "https://a.b.deep.test/",
            "! certificate: no certificate is for a.b.deep.test, and none",
            false,
        ),
        (
            "https://10.0.0.1/",
            "! certificate: no certificate is for 10.0.0.1",
            false,
        ),
    ] {
        let (step, goes_on) = told(url, &known);
        assert!(step.starts_with(says), "{url}: {step}");
        assert_eq!(goes_on, forwarded, "{url}");
    }
    let refused = ask("https://other.test/", &snapshot, &known).outcome;
    assert_eq!(
        (refused.status, refused.reason.as_deref()),
        (None, Some("unknown-name"))
    );

    // The default is shown where no other is, to those who name no host as well.
    let fallback = certificate("default.crt", &["web.test"], 0, 9 * DAY);
    known.certificates.as_mut().expect("some").push(fallback);
    for url in ["https://other.test/", "https://10.0.0.1/"] {
        let (step, forwarded) = told(url, &known);
        assert!(
            step.contains("clients are shown the default, default.crt"),
            "{step}"
        );
        assert!(forwarded, "{url}");
    }
    known.asks_certificates = true;
    let (step, _) = told("https://web.test/", &known);
    assert!(step.contains("--client-ca"), "{step}");
}

#[test]
fn a_redirect_to_a_name_without_certificate_is_told() {
    let mut snapshot = Snapshot::default();
    add(
        &mut snapshot,
        "safe",
        "safe.test/",
        Scheme::Https,
        100,
        &[Ready],
    );
    let tls = Listener {
        tls: true,
        ..listener(true, 443)
    };
    let known = Known {
        listeners: vec![listener(true, 80), tls],
        certificates: Some(Vec::new()),
        ..Known::default()
    };
    let explanation = ask("http://safe.test/", &snapshot, &known);
    assert_eq!(explanation.outcome.status, Some(308));
    let steps = says(&explanation).join("\n");
    assert!(
        steps.contains(". certificate: the redirect leads to nothing"),
        "{steps}"
    );
}
