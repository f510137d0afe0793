//! The measured `hiveway` process, and what it used between two moments.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

use super::Swarm;
use super::probing::Probe;
use crate::measure::free_port;
use crate::meter::{Meter, Reading};
use crate::process::{PROXY_CORE, Process, memory};

/// How long the admin listener may take.
const LIMIT: Duration = Duration::from_secs(20);

/// The controller under measurement.
pub(super) struct Controller {
    process: Process,
    meter: Meter,
    admin: SocketAddr,
    /// Where it listens for followers.
    pub(super) control: SocketAddr,
}

/// The counters of one moment.
struct Moment {
    at: Instant,
    cpu: Reading,
    /// User and system time, in seconds.
    split: (f64, f64),
    metrics: String,
}

/// What was used between two moments.
#[derive(Clone, Debug)]
pub(super) struct Usage {
    pub(super) seconds: f64,
    /// Shares of a core.
    pub(super) cpu: f64,
    pub(super) user: f64,
    pub(super) system: f64,
    /// What processes used that have no part in this.
    pub(super) strangers: f64,
    /// The greatest PSS that was seen, in megabytes.
    pub(super) memory: f64,
    pub(super) probes: f64,
    pub(super) failed_probes: f64,
    pub(super) looks: f64,
    /// The time of a look on average, in milliseconds.
    pub(super) look: f64,
    pub(super) glances: f64,
    /// The time of a look at the services that move on average, in milliseconds.
    pub(super) glance: f64,
    pub(super) reconciles: f64,
    /// The time of one on average, in milliseconds.
    pub(super) reconcile: f64,
    /// Since the start.
    pub(super) dropped_events: f64,
}

impl Controller {
    /// Starts it as a manager's instance, alone on its core. Where probes are answered in-process, it is
    /// this program in that role; otherwise the program that is shipped.
    pub(super) fn start(directory: &Path, swarm: &Swarm, secret: &Path) -> anyhow::Result<Self> {
        let address = || anyhow::Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?)));
        let (admin, control, internal) = (address()?, address()?, address()?);
        let mut arguments = vec![
            "run".to_owned(),
            format!("--docker-host=unix://{}", swarm.socket.display()),
            format!("--listen-internal={internal}"),
            format!("--admin={admin}"),
            format!("--listen-control={control}"),
            format!("--controllers={control}"),
            format!("--control-secret-file={}", secret.display()),
        ];
        let program = match swarm.size.probe {
            Probe::InProcess => {
                arguments.insert(0, "control".to_owned());
                std::env::current_exe()?
            }
            _ => env!("CARGO_BIN_EXE_hiveway").into(),
        };
        let process = Process::start(
            "hiveway",
            PROXY_CORE,
            program,
            arguments,
            &[],
            &directory.join("hiveway.log"),
        )?;
        Ok(Self {
            meter: Meter {
                proxy: process.pids(),
                ours: swarm.process.pids(),
            },
            process,
            admin,
            control,
        })
    }

    /// Waits until it listens.
    pub(super) async fn listens(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + LIMIT;
        while TcpStream::connect(self.control).await.is_err() {
            ensure!(
                !self.process.has_ended(),
                "hiveway ended: {}",
                self.process.complaint()
            );
            ensure!(
                Instant::now() < deadline,
                "hiveway does not listen: {}",
                self.process.complaint()
            );
            sleep(Duration::from_millis(20)).await;
        }
        // `setpriv` and `taskset` have become the program by now, under the same id.
        self.meter.proxy = self.process.pids();
        Ok(())
    }

    /// What it uses while something is done, or nothing.
    pub(super) async fn during<T>(
        &mut self,
        work: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<(Usage, T)> {
        let before = self.moment(false).await?;
        let pids = self.meter.proxy.clone();
        let mut greatest = memory(&pids)?;
        let watched = async {
            loop {
                sleep(Duration::from_secs(1)).await;
                greatest = greatest.max(memory(&pids).unwrap_or_default());
            }
        };
        let done = tokio::select! {
            done = work => done?,
            () = watched => unreachable!("it watches for ever"),
        };
        let after = self.moment(true).await?;
        greatest = greatest.max(memory(&pids)?);
        ensure!(
            !self.process.has_ended(),
            "hiveway ended: {}",
            self.process.complaint()
        );
        Ok((usage(&before, &after, greatest), done))
    }

    /// Reading the metrics is work as well, of which a measurement has none: it is done before the clocks are read at its
    /// beginning, and after that at its end.
    async fn moment(&self, end: bool) -> anyhow::Result<Moment> {
        let early = match end {
            true => None,
            false => Some(self.metrics().await?),
        };
        if early.is_some() {
            sleep(Duration::from_millis(200)).await;
        }
        let (at, cpu, split) = (
            Instant::now(),
            self.meter.read()?,
            split(&self.meter.proxy)?,
        );
        let metrics = match early {
            Some(metrics) => metrics,
            None => self.metrics().await?,
        };
        Ok(Moment {
            at,
            cpu,
            split,
            metrics,
        })
    }

    async fn metrics(&self) -> anyhow::Result<String> {
        let ask = async {
            let mut stream = TcpStream::connect(self.admin).await?;
            let request = "GET /metrics HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n";
            stream.write_all(request.as_bytes()).await?;
            let mut text = String::new();
            stream.read_to_string(&mut text).await?;
            std::io::Result::Ok(text)
        };
        let text = timeout(LIMIT, ask)
            .await
            .context("the admin listener hangs")??;
        ensure!(text.starts_with("HTTP/1.1 200"), "no metrics: {text:.80}");
        Ok(text)
    }

    /// Ends it, and gives its log.
    pub(super) async fn stop(self) -> String {
        self.process.stop().await
    }
}

fn usage(before: &Moment, after: &Moment, memory: f64) -> Usage {
    let seconds = (after.at - before.at).as_secs_f64();
    let grown = |name: &str| sample(&after.metrics, name) - sample(&before.metrics, name);
    let mean = |name: &str, labels: &str| {
        let (sum, count) = (
            grown(&format!("{name}_sum{labels}")),
            grown(&format!("{name}_count{labels}")),
        );
        (count, sum / count.max(1.0) * 1e3)
    };
    // A process that has ended takes the time of its children with it, so that the sum of all can shrink.
    let share =
        |after: Duration, before: Duration| after.saturating_sub(before).as_secs_f64() / seconds;
    let (looks, look) = mean("hiveway_swarm_sync_duration_seconds", "{scope=\"full\"}");
    let (glances, glance) = mean("hiveway_swarm_sync_duration_seconds", "{scope=\"partial\"}");
    let (reconciles, reconcile) = mean("hiveway_reconcile_duration_seconds", "");
    let passed = grown("hiveway_probes_total{result=\"passed\"}");
    let failed_probes = grown("hiveway_probes_total{result=\"failed\"}");
    Usage {
        seconds,
        cpu: share(after.cpu.proxy, before.cpu.proxy),
        user: (after.split.0 - before.split.0) / seconds,
        system: (after.split.1 - before.split.1) / seconds,
        strangers: share(after.cpu.others, before.cpu.others),
        memory,
        probes: (passed + failed_probes) / seconds,
        failed_probes,
        looks,
        look,
        glances,
        glance,
        reconciles,
        reconcile,
        dropped_events: sample(&after.metrics, "hiveway_events_dropped_total"),
    }
}

/// The value of one series; 0 where it is not there yet.
fn sample(metrics: &str, name: &str) -> f64 {
    let line = metrics
        .lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.trim().parse().ok())
        .unwrap_or_default()
}

/// User and system time of the processes, in seconds.
fn split(pids: &[u32]) -> anyhow::Result<(f64, f64)> {
    let mut times = (0.0, 0.0);
    for pid in pids {
        let path = format!("/proc/{pid}/stat");
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading {path}"))?;
        let fields: Vec<&str> = text
            .rsplit_once(") ")
            .map_or("", |it| it.1)
            .split(' ')
            .collect();
        let ticks = |place: usize| -> f64 {
            fields
                .get(place)
                .and_then(|it| it.parse().ok())
                .unwrap_or_default()
        };
        // Hundredths of a second, on every architecture that this runs on.
        times.0 += ticks(11) / 100.0;
        times.1 += ticks(12) / 100.0;
    }
    Ok(times)
}
