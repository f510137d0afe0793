//! What Docker refuses, and files that are none.

use super::*;

#[test]
fn what_docker_refuses_is_an_error_where_it_stands() {
    for (from, to, expected) in [
        (
            "      labels:\n",
            "      lables:\n",
            "error 0.yml:8:7 [lables] service web: Docker knows no `lables` here => labels",
        ),
        (
            "    deploy:\n",
            "    Deploy:\n",
            "error 0.yml:6:5 [Deploy] service web: Docker knows no `Deploy` here => deploy",
        ),
        (
            "    hostname: web\n",
            "    networks: []\n",
            "error 0.yml:4:5 [networks] the key \"networks\" is there already",
        ),
        (
            "    hostname: web\n",
            "    labels:\n",
            "error 0.yml:3:5 [labels] service web: `labels` must be a map or a list, and this is empty",
        ),
        (
            "order: start-first",
            "order: first",
            "error 0.yml:7:31 [first] service web: `order`: \"first\" is not known here",
        ),
        (
            "    hostname: web\n",
            "    stop_grace_period: \"10\"\n",
            "error 0.yml:3:24 [\"10\"] service web: `stop_grace_period`: \"10\" is not a length of time",
        ),
        (
            "    hostname: web\n",
            "    stop_grace_period: 10\n",
            "error 0.yml:3:24 [10] service web: `stop_grace_period` must be a length of time, as text, and this is a number",
        ),
        (
            "update_config: { order: start-first }\n",
            "replicas: \"2\"\n",
            "error 0.yml:7:17 [\"2\"] service web: `replicas` must be a whole number, and this is text",
        ),
        (
            "update_config: { order: start-first }\n",
            "mode: gobal\n",
            "error 0.yml:7:13 [gobal] service web: `mode`: \"gobal\" is not known here",
        ),
        (
            "    hostname: web\n",
            "    extends: { service: base }\n",
            "error 0.yml:3:5 [extends] service web: Docker knows no `extends` here",
        ),
        (
            "services:\n",
            "include: [other.yml]\nservices:\n",
            "error 0.yml:1:1 [include] Docker knows no `include` here",
        ),
        (
            "services:\n",
            "servces:\n",
            "error 0.yml:1:1 [servces] Docker knows no `servces` here => services",
        ),
        (
            "    hostname: web\n",
            "    <<: nginx\n",
            "error 0.yml:3:5 [<<] `<<` merges maps only, and this is text",
        ),
        (
            "    hostname: web\n",
            "    ? [a]\n    : b\n",
            "error 0.yml:3:7 [] a key is a list",
        ),
        (
            "    hostname: web\n",
            "    image: *nginx\n",
            "error 0.yml:3:12 [*] this is no YAML: while parsing node, found unknown anchor",
        ),
    ] {
        let told = told_with(from, to);
        assert!(told.contains(&expected.to_owned()), "{to}: {told:#?}");
    }
    for (text, expected) in [
        ("", "error 0.yml:1:1 [] the file is empty"),
        ("# nothing\n", "error 0.yml:1:1 [] the file is empty"),
        (
            "- a\n",
            "error 0.yml:1:1 [] a stack file is a map, and this is a list",
        ),
        (
            "services: a\n",
            "error 0.yml:1:11 [a] `services` must be a map, and this is text",
        ),
        (
            "services:\n  web:\n",
            "error 0.yml:2:3 [web] service web: a service must be a map, and this is empty",
        ),
        (
            "a: &a [*a]\n",
            "error 0.yml:1:8 [*a] the alias stands inside of what it stands for",
        ),
        (
            "services: { a: { image: b } }\n---\nc: [\n",
            "warning 0.yml:2:1 [---] a second document begins here, and Docker reads only the first",
        ),
    ] {
        assert_eq!(told(text), [expected], "{text:?}");
    }
}

#[test]
fn a_file_that_is_made_to_do_harm_ends_in_one_error() {
    let laughs = |deep: u32| {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..deep {
            let alias = format!("*a{}", level - 1);
            text += &format!("a{level}: &a{level} [{}]\n", [&*alias; 9].join(", "));
        }
        text
    };
    let merges = (1..2000).fold("a0: &a0 {k0: 1}\n".to_owned(), |text, number| {
        let before = number - 1;
        text + &format!("a{number}: &a{number} {{<<: *a{before}, k{number}: 1}}\n")
    });
    let chain = (1..200).fold("a0: &a0 [x]\n".to_owned(), |text, number| {
        text + &format!("a{number}: &a{number} [*a{}]\n", number - 1)
    });
    for (text, expected) in [
        (laughs(30), "more than 400000 values when written out"),
        (merges, "more than 400000 values when written out"),
        (chain, "nested more than 100 levels deep"),
        ("[".repeat(1 << 20), "this is no YAML: "),
        ("- ".repeat(1 << 19), "this is no YAML: "),
        ("{a: ".repeat(99) + &"[".repeat(60), "this is no YAML: "),
        (
            "a: \"".to_owned() + &"x".repeat(LARGEST - 10),
            "this is no YAML: ",
        ),
        ("a".repeat(LARGEST + 1), "larger than 1 MiB"),
    ] {
        let beginning: String = text.chars().take(20).collect();
        let told = told(&text);
        let [only] = &*told else {
            panic!("{beginning}: {} findings", told.len());
        };
        assert!(only.contains(expected), "{beginning}: {only:.300}");
    }
    let many = (0..600).fold("services:\n".to_owned(), |text, number| {
        text + &format!("  a{number}:\n")
    });
    let checked = check(&[Source::new("", many.into())], &options());
    assert_eq!((checked.findings.len(), checked.more), (500, 100));
}

#[test]
fn a_file_that_is_no_text_says_where() {
    let source = Source::new("a.yml", b"services:\n  a\xff: {}\n".to_vec());
    let findings = check(&[source], &options()).findings;
    let [only] = &*findings else {
        panic!("{findings:?}");
    };
    assert_eq!((only.span.start, only.level), (13, Level::Error));
    assert!(only.message.contains("UTF-8"), "{}", only.message);
}
