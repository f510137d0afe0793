use super::*;

/// A service with a route, to which lines are added at the place of `+`: those of the service.
const WEB: &str = "services:
  web:
    image: nginx
    networks: [mesh]
    healthcheck: { test: curl localhost }
    deploy:
      update_config: { order: start-first }
      labels:
        hiveway.routing.port_80: a.example
networks:
  mesh: { external: true }
";

fn options() -> Options {
    let variables = [("TAG", "1.0"), ("HOST", "b.example"), ("N", "3")];
    Options {
        networks: vec!["mesh".into()],
        variables: variables
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into(),
        ..Options::default()
    }
}

/// What is said of some files: level, place, what stands there, the sentence, and the suggestion.
fn told_of(texts: &[&str], options: &Options) -> Vec<String> {
    let sources = texts.iter().enumerate();
    let sources: Vec<Source> = sources
        .map(|(number, text)| Source::new(format!("{number}.yml"), text.as_bytes().to_vec()))
        .collect();
    let findings = check(&sources, options).findings;
    let lines = findings.iter().map(|finding| {
        let source = &sources[finding.span.file];
        let at = source.position(finding.span.start);
        let suggestion = finding.suggestion.as_ref();
        format!(
            "{} {}:{}:{} [{}] {}{}",
            finding::word(finding.level),
            source.name,
            at.line,
            at.column,
            source.slice(finding.span),
            finding.sentence(),
            suggestion.map_or_else(String::new, |it| format!(" => {it}")),
        )
    });
    lines.collect()
}

fn told(text: &str) -> Vec<String> {
    told_of(&[text], &options())
}

/// What is said once a part of [`WEB`] is replaced.
fn told_with(from: &str, to: &str) -> Vec<String> {
    assert_eq!(WEB.matches(from).count(), 1, "{from}");
    told(&WEB.replace(from, to))
}

const ROUTE: &str = "        hiveway.routing.port_80: a.example\n";

#[test]
fn a_service_that_will_do_what_it_says_is_not_complained_of() {
    assert_eq!(told(WEB), [""; 0]);
}

#[test]
fn a_label_is_pointed_at_where_it_is_wrong() {
    let label = |line: &str| format!("{ROUTE}        {line}\n");
    for (lines, expected) in [
        (
            label("hiveway.routing.prot_81: b.example"),
            "error 0.yml:10:9 [hiveway.routing.prot_81] service web: label hiveway.routing.prot_81: the key is unknown \
             => hiveway.routing.port_81",
        ),
        (
            label("hiveway.routing.port_81: \"b.example; 10.0.0.1 ;c.example\""),
            "error 0.yml:10:46 [10.0.0.1] service web: label hiveway.routing.port_81: \"10.0.0.1\" is an IP address where a host name must stand",
        ),
        (
            label("hiveway.routing.weight: '101'"),
            "error 0.yml:10:33 ['101'] service web: label hiveway.routing.weight: \"101\" is outside 0 to 100",
        ),
        (
            label("hiveway.probe.timeout_seconds: 2s"),
            "error 0.yml:10:40 [2s] service web: label hiveway.probe.timeout_seconds: \"2s\" carries a unit => 2",
        ),
        (
            label("hiveway.routing.session_sticky: true"),
            "error 0.yml:10:41 [true] service web: label hiveway.routing.session_sticky: Docker refuses a boolean for a label",
        ),
        (
            label("hiveway.routing.weight: 0x10"),
            "warning 0.yml:10:33 [0x10] service web: label hiveway.routing.weight: without quotes 0x10 is a number, of which \
             Docker makes \"16\"",
        ),
        (
            label("hiveway.scale: [2]"),
            "error 0.yml:10:24 [] service web: label hiveway.scale: Docker takes text for a label, and this is a list",
        ),
        (
            label("hiveway.scale:"),
            "error 0.yml:10:9 [hiveway.scale] service web: label hiveway.scale: \"\" is empty",
        ),
        (
            label("aliyun.lb.port_80: x"),
            "notice 0.yml:10:9 [aliyun.lb.port_80] service web: label aliyun.lb.port_80: has no effect: the label is from \
             before Swarm mode",
        ),
    ] {
        assert_eq!(told_with(ROUTE, &lines), [expected], "{lines}");
    }
}

#[test]
fn labels_in_a_list_are_pointed_at_like_those_in_a_map() {
    let list = "        - \"hiveway.routing.port_80=a.example; b_.example/x y\"
        - hiveway.routing.weight=abc
        - hiveway.proble.url
        - 5
";
    let expected = [
        "error 0.yml:9:47 [b_.example/x y] service web: label hiveway.routing.port_80: \"b_.example/x y\" has an underscore, which host names cannot hold",
        "error 0.yml:10:34 [abc] service web: label hiveway.routing.weight: \"abc\" is not a whole number",
        "error 0.yml:11:11 [hiveway.proble.url] service web: label hiveway.proble.url: the key is unknown => hiveway.probe.url",
        "error 0.yml:12:11 [5] service web: an item of `labels` is text, and this is a number",
    ];
    assert_eq!(told_with(ROUTE, list), expected);
}

#[test]
fn variables_are_replaced_before_labels_are_read() {
    let label = |line: &str| format!("        {line}\n");
    for (line, expected) in [
        (
            "hiveway.routing.port_80: $HOST;${TAG:+x}",
            vec!["error 0.yml:9:40 [${TAG:+x}] \"${TAG:+x}\" names no variable"],
        ),
        (
            "hiveway.routing.port_80: \"${HOST}; ${TAG}\"",
            vec![
                "error 0.yml:9:34 [\"${HOST}; ${TAG}\"] service web: label hiveway.routing.port_80: \"1.0\" ends in a number, as only IP addresses do",
            ],
        ),
        ("hiveway.routing.port_80: ${SITE:-a.example}", vec![]),
        (
            "hiveway.routing.port_80: a.example/${NOPE}",
            vec![
                "warning 0.yml:9:44 [${NOPE}] the variable NOPE is not set, so that nothing stands here",
            ],
        ),
        (
            "hiveway.routing.port_80: ${SITE:?name the site}",
            vec![
                "error 0.yml:9:34 [${SITE:?name the site}] \"${SITE:?name the site}\" requires the variable SITE, which is not set: name the site",
            ],
        ),
        (
            "hiveway.routing.port_80: $HOST-x.example",
            vec![
                "warning 0.yml:9:34 [$HOST-x.example] without braces all of \"-x.example\" belongs to the variable HOST, as its default",
            ],
        ),
    ] {
        assert_eq!(told_with(ROUTE, &label(line)), expected, "{line}");
    }
}

#[test]
fn a_service_with_routes_has_to_be_on_a_network_of_hiveways() {
    for (from, to, expected) in [
        (
            "    networks: [mesh]\n",
            "",
            "error 0.yml:2:3 [web] service web: has routes, but is not on the network mesh, so Hiveway cannot reach it",
        ),
        (
            "mesh: { external: true }",
            "mesh: {}",
            "error 0.yml:4:16 [mesh] service web: has routes, but its network mesh is one of the stack's own, STACK_mesh, and not \
             the mesh that Hiveway is on",
        ),
        (
            "[mesh]",
            "{ mehs: }",
            "error 0.yml:4:17 [mehs] service web: the network mehs is not declared in these files => mesh",
        ),
        (
            ROUTE,
            "        hiveway.routing.port_80: a.example\n        hiveway.routing.network: back\n",
            "error 0.yml:10:34 [back] service web: the service is not on the network back, where its label has it reached",
        ),
        (
            "mesh: { external: true }",
            "mesh: { external: 1 }",
            "error 0.yml:11:21 [] `external` is true or false, without quotes",
        ),
    ] {
        let told = told_with(from, to);
        assert!(told.contains(&expected.to_owned()), "{to}: {told:#?}");
    }
    for (from, to) in [
        ("mesh: { external: true }", "mesh: { name: mesh }"),
        (
            "mesh: { external: true }",
            "mesh: { external: { name: mesh } }",
        ),
        (
            "mesh: { external: true }",
            "mesh: { external: \"${NOPE:-true}\" }",
        ),
        (
            "mesh: { external: true }",
            "mesh: { external: true }\n  other:",
        ),
        ("[mesh]", "{ mesh: { aliases: [web] } }"),
    ] {
        assert_eq!(told_with(from, to), [""; 0], "{to}");
    }
    // The network that a stack makes for itself, under the stack's name.
    let text = WEB.replace("    networks: [mesh]\n", "");
    let networks = |network: &str, stack: Option<&str>| Options {
        networks: vec![network.into()],
        stack: stack.map(Into::into),
        ..options()
    };
    for (network, stack, reached) in [
        ("shop_default", None, true),
        ("shop_default", Some("shop"), true),
        ("shop_default", Some("blog"), false),
        ("default", None, false),
    ] {
        let told = told_of(&[&text], &networks(network, stack));
        assert_eq!(told.is_empty(), reached, "{network} {stack:?}: {told:?}");
    }
}

#[test]
fn claims_of_several_services_are_told_of() {
    let blue = "services:
  blue: &service
    networks: [mesh]
    healthcheck: { test: x }
    deploy:
      replicas: 2
      labels: { hiveway.routing.port_80: \"b.example;A.example/x\", hiveway.routing.weight: \"10\" }
  green:
    <<: *service
    deploy:
      replicas: 2
      labels: { aliyun.routing.port_8080: a.example/x }
networks: { mesh: { external: true } }
";
    assert_eq!(
        told(blue),
        [
            "notice 0.yml:12:43 [a.example/x] service green: claims a.example/x, as blue does: they share its requests by \
          routing.weight, 100 to 10"
        ]
    );
}

#[test]
fn what_goes_on_in_every_update_is_told_of() {
    for (from, to, expected) in [
        (
            "      update_config: { order: start-first }\n",
            "",
            vec![
                "notice 0.yml:2:3 [web] service web: has one replica, which is stopped before its successor starts: it is away \
                  during each update",
            ],
        ),
        (
            "order: start-first }\n",
            "order: stop-first }\n      replicas: 1\n",
            vec![
                "notice 0.yml:7:31 [stop-first] service web: has one replica, which is stopped before its successor starts: it \
                  is away during each update",
            ],
        ),
        (
            "{ order: start-first }\n",
            "{ order: stop-first }\n      replicas: 2\n",
            vec![],
        ),
        (
            "{ order: start-first }\n",
            "{ order: stop-first }\n      replicas: $N\n",
            vec![],
        ),
        (
            "update_config: { order: start-first }\n",
            "mode: global\n",
            vec![],
        ),
        (
            "    healthcheck: { test: curl localhost }\n",
            "",
            vec![
                "notice 0.yml:8:9 [hiveway.routing.port_80] service web: has no probe: a task counts as healthy once port 80 \
                  accepts a connection, and its image's HEALTHCHECK, if any, passes",
            ],
        ),
        (
            "{ test: curl localhost }",
            "{ disable: true }",
            vec![
                "notice 0.yml:9:9 [hiveway.routing.port_80] service web: has no probe: a task counts as healthy once port 80 \
                  accepts a connection, and its image's HEALTHCHECK, if any, passes",
            ],
        ),
        (
            "    image: nginx\n",
            "    stop_grace_period: 1s500ms\n",
            vec![
                "notice 0.yml:3:24 [1s500ms] service web: a task that is stopped is killed after 1.5s, with the requests that \
                  take longer",
            ],
        ),
        (
            ROUTE,
            "        hiveway.routing.port_80: a.example\n        hiveway.routing.response_timeout_seconds: \"90\"\n",
            vec![
                "notice 0.yml:10:51 [\"90\"] service web: an answer may take 90s, but a task that is stopped is killed after \
                  10s",
            ],
        ),
        (
            ROUTE,
            "        hiveway.routing.port_80: a.example\n        hiveway.scale: \"2\"\n      replicas: 3\n",
            vec![
                "warning 0.yml:10:24 [\"2\"] service web: its scale label asks for 2 replicas, and `replicas` for 3: each \
                  deployment makes them 3, and Hiveway 2 again",
            ],
        ),
        (
            "update_config: { order: start-first }\n",
            "mode: global\n      replicas: 3\n",
            vec![
                "error 0.yml:8:17 [3] service web: Docker refuses `replicas` for a global service, which runs one task on every \
                  node",
            ],
        ),
    ] {
        assert_eq!(told_with(from, to), expected, "{to}");
    }
}

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
            "    image: nginx\n",
            "    networks: []\n",
            "error 0.yml:4:5 [networks] the key \"networks\" is there already",
        ),
        (
            "    image: nginx\n",
            "    labels:\n",
            "error 0.yml:3:5 [labels] service web: `labels` is a map or a list, and this is empty",
        ),
        (
            "order: start-first",
            "order: first",
            "error 0.yml:7:31 [first] service web: \"first\" is no order of updates",
        ),
        (
            "    image: nginx\n",
            "    stop_grace_period: \"10\"\n",
            "error 0.yml:3:24 [\"10\"] service web: \"10\" is no length of time",
        ),
        (
            "    image: nginx\n",
            "    stop_grace_period: 10\n",
            "error 0.yml:3:24 [] service web: `stop_grace_period` is text, and this is a number",
        ),
        (
            "update_config: { order: start-first }\n",
            "replicas: \"2\"\n",
            "error 0.yml:7:17 [\"2\"] service web: `replicas` is a whole number, without quotes",
        ),
        (
            "update_config: { order: start-first }\n",
            "mode: gobal\n",
            "error 0.yml:7:13 [gobal] service web: \"gobal\" is no mode",
        ),
        (
            "services:\n",
            "servces:\n",
            "error 0.yml:1:1 [servces] Docker knows no `servces` here => services",
        ),
        (
            "    image: nginx\n",
            "    <<: nginx\n",
            "error 0.yml:3:5 [<<] `<<` merges maps only, and this is text",
        ),
        (
            "    image: nginx\n",
            "    ? [a]\n    : b\n",
            "error 0.yml:3:7 [] a key is a list",
        ),
        (
            "    image: nginx\n",
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
            "error 0.yml:1:11 [] `services` is a map, and this is text",
        ),
        (
            "services:\n  web:\n",
            "error 0.yml:2:3 [web] service web: the service is empty",
        ),
        (
            "a: &a [*a]\n",
            "error 0.yml:1:8 [*a] the alias stands inside of what it stands for",
        ),
        (
            "a: b\n---\nc: [\n",
            "warning 0.yml:2:1 [---] a second document begins here, and Docker reads only the first",
        ),
    ] {
        assert_eq!(told(text), [expected], "{text:?}");
    }
}

#[test]
fn a_merged_map_is_read_as_if_it_stood_there_and_is_pointed_at_where_it_does() {
    let text = "x-labels: &labels
  hiveway.routing.weight: many
  hiveway.probe.url: http://container/
services:
  web:
    networks: [mesh]
    deploy:
      replicas: 2
      labels:
        <<: *labels
        hiveway.routing.port_80: a.example
        hiveway.probe.url: none
networks: { mesh: { external: true } }
";
    assert_eq!(
        told(text),
        [
            "error 0.yml:2:27 [many] service web: label hiveway.routing.weight: \"many\" is not a whole number"
        ]
    );
}

#[test]
fn files_are_merged_and_each_keeps_its_places() {
    let base = "services:
  web:
    networks: [back]
    healthcheck: { test: x }
    labels: { hiveway.routing.port_80: a.example }
    deploy: { replicas: 2, labels: { hiveway.routing.weight: x } }
networks: { mesh: {}, back: {} }
";
    let above = "services:
  web:
    networks: [mesh]
    deploy: { labels: { hiveway.routing.weight: '7', hiveway.routing.retries: y } }
networks: { mesh: { external: true } }
";
    assert_eq!(
        told_of(&[base, above], &options()),
        [
            "notice 0.yml:5:40 [a.example] service web: label hiveway.routing.port_80: \"a.example\" is read from the container's labels",
            "error 1.yml:4:79 [y] service web: label hiveway.routing.retries: \"y\" is not a whole number",
        ]
    );
    let sources = [base, above].map(|text| Source::new("", text.into()));
    let options = Options {
        stack: Some("shop".into()),
        ..options()
    };
    let services = check(&sources, &options).services;
    let labels = |list: &[(&str, &str)]| {
        let list = list.iter();
        list.map(|(key, value)| (key.to_string(), value.to_string()))
            .collect()
    };
    assert_eq!(
        services,
        [Service {
            id: "shop_web".into(),
            name: "shop_web".into(),
            mode: crate::core::model::Mode::Replicated { replicas: 2 },
            labels: labels(&[
                ("hiveway.routing.weight", "7"),
                ("hiveway.routing.retries", "y")
            ]),
            container_labels: labels(&[("hiveway.routing.port_80", "a.example")]),
            updating: false,
        }]
    );
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
        ("- ".repeat(1 << 20), "this is no YAML: "),
        ("{a: ".repeat(99) + &"[".repeat(60), "this is no YAML: "),
        (
            "a: \"".to_owned() + &"x".repeat(1 << 20),
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
