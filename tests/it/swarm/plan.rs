//! `hiveway plan` beside what `docker stack deploy` then does.

use std::fs;
use std::process::Stdio;

use hiveway::core::model::snapshot::EndpointState;
use tokio::process::Command;

use super::service::SETTLE_BOUND;
use super::stage::{Stage, Turn};
use crate::folder::Folder;
use crate::stack::{Stack, deploy_text};

/// A file of these services, on the network that Hiveway shares with them.
fn file(stage: &Stage, services: &[(&str, u32, &str)]) -> String {
    let mut text = "version: \"3.8\"\nservices:\n".to_owned();
    for (name, replicas, labels) in services {
        let image = &stage.images.demo;
        text += &format!(
            "  {name}:\n    image: {image}\n    command: [server]\n    networks: [mesh]\n    \
             deploy: {{ replicas: {replicas}, labels: {{ {labels} }} }}\n"
        );
    }
    let network = &stage.hiveway.network;
    text + &format!("networks: {{ mesh: {{ external: true, name: {network} }} }}\n")
}

/// The exit status, and what is written.
async fn plan(stage: &Stage, stack: &str, text: &str, flags: &[&str]) -> (Option<i32>, String) {
    let folder = Folder::new();
    fs::write(folder.path().join("stack.yml"), text).expect("a file written");
    let output = Command::new(env!("CARGO_BIN_EXE_hiveway"))
        .args(["plan", &folder.file("stack.yml"), "--stack", stack])
        .args(["--network", &stage.hiveway.network, "--detailed-exitcode"])
        .args(flags)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = output.await.expect("the program");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).expect("text"))
}

/// Waits until so many endpoints of the service are there, and all in rotation.
async fn serves(stage: &Stage, service: &str, count: usize) {
    let what = format!("{service} has {count} endpoints in rotation");
    let look = async || {
        let endpoints = stage.hiveway.endpoints(service).await?;
        let ready = |(_, state): &(String, EndpointState)| *state == EndpointState::Ready;
        match endpoints.len() == count && endpoints.iter().all(ready) {
            true => Ok(()),
            false => Err(format!("{endpoints:?}")),
        }
    };
    stage.eventually(&what, SETTLE_BOUND, look).await;
}

#[tokio::test]
#[ignore = "needs a swarm: make test"]
async fn plan_predicts_a_deployment_and_is_empty_afterwards() {
    let stage = Turn::take().await;
    let stack = Stack {
        name: stage.name("planned"),
    };
    let name = &stack.name;
    let nothing = format!("stack {name}: nothing changes for clients\n");
    let labels = "hiveway.routing.port_80: planned.local; planned.test/a, hiveway.probe.timeout_seconds: '1'";
    let first = file(
        &stage,
        &[
            ("web", 2, labels),
            ("old", 1, "hiveway.routing.port_80: old.local"),
        ],
    );
    let (code, told) = plan(&stage, name, &first, &[]).await;
    let expected = format!(
        "+ service {name}_old
    + old.local/ to port 80
    + replicas: 1
+ service {name}_web
    + planned.local/ to port 80
    + planned.test/a to port 80
    + replicas: 2
+ name old.local
+ name planned.local
stack {name}: 2 to come, 0 to change, 0 to go
"
    );
    assert_eq!((code, told), (Some(2), expected));

    deploy_text(name, &first, &[]).await;
    serves(&stage, &format!("{name}_web"), 2).await;
    serves(&stage, &format!("{name}_old"), 1).await;
    let planned = plan(&stage, name, &first, &[]).await;
    assert_eq!(planned, (Some(0), nothing.clone()));

    let labels =
        "hiveway.routing.port_80: planned.local/v2; planned.test/a, hiveway.routing.weight: '7'";
    let second = file(
        &stage,
        &[
            ("web", 3, labels),
            ("new", 1, "hiveway.routing.port_80: new.local"),
        ],
    );
    let changes = |old: &str, names: &str, gone: &str, count: u8| {
        format!(
            "+ service {name}_new
    + new.local/ to port 80
    + replicas: 1
{old}~ service {name}_web (2 tasks serve now)
    + planned.local/v2 to port 80
    - planned.local/ to port 80
    ~ probe.timeout_seconds: 1 -> 2
    ~ routing.weight: 100 -> 7
    ~ replicas: 2 -> 3
+ name new.local
{names}{gone}stack {name}: 1 to come, 1 to change, {count} to go
"
        )
    };
    let stays = format!(
        "  service {name}_old is not in these files and stays as it is; docker stack deploy --prune removes it\n"
    );
    let planned = plan(&stage, name, &second, &[]).await;
    assert_eq!(planned, (Some(2), changes("", "", &stays, 0)));
    let goes = format!("- service {name}_old (1 task serves now)\n    - old.local/ to port 80\n");
    let planned = plan(&stage, name, &second, &["--prune"]).await;
    assert_eq!(
        planned,
        (Some(2), changes(&goes, "- name old.local\n", "", 1))
    );

    deploy_text(name, &second, &[]).await;
    serves(&stage, &format!("{name}_web"), 3).await;
    serves(&stage, &format!("{name}_new"), 1).await;
    let planned = plan(&stage, name, &second, &[]).await;
    assert_eq!(planned, (Some(0), format!("{stays}{nothing}")));

    let away = ["--docker-host", "tcp://127.0.0.1:1"];
    let (code, told) = plan(&stage, name, &second, &away).await;
    assert_eq!((code, told.lines().count()), (Some(1), 1), "{told}");
    assert!(
        told.contains("127.0.0.1:1") && told.contains("is the engine running"),
        "{told}"
    );
}
