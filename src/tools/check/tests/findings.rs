//! What contradicts itself, or should be known: networks, claims, updates.

use super::*;

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
            "error 0.yml:12:21 [1] `external` must be true or false or a map, and this is a number",
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
    image: nginx
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
            "notice 0.yml:13:43 [a.example/x] service green: claims a.example/x, as blue does: they share its requests by \
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
            "    hostname: web\n",
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
fn a_guard_by_addresses_that_cannot_see_its_clients_is_reported() {
    let hiveway = |image: &str, ports: &str| {
        format!("services:\n  proxy:\n    image: {image}\n    ports: {ports}\n  web:\n")
    };
    let guarded = format!("{ROUTE}        hiveway.routing.allow_cidrs: 10.0.0.0/8\n");
    let hidden = "[10.0.0.0/8] service web: routing.allow_cidrs sees an address of Swarm's ingress";
    let beside = "service web: the service publishes its port itself";
    for (image, ports, is_hidden) in [
        ("hiveway", "[\"80:8000\"]", true),
        (
            "registry.example.com:5000/infra/hiveway:1.0",
            "[\"80:8000\"]",
            true,
        ),
        ("\"${NOPE:-hiveway:dev}\"", "[8000]", true),
        (
            "hiveway@sha256:0",
            "[{ target: 8000, published: 80 }]",
            true,
        ),
        (
            "hiveway",
            "[{ mode: ingress, target: 8000, published: 80 }]",
            true,
        ),
        (
            "hiveway",
            "[{ mode: host, target: 8000, published: 80 }]",
            false,
        ),
        ("hiveway", "[]", false),
        ("hiveway-demo", "[\"80:8000\"]", false),
        ("nginx", "[\"80:8000\"]", false),
    ] {
        let text = WEB.replace("services:\n  web:\n", &hiveway(image, ports));
        let unguarded = told(&text);
        assert!(
            !unguarded.iter().any(|it| it.contains("allow_cidrs")),
            "{image}"
        );
        let told = told(&text.replace(ROUTE, &guarded));
        let found = told
            .iter()
            .any(|it| it.starts_with("warning") && it.contains(hidden));
        assert_eq!(found, is_hidden, "{image} {ports}: {found}");
        let local = text.replace(ROUTE, &guarded.replace("a.example", "a.local"));
        let told = told_of(&[&local], &options());
        assert!(
            !told.iter().any(|it| it.contains(hidden)),
            "{image} {ports}"
        );
    }
    for (ports, is_beside) in [
        ("[\"8080:80\"]", true),
        ("[80]", true),
        ("[\"127.0.0.1:8080:80/tcp\"]", true),
        ("[{ target: 80, published: 80, mode: host }]", true),
        ("[\"8080:81\"]", false),
        ("{}", false),
    ] {
        let text = WEB.replace(
            "    image: nginx\n",
            &format!("    image: nginx\n    ports: {ports}\n"),
        );
        let told = told(&text.replace(ROUTE, &guarded));
        let found = told
            .iter()
            .any(|it| it.starts_with("warning") && it.contains(beside));
        assert_eq!(found, is_beside, "{ports}: {found}");
    }
}
