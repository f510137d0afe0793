//! The command line of the benchmark, and of the roles that it starts itself in.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::bare::BareArguments;
use crate::measure::{Plan, STRANGERS};
use crate::meter::Meter;
use crate::scale::Size;
use crate::traffic::Traffic;

/// Measures Hiveway beside other proxies and writes tests/bench/RESULTS.md.
#[derive(Parser)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) role: Option<Role>,
    /// Rounds; every proxy is measured once in each
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: usize,
    /// Length of a measured window, in seconds
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,
    /// Requests a second of the open loop
    #[arg(long, default_value_t = 8000)]
    pub(crate) rate: u64,
    /// Idle connections for the memory
    #[arg(long, default_value_t = 10_000)]
    pub(crate) idle: usize,
    /// Cores that processes may use in a window that have no part in it; more than by default for a trial without report
    #[arg(long, default_value_t = STRANGERS)]
    pub(crate) strangers: f64,
    /// Measure only rows whose names contain this, and write no report
    #[arg(long, value_name = "TEXT")]
    pub(crate) only: Vec<String>,
    /// A further row, to compare two builds, and no report; {listen}, {admin}, {endpoints} and {directory} are replaced
    #[arg(long, value_name = "NAME=PROGRAM ARGUMENT…")]
    pub(crate) also: Vec<String>,
    /// Measure TLS, HTTP/2, large bodies and WebSockets instead; only those that are named, and then no report
    #[arg(long, value_name = "KIND", num_args = 0..)]
    pub(crate) traffic: Option<Vec<Traffic>>,
    /// Count instructions a request under callgrind instead
    #[arg(long)]
    pub(crate) instructions: bool,
    /// Time label changes and drains on this machine's swarm instead, with the images of `make image`
    #[arg(long, conflicts_with = "instructions")]
    pub(crate) swarm: bool,
    /// Measure what a flood of HTTP/2 requests that are taken back does to others instead
    #[arg(long, conflicts_with_all = ["instructions", "swarm"])]
    pub(crate) flood: bool,
    /// Measure the control plane of a large swarm that exists on paper instead (as root)
    #[arg(long, conflicts_with_all = ["instructions", "swarm"])]
    pub(crate) scale: bool,
    #[command(flatten)]
    pub(crate) size: Size,
    /// The report
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/bench/RESULTS.md"))]
    pub(crate) output: PathBuf,
    /// Given by `cargo bench`; without it, as under `cargo test --all-targets`, nothing is measured
    #[arg(long, hide = true)]
    pub(crate) bench: bool,
}

impl Cli {
    /// The swarm whose figures are written down.
    pub(crate) fn default_size() -> Size {
        Self::parse_from(["proxies"]).size
    }

    /// What is measured, and for how long.
    pub(crate) fn plan(&self) -> Plan {
        Plan {
            rounds: self.rounds,
            seconds: self.seconds,
            rate: self.rate,
            idle: self.idle,
            strangers: self.strangers,
        }
    }

    /// Whether windows count that others disturb.
    pub(crate) fn is_trial(&self) -> bool {
        self.strangers > STRANGERS
    }

    /// Whether a row is asked for.
    pub(crate) fn wants(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.only.is_empty()
            || self
                .only
                .iter()
                .any(|text| name.contains(&text.to_lowercase()))
    }

    /// Where tests/bench/peers.sh puts what Debian does not pack: `bench-peers` in the target directory, of which the
    /// directory for temporary files is one or, with an explicit target, two levels below.
    pub(crate) fn peers(&self) -> PathBuf {
        let places = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .ancestors()
            .skip(1)
            .take(2);
        let places: Vec<PathBuf> = places.map(|place| place.join("bench-peers")).collect();
        places
            .iter()
            .find(|place| place.is_dir())
            .unwrap_or(&places[1])
            .clone()
    }
}

/// What a process is, when it is not the whole benchmark.
#[derive(Subcommand)]
pub(crate) enum Role {
    /// Be the backends
    #[command(hide = true)]
    Backend { addresses: Vec<SocketAddr> },
    /// Be the bare proxy
    #[command(hide = true)]
    Bare(BareArguments),
    /// Be the engine of a large swarm
    #[command(hide = true)]
    SwarmOnPaper {
        socket: PathBuf,
        #[command(flatten)]
        size: Size,
    },
    /// Be the controller of one, with probes that are answered in-process
    #[command(hide = true)]
    Control {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Be the load
    #[command(hide = true)]
    Load {
        #[command(subcommand)]
        kind: Load,
    },
}

/// The kinds of load.
#[derive(Subcommand)]
pub(crate) enum Load {
    /// As fast as it goes
    Closed {
        #[command(flatten)]
        common: Common,
        /// End after so many requests instead of after a time
        #[arg(long)]
        requests: Option<u64>,
    },
    /// At a fixed rate
    Open {
        #[command(flatten)]
        common: Common,
        #[arg(long)]
        rate: u64,
    },
    /// What is asked for beside plain HTTP/1.1, as fast as it goes
    Traffic {
        traffic: Traffic,
        /// A file with the authority that the clients trust
        #[arg(long)]
        authority: PathBuf,
        #[command(flatten)]
        common: Common,
    },
    /// Requests that are taken back at once
    Flood {
        #[command(flatten)]
        common: Common,
    },
    /// One request on each connection, then nothing
    Idle {
        #[command(flatten)]
        common: Common,
    },
}

/// What every kind of load needs.
#[derive(Args)]
pub(crate) struct Common {
    #[arg(long)]
    pub(crate) target: SocketAddr,
    #[arg(long)]
    pub(crate) connections: usize,
    /// Length of the measured window
    #[arg(long, default_value_t = 1.0)]
    pub(crate) seconds: f64,
    /// The proxy's processes, whose CPU time is read
    #[arg(long, value_delimiter = ',')]
    pub(crate) pids: Vec<u32>,
    /// Further processes that take part, whose CPU time is no stranger's
    #[arg(long, value_delimiter = ',')]
    pub(crate) ours: Vec<u32>,
}

impl Common {
    /// What reads the CPU time of the window.
    pub(crate) fn meter(&self) -> Meter {
        Meter {
            proxy: self.pids.clone(),
            ours: self.ours.clone(),
        }
    }

    /// The warm-up, and the measured window.
    pub(crate) fn times(&self) -> (Duration, Duration) {
        (
            Duration::from_secs(1),
            Duration::from_secs_f64(self.seconds),
        )
    }
}
