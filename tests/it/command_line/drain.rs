//! Draining by hand among whole processes: controllers, and a gateway without one, whichever is asked.

use std::time::Duration;

use serde_json::Value;

use super::following::{Running, Service};
use super::process::hiveway;
use crate::eventually::eventually;

const CONTAINER: &str = "c1c1c1c1c1c1";

/// Waits until the process steers by the endpoint's being in this state, and knows why.
async fn state_is(process: &Running, state: &str, by_hand: usize) {
    let admin = format!("http://{}", process.address("admin"));
    let arguments = ["--format", "json", "--admin-url", &admin];
    let look = async || {
        let explain = [&["explain", "first.local"], &arguments[..]].concat();
        let explained = hiveway(explain).await;
        let status = hiveway([&["status", "--interval", "100ms"], &arguments[..]].concat()).await;
        let read = |text: &str| serde_json::from_str::<Value>(text).unwrap_or_default();
        let endpoint = &read(&explained.stdout)["services"][0]["endpoints"][0];
        let drained = &read(&status.stdout)["status"]["drained_by_hand"];
        let told = endpoint["reason"].as_str().unwrap_or_default();
        let reason = told.contains("drained by hand") == (by_hand > 0);
        let listed = drained.as_array().map(Vec::len) == Some(by_hand);
        match endpoint["state"] == state && reason && listed {
            true => Ok(()),
            false => Err(format!("{endpoint} {drained}")),
        }
    };
    let seen = eventually(state, Duration::from_secs(20), look).await;
    seen.expect("the state");
}

#[tokio::test]
async fn a_drain_holds_at_every_controller_and_outlives_each() {
    let service = Service::start().await;
    let token = service.folder.file("token");
    std::fs::write(&token, "0123456789abcdef0123456789abcdef\n").expect("a writable folder");
    let inventory = service.folder.file("inventory.json");
    let controller = async |listens: &str, others: &str| {
        let source = ["--inventory", &*inventory, "--admin-token-file", &token];
        let channel = ["--listen-control", listens, "--controllers", others];
        Running::start(&service, &[source, channel].concat()).await
    };
    let write = async |process: &Running, what: &str| {
        let admin = format!("http://{}", process.address("admin"));
        let flags = ["--admin-token-file", &*token, "--admin-url", &admin];
        let written = hiveway([&[what, CONTAINER], &flags[..]].concat()).await;
        assert_eq!((written.code, &*written.stderr), (0, ""), "{what}");
    };
    // The second knows of the first, and not the other way round.
    let first = controller("127.0.0.1:0", "127.0.0.1:1").await;
    let address = first.address("control").to_string();
    let second = controller("127.0.0.1:0", &address).await;
    let both = format!("{address},{}", second.address("control"));
    let gateway = [
        "--edge",
        "--controllers",
        &both,
        "--admin-token-file",
        &token,
    ];
    let gateway = Running::start(&service, &gateway).await;
    for process in [&first, &second, &gateway] {
        state_is(process, "ready", 0).await;
    }
    write(&second, "drain").await;
    for process in [&first, &second, &gateway] {
        state_is(process, "draining", 1).await;
    }
    write(&gateway, "undrain").await;
    for process in [&first, &second, &gateway] {
        state_is(process, "ready", 0).await;
    }
    write(&gateway, "drain").await;
    for process in [&first, &second] {
        state_is(process, "draining", 1).await;
    }
    // Who comes anew is told by those who know.
    first.end().await;
    let first = controller(&address, "127.0.0.1:1").await;
    state_is(&first, "draining", 1).await;
    write(&first, "undrain").await;
    for process in [&first, &second, &gateway] {
        state_is(process, "ready", 0).await;
    }
    for process in [gateway, second, first] {
        process.end().await;
    }
}

#[tokio::test]
async fn a_drain_outlives_a_process_that_keeps_it_on_disk() {
    let service = Service::start().await;
    let token = service.folder.file("token");
    std::fs::write(&token, "0123456789abcdef0123456789abcdef\n").expect("a writable folder");
    let (inventory, state) = (
        service.folder.file("inventory.json"),
        service.folder.file("state"),
    );
    let alone = async || {
        let source = ["--inventory", &*inventory, "--controllers", "127.0.0.1:1"];
        let flags = ["--admin-token-file", &*token, "--state-dir", &*state];
        Running::start(&service, &[source, flags].concat()).await
    };
    let write = async |process: &Running, what: &str| {
        let admin = format!("http://{}", process.address("admin"));
        let flags = ["--admin-token-file", &*token, "--admin-url", &admin];
        let written = hiveway([&[what, CONTAINER], &flags[..]].concat()).await;
        assert_eq!((written.code, &*written.stderr), (0, ""), "{what}");
    };
    let process = alone().await;
    state_is(&process, "ready", 0).await;
    write(&process, "drain").await;
    state_is(&process, "draining", 1).await;
    process.end().await;
    let process = alone().await;
    state_is(&process, "draining", 1).await;
    write(&process, "undrain").await;
    state_is(&process, "ready", 0).await;
    process.end().await;
    let process = alone().await;
    state_is(&process, "ready", 0).await;
    process.end().await;
}
