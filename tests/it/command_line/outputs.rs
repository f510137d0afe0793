//! Standard output and standard error that have no reader, or no room: what runs goes on, and commands end quietly.

use std::fs::OpenOptions;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use hiveway::tools::demo::request::{Target, ask};
use http::Method;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

use super::process::command;
use crate::bounded::bounded;
use crate::eventually::eventually;
use crate::folder::Folder;

const SERVED: &str = r#"{ "services": [ {
    "name": "web", "labels": { "hiveway.routing.port_1": "web.test", "hiveway.probe.url": "none" }
} ] }"#;

/// A port that was free a moment ago: without a log there is nothing to read the real one from.
fn free() -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound address")
}

/// A writable end of a pipe that has no other end.
fn unread() -> Stdio {
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    writer.into()
}

fn full() -> Stdio {
    let file = OpenOptions::new().write(true).open("/dev/full");
    file.expect("Linux has it").into()
}

/// `hiveway run` with an access log and these outputs.
struct Running {
    child: Child,
    internal: SocketAddr,
    admin: SocketAddr,
    folder: Folder,
}

impl Running {
    async fn start(outputs: impl FnOnce(&mut Command)) -> Self {
        let folder = Folder::with("inventory.json", SERVED);
        let (internal, admin) = (free(), free());
        let arguments = format!(
            "run --inventory {} --listen-internal {internal} --admin {admin} --access-log all",
            folder.file("inventory.json")
        );
        let mut command = command(arguments.split(' '), []);
        outputs(&mut command);
        let running = Self {
            child: command.spawn().expect("it starts"),
            internal,
            admin,
            folder,
        };
        let up = eventually("it serves", Duration::from_secs(30), async || {
            match running.get(running.internal, "web.test", "/").await {
                // The service has no task.
                Some((503, _)) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        up.await.expect("it serves");
        running
    }

    async fn get(&self, at: SocketAddr, host: &str, path: &str) -> Option<(u16, String)> {
        let target: Target = format!("http://{host}{path}").parse().expect("a URL");
        let target = target.through(at);
        let answer = ask(&target, Method::GET, Duration::from_secs(10)).await;
        let answer = answer.ok()?;
        let body = String::from_utf8_lossy(&answer.body).into_owned();
        Some((answer.status.as_u16(), body))
    }

    /// What a counter has come to.
    async fn count(&self, name: &str) -> u64 {
        let metrics = self.get(self.admin, "admin", "/metrics").await;
        let (_, text) = metrics.expect("metrics");
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|it| it.parse().ok()).expect("a counter")
    }

    /// Waits until a counter is above zero.
    async fn counts(&self, name: &str) {
        let counted = eventually(name, Duration::from_secs(30), async || {
            let lost = self.count(name).await;
            if lost > 0 { Ok(()) } else { Err("0".into()) }
        });
        counted.await.expect("what is lost is counted");
    }

    /// Changes what is served, so that there is something to log.
    fn change(&self) {
        let text = SERVED.replace("web.test", "web.test; other.test");
        std::fs::write(self.folder.file("inventory.json"), text).expect("a writable file");
    }

    async fn ends_well(mut self) {
        let id = self.child.id().expect("it runs");
        let id = i32::try_from(id).ok().and_then(Pid::from_raw);
        kill_process(id.expect("a process id"), Signal::Term).expect("it runs");
        let status = bounded(self.child.wait()).await.expect("it ends");
        assert_eq!(status.code(), Some(0));
    }
}

#[tokio::test]
async fn outputs_that_fail_end_nothing_and_losses_are_counted() {
    for output in [unread, full] {
        let running = Running::start(|command| {
            command.stdout(output()).stderr(output());
        });
        let running = running.await;
        running.counts("hiveway_access_log_dropped_total").await;
        running.counts("hiveway_log_dropped_total").await;
        running.change();
        let seen = eventually(
            "it serves on",
            Duration::from_secs(30),
            async || match running.get(running.internal, "other.test", "/").await {
                Some((503, _)) => Ok(()),
                other => Err(format!("{other:?}")),
            },
        );
        seen.await.expect("it serves on");
        running.ends_well().await;
    }
}

#[tokio::test]
async fn outputs_that_are_closed_end_nothing() {
    let running = Running::start(|command| {
        let arguments = command.as_std();
        let program = arguments.get_program().to_owned();
        let rest: Vec<_> = arguments.get_args().map(ToOwned::to_owned).collect();
        let mut shell = Command::new("/bin/sh");
        shell.args(["-c", "exec \"$0\" \"$@\" >&- 2>&-"]);
        shell.arg(program).args(rest).env_clear().kill_on_drop(true);
        *command = shell;
    });
    running.await.ends_well().await;
}

/// The commands that need no instance.
fn commands(folder: &Folder) -> [(Vec<String>, i32); 7] {
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let check = |file: &str| vec!["check".to_owned(), folder.file(file)];
    [
        (words("version"), 0),
        (words("--help"), 0),
        (words("labels"), 0),
        (words("completions bash"), 0),
        (words("man"), 0),
        (check("good.yml"), 0),
        (check("bad.yml"), 1),
    ]
}

fn stacks() -> Folder {
    let folder = Folder::with("bad.yml", "services: 5\n");
    let good = "services: { web: { image: nginx } }\n";
    std::fs::write(folder.file("good.yml"), good).expect("a writable file");
    folder
}

/// How a command ends with this output, and what it writes to standard error.
async fn ended(words: &[String], output: Stdio) -> (Option<i32>, String) {
    // Not by `output`, which would put a pipe of its own in the place.
    let mut command = command(words, []);
    let child = command.stdout(output).spawn().expect("it starts");
    let ended = bounded(child.wait_with_output()).await.expect("it ends");
    let told = String::from_utf8_lossy(&ended.stderr).into_owned();
    (ended.status.code(), told)
}

#[tokio::test]
async fn a_command_nobody_reads_ends_as_if_it_were_read() {
    let folder = stacks();
    for (words, code) in commands(&folder) {
        let ended = ended(&words, unread()).await;
        assert_eq!(ended, (Some(code), String::new()), "{words:?}");
        let both = bounded(
            command(&words, [])
                .stdout(unread())
                .stderr(unread())
                .status(),
        );
        assert_eq!(both.await.expect("it starts").code(), Some(code));
    }
}

#[tokio::test]
async fn an_answer_that_finds_no_room_is_an_error() {
    let folder = stacks();
    for (words, _) in commands(&folder) {
        let (code, told) = ended(&words, full()).await;
        assert_eq!(code, Some(1), "{words:?}: {told}");
        let lines = told.lines().count();
        let told = told.strip_prefix("hiveway: cannot write to standard output: ");
        assert!(told.is_some() && lines == 1, "{words:?}: {told:?}");
    }
}
