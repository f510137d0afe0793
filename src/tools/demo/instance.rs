//! A child process `hiveway run`: its log is passed on, and it is ended by SIGTERM.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::{Error, say};

/// How long the process may take to end after SIGTERM: its default grace of 10 s and a little.
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// A running `hiveway run`.
#[derive(Debug)]
pub(super) struct Instance {
    child: Child,
    log: JoinSet<()>,
}

impl Instance {
    /// Starts `program run` over an inventory file.
    pub(super) fn start(
        program: &Path,
        inventory: &Path,
        internal: SocketAddr,
        admin: SocketAddr,
    ) -> Result<Self, Error> {
        let mut command = Command::new(program);
        command
            .arg("run")
            .arg("--inventory")
            .arg(inventory)
            .args(["--listen-internal", &internal.to_string()])
            .args(["--admin", &admin.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            // Ctrl-C in the terminal is for the story; it ends the process in its own way.
            .process_group(0)
            .kill_on_drop(true)
            .env("NO_COLOR", "1");
        // The user's own settings are for the user's own instances.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("HIVEWAY_") {
                command.env_remove(name);
            }
        }
        let mut child = command.spawn().map_err(|source| Error::StartInstance {
            program: program.to_owned(),
            source,
        })?;
        let mut log = JoinSet::new();
        if let Some(stdout) = child.stdout.take() {
            log.spawn(pass_on(stdout));
        }
        if let Some(stderr) = child.stderr.take() {
            log.spawn(pass_on(stderr));
        }
        Ok(Self { child, log })
    }

    /// Fails where the process has already ended.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        match self.child.try_wait() {
            Ok(Some(status)) => Err(Error::InstanceEnded(status)),
            Ok(None) | Err(_) => Ok(()),
        }
    }

    /// Sends SIGTERM, waits for the end and for the last line of the log.
    pub(super) async fn stop(mut self) -> Result<(), Error> {
        if let Some(pid) = self
            .child
            .id()
            .and_then(|id| Pid::from_raw(id.try_into().ok()?))
        {
            // It fails only where the process has just ended, which is what is wanted.
            let _ = kill_process(pid, Signal::Term);
        }
        let ended = timeout(STOP_WITHIN, self.child.wait()).await;
        let outcome = match ended {
            Ok(Ok(status)) => succeeded(status),
            Ok(Err(error)) => Err(Error::StopInstance(error.to_string())),
            Err(_) => {
                // Nothing can be done about a failure here; `kill_on_drop` tries once more.
                let _ = self.child.kill().await;
                Err(Error::StopInstance(format!(
                    "it was still there after {} s and was killed",
                    STOP_WITHIN.as_secs()
                )))
            }
        };
        let _ = timeout(STOP_WITHIN, async {
            while self.log.join_next().await.is_some() {}
        })
        .await;
        outcome
    }
}

fn succeeded(status: ExitStatus) -> Result<(), Error> {
    if status.success() {
        Ok(())
    } else {
        Err(Error::StopInstance(status.to_string()))
    }
}

/// Prints each line of the process as its own.
async fn pass_on(output: impl AsyncRead + Unpin) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        // The story ends by itself where standard output is closed; the pipe must be read until then.
        let _ = say(format_args!("  hiveway | {line}"));
    }
}
