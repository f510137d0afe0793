//! An engine of a test's own, which it may kill: a second `dockerd` in namespaces of its own, with nothing outside them.
//!
//! All of it lives in one PID namespace. Its first process waits for this process's end of a pipe: when that is closed, also
//! because this process was killed, the kernel ends the engine and every container at once.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use super::docker::{ask, docker};
use super::eventually::eventually;
use super::stage::Stage;

/// How long an engine may take to start; with containers to clean up after a crash it takes a few seconds.
const START_BOUND: Duration = Duration::from_secs(60);

/// A running engine.
pub(super) struct OwnEngine {
    /// What `docker --host` is given.
    pub(super) host: String,
    /// Where its socket and all of its state are.
    pub(super) directory: PathBuf,
    dockerd: Child,
    /// Holds the namespaces; ends when its standard input does.
    holder: Child,
    storage: String,
}

impl OwnEngine {
    /// Why there can be none here.
    pub(super) async fn impossible() -> Option<String> {
        let run = |program: &str, flag: &str| {
            let mut command = Command::new(program);
            command
                .arg(flag)
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            command.status()
        };
        if !rustix::process::geteuid().is_root() {
            return Some("only root can start an engine".into());
        }
        let programs = [
            ("dockerd", "-v"),
            ("unshare", "-V"),
            ("nsenter", "-V"),
            ("ip", "-V"),
        ];
        for (program, flag) in programs {
            if run(program, flag).await.is_err() {
                return Some(format!("an engine of our own needs the program {program}"));
            }
        }
        None
    }

    /// Starts one, with the images of the stage and a swarm of its own.
    pub(super) async fn start(stage: &Stage) -> Self {
        let directory = std::env::temp_dir().join(stage.name("engine"));
        fs::create_dir(&directory).expect("a directory of our own");
        // Whatever the machine's own engine is configured to is its own.
        fs::write(directory.join("daemon.json"), "{}").expect("a file written");
        // bash, because the first process of a namespace has to reap what its children leave behind.
        let script = "ip link set lo up && echo up && read";
        let flags =
            "--net --uts --mount --propagation private --pid --fork --kill-child --mount-proc";
        let mut holder = Command::new("unshare")
            .args(flags.split(' '))
            .args(["bash", "-c", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("unshare was found");
        let output = holder.stdout.take().expect("a pipe");
        let up = BufReader::new(output).lines().next_line().await;
        assert_eq!(up.expect("a pipe").as_deref(), Some("up"), "namespaces");

        let storage = docker(["info", "--format", "{{.Driver}}"]).await;
        let dockerd = Self::dockerd(&holder, &directory, &storage);
        let engine = Self {
            host: format!("unix://{}", directory.join("docker.sock").display()),
            directory,
            dockerd,
            holder,
            storage,
        };
        engine.answers().await;
        let images = engine.directory.join("images.tar");
        let images = images.to_str().expect("a path of our own");
        docker([
            "save",
            "--output",
            images,
            &stage.images.hiveway,
            &stage.images.demo,
        ])
        .await;
        engine.docker(["load", "--input", images]).await;
        engine
            .docker(["swarm", "init", "--advertise-addr", "127.0.0.1"])
            .await;
        engine
    }

    /// Runs `docker` on it, where that has to succeed.
    pub(super) async fn docker<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> String {
        docker(self.addressed(arguments)).await
    }

    /// Runs `docker` on it.
    pub(super) async fn ask<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<String, String> {
        ask(self.addressed(arguments)).await
    }

    fn addressed<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Vec<std::ffi::OsString> {
        let host = ["--host", &self.host].map(Into::into).into_iter();
        let arguments = arguments.into_iter().map(|it| it.as_ref().to_owned());
        host.chain(arguments).collect()
    }

    /// A command that runs in the engine's network.
    pub(super) fn inside(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(["--target", &id(&self.holder), "--net", program]);
        command.stdin(Stdio::null()).kill_on_drop(true);
        command
    }

    /// Kills it, with no chance to do anything: its containers go on.
    pub(super) async fn kill(&mut self) {
        let pid = self.directory.join("pid");
        let script = format!("kill -KILL $(cat {})", pid.display());
        let mut kill = all_namespaces(&self.holder);
        let status = kill.args(["sh", "-c", &script]).status().await;
        assert!(status.expect("nsenter").success(), "the engine was killed");
        self.dockerd.wait().await.expect("an end");
    }

    /// Starts it again.
    pub(super) async fn start_again(&mut self) {
        self.dockerd = Self::dockerd(&self.holder, &self.directory, &self.storage);
        self.answers().await;
    }

    fn dockerd(holder: &Child, directory: &std::path::Path, storage: &str) -> Child {
        let at = |name: &str| directory.join(name).display().to_string();
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(directory.join("log"))
            .expect("a log file");
        let socket = format!("unix://{}", at("docker.sock"));
        let mut command = all_namespaces(holder);
        command
            .args([
                "dockerd",
                "--config-file",
                &at("daemon.json"),
                "--storage-driver",
                storage,
            ])
            .args(["--data-root", &at("data"), "--exec-root", &at("exec")])
            .args([
                "--pidfile",
                &at("pid"),
                "--host",
                &socket,
                "--bip",
                "172.30.0.1/16",
            ])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log);
        command.spawn().expect("dockerd was found")
    }

    async fn answers(&self) {
        let look = async || self.ask(["version"]).await;
        if let Err(error) = eventually("the engine answers", START_BOUND, look).await {
            let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            panic!("{error}\n{log}");
        }
    }
}

impl Drop for OwnEngine {
    fn drop(&mut self) {
        // Ends the first process of the PID namespace, and with it everything there.
        drop(self.holder.stdin.take());
        while let Ok(None) = self.holder.try_wait() {
            std::thread::yield_now();
        }
        if let Err(error) = fs::remove_dir_all(&self.directory) {
            eprintln!("{} is left: {error}", self.directory.display());
        }
    }
}

fn all_namespaces(holder: &Child) -> Command {
    let holder = id(holder);
    let mut command = Command::new("nsenter");
    command.args(["--target", &holder, "--net", "--uts", "--mount"]);
    // The holder itself is outside of the namespace that it made for its child.
    command.arg(format!("--pid=/proc/{holder}/ns/pid_for_children"));
    command
}

fn id(process: &Child) -> String {
    process.id().expect("it runs").to_string()
}
