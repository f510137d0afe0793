//! A stack of services, deployed from a file of `deploy/` as users deploy it.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use tokio::io::AsyncWriteExt as _;

use crate::docker::{ask_blocking, remove};

/// A stack; removed with its containers and networks when dropped.
pub(crate) struct Stack {
    pub(crate) name: String,
}

impl Stack {
    /// Deploys a file after some replacements, each of which has to find its text exactly once, with some variables.
    pub(crate) async fn deploy(
        name: String,
        file: &str,
        replacements: &[(&str, &str)],
        variables: &[(&str, &str)],
    ) -> Self {
        let stack = Self { name };
        deploy(&stack.name, file, replacements, variables).await;
        stack
    }
}

/// The same for an engine that ends with all that runs on it.
pub(crate) async fn deploy(
    name: &str,
    file: &str,
    replacements: &[(&str, &str)],
    variables: &[(&str, &str)],
) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("deploy")
        .join(file);
    let mut text = fs::read_to_string(path).expect("a stack file");
    for (from, to) in replacements {
        assert_eq!(text.matches(from).count(), 1, "{from:?} in {file}");
        text = text.replace(from, to);
    }
    deploy_text(name, &text, variables).await;
}

/// Deploys what would be in a file.
pub(crate) async fn deploy_text(name: &str, text: &str, variables: &[(&str, &str)]) {
    let mut deploying = tokio::process::Command::new("docker")
        .args([
            "stack",
            "deploy",
            "--resolve-image",
            "never",
            "-c",
            "-",
            name,
        ])
        .envs(variables.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the docker command");
    let mut input = deploying.stdin.take().expect("a pipe");
    input
        .write_all(text.as_bytes())
        .await
        .expect("a file piped");
    drop(input);
    let output = deploying.wait_with_output().await.expect("an end");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "docker stack deploy {name}: {complaint}"
    );
}

/// Makes the secret that all instances share, as users do.
pub(crate) async fn make_secret(variables: &[(&str, &str)]) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/build/secret.sh");
    let mut command = tokio::process::Command::new(script);
    let output = command.envs(variables.iter().copied()).output().await;
    let output = output.expect("the script");
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "deploy/build/secret.sh: {complaint}"
    );
}

impl Drop for Stack {
    fn drop(&mut self) {
        remove(&["stack", "rm", &self.name]);
        self.wait_for_its_end();
        let volumes = ask_blocking(&["volume", "ls", "--quiet", "--filter", &self.label()]);
        for volume in volumes.unwrap_or_default().lines() {
            remove(&["volume", "rm", volume]);
        }
    }
}

impl Stack {
    fn label(&self) -> String {
        format!("label=com.docker.stack.namespace={}", self.name)
    }

    fn wait_for_its_end(&self) {
        let label = self.label();
        let filter = ["--quiet", "--filter", &label];
        // Each question takes the engine some time; removing takes it a few seconds, and rarely more than ten.
        for _ in 0..1000 {
            let left = [&["ps", "--all"][..], &["network", "ls"][..]];
            let left = left.map(|list| ask_blocking(&[list, &filter[..]].concat()));
            if left.iter().all(|left| left.as_deref() == Ok("")) {
                return;
            }
        }
        eprintln!("containers or networks of the stack {} are left", self.name);
    }
}
