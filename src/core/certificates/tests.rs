use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn certificate(file: &str, names: &[&str]) -> Certificate {
    Certificate {
        file: file.into(),
        names: names
            .iter()
            .map(|name| CertificateName::parse(name).expect("a name"))
            .collect(),
        not_before: Timestamp(0),
        not_after: Timestamp(100 * DAY),
        fallback: file == "default.pem",
    }
}

fn valid(from: u64, until: u64) -> Certificate {
    Certificate {
        not_before: Timestamp(from),
        not_after: Timestamp(until),
        ..certificate("a.crt", &["a.test"])
    }
}

#[test]
fn names_are_read_as_certificates_say_them() {
    for (text, shown) in [
        ("shop.example.com", Some("shop.example.com")),
        ("Shop.EXAMPLE.com.", Some("shop.example.com")),
        ("*.Example.com", Some("*.example.com")),
        ("localhost", Some("localhost")),
        ("a_b.test", Some("a_b.test")),
        ("", None),
        ("*", None),
        ("*.", None),
        ("*.*.example.com", None),
        ("f*.example.com", None),
        ("a..b", None),
        (".a", None),
        ("a b.test", None),
        ("ä.test", None),
    ] {
        let name = CertificateName::parse(text).map(|name| name.to_string());
        assert_eq!(name.as_deref(), shown, "{text:?}");
    }
}

#[test]
fn a_wildcard_stands_for_one_label() {
    let shop = certificate("a.crt", &["example.com", "*.example.com"]);
    for (host, covered) in [
        ("example.com", true),
        ("a.example.com", true),
        ("a.b.example.com", false),
        (".example.com", false),
        ("xexample.com", false),
        ("com", false),
        ("", false),
    ] {
        assert_eq!(shop.covers(host), covered, "{host:?}");
    }
}

#[test]
fn the_most_specific_name_answers_and_the_first_of_equals() {
    let all = [
        certificate("wild.pem", &["*.example.com", "*.b.example.com"]),
        certificate("shop.pem", &["shop.example.com"]),
        certificate("second.pem", &["shop.example.com", "*.example.com"]),
    ];
    let with_default = || all.iter().cloned().chain([certificate("default.pem", &[])]);
    for (asked, without, with) in [
        (Some("shop.example.com"), Some("shop.pem"), "shop.pem"),
        (Some("other.example.com"), Some("wild.pem"), "wild.pem"),
        (Some("a.b.example.com"), Some("wild.pem"), "wild.pem"),
        (Some("a.c.example.com"), None, "default.pem"),
        (Some("example.com"), None, "default.pem"),
        (Some("elsewhere.test"), None, "default.pem"),
        (Some(""), None, "default.pem"),
        (None, None, "default.pem"),
    ] {
        let index = CertificateIndex::of(all.iter().map(|it| (it, it.file.clone())));
        assert_eq!(
            index.find(asked).map(|it| &**it),
            without,
            "{asked:?} without default"
        );
        let all: Vec<_> = with_default().collect();
        let index = CertificateIndex::of(all.iter().map(|it| (it, it.file.clone())));
        assert_eq!(
            index.find(asked).map(|it| &**it),
            Some(with),
            "{asked:?} with default"
        );
    }
}

#[test]
fn a_connection_is_for_the_names_of_its_certificate() {
    let shop = certificate("shop.pem", &["shop.test", "*.shop.test"]);
    let default = certificate("default.pem", &["box.test"]);
    for (certificate, asked, host, answers) in [
        (&shop, Some("shop.test"), "shop.test", true),
        (&shop, Some("shop.test"), "api.shop.test", true),
        (&shop, Some("shop.test"), "bank.test", false),
        (&shop, Some("shop.test"), "", false),
        (&default, Some("bank.test"), "bank.test", true),
        (&default, Some("bank.test"), "box.test", true),
        (&default, Some("bank.test"), "shop.test", false),
        (&default, None, "10.0.0.1", true),
    ] {
        assert_eq!(
            certificate.answers_for(asked, host),
            answers,
            "{} {asked:?} {host}",
            certificate.file
        );
    }
}

#[test]
fn what_is_valid_and_own_and_ends_late_goes_first() {
    let now = Timestamp(50);
    let named = |file: &str, from, until| Certificate {
        file: file.into(),
        ..valid(from, until)
    };
    let expected = [
        (named("late", 0, 90), Origin::Own),
        (named("later-a", 0, 80), Origin::Own),
        (named("later-b", 0, 80), Origin::Own),
        (named("given", 0, 99), Origin::Given),
        (named("issued", 0, 999), Origin::Issued),
        (named("early", 60, 999), Origin::Own),
        (named("over", 0, 50), Origin::Own),
        (named("given-over", 0, 50), Origin::Given),
    ];
    let mut sorted = expected.to_vec();
    sorted.reverse();
    sorted.sort_by_key(|(it, origin)| it.precedence(*origin, now));
    assert_eq!(sorted, expected);
}

#[test]
fn a_worse_certificate_does_not_take_the_place_of_a_better_one() {
    let now = Timestamp(50);
    let good = valid(0, 90);
    let over = valid(0, 40);
    for (before, next, expected) in [
        (None, &good, Ok(())),
        // Anything is better than nothing.
        (None, &over, Ok(())),
        (None, &valid(60, 99), Ok(())),
        (Some(&good), &valid(0, 99), Ok(())),
        // A shorter one may be meant.
        (Some(&good), &valid(0, 60), Ok(())),
        (Some(&good), &over, Err(Unfit::Over(Timestamp(40)))),
        (Some(&good), &valid(0, 50), Err(Unfit::Over(Timestamp(50)))),
        (Some(&over), &valid(0, 45), Ok(())),
        (Some(&over), &over, Err(Unfit::Over(Timestamp(40)))),
        (
            Some(&good),
            &valid(51, 99),
            Err(Unfit::Early(Timestamp(51))),
        ),
    ] {
        assert_eq!(succeed(before, next, now), expected, "{before:?} {next:?}");
    }
}

#[test]
fn the_end_is_told_of_in_three_steps() {
    let ends = valid(0, 90 * DAY);
    for (now, term, days) in [
        (0, Term::Ample, Some(90)),
        (76 * DAY, Term::Ample, Some(14)),
        (76 * DAY + 1, Term::Fortnight, Some(13)),
        (87 * DAY, Term::Fortnight, Some(3)),
        (87 * DAY + 1, Term::Days, Some(2)),
        (90 * DAY - 1, Term::Days, Some(0)),
        (90 * DAY, Term::Over, None),
        (99 * DAY, Term::Over, None),
    ] {
        let now = Timestamp(now);
        let told = (Term::of(&ends, now), days_left(ends.not_after, now));
        assert_eq!(told, (term, days), "{now:?}");
    }
    // A day is all that some servers give, and it is renewed when a third of it is left.
    let ends = valid(0, DAY);
    for (now, term) in [
        (0, Term::Ample),
        (DAY * 3 / 4, Term::Ample),
        (DAY * 3 / 4 + 1, Term::Fortnight),
        (DAY * 9 / 10 + 1, Term::Days),
        (DAY, Term::Over),
    ] {
        assert_eq!(Term::of(&ends, Timestamp(now)), term, "{now:?}");
    }
}

#[test]
fn a_private_key_is_not_shown() {
    let given = GivenCertificate {
        file: "shop.pem".into(),
        pem: PrivatePem::new("-----BEGIN PRIVATE KEY-----"),
    };
    assert_eq!(
        format!("{given:?}"),
        r#"GivenCertificate { file: "shop.pem", pem: PrivatePem }"#
    );
}

#[test]
fn every_moment_has_a_date() {
    assert_eq!(date(Timestamp(0)), "1970-01-01T00:00:00Z");
    assert_eq!(date(Timestamp(u64::MAX)), "9999-12-31T23:59:59Z");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn found_certificate_is_the_most_specific_that_covers_a_name(
        files in vec(vec("(\\*\\.)?[ab](\\.[ab]){0,2}", 0..3), 0..6),
        asked in "[ab](\\.[ab]){0,3}",
    ) {
        let all: Vec<_> = files
            .iter()
            .enumerate()
            .map(|(number, names)| {
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                certificate(&number.to_string(), &names)
            })
            .collect();
        let index = CertificateIndex::of(all.iter().map(|it| (it, it)));
        let found = index.find(Some(&asked));
        let exact = |it: &&Certificate| it.names.contains(&CertificateName::Exact(asked.as_str().into()));
        let best = all.iter().find(exact).or_else(|| all.iter().find(|it| it.covers(&asked)));
        prop_assert_eq!(found.copied(), best);
        prop_assert_eq!(index.find(None), None);
    }

    #[test]
    fn no_name_panics(name in any::<String>(), host in any::<String>()) {
        if let Some(name) = CertificateName::parse(&name) {
            prop_assert_eq!(CertificateName::parse(&name.to_string()), Some(name.clone()));
            let _ = name.covers(&host);
        }
    }
}
