//! The commands by which an operator asks a running instance, against whole processes.

use std::process::Stdio;
use std::time::Duration;

use hiveway::tools::demo::request::{self, Target};
use http::Method;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader};

use super::following::{Running, Service};
use super::process::{Ended, command, hiveway, run};
use crate::bounded::bounded;
use crate::eventually::eventually;

const BOUND: Duration = Duration::from_secs(30);

/// Asks a running instance.
async fn ask(running: &Running, arguments: &[&str]) -> Ended {
    let url = format!("http://{}", running.address("admin"));
    run(arguments, [("HIVEWAY_ADMIN_URL", url)]).await
}

async fn told(running: &Running, arguments: &[&str]) -> String {
    let ended = ask(running, arguments).await;
    assert_eq!((ended.code, &*ended.stderr), (0, ""), "{arguments:?}");
    assert!(
        !ended.stdout.contains('\u{1b}'),
        "colours are for terminals"
    );
    ended.stdout
}

async fn json(running: &Running, arguments: &[&str]) -> Value {
    let text = told(running, arguments).await;
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[tokio::test]
async fn a_controller_and_a_gateway_tell_what_each_knows() {
    let service = Service::start().await;
    let controller = Running::controller(&service, "127.0.0.1:0").await;
    let address = controller.address("control").to_string();
    let edge = Running::start(
        &service,
        &["--edge", "--controllers", &address, "--node", "edge-one"],
    )
    .await;
    edge.answers("first.local", 200).await;

    let status = ["status", "--format", "json", "--interval", "100ms"];
    let follows = async || {
        let nodes = json(&controller, &status).await["status"]["nodes"].take();
        let node = &nodes[0];
        match node["node"] == "edge-one"
            && node["follows"] == true
            && node["generation"]["sequence"] == 1
        {
            true => Ok(()),
            false => Err(nodes.to_string()),
        }
    };
    eventually("the controller tells who follows", BOUND, follows)
        .await
        .expect("a follower");
    let table = told(&controller, &["status", "--interval", "100ms"]).await;
    for text in [
        "controller by a file, and gateway; follows this node",
        "SnapshotKnown",
        "web",
        "1/1",
        "edge-one",
    ] {
        assert!(table.contains(text), "{text} in {table}");
    }
    let endpoints = ["status", "--endpoints", "--interval", "100ms"];
    let table = told(&edge, &endpoints).await;
    for text in ["CONTAINER", "WAIT", "c1c1c1c1c1c1"] {
        assert!(table.contains(text), "{text} in {table}");
    }
    let of_edge = json(&edge, &status).await;
    assert_eq!(of_edge["status"]["services"][0]["endpoints"], Value::Null);
    assert_eq!(of_edge["status"]["controller"], "127.0.0.1");
    assert_eq!(of_edge["status"]["services"][0]["requests"]["total"], 1);

    let explain = ["explain", "http://first.local/", "--format", "json"];
    for (running, known) in [(&controller, true), (&edge, false)] {
        let explanation = json(running, &explain).await;
        assert_eq!(explanation["outcome"]["forwarded"], true);
        assert_eq!(
            explanation["unknown"]
                .as_array()
                .expect("a list")
                .is_empty(),
            known
        );
    }
    let human = told(&edge, &["explain", "second.local", "--client", "10.0.0.7"]).await;
    assert!(
        human.contains("=> hiveway answers 404 (no-route): no service claims second.local/"),
        "{human}"
    );
    assert!(human.contains("not known here:"), "{human}");

    edge.end().await;
    controller.end().await;
}

#[tokio::test]
async fn status_shows_the_services_that_are_asked_for() {
    let service = Service::start().await;
    let controller = Running::controller(&service, "127.0.0.1:0").await;
    controller.answers("first.local", 200).await;
    controller.answers("nobody.test", 404).await;
    let status = ["status", "--interval", "100ms"];
    let whole = told(&controller, &status).await;
    for text in ["web", "ANSWERED HERE FOR HOST", "nobody.test"] {
        assert!(whole.contains(text), "{text} in {whole}");
    }
    for name in ["web", "first.local"] {
        let some = told(&controller, &[&status[..], &[name]].concat()).await;
        assert!(
            some.contains("first.local/") && !some.contains("FOLLOWS"),
            "{some}"
        );
        let arguments = [&status[..], &[name, "--format", "json"]].concat();
        let some = json(&controller, &arguments).await;
        assert_eq!(some["status"]["services"][0]["service"], "web");
    }
    let refused = ask(&controller, &[&status[..], &["web", "wbe"]].concat()).await;
    let line = refused.assert_one_line(1);
    assert!(line.contains("\"wbe\" (did you mean web?)"), "{line}");
    controller.end().await;
}

#[tokio::test]
async fn public_hosts_without_a_public_listener_are_told() {
    let service = Service::start().await;
    let controller = Running::controller(&service, "127.0.0.1:0").await;
    controller.answers("first.local", 200).await;
    let status = ["status", "--format", "json", "--interval", "100ms"];
    let reason = async |expected: Option<&str>| {
        let look = async || {
            let told = json(&controller, &status).await;
            let conditions = told["status"]["conditions"].as_array().expect("a list");
            let mut all = conditions.iter();
            let found = all.find(|it| it["type"] == "PublicHostsReachable");
            let found = found.map(|it| it["reason"].as_str().expect("text").to_owned());
            match found.as_deref() == expected {
                true => Ok(()),
                false => Err(format!("{found:?}")),
            }
        };
        let told = eventually("the condition", BOUND, look).await;
        told.unwrap_or_else(|other| panic!("{expected:?}: {other}"));
    };
    reason(None).await;
    service.claim(&["first.local", "shop.test"]);
    controller.answers("shop.test", 200).await;
    reason(Some("NoPublicListener")).await;

    let address = controller.address("control").to_string();
    let words = "--edge --listen-public 127.0.0.1:0 --controllers";
    let arguments: Vec<&str> = words.split(' ').chain([&*address]).collect();
    let edge = Running::start(&service, &arguments).await;
    edge.answers("shop.test", 200).await;
    reason(Some("PublicListener")).await;
    edge.end().await;
    reason(Some("NoPublicListener")).await;
    controller.end().await;
}

#[tokio::test]
async fn events_are_listed_and_followed() {
    let service = Service::start().await;
    let controller = Running::controller(&service, "127.0.0.1:0").await;
    controller.answers("first.local", 200).await;
    let listed = told(&controller, &["events", "--since", "1h"]).await;
    assert!(
        listed.contains("INFO    route first.local/ added, served by web kind=route_added"),
        "{listed}"
    );
    let filtered = told(
        &controller,
        &["events", "--severity", "error", "--service", "web"],
    )
    .await;
    assert_eq!(filtered, "");

    let url = format!("http://{}", controller.address("admin"));
    let arguments = [
        "events",
        "--follow",
        "--format",
        "json",
        "--admin-url",
        &url,
    ];
    let mut following = command(arguments, [])
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let out = following.stdout.take().expect("it is piped");
    let mut lines = BufReader::new(out).lines();
    let mut claimed = false;
    bounded(async {
        loop {
            let line = lines.next_line().await.expect("text").expect("it goes on");
            let event: Value = serde_json::from_str(&line).expect("one object a line");
            if !std::mem::replace(&mut claimed, true) {
                service.claim(&["first.local", "second.local"]);
            }
            if event["kind"] == "route_added" && event["host"]["exact"] == "second.local" {
                return;
            }
        }
    })
    .await;
    controller.end().await;
}

#[tokio::test]
async fn an_endpoint_is_drained_by_hand_and_comes_back() {
    let service = Service::start().await;
    let token = service.folder.file("token");
    std::fs::write(&token, "0123456789abcdef0123456789abcdef\n").expect("a writable folder");
    let inventory = service.folder.file("inventory.json");
    let arguments = [
        "--inventory",
        &inventory,
        "--listen-control",
        "127.0.0.1:0",
        "--controllers",
        "127.0.0.1:1",
        "--admin-token-file",
        &token,
    ];
    let controller = Running::start(&service, &arguments).await;
    controller.answers("first.local", 200).await;

    let state_is = async |state: &str, reason: &str| {
        let look = async || {
            let explanation =
                json(&controller, &["explain", "first.local", "--format", "json"]).await;
            let endpoint = &explanation["services"][0]["endpoints"][0];
            let told = endpoint["reason"].as_str().unwrap_or_default();
            match endpoint["state"] == state && told.contains(reason) {
                true => Ok(()),
                false => Err(endpoint.to_string()),
            }
        };
        eventually(state, BOUND, look).await.expect(state);
    };
    let write = |what: &'static str| {
        let (controller, token) = (&controller, &token);
        async move {
            ask(
                controller,
                &[what, "c1c1c1c1c1c1", "--admin-token-file", token],
            )
            .await
        }
    };
    let drained = write("drain").await;
    assert_eq!((drained.code, &*drained.stderr), (0, ""));
    assert!(
        drained.stdout.starts_with("web container c1c1c1c1c1c1: "),
        "{}",
        drained.stdout
    );
    state_is("draining", "it was drained by hand, but nothing else").await;
    // The last one goes on.
    controller.answers("first.local", 200).await;
    assert_eq!(write("undrain").await.code, 0);
    state_is("ready", "in rotation").await;

    std::fs::write(&token, "another token of some length").expect("a writable folder");
    let refused = write("drain").await;
    assert!(
        refused.assert_one_line(1).contains("not the token"),
        "{refused:?}"
    );
    controller.end().await;
}

#[tokio::test]
async fn unreachable_instance_is_one_line_with_a_remedy() {
    for arguments in [
        &["status"][..],
        &["explain", "a.local"],
        &["events"],
        &["events", "--follow"],
    ] {
        let url = "http://127.0.0.1:1".to_owned();
        let ended = run(arguments, [("HIVEWAY_ADMIN_URL", url)]).await;
        let line = ended.assert_one_line(1);
        for told in [
            "http://127.0.0.1:1",
            "docker exec $(docker ps -lq -f name=hiveway_hiveway -f status=running) hiveway",
            "--admin-url",
        ] {
            assert!(line.contains(told), "{told}: {line}");
        }
    }
    let ended = hiveway(["drain", "x", "--admin-token-file", "/nowhere"]).await;
    assert!(ended.assert_one_line(1).contains("/nowhere"));
    let ended = hiveway(["status", "--admin-url", "https://a:1"]).await;
    assert!(ended.assert_one_line(1).contains("plain http"));
    for (arguments, told) in [
        (&["explain"][..], "hiveway explain --help"),
        (
            &["status", "--format", "xml"],
            "[possible values: table, json]",
        ),
        (&["events", "--since", "ever"], "10s"),
        (&["drain", "x"], "--admin-token-file"),
        (&["completions", "tcsh"], "fish"),
    ] {
        let ended = hiveway(arguments).await;
        let line = ended.assert_one_line(64);
        assert!(line.contains(told), "{told}: {line}");
    }
}

#[tokio::test]
async fn nothing_of_admin_is_reached_through_the_gateway() {
    let service = Service::start().await;
    let inventory = service.folder.file("inventory.json");
    let words = "--controllers 127.0.0.1:1 --listen-public 127.0.0.1:0 --inventory";
    let arguments: Vec<_> = words.split(' ').chain([&*inventory]).collect();
    let controller = Running::start(&service, &arguments).await;
    controller.answers("first.local", 200).await;
    let admin = controller.address("admin").to_string();
    for listener in ["internal", "public"] {
        for host in ["localhost", "hiveway", "127.0.0.1", &admin] {
            for path in [
                "/metrics",
                "/dashboard",
                "/v1/status",
                "/v1/endpoints/x/drain",
            ] {
                let target: Target = format!("http://{host}{path}").parse().expect("a URL");
                let target = target.through(controller.address(listener));
                let answer = request::ask(&target, Method::GET, BOUND).await;
                let answer = answer.expect("an answer");
                let told = (answer.status.as_u16(), answer.header("x-hiveway-reason"));
                assert_eq!(told, (404, Some("no-route")), "{listener} {host}{path}");
            }
        }
    }
    controller.end().await;
}

#[tokio::test]
async fn a_token_that_would_be_guessed_is_refused_at_the_start() {
    let service = Service::start().await;
    let token = service.folder.file("token");
    std::fs::write(&token, "secret").expect("a writable folder");
    let inventory = service.folder.file("inventory.json");
    for (file, told) in [
        (&*token, "openssl rand -hex 32"),
        ("/nowhere", "--admin-token-file"),
    ] {
        let listeners = ["--listen-internal", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let arguments = ["run", "--inventory", &inventory, "--admin-token-file", file];
        let ended = hiveway([&arguments[..], &listeners].concat()).await;
        let line = ended.assert_one_line(1);
        assert!(line.contains(told) && line.contains(file), "{line}");
    }
}

#[tokio::test]
async fn shells_and_man_are_given_every_command() {
    for arguments in [
        &["completions", "bash"][..],
        &["completions", "zsh"],
        &["completions", "fish"],
        &["man"],
    ] {
        let ended = hiveway(arguments).await;
        assert_eq!((ended.code, &*ended.stderr), (0, ""), "{arguments:?}");
        // The man page writes dashes with a backslash.
        let text = ended.stdout.replace('\\', "");
        for word in ["status", "explain", "events", "undrain", "listen-internal"] {
            assert!(text.contains(word), "{word} for {arguments:?}");
        }
    }
}
