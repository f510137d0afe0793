//! Measuring one proxy: started afresh on its core, asked until it answers, put under one load, stopped.

use std::fmt;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use crate::load::{Resident, Window, first_answer};
use crate::peer::{Layout, Peer, Public};
use crate::process::{LOAD_CORE, Process, memory, most_resident, resident};
use crate::traffic::Credentials;

/// How long a proxy may take from its start to its first right answer.
const READY_LIMIT: Duration = Duration::from_secs(60);

/// What a process of ours may take beyond the time that it was asked to measure.
const SLACK: Duration = Duration::from_secs(20);

/// How many connections the loops use.
const CONNECTIONS: usize = 64;

/// How many cores processes may use in a window that have no part in it, where it counts, and how often one is tried.
pub(crate) const STRANGERS: f64 = 0.2;
const ATTEMPTS: usize = 4;

/// Of an open loop's requests, how many may be unsent when the last is due.
const UNSENT_SHARE: f64 = 0.01;

/// What is measured, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// Rounds; every proxy is measured once in each.
    pub(crate) rounds: usize,
    /// The length of a measured window, in seconds.
    pub(crate) seconds: f64,
    /// The open loop's requests a second.
    pub(crate) rate: u64,
    /// Idle connections for the memory.
    pub(crate) idle: usize,
    /// How many cores processes may use in a window that have no part in it.
    pub(crate) strangers: f64,
}

/// What one proxy gave in one round. An error is no result, and is said so.
#[derive(Clone, Debug)]
pub(crate) struct Round {
    /// As fast as it goes.
    pub(crate) closed: Result<Window, String>,
    /// At a fixed rate.
    pub(crate) open: Result<Window, String>,
}

impl fmt::Display for Round {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.closed {
            Ok(window) => write!(
                f,
                "{:.0} req/s, {:.1} µs",
                window.rate(),
                window.cpu_per_request()
            )?,
            Err(error) => write!(f, "no result: {error}")?,
        }
        match &self.open {
            Ok(Window {
                latency: Some(latency),
                ..
            }) => write!(f, "; p50 {:.3} ms, p99 {:.3} ms", latency.p50, latency.p99),
            Ok(_) => Ok(()),
            Err(error) => write!(f, "; no result: {error}"),
        }
    }
}

/// Megabytes (10^6 bytes) of a proxy's processes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Memory {
    /// After its first request.
    pub(crate) idle: f64,
    /// With the plan's idle connections, each of which has made one request.
    pub(crate) connected: f64,
}

/// The four backends and the places of a run.
pub(crate) struct Bench {
    layout: Layout,
    plan: Plan,
    backends: Process,
    flood: Option<Process>,
}

/// A line by which a role of ours says that it is ready.
#[derive(Deserialize)]
struct Ready {
    ready: bool,
}

impl Bench {
    /// Starts the backends; they run for as long as the value lives.
    pub(crate) async fn start(directory: &Path, plan: Plan) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("creating {}", directory.display()))?;
        let port = free_port()?;
        let layout = Layout {
            proxy: SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?)),
            admin: SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?)),
            backends: (2..6)
                .map(|last| SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), port)))
                .collect(),
            directory: directory.to_owned(),
            public: None,
        };
        let mut arguments = vec!["backend".to_owned()];
        arguments.extend(layout.backends.iter().map(ToString::to_string));
        let mut backends = role(&layout, "backends", &arguments)?;
        ensure!(
            backends.line::<Ready>(SLACK).await?.ready,
            "the backends did not start"
        );
        Ok(Self {
            layout,
            plan,
            backends,
            flood: None,
        })
    }

    /// From now on proxies are told to serve what [`Public`] names as well, to the host of the outside.
    pub(crate) fn go_public(&mut self) -> anyhow::Result<()> {
        self.layout.public = Some(Public {
            tls: SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?)),
            http2: SocketAddr::from((Ipv4Addr::LOCALHOST, free_port()?)),
            credentials: Credentials::make(&self.layout.directory)?,
        });
        Ok(())
    }

    /// Both loops on one fresh process.
    pub(crate) async fn round(&mut self, peer: &Peer) -> Round {
        let closed = self
            .closed(peer)
            .await
            .map_err(|error| format!("{error:#}"));
        let open = self.open(peer).await.map_err(|error| format!("{error:#}"));
        Round { closed, open }
    }

    async fn closed(&mut self, peer: &Peer) -> anyhow::Result<Window> {
        let connections = CONNECTIONS.to_string();
        let kind: [&str; 3] = ["closed", "--connections", &connections];
        self.window(peer, self.layout.proxy, &kind).await
    }

    /// The open loop on a fresh process.
    pub(crate) async fn open(&mut self, peer: &Peer) -> anyhow::Result<Window> {
        let (rate, connections) = (self.plan.rate.to_string(), CONNECTIONS.to_string());
        let kind: [&str; 5] = ["open", "--connections", &connections, "--rate", &rate];
        self.window(peer, self.layout.proxy, &kind).await
    }

    /// One window under one kind of load, measured again when strangers disturbed it or the rate was not sustained, which
    /// a stall of the machine causes as well. A wrong answer ends it at once.
    pub(crate) async fn window(
        &mut self,
        peer: &Peer,
        target: SocketAddr,
        kind: &[&str],
    ) -> anyhow::Result<Window> {
        let mut spoilt = Vec::new();
        for _ in 0..ATTEMPTS {
            let window = self.attempt(peer, target, kind).await?;
            let late = window.unsent as f64 / window.requests as f64;
            if window.others > self.plan.strangers {
                spoilt.push(format!("other processes used {:.1} cores", window.others));
            } else if late > UNSENT_SHARE {
                spoilt.push(format!("{:.0} % were not sent in time", late * 100.0));
            } else {
                return Ok(window);
            }
        }
        bail!("spoilt in all attempts: {}", spoilt.join(", "))
    }

    /// Starts the proxy, measures one window, stops it.
    async fn attempt(
        &mut self,
        peer: &Peer,
        target: SocketAddr,
        kind: &[&str],
    ) -> anyhow::Result<Window> {
        let proxy = self.ready(peer).await?;
        let ready = resident(&proxy.pids())?;
        let mut ours = self.backends.pids();
        ours.extend(self.flood.iter().flat_map(Process::pids));
        ours.push(std::process::id());
        let mut arguments = load(kind, target);
        arguments.extend(["--seconds".to_owned(), self.plan.seconds.to_string()]);
        arguments.extend(["--pids".to_owned(), listed(&proxy.pids())]);
        arguments.extend(["--ours".to_owned(), listed(&ours)]);
        let mut load = role(&self.layout, "load", &arguments)?;
        let mut window: Window = load
            .line(Duration::from_secs_f64(self.plan.seconds) + SLACK)
            .await?;
        let peak = most_resident(&proxy.pids())?;
        window.resident = Some(Resident { ready, peak });
        load.finish().await?;
        proxy.stop().await;
        Ok(window)
    }

    /// Floods whatever proxy is measured, from now on until [`Bench::end_flood`].
    pub(crate) fn begin_flood(&mut self, connections: usize) -> anyhow::Result<()> {
        let kind: [&str; 3] = ["flood", "--connections", &connections.to_string()];
        let arguments = load(&kind, self.layout.proxy);
        self.flood = Some(role(&self.layout, "flood", &arguments)?);
        Ok(())
    }

    /// Ends the flood, and gives what it wrote down.
    pub(crate) async fn end_flood(&mut self) -> String {
        match self.flood.take() {
            Some(flood) => flood.stop().await,
            None => String::new(),
        }
    }

    /// The memory of a fresh process, before and with many idle connections.
    pub(crate) async fn memory(&mut self, peer: &Peer) -> anyhow::Result<Memory> {
        let proxy = self.ready(peer).await?;
        let idle = memory(&proxy.pids())?;
        let connections = self.plan.idle.to_string();
        let arguments = load(&["idle", "--connections", &connections], self.layout.proxy);
        let mut load = role(&self.layout, "load", &arguments)?;
        ensure!(
            load.line::<Ready>(Duration::from_secs(60)).await?.ready,
            "the connections did not open"
        );
        let connected = memory(&proxy.pids())?;
        load.finish().await?;
        proxy.stop().await;
        Ok(Memory { idle, connected })
    }

    /// Starts a proxy and waits for its first right answer through a route.
    pub(crate) async fn ready(&mut self, peer: &Peer) -> anyhow::Result<Process> {
        ensure!(
            !self.backends.has_ended(),
            "the backends ended: {}",
            self.backends.complaint()
        );
        let mut proxy = peer.start(&self.layout)?;
        if let Err(error) = self.first_answer().await {
            let ended = if proxy.has_ended() {
                "it ended"
            } else {
                "it runs"
            };
            return Err(error.context(format!("{ended}, and its log says: {}", proxy.complaint())));
        }
        Ok(proxy)
    }

    async fn first_answer(&self) -> anyhow::Result<()> {
        first_answer(self.layout.proxy, self.layout.host(), READY_LIMIT).await?;
        if let Some(Public {
            tls, credentials, ..
        }) = &self.layout.public
        {
            credentials.first_answer(*tls, READY_LIMIT).await?;
        }
        Ok(())
    }

    /// A number of requests instead of a time, for what counts something else than time.
    pub(crate) async fn requests(
        &mut self,
        connections: usize,
        requests: u64,
    ) -> anyhow::Result<Window> {
        let (connections, requests) = (connections.to_string(), requests.to_string());
        let kind: [&str; 5] = [
            "closed",
            "--connections",
            &connections,
            "--requests",
            &requests,
        ];
        let arguments = load(&kind, self.layout.proxy);
        let mut load = role(&self.layout, "load", &arguments)?;
        let window = load.line(Duration::from_secs(300)).await?;
        load.finish().await?;
        Ok(window)
    }

    /// Where everything of this run is.
    pub(crate) fn layout(&self) -> &Layout {
        &self.layout
    }
}

/// The arguments of a load.
fn load(kind: &[&str], target: SocketAddr) -> Vec<String> {
    let mut arguments = vec!["load".to_owned()];
    arguments.extend(kind.iter().map(|&argument| argument.to_owned()));
    arguments.extend(["--target".to_owned(), target.to_string()]);
    arguments
}

fn listed(pids: &[u32]) -> String {
    let pids: Vec<String> = pids.iter().map(ToString::to_string).collect();
    pids.join(",")
}

/// Starts a role of this binary on the core of the load.
fn role(layout: &Layout, name: &str, arguments: &[String]) -> anyhow::Result<Process> {
    let log = layout.directory.join(format!("{name}.log"));
    Process::start(
        name,
        LOAD_CORE,
        std::env::current_exe()?,
        arguments,
        &[],
        &log,
    )
}

/// A port that was free on all addresses a moment ago.
pub(crate) fn free_port() -> anyhow::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::UNSPECIFIED, 0))
        .context("binding port 0")?
        .local_addr()?
        .port())
}
