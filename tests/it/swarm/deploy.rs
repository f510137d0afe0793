//! `deploy/build/deploy.sh`, which `make deploy` and `make deploy-edge` call: it looks for the image, waits for the tasks, and
//! reports what failed.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use super::stage::Turn;
use crate::folder::Folder;
use crate::stack::Stack;

/// Seconds that a deployment may take in these tests: a task is started or rejected in a few.
const BOUND: &str = "90";

/// A stack of one service that runs this command of the demo.
fn file(command: &str) -> String {
    format!(
        "version: \"3.8\"\nservices:\n  web:\n    image: ${{HIVEWAY_IMAGE}}\n    command: [{command}]\n    deploy:\n      \
         restart_policy: {{ condition: none }}\n"
    )
}

/// Runs the script. Returns its exit status and everything that it wrote.
async fn deploy(stack: &str, text: &str, variables: &[(&str, &str)]) -> (Option<i32>, String) {
    let folder = Folder::new();
    fs::write(folder.path().join("stack.yml"), text).expect("a file written");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/build/deploy.sh");
    let output = Command::new(script)
        .args([&folder.file("stack.yml"), stack, "web"])
        .envs(variables.iter().copied())
        .env("HIVEWAY_DEPLOY_SECONDS", BOUND)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = output.await.expect("the script");
    let text = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(text).expect("text"))
}

#[tokio::test]
#[ignore = "needs a swarm: make test"]
async fn image_that_is_nowhere_is_reported_before_it_is_deployed() {
    let stage = Turn::take().await;
    // Nothing listens at this registry.
    let image = [("HIVEWAY_IMAGE", "127.0.0.1:1/hiveway:none")];
    let (code, report) = deploy(&stage.name("nowhere"), &file("server"), &image).await;
    assert_eq!(code, Some(1), "{report}");
    assert!(
        report.contains("neither on this node nor in its registry"),
        "{report}"
    );
}

#[tokio::test]
#[ignore = "needs a swarm: make test"]
async fn deployment_waits_for_tasks_and_reports_those_that_fail() {
    let stage = Turn::take().await;
    let stack = Stack {
        name: stage.name("deployed"),
    };
    let secret = stage.hiveway.secret();
    let variables = [
        ("HIVEWAY_IMAGE", &*stage.images.demo),
        ("HIVEWAY_CONTROL_SECRET", secret),
    ];
    let (code, report) = deploy(&stack.name, &file("server"), &variables).await;
    assert_eq!(code, Some(0), "{report}");
    assert!(report.contains("runs on 1 of 1 tasks"), "{report}");

    let (code, report) = deploy(&stack.name, &file("no-such-command"), &variables).await;
    assert_eq!(code, Some(1), "{report}");
    for part in ["-- tasks of", "docker service logs"] {
        assert!(report.contains(part), "{part} in {report}");
    }
}
