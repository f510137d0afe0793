//! The control plane of a large swarm: what it costs, how large what it says is, and how soon a change is where requests are.
//!
//! The swarm exists on paper only: `engine` is a Docker engine that tells of it, in a process of its own, and all its tasks are
//! one listener. The controller is the real program, as a manager's, with a core for itself; followers speak the real control
//! channel. All of it is in a network of its own, where nobody counts connections.

mod controller;
mod engine;
mod followers;
mod lookup;
mod objects;
mod probing;
mod section;
mod world;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use clap::{Args, ValueEnum};
use hiveway::sync::transport::{Identity, Secret};
use rustix::process::{CpuSet, sched_setaffinity};
use rustix::thread::{UnshareFlags, unshare};
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use self::controller::{Controller, Usage};
pub(crate) use self::engine::serve;
use self::followers::{Followers, Sizes};
use self::probing::Probe;
pub(crate) use self::probing::control;
use crate::cli::Cli;
use crate::process::{self, LOAD_CORE, Process};
use crate::{machine, report};

/// Tasks that are replaced at once.
const BATCH: usize = 2;

/// From Swarm's word that a service is updated to the first task that shows it (SWARM.md: 30 ms were measured).
const ANNOUNCED: Duration = Duration::from_millis(30);

/// From there to the end of the old task, to the start of the new one, and to its running.
const STEPS: [(&str, Duration); 3] = [
    ("end", Duration::from_millis(2_100)),
    ("start", Duration::from_millis(2_300)),
    ("run", Duration::from_millis(3_600)),
];

/// How long anything may take.
const LIMIT: Duration = Duration::from_secs(120);

/// After the last change: longer than Hiveway takes for a swarm to be at rest.
const QUIET: Duration = Duration::from_millis(3_500);

/// The swarm, and how long it is watched.
#[derive(Args, Clone, Copy, Debug, PartialEq)]
pub(crate) struct Size {
    /// Services of the swarm (--scale)
    #[arg(long, default_value_t = 1000)]
    pub(crate) services: usize,
    /// Tasks of each (--scale)
    #[arg(long, default_value_t = 10)]
    pub(crate) replicas: usize,
    /// Nodes (--scale)
    #[arg(long, default_value_t = 100)]
    pub(crate) nodes: usize,
    /// Gateways that follow (--scale)
    #[arg(long, default_value_t = 50)]
    pub(crate) followers: usize,
    /// Changes out of rest that are timed (--scale)
    #[arg(long, default_value_t = 30)]
    pub(crate) changes: usize,
    /// Seconds at rest (--scale)
    #[arg(long, default_value_t = 30.5)]
    pub(crate) rest: f64,
    /// Seconds of a rolling update (--scale)
    #[arg(long, default_value_t = 60.0)]
    pub(crate) update: f64,
    /// How tasks are probed
    #[arg(long, default_value = "in-process", hide = true)]
    pub(crate) probe: Probe,
}

/// Everything that was measured with tasks that are probed in one way.
struct Phase {
    probe: Probe,
    /// Seconds from the controller's start until all followers had all endpoints in rotation.
    started: f64,
    rest: Usage,
    update: Option<Usage>,
    /// Changes within the update.
    within: Vec<Change>,
    /// Changes out of rest.
    alone: Vec<Change>,
    sizes: Sizes,
    log: String,
}

/// Milliseconds from a change to each follower, in ascending order.
type Change = Vec<f64>;

/// Measures all of it, and writes the section of the report if the swarm has its full size.
pub(crate) async fn run(cli: &Cli) -> anyhow::Result<()> {
    let whole = Size {
        probe: Probe::InProcess,
        ..cli.size
    } == Cli::default_size()
        && !cfg!(debug_assertions);
    process::raise_open_files();
    // Before only one core is left to be seen.
    let machine = machine::description();
    isolate().await?;
    let findings = lookup::measure();
    let mut phases = Vec::new();
    for &probe in Probe::value_variants() {
        let size = Size { probe, ..cli.size };
        let phase = phase(size)
            .await
            .with_context(|| format!("with probes {probe:?}"))?;
        println!("{probe:?}: at rest {:?}", phase.rest);
        println!("{probe:?}: updating {:?}", phase.update);
        phases.push(phase);
    }
    let text = section::write(&machine, cli.size, &phases, &findings);
    println!("\n{text}");
    if whole {
        report::write(&cli.output, report::SCALE, &text)?;
    }
    Ok(())
}

/// Leaves the network, whose firewall may follow every connection, for one that has loopback and nothing else; and the
/// controller's core.
async fn isolate() -> anyhow::Result<()> {
    unshare(UnshareFlags::NEWNET).context("a network of one's own needs root")?;
    let up = tokio::process::Command::new("ip")
        .args(["link", "set", "lo", "up"])
        .status();
    let up = up.await.context("starting ip (iproute2)")?;
    ensure!(up.success(), "ip link set lo up failed");
    let mut cores = CpuSet::new();
    cores.set(LOAD_CORE.parse()?);
    sched_setaffinity(None, &cores).context("taking one core")
}

/// One swarm, one controller, and their end.
async fn phase(size: Size) -> anyhow::Result<Phase> {
    let folder = crate::directory().join("scale");
    std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
    let secret = folder.join("secret");
    std::fs::write(&secret, "0123456789abcdef".repeat(2)).context("writing the secret")?;
    let identity = Identity::derive(&Secret::read(&secret).await?);
    let swarm = Swarm::start(size, &folder).await?;
    let began = Instant::now();
    let mut controller = Controller::start(&folder, &swarm, &secret)?;
    controller.listens().await?;
    let mut followers = Followers::start(size.followers, controller.control, &identity)?;
    let endpoints = size.services * size.replicas;
    let ready = followers.all_ready(endpoints, LIMIT).await;
    if ready.is_err() {
        println!("{}", controller.stop().await);
        return Err(ready.err().context("nothing failed")?);
    }
    let started = began.elapsed().as_secs_f64();
    println!(
        "{:?}: {endpoints} endpoints in rotation everywhere after {started:.1} s",
        size.probe
    );
    sleep(QUIET * 2).await;
    let weighing = followers.weigh();
    let rest = Duration::from_secs_f64(size.rest);
    let (rest, ()) = controller
        .during(async {
            sleep(rest).await;
            Ok(())
        })
        .await?;
    let (mut update, mut within, mut alone) = (None, Vec::new(), Vec::new());
    if size.probe != Probe::Slow {
        // Without probes it is only watched what it costs.
        let share = if size.probe.times_changes() {
            1.0
        } else {
            0.33
        };
        let end = Instant::now() + Duration::from_secs_f64(size.update * share);
        let (usage, changes) = controller
            .during(swarm.update_until(end, &followers))
            .await?;
        (update, within) = (Some(usage), changes);
    }
    if size.probe.times_changes() {
        for number in 0..size.changes {
            alone.push(swarm.change_out_of_rest(number, &followers).await?);
        }
    }
    let sizes = weighing.sizes.borrow();
    let sizes = Sizes {
        snapshot: sizes.snapshot,
        deltas: sizes.deltas.clone(),
    };
    drop(followers);
    Ok(Phase {
        probe: size.probe,
        started,
        rest,
        update,
        within,
        alone,
        sizes,
        log: controller.stop().await,
    })
}

/// The engine of the swarm, and what happens in it. It ends when dropped, and its socket goes.
struct Swarm {
    process: Process,
    socket: PathBuf,
    size: Size,
}

/// What the engine's process says first.
#[derive(Deserialize)]
struct Ready {
    ready: bool,
}

impl Swarm {
    async fn start(size: Size, folder: &Path) -> anyhow::Result<Self> {
        let socket = folder.join("engine.sock");
        let _ = std::fs::remove_file(&socket);
        let mut arguments = vec!["swarm-on-paper".to_owned(), socket.display().to_string()];
        arguments.push(format!("--services={}", size.services));
        arguments.push(format!("--replicas={}", size.replicas));
        arguments.push(format!("--nodes={}", size.nodes));
        let probe = size
            .probe
            .to_possible_value()
            .context("every value has a name")?;
        arguments.push(format!("--probe={}", probe.get_name()));
        let program = std::env::current_exe()?;
        let log = folder.join("engine.log");
        let mut process = Process::start("the engine", LOAD_CORE, program, &arguments, &[], &log)?;
        ensure!(
            process.line::<Ready>(LIMIT).await?.ready,
            "the engine did not start"
        );
        Ok(Self {
            process,
            socket,
            size,
        })
    }

    /// One service after the other is updated, [`BATCH`] tasks at a time, as Swarm does it.
    async fn update_until(
        &self,
        end: Instant,
        followers: &Followers,
    ) -> anyhow::Result<Vec<Change>> {
        let mut changes = Vec::new();
        for number in 0.. {
            let service = self.service(number);
            self.step("begin", service, &[]).await?;
            sleep(ANNOUNCED).await;
            let slots: Vec<usize> = (1..=self.size.replicas).collect();
            for slots in slots.chunks(BATCH) {
                let began = Instant::now();
                changes.push(self.leave(service, slots, followers).await?);
                for (step, after) in STEPS {
                    sleep_until(began + after).await;
                    self.step(step, service, slots).await?;
                }
                if Instant::now() >= end {
                    self.step("complete", service, &[]).await?;
                    return Ok(changes);
                }
            }
            self.step("complete", service, &[]).await?;
        }
        Ok(changes)
    }

    /// One task is replaced in a swarm that was at rest. It begins at another time of Hiveway's clocks each time.
    async fn change_out_of_rest(
        &self,
        number: usize,
        followers: &Followers,
    ) -> anyhow::Result<Change> {
        let more = Duration::from_millis((number * 370 % 1_000) as u64);
        sleep(QUIET + more).await;
        let (service, slots) = (
            self.service(number + 300),
            [number % self.size.replicas + 1],
        );
        self.step("begin", service, &[]).await?;
        sleep(ANNOUNCED).await;
        let change = self.leave(service, &slots, followers).await?;
        for (step, _) in STEPS {
            sleep(Duration::from_millis(100)).await;
            self.step(step, service, &slots).await?;
        }
        self.step("complete", service, &[]).await?;
        Ok(change)
    }

    /// Services in no order.
    fn service(&self, number: usize) -> usize {
        number * 7 % self.size.services
    }

    /// Tasks are meant to end; gives how long it takes until each follower sends them nothing more.
    async fn leave(
        &self,
        service: usize,
        slots: &[usize],
        followers: &Followers,
    ) -> anyhow::Result<Change> {
        // Before the engine knows of it: the time of this call counts.
        let began = Instant::now();
        let tasks = self.step("leave", service, slots).await?;
        ensure!(
            tasks.len() == slots.len(),
            "the engine moved {} tasks instead of {}",
            tasks.len(),
            slots.len()
        );
        let mut watching = followers.watch_for(&objects::service_id(service), &tasks);
        let mut times = Vec::new();
        let all = async {
            while let Some(seen) = watching.join_next().await {
                let seen = seen?.context("a follower ended")?;
                times.push((seen - began).as_secs_f64() * 1e3);
            }
            anyhow::Ok(())
        };
        timeout(LIMIT, all)
            .await
            .context("a change did not arrive")??;
        times.sort_by(f64::total_cmp);
        Ok(times)
    }

    /// Changes the swarm; gives the ids of the tasks that this was about.
    async fn step(
        &self,
        step: &str,
        service: usize,
        slots: &[usize],
    ) -> anyhow::Result<Vec<String>> {
        let slots: Vec<String> = slots.iter().map(ToString::to_string).collect();
        let slots = if slots.is_empty() {
            "0".to_owned()
        } else {
            slots.join(",")
        };
        let mut stream = UnixStream::connect(&self.socket)
            .await
            .context("the engine is gone")?;
        let request = format!("POST /bench/{step}/{service}/{slots} HTTP/1.1\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        let (_, body) = answer
            .split_once("\r\n\r\n")
            .context("the engine refused a step")?;
        let json = body.lines().nth(1).context("an answer of one chunk")?;
        Ok(serde_json::from_str(json)?)
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.socket);
    }
}
