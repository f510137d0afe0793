//! The docker command line: what users have, and so what these tests drive the engine with.

use std::ffi::OsStr;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::time::timeout;

/// How long it may take; an engine without a quorum may not answer at all.
const BOUND: Duration = Duration::from_secs(120);

/// Runs `docker` to its end and gives what it printed to standard output; or what it complained of.
pub(crate) async fn ask<S: AsRef<OsStr>>(
    arguments: impl IntoIterator<Item = S>,
) -> Result<String, String> {
    let output = tokio::process::Command::new("docker")
        .args(arguments)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    match timeout(BOUND, output).await {
        Ok(output) => read(output),
        Err(_) => Err(format!("no answer within {BOUND:?}")),
    }
}

/// Runs `docker` where it has to succeed.
pub(crate) async fn docker<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> String {
    let arguments: Vec<_> = arguments
        .into_iter()
        .map(|it| it.as_ref().to_owned())
        .collect();
    let told = format!("docker {}", arguments.join(OsStr::new(" ")).display());
    match ask(&arguments).await {
        Ok(output) => output,
        Err(error) => panic!("{told}: {error}"),
    }
}

/// The same for those who clean up, where nothing can be awaited.
pub(crate) fn ask_blocking(arguments: &[&str]) -> Result<String, String> {
    read(
        std::process::Command::new("docker")
            .args(arguments)
            .stdin(Stdio::null())
            .output(),
    )
}

/// Cleans something up. What cannot be is told, since a panic while another unwinds would hide the first.
pub(crate) fn remove(arguments: &[&str]) {
    if let Err(error) = ask_blocking(arguments)
        // Somebody was faster, or it never came to be.
        && !["No such", "not found", "Nothing found"].iter().any(|it| error.contains(it))
    {
        eprintln!("docker {}: {error}", arguments.join(" "));
    }
}

/// Runs `docker` and gives both of its outputs, in the order that they came in: what a reader of logs sees.
pub(crate) async fn logs(arguments: &[&str]) -> String {
    let mut command = tokio::process::Command::from(merged(arguments));
    let output = command.output().await;
    read(output).unwrap_or_else(|error| format!("docker {}: {error}", arguments.join(" ")))
}

/// The same where nothing can be awaited.
pub(crate) fn logs_blocking(arguments: &[&str]) -> String {
    let output = merged(arguments).output();
    read(output).unwrap_or_else(|error| format!("docker {}: {error}", arguments.join(" ")))
}

fn merged(arguments: &[&str]) -> std::process::Command {
    let mut command = std::process::Command::new("sh");
    command.args(["-c", "exec docker \"$@\" 2>&1", "docker"]);
    command.args(arguments).stdin(Stdio::null());
    command
}

fn read(output: std::io::Result<Output>) -> Result<String, String> {
    let output = output.map_err(|error| format!("the docker command cannot be run: {error}"))?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        Ok(text(&output.stdout))
    } else {
        Err(format!("{} ({})", text(&output.stderr), output.status))
    }
}
