//! An engine of a test's own, which it may kill: another `dockerd` in namespaces of its own, with nothing outside them.

mod estate;
mod namespaces;

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::{Child, Command};

pub(crate) use self::estate::Estate;
pub(crate) use self::namespaces::{Namespaces, Network};
use crate::docker::{ask, docker};
use crate::eventually::eventually;

/// How long an engine may take to start; with containers to clean up after a crash it takes a few seconds.
const START_BOUND: Duration = Duration::from_secs(60);

/// An engine, and the machine that it takes itself to be on.
pub(crate) struct OwnEngine {
    /// What `docker --host` is given.
    pub(crate) host: String,
    /// The machine's host name.
    pub(crate) name: String,
    /// Where the state of the engine is that outlives a loss of power.
    pub(crate) directory: PathBuf,
    /// None while the machine is without power.
    namespaces: Option<Namespaces>,
    /// None while the engine does not run.
    dockerd: Option<Child>,
    /// Removes what is left; after all of the above.
    estate: Arc<Estate>,
}

impl OwnEngine {
    /// Why there can be none here.
    pub(crate) async fn possible() -> Result<(), String> {
        if !rustix::process::geteuid().is_root() {
            return Err("only root can start an engine".into());
        }
        let programs = [
            ("docker", "-v"),
            ("dockerd", "-v"),
            ("unshare", "-V"),
            ("nsenter", "-V"),
            ("ip", "-V"),
        ];
        for (program, flag) in programs {
            let mut command = Command::new(program);
            command.arg(flag).stdout(Stdio::null());
            if command.stderr(Stdio::null()).status().await.is_err() {
                return Err(format!("an engine of our own needs the program {program}"));
            }
        }
        Ok(())
    }

    /// A machine of that name, with power and without a running engine.
    pub(crate) async fn new(estate: &Arc<Estate>, name: &str) -> Self {
        let directory = estate.directory.join(name);
        fs::create_dir(&directory).expect("a directory of our own");
        // Whatever the real machine's engine is configured to is its own.
        fs::write(directory.join("daemon.json"), "{}").expect("a file written");
        // An engine waits for the time-out of a registry that it cannot reach before it starts a task.
        fs::write(directory.join("resolv.conf"), "nameserver 127.0.0.1\n").expect("a file written");
        let mut engine = Self {
            host: format!("unix://{}", directory.join("docker.sock").display()),
            name: name.into(),
            directory,
            namespaces: None,
            dockerd: None,
            estate: estate.clone(),
        };
        engine.power_on().await;
        engine
    }

    /// Boots the machine after it lost its power. Its network has to be plugged in again.
    pub(crate) async fn power_on(&mut self) {
        let resolv = self.directory.join("resolv.conf");
        let namespaces = Namespaces::of_a_machine(&self.estate, &self.name, &resolv).await;
        self.namespaces = Some(namespaces);
    }

    /// The machine stops, with all that runs on it.
    pub(crate) async fn lose_power(&mut self) {
        if let Some(namespaces) = self.namespaces.take() {
            namespaces.end().await;
        }
        self.dockerd_ended().await;
    }

    /// Starts the engine, and waits until it answers.
    pub(crate) async fn start(&mut self) {
        self.dockerd = Some(self.dockerd());
        let look = async || self.ask(["version"]).await;
        if let Err(error) = eventually("the engine answers", START_BOUND, look).await {
            let log = fs::read_to_string(self.directory.join("log")).unwrap_or_default();
            panic!("{error}\n{log}");
        }
    }

    fn dockerd(&self) -> Child {
        let at = |name: &str| self.directory.join(name).display().to_string();
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(at("log"))
            .expect("a log file");
        let socket = format!("unix://{}", at("docker.sock"));
        let cgroup = format!("/{}/{}", self.estate.name, self.name);
        let mut command = self.namespaces().enter_all("dockerd");
        command
            .args(["--config-file", &at("daemon.json")])
            .args(["--data-root", &at("data")])
            // The machine's own /run is empty, so the socket is where it is on every machine.
            .args(["--host", "unix:///var/run/docker.sock", "--host", &socket])
            .args(["--bip", "172.30.0.1/16"])
            .args(["--exec-opt", "native.cgroupdriver=cgroupfs"])
            .args(["--cgroup-parent", &cgroup])
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a log file"))
            .stderr(log);
        command.spawn().expect("dockerd was found")
    }

    /// Kills the engine, with no chance to do anything: its containers go on.
    pub(crate) async fn kill(&mut self) {
        let mut kill = self.namespaces().enter_all("sh");
        kill.args(["-c", "kill -KILL $(cat /var/run/docker.pid)"]);
        let status = kill.status().await.expect("nsenter");
        assert!(status.success(), "the engine was killed");
        self.dockerd_ended().await;
    }

    async fn dockerd_ended(&mut self) {
        if let Some(mut dockerd) = self.dockerd.take() {
            dockerd.wait().await.expect("an end");
        }
    }

    /// What the machine consists of.
    pub(crate) fn namespaces(&self) -> &Namespaces {
        self.namespaces.as_ref().expect("the machine has power")
    }

    /// Whether the engine runs.
    pub(crate) fn runs(&self) -> bool {
        self.dockerd.is_some()
    }

    /// Runs `docker` on it, where that has to succeed.
    pub(crate) async fn docker<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> String {
        docker(self.addressed(arguments)).await
    }

    /// Runs `docker` on it.
    pub(crate) async fn ask<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> Result<String, String> {
        ask(self.addressed(arguments)).await
    }

    fn addressed<S: AsRef<OsStr>>(
        &self,
        arguments: impl IntoIterator<Item = S>,
    ) -> impl Iterator<Item = OsString> {
        let host = ["--host", &self.host].map(OsString::from).into_iter();
        let arguments = arguments.into_iter().map(|it| it.as_ref().to_owned());
        host.chain(arguments.collect::<Vec<_>>())
    }
}
