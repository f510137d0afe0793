//! The processes of a measurement: pinned to a core, gone when their owner goes, read through `/proc`.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use rustix::process::{
    Pid, Resource, Rlimit, Signal, getrlimit, kill_process, kill_process_group, setrlimit,
};
use serde::de::DeserializeOwned;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::timeout;

/// The core that the measured proxy has for itself.
pub(crate) const PROXY_CORE: &str = "1";
/// The core that the load and the backends share.
pub(crate) const LOAD_CORE: &str = "0";

/// How long a process may take to end after SIGTERM before it is killed.
const END_LIMIT: Duration = Duration::from_secs(15);

/// A process and its children, in a process group of their own. Dropping it kills the whole group.
pub(crate) struct Process {
    name: String,
    child: Child,
    group: Pid,
    output: Option<Lines<BufReader<ChildStdout>>>,
    log: PathBuf,
}

impl Process {
    /// Starts a program on a core.
    ///
    /// # Design notes
    ///
    /// `setpriv` and `taskset` replace themselves by what they start, so the program keeps the id that we know. The
    /// first makes the kernel end it when this process dies in a way in which no destructor runs. Standard error, and
    /// the output of a process that is no role of ours, go to a file: a full pipe would stop a talkative proxy.
    pub(crate) fn start<A: AsRef<OsStr>>(
        name: &str,
        core: &str,
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = A>,
        environment: &[(&str, String)],
        log: &Path,
    ) -> anyhow::Result<Self> {
        let file = File::create(log).with_context(|| format!("creating {}", log.display()))?;
        let role = program.as_ref() == std::env::current_exe()?.as_os_str();
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "TERM", "taskset", "-c", core])
            .arg(program)
            .args(arguments)
            .envs(environment.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::piped())
            .stdout(if role {
                Stdio::piped()
            } else {
                file.try_clone()?.into()
            })
            .stderr(file)
            .process_group(0);
        let mut child = command.spawn().with_context(|| {
            format!("starting {name}: setpriv and taskset (util-linux) must be installed")
        })?;
        let group = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
        let group = group.context("a started process has an id")?;
        let output = child
            .stdout
            .take()
            .map(|output| BufReader::new(output).lines());
        Ok(Self {
            name: name.to_owned(),
            child,
            group,
            output,
            log: log.to_owned(),
        })
    }

    /// The ids of all its processes.
    pub(crate) fn pids(&self) -> Vec<u32> {
        std::fs::read_dir("/proc")
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .filter(|pid| group_of(*pid) == Some(self.group.as_raw_nonzero().get()))
            .collect()
    }

    /// The next line of its standard output, as JSON. An error carries what the process had to say.
    pub(crate) async fn line<T: DeserializeOwned>(
        &mut self,
        within: Duration,
    ) -> anyhow::Result<T> {
        let output = self
            .output
            .as_mut()
            .context("its output was not given away")?;
        let line = timeout(within, output.next_line())
            .await
            .with_context(|| format!("{} said nothing in {within:?}", self.name))??;
        match line {
            Some(line) => {
                serde_json::from_str(&line).with_context(|| format!("{} said {line:?}", self.name))
            }
            None => bail!("{} ended: {}", self.name, self.complaint()),
        }
    }

    /// Ends its standard input, which some roles wait for, then waits for its end.
    pub(crate) async fn finish(mut self) -> anyhow::Result<()> {
        drop(self.child.stdin.take());
        let status = timeout(END_LIMIT, self.child.wait())
            .await
            .with_context(|| format!("{} did not end in {END_LIMIT:?}", self.name))??;
        if !status.success() {
            bail!("{} ended with {status}: {}", self.name, self.complaint());
        }
        Ok(())
    }

    /// Asks it to end, waits, and gives its whole log; the destructor kills what is left.
    pub(crate) async fn stop(mut self) -> String {
        let _ = kill_process(self.group, Signal::Term);
        let _ = timeout(END_LIMIT, self.child.wait()).await;
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it has ended by itself.
    pub(crate) fn has_ended(&mut self) -> bool {
        !matches!(self.child.try_wait(), Ok(None))
    }

    /// The end of what it wrote to its log.
    pub(crate) fn complaint(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.trim().lines().collect();
        match lines.len() {
            0 => "it said nothing".to_owned(),
            count => lines[count.saturating_sub(3)..].join(" / "),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = kill_process_group(self.group, Signal::Kill);
    }
}

/// Raises this process's limit of open files, which its children inherit, as far as it may.
pub(crate) fn raise_open_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let wanted = Rlimit {
        current: maximum,
        maximum,
    };
    if let Err(error) = setrlimit(Resource::Nofile, wanted) {
        println!("the limit of open files stays as it is: {error}");
    }
}

/// The process group, the third field behind the command's name in parentheses.
fn group_of(pid: u32) -> Option<i32> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(") ")?.1.split(' ').nth(2)?.parse().ok()
}

/// The memory of the processes in megabytes (10^6 bytes): shared pages are divided among those that share them.
pub(crate) fn memory(pids: &[u32]) -> anyhow::Result<f64> {
    megabytes(pids, "smaps_rollup", "Pss:")
}

/// Their resident memory in megabytes: shared pages count for each of them.
pub(crate) fn resident(pids: &[u32]) -> anyhow::Result<f64> {
    megabytes(pids, "status", "VmRSS:")
}

/// The most that it was since their start.
pub(crate) fn most_resident(pids: &[u32]) -> anyhow::Result<f64> {
    megabytes(pids, "status", "VmHWM:")
}

/// Sums a line of a file of each process, which is in units of 1024 bytes.
fn megabytes(pids: &[u32], file: &str, name: &str) -> anyhow::Result<f64> {
    ensure!(!pids.is_empty(), "no process to measure");
    let mut kilobytes = 0;
    for pid in pids {
        let path = format!("/proc/{pid}/{file}");
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        kilobytes += text
            .lines()
            .find_map(|line| {
                line.strip_prefix(name)?
                    .trim()
                    .strip_suffix(" kB")?
                    .parse::<u64>()
                    .ok()
            })
            .with_context(|| format!("{path} has no line {name}"))?;
    }
    Ok(kilobytes as f64 * 1024.0 / 1e6)
}
