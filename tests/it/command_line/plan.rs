//! `hiveway plan` against an engine: what it says, how it ends, and that it only reads.

use super::process::{Ended, hiveway};
use crate::fake_engine::{FakeEngine, recording};
use crate::folder::Folder;

/// What `recordings/record.sh` deployed, as a stack file.
const SHOP: &str = "services:
  web:
    image: nginx
    networks: [mesh]
    labels: { team: shop }
    deploy:
      replicas: 2
      labels: { hiveway.routing.port_80: shop.local, hiveway.scale: '2' }
networks: { mesh: { external: true } }
";

async fn plan(text: &str, host: &str, flags: &[&str]) -> Ended {
    let folder = Folder::with("shop.yml", text);
    let file = folder.file("shop.yml");
    let arguments = ["plan", &file, "--docker-host", host, "--stack", "shop"];
    hiveway([&arguments, flags].concat()).await
}

#[tokio::test]
async fn a_stack_as_it_is_deployed_changes_nothing() {
    let engine = FakeEngine::start(recording("rest"));
    let ended = plan(SHOP, &engine.host(), &["--detailed-exitcode"]).await;
    let told = "stack shop: nothing changes for clients\n";
    assert_eq!(ended.told(), (0, told, ""));
}

#[tokio::test]
async fn changes_are_told_and_nothing_is_written() {
    let engine = FakeEngine::start(recording("rest"));
    let changed = SHOP
        .replace("shop.local", "shop.local/v2; www.local")
        .replace("hiveway.scale: '2'", "hiveway.routing.weight: '7'");
    let new = changed.replace(
        "networks: { mesh: {",
        "  api:\n    image: api\n    networks: [mesh]\n    deploy: { labels: { hiveway.routing.port_81: api.local } }\nnetworks: { mesh: {",
    );
    let ended = plan(&new, &engine.host(), &[]).await;
    let told = "+ service shop_api
    + api.local/ to port 81
    + replicas: 1
~ service shop_web (2 tasks serve now)
    + shop.local/v2 to port 80
    + www.local/ to port 80
    - shop.local/ to port 80
    ~ routing.weight: 100 -> 7
+ name api.local
+ name www.local
stack shop: 1 to come, 1 to change, 0 to go
";
    assert_eq!(ended.told(), (0, told, ""));
    let ended = plan(
        &new,
        &engine.host(),
        &["--detailed-exitcode", "--format", "json"],
    )
    .await;
    assert_eq!((ended.code, &*ended.stderr), (2, ""));
    let document: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(document["services"][1]["sign"], "~");
    assert_eq!(document["services"][1]["endpoints"], 2);
    assert_eq!(document["names"][0]["what"], "api.local");
    for seen in engine.seen("") {
        assert!(seen.line.starts_with("GET "), "{}", seen.line);
    }
}

#[tokio::test]
async fn an_engine_that_cannot_be_asked_is_told_in_one_line() {
    let ended = plan(SHOP, "unix:///nowhere/docker.sock", &[]).await;
    let line = ended.assert_one_line(1);
    assert!(line.contains("/nowhere/docker.sock"), "{line}");
    assert!(line.contains("is the engine running"), "{line}");
    let engine = FakeEngine::start(recording("no_swarm"));
    let ended = plan(SHOP, &engine.host(), &[]).await;
    let line = ended.assert_one_line(1);
    assert!(line.contains("swarm"), "{line}");
}

#[tokio::test]
async fn files_with_errors_are_refused_before_the_engine_is_asked() {
    let engine = FakeEngine::start(recording("rest"));
    let wrong = SHOP.replace("shop.local", "10.0.0.1");
    let ended = plan(&wrong, &engine.host(), &[]).await;
    assert_eq!((ended.code, &*ended.stderr), (1, ""));
    assert!(
        ended.stdout.contains("is an IP address"),
        "{}",
        ended.stdout
    );
    assert_eq!(engine.seen(""), []);
}

#[tokio::test]
async fn a_plan_needs_a_stack_and_files() {
    let folder = Folder::with("shop.yml", SHOP);
    let file = folder.file("shop.yml");
    for (arguments, code, told) in [
        (vec!["plan", &file], 64, "--stack NAME"),
        (vec!["plan", "--stack", "shop"], 64, "<FILE>"),
        (
            vec!["plan", "--stack", "shop", "/nowhere.yml"],
            64,
            "/nowhere.yml",
        ),
        (
            vec!["plan", "--stack", "shop", &file, "--format", "github"],
            64,
            "human, json",
        ),
    ] {
        let ended = hiveway(&arguments).await;
        let line = ended.assert_one_line(code);
        assert!(line.contains(told), "{told}: {line}");
    }
}
