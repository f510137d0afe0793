//! What is reported once, however often it occurs.

use super::*;

/// A file that uses a variable in eleven places.
fn eleven() -> String {
    let labels = (80..90).fold(String::new(), |text, port| {
        text + &format!("        hiveway.routing.port_{port}: a.${{SITE}}\n")
    });
    WEB.replace(ROUTE, &labels)
        .replace("    hostname: web\n", "    hostname: ${SITE}\n")
}

#[test]
fn an_unset_variable_is_one_finding_with_its_places() {
    let text = eleven();
    let source = Source::new("a.yml", text.clone().into_bytes());
    let findings = check(&[source], &options()).findings;
    let [only] = &*findings else {
        panic!("{findings:#?}");
    };
    let message =
        "the variable SITE is not set, so that nothing stands here and in 10 other places";
    assert_eq!(only.message, message);
    // Without it the labels cannot be read.
    assert_eq!((only.level, only.related.len()), (Level::Error, 3));
    assert_eq!(&text[only.span.range()], "${SITE}");

    let required = text.replace("${SITE}", "${SITE:?give a site}");
    let found = told(&required);
    let [only] = &*found else {
        panic!("{found:#?}");
    };
    let expected = "requires the variable SITE, which is not set: give a site; it is used here and in 10 other places";
    assert!(only.ends_with(expected), "{only}");
}

#[test]
fn a_gap_that_does_no_harm_stays_a_warning() {
    let told = told_with("hostname: web", "hostname: web${SITE}");
    let expected =
        "warning 0.yml:3:18 [${SITE}] the variable SITE is not set, so that nothing stands here";
    assert_eq!(told, [expected]);
}

#[test]
fn what_is_wrong_beside_a_gap_is_told() {
    let found = told_with("port_80: a.example", "port_80: \"10.0.0.1; a.${SITE}\"");
    let [address, gap] = &*found else {
        panic!("{found:#?}");
    };
    assert!(address.contains("[10.0.0.1]"), "{address}");
    assert!(
        gap.starts_with("error ") && gap.contains("[${SITE}]"),
        "{gap}"
    );
}

#[test]
fn a_value_that_services_share_is_told_of_once() {
    let text = "x-deploy: &deploy { replicas: two }
services:
  a: { image: a, deploy: *deploy }
  b: { image: b, deploy: *deploy }
";
    let told = told(text);
    assert_eq!(
        told,
        ["error 0.yml:1:31 [two] service a: `replicas` must be a whole number, and this is text"]
    );
}

#[test]
fn what_follows_from_an_error_is_not_told() {
    for (from, to, expected) in [
        (
            "port_80: a.example",
            "prot_80: a.example\n        hiveway.routing.weight: '5'",
            "[hiveway.routing.prot_80]",
        ),
        ("[mesh]", "[mehs]", "[mehs]"),
        ("[mesh]", "mesh", "[mesh]"),
        ("[mesh]", "[5]", "[5]"),
        ("{ external: true }", "{ external: 'true' }", "['true']"),
    ] {
        let found = told_with(from, to);
        assert!(
            found.len() == 1 && found[0].contains(expected),
            "{to}: {found:#?}"
        );
    }
}

#[test]
fn files_of_different_versions_are_refused() {
    let first = "version: '3.7'\nservices: { a: { image: a } }\n";
    let second = "services: { b: { image: b } }\n";
    let told = told_of(&[first, second], &options());
    assert_eq!(
        told,
        [
            "error 1.yml:1:1 [services] this file is of version 3.13 of the format, and the first of version 3.7: Docker refuses \
             to merge them"
        ]
    );
    let same = format!("version: '3.7'\n{second}");
    assert_eq!(told_of(&[first, &same], &options()), [""; 0]);
}

#[test]
fn what_docker_ignores_is_a_notice() {
    let told = told_with("    hostname: web\n", "    restart: always\n");
    assert_eq!(
        told,
        ["notice 0.yml:3:5 [restart] service web: Docker ignores `restart` in a stack"]
    );
}

#[test]
fn a_redirect_to_an_own_route_is_told_of() {
    let to = |target: &str| format!("{ROUTE}        hiveway.routing.redirect: {target}\n");
    for (target, circle) in [
        ("https://a.example", true),
        ("https://a.example/new", true),
        ("https://b.example", false),
    ] {
        let found = told_with(ROUTE, &to(target));
        let error = found
            .iter()
            .any(|it| it.starts_with("error") && it.contains("leads back to a.example/"));
        assert_eq!(
            (error, found.len()),
            (circle, usize::from(circle)),
            "{target}: {found:#?}"
        );
    }
    // The path that it leads to is another service's.
    let other = "  new:
    image: nginx
    networks: [mesh]
    deploy: { replicas: 2, labels: { hiveway.routing.port_80: a.example/new, hiveway.probe.url: none } }
networks:\n";
    let text = WEB.replace(ROUTE, &to("https://a.example/new"));
    assert_eq!(told(&text.replace("networks:\n", other)), [""; 0]);
}

#[test]
fn files_that_docker_reads_are_looked_for() {
    fn read(path: &std::path::Path) -> std::io::Result<Vec<u8>> {
        match path.to_str() {
            Some("shop/good.env") => Ok(b"\xef\xbb\xbf# a comment\n\nA=1\n  B\n".to_vec()),
            Some("shop/blank.env") => Ok(b"A B=1\n".to_vec()),
            Some("shop/nameless.env") => Ok(b"A=1\n=1\n".to_vec()),
            Some("shop/binary.env") => Ok(b"\xff".to_vec()),
            _ => Err(std::io::ErrorKind::NotFound.into()),
        }
    }
    let options = Options {
        files: Some(Files {
            folder: "shop".into(),
            read,
        }),
        ..options()
    };
    for (file, reason) in [
        ("good.env", None),
        ("blank.env", Some("line 1 has a name with a blank in it")),
        ("nameless.env", Some("line 2 has no name")),
        ("binary.env", Some("it is not UTF-8")),
        ("none.env", Some("entity not found")),
    ] {
        let text = WEB.replace("    hostname: web\n", &format!("    env_file: {file}\n"));
        let told = told_of(&[&text], &options);
        let expected = reason.map(|it| {
            format!("error 0.yml:3:15 [{file}] service web: Docker refuses the file {file}: {it}")
        });
        assert_eq!(told, expected.into_iter().collect::<Vec<_>>(), "{file}");
    }
}
