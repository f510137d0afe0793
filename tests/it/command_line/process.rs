//! The binary, run with nothing of this process's environment.

use std::ffi::OsStr;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStderr, Command};
use tokio::time::timeout;

use crate::bounded::bounded;

/// A process that has ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) stdout: String,
    pub(super) stderr: String,
}

impl Ended {
    pub(super) fn told(&self) -> (i32, &str, &str) {
        (self.code, &self.stdout, &self.stderr)
    }

    /// Checks that it failed with one line and nothing else, and returns the line.
    #[track_caller]
    pub(super) fn assert_one_line(&self, code: i32) -> &str {
        assert_eq!((self.code, &*self.stdout), (code, ""), "{self:?}");
        let line = self.stderr.strip_suffix('\n').expect("a whole line");
        assert!(!line.contains('\n'), "one line: {}", self.stderr);
        line.strip_prefix("hiveway: ").expect("it says who speaks")
    }
}

/// A command that ends when it is dropped.
pub(super) fn command<A: AsRef<OsStr>>(
    arguments: impl IntoIterator<Item = A>,
    variables: impl IntoIterator<Item = (&'static str, String)>,
) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hiveway"));
    command
        .args(arguments)
        .env_clear()
        .envs(variables)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// Runs it to its end.
pub(super) async fn run<A: AsRef<OsStr>>(
    arguments: impl IntoIterator<Item = A>,
    variables: impl IntoIterator<Item = (&'static str, String)>,
) -> Ended {
    let output = bounded(command(arguments, variables).output()).await;
    let output = output.expect("it starts");
    Ended {
        code: output.status.code().expect("no signal ended it"),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

/// The same with something to read.
pub(super) async fn run_with_input<A: AsRef<OsStr>>(
    arguments: impl IntoIterator<Item = A>,
    input: &[u8],
) -> Ended {
    let mut command = command(arguments, []);
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
    let mut pipe = child.stdin.take().expect("it is piped");
    let output = bounded(async {
        // It may end before it has read all.
        let _ = pipe.write_all(input).await;
        drop(pipe);
        child.wait_with_output().await.expect("it ends")
    });
    let output = output.await;
    Ended {
        code: output.status.code().expect("no signal ended it"),
        stdout: String::from_utf8(output.stdout).expect("text"),
        stderr: String::from_utf8(output.stderr).expect("text"),
    }
}

/// The same without an environment.
pub(super) async fn hiveway<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>) -> Ended {
    run(arguments, []).await
}

/// `hiveway run`, running.
pub(super) struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStderr>>,
}

impl Process {
    pub(super) fn start<const N: usize>(
        arguments: impl IntoIterator<Item = String>,
        variables: [(&'static str, String); N],
    ) -> Self {
        let arguments = std::iter::once("run".to_owned()).chain(arguments);
        Self::of(command(arguments, variables))
    }

    /// One that may not hold more files open than this, nor raise the limit.
    pub(super) fn start_limited<const N: usize>(
        files: u32,
        arguments: impl IntoIterator<Item = String>,
        variables: [(&'static str, String); N],
    ) -> Self {
        let run = std::iter::once("run".to_owned()).chain(arguments);
        let unlimited = command(run, variables);
        let unlimited = unlimited.as_std();
        let mut limited = Command::new("/bin/sh");
        limited
            .args(["-c", &format!("ulimit -n {files} && exec \"$0\" \"$@\"")])
            .arg(unlimited.get_program())
            .args(unlimited.get_args())
            .env_clear()
            .envs(
                unlimited
                    .get_envs()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        Self::of(limited)
    }

    fn of(mut command: Command) -> Self {
        let mut child = command.spawn().expect("it starts");
        let stderr = child.stderr.take().expect("it is piped");
        Self {
            child,
            lines: BufReader::new(stderr).lines(),
        }
    }

    /// The next line of the log with this in it.
    pub(super) async fn line_with(&mut self, text: &str) -> String {
        let mut others = String::new();
        let said = async {
            loop {
                let line = self.lines.next_line().await.expect("text");
                let line = line.unwrap_or_else(|| panic!("it ended before it said {text:?}"));
                if line.contains(text) {
                    return line;
                }
                others.push_str(&line);
                others.push('\n');
            }
        };
        match timeout(Duration::from_secs(30), said).await {
            Ok(line) => line,
            Err(_) => panic!("it does not say {text:?}, but:\n{others}"),
        }
    }

    /// Where it listens, by the names of its listeners, as soon as it says so; its log has to be JSON.
    pub(super) async fn listens(&mut self) -> Value {
        let line = self.line_with("listens").await;
        serde_json::from_str(&line).expect("JSON")
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id().expect("it has not been waited for")
    }

    pub(super) fn terminate(&self) {
        let id = i32::try_from(self.id()).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process id"), Signal::Term).expect("it runs");
    }

    /// Waits for its end; what it wrote to the log since the last line that was asked for is in `stderr`.
    pub(super) async fn ended(mut self) -> Ended {
        let mut stderr = String::new();
        let mut stdout = String::new();
        let code = bounded(async {
            while let Some(line) = self.lines.next_line().await.expect("text") {
                stderr.push_str(&line);
                stderr.push('\n');
            }
            let mut out = self.child.stdout.take().expect("it is piped");
            out.read_to_string(&mut stdout).await.expect("text");
            self.child.wait().await.expect("it runs").code()
        })
        .await;
        Ended {
            code: code.expect("no signal ended it"),
            stdout,
            stderr,
        }
    }
}
