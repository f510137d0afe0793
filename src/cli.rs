//! The command line: what users type, turned into each component's own configuration. The only file that knows clap.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;

use crate::controller::api::{ANSWER_TIMEOUT, EngineConfig};
use crate::core::desired;
use crate::core::labels::LabelOptions;
use crate::gateway;
use crate::logging::LogFormat;

/// What the user asked for.
#[derive(Debug)]
pub enum Command {
    /// Run the roles of this process.
    Run(Box<RunConfig>),
    /// Ask a running instance whether it is ready.
    Healthcheck {
        /// Its admin address, as a URL.
        admin_url: String,
    },
    /// Show what Hiveway does on loopback, without an engine.
    Demo,
    /// Print the version.
    Version,
}

/// Everything that `hiveway run` needs.
#[derive(Debug)]
pub struct RunConfig {
    /// Where services and tasks are read from.
    pub source: Source,
    /// What labels are read with.
    pub desired: desired::Options,
    /// The data plane.
    pub gateway: gateway::Config,
    /// Where admin listens.
    pub admin: SocketAddr,
    /// How log lines look.
    pub log_format: LogFormat,
}

/// Where services and tasks are read from.
#[derive(Debug, PartialEq, Eq)]
pub enum Source {
    /// A Docker engine that is a Swarm manager.
    Docker(EngineConfig),
    /// A static file.
    File(PathBuf),
}

/// A command line that cannot be acted on.
#[derive(Debug)]
pub struct Refused {
    /// What to print: one line for a mistake, the whole text for `--help`.
    pub text: String,
    /// 64 (`EX_USAGE` of sysexits) for a mistake, 0 for `--help`.
    pub code: u8,
}

/// Reads the command line and the environment.
///
/// # Errors
///
/// [`Refused`] for a mistake, and for `--help`.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Refused> {
    let typed = Typed::try_parse_from(arguments).map_err(|error| refuse(&error))?;
    Ok(match typed.command {
        TypedCommand::Run(run) => Command::Run(Box::new(run.configure())),
        TypedCommand::Healthcheck { admin_url } => Command::Healthcheck { admin_url },
        TypedCommand::Demo => Command::Demo,
        TypedCommand::Version => Command::Version,
    })
}

fn refuse(error: &clap::Error) -> Refused {
    let text = error.render();
    if !error.use_stderr() {
        let text = if std::io::stdout().is_terminal() {
            text.ansi().to_string()
        } else {
            text.to_string()
        };
        return Refused {
            text: text.trim_end().to_owned(),
            code: 0,
        };
    }
    // clap writes a paragraph, then hints and usage; the first paragraph is what was wrong.
    let text = text.to_string();
    let paragraphs = || {
        text.split("\n\n")
            .map(|it| it.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let wrong = paragraphs().next().unwrap_or_default();
    let wrong = match wrong.trim_start_matches("error: ") {
        "" => "no command was given",
        // Without a command, clap writes its whole help.
        help if help.starts_with("A reconciler") => "no command was given",
        wrong => wrong,
    };
    let hint = paragraphs()
        .find_map(|it| Some(format!("; {}", it.strip_prefix("tip: ")?)))
        .unwrap_or_default();
    let command = ["run", "healthcheck"]
        .into_iter()
        .find(|command| text.contains(&format!("Usage: hiveway {command} ")))
        .map(|command| format!(" {command}"))
        .unwrap_or_default();
    Refused {
        text: format!("hiveway: {wrong}{hint}; see hiveway{command} --help"),
        code: 64,
    }
}

/// A reconciler operator that steers HTTP traffic in a Docker Swarm by service labels.
#[derive(Debug, Parser)]
#[command(name = "hiveway", version, disable_help_subcommand = true)]
struct Typed {
    #[command(subcommand)]
    command: TypedCommand,
}

#[derive(Debug, Subcommand)]
enum TypedCommand {
    /// Watch the swarm, probe its tasks, and balance requests over those that pass
    ///
    /// Every flag can be given in the environment as well, which is how a stack file does it best. Labels steer everything
    /// else: see the README for the reference.
    Run(Box<TypedRun>),
    /// Ask a running instance whether it is ready: exit status 0 when it is, 1 and a reason when not
    Healthcheck {
        /// Where the instance's admin listens
        #[arg(
            long,
            env = "HIVEWAY_ADMIN_URL",
            default_value = "http://127.0.0.1:9900"
        )]
        admin_url: String,
    },
    /// Tell the story of a failing container on loopback, with embedded servers and without an engine
    Demo,
    /// Print the version
    Version,
}

#[derive(Args, Debug)]
struct TypedRun {
    /// The engine to watch, a Swarm manager's: unix:///PATH, tcp://HOST:PORT; with DOCKER_TLS_VERIFY and
    /// DOCKER_CERT_PATH tcp speaks TLS [default: $DOCKER_HOST, or unix:///var/run/docker.sock]
    #[arg(long, env = "HIVEWAY_DOCKER_HOST", value_name = "URL")]
    docker_host: Option<String>,

    /// Read services and tasks from this JSON file instead of an engine; it is read again when it changes
    #[arg(
        long,
        env = "HIVEWAY_INVENTORY",
        value_name = "FILE",
        conflicts_with = "docker_host"
    )]
    inventory: Option<PathBuf>,

    /// Where the containers of the cluster connect, or off
    #[arg(
        long,
        env = "HIVEWAY_LISTEN_INTERNAL",
        value_name = "ADDRESS",
        default_value = "0.0.0.0:80"
    )]
    listen_internal: Listen,

    /// Where the outside connects, or off; .local hosts do not exist there
    #[arg(
        long,
        env = "HIVEWAY_LISTEN_PUBLIC",
        value_name = "ADDRESS",
        default_value = "off"
    )]
    listen_public: Listen,

    /// Where health, metrics, the snapshot and events are served; anyone who can connect can read them
    #[arg(
        long,
        env = "HIVEWAY_ADMIN",
        value_name = "ADDRESS",
        default_value = "127.0.0.1:9900",
        value_parser = address
    )]
    admin: SocketAddr,

    /// The overlay network that the gateway shares with the services; several by commas, the preferred first
    #[arg(
        long,
        env = "HIVEWAY_NETWORK",
        value_name = "NAME",
        default_value = "mesh",
        value_delimiter = ','
    )]
    network: Vec<String>,

    /// Networks of proxies whose X-Forwarded-* headers are believed, by commas (10.0.0.0/8,192.168.1.7/32)
    #[arg(long, env = "HIVEWAY_TRUSTED_PROXIES", value_name = "CIDR", value_delimiter = ',', value_parser = network)]
    trusted_proxies: Vec<IpNet>,

    /// How long requests in flight may take to end after SIGTERM (10s, 1m 30s)
    #[arg(long, env = "HIVEWAY_GRACE", value_name = "DURATION", default_value = "10s", value_parser = duration)]
    grace: Duration,

    /// What is appended to a one-label host in a route: shop becomes shop.SUFFIX
    #[arg(long, env = "HIVEWAY_DOMAIN_SUFFIX", value_name = "DOMAIN", value_parser = domain)]
    domain_suffix: Option<Arc<str>>,

    /// How log lines look
    #[arg(
        long,
        env = "HIVEWAY_LOG_FORMAT",
        value_name = "FORMAT",
        default_value = "human"
    )]
    log_format: TypedLogFormat,

    /// Threads that serve requests [default: the number of processors]
    #[arg(long, env = "HIVEWAY_THREADS", value_name = "NUMBER", value_parser = threads)]
    threads: Option<NonZeroUsize>,
}

impl TypedRun {
    fn configure(self) -> RunConfig {
        // Destructured, so that a flag that nobody uses does not compile.
        let Self {
            docker_host,
            inventory,
            listen_internal: Listen(internal),
            listen_public: Listen(public),
            admin,
            network,
            trusted_proxies,
            grace,
            domain_suffix,
            log_format,
            threads,
        } = self;
        let source = match inventory {
            Some(file) => Source::File(file),
            None => Source::Docker(engine(docker_host)),
        };
        let threads = threads
            .or_else(|| std::thread::available_parallelism().ok())
            .map_or(1, NonZeroUsize::get);
        RunConfig {
            source,
            desired: desired::Options {
                labels: LabelOptions { domain_suffix },
                networks: network.into_iter().map(Arc::from).collect(),
            },
            gateway: gateway::Config {
                internal,
                public,
                trusted_proxies,
                grace,
                limits: gateway::Limits::default(),
                threads,
            },
            admin,
            log_format: match log_format {
                TypedLogFormat::Human => LogFormat::Human,
                TypedLogFormat::Json => LogFormat::Json,
            },
        }
    }
}

/// Reads what Docker's own tools read from the environment.
fn engine(host: Option<String>) -> EngineConfig {
    let variable = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let host = host.or_else(|| variable("DOCKER_HOST"));
    let host = host.unwrap_or_else(|| "unix:///var/run/docker.sock".to_owned());
    let tls = host.starts_with("tcp://") && variable("DOCKER_TLS_VERIFY").is_some();
    let folder = || {
        let home = || variable("HOME").unwrap_or_else(|| "/root".to_owned());
        variable("DOCKER_CERT_PATH").unwrap_or_else(|| format!("{}/.docker", home()))
    };
    EngineConfig {
        host,
        cert_path: tls.then(|| folder().into()),
        answer_timeout: ANSWER_TIMEOUT,
    }
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum TypedLogFormat {
    /// For people: time, level, sentence, fields
    Human,
    /// One JSON object a line
    Json,
}

/// An address to listen on; none for `off`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Listen(Option<SocketAddr>);

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "off" {
            return Ok(Self(None));
        }
        let address = text.parse();
        address
            .map(|address| Self(Some(address)))
            .map_err(|_| "give ADDRESS:PORT, such as 0.0.0.0:80, or off".into())
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse()
        .map_err(|_| "give ADDRESS:PORT, such as 127.0.0.1:9900".into())
}

fn threads(text: &str) -> Result<NonZeroUsize, String> {
    text.parse()
        .map_err(|_| "give a number of threads, at least 1".into())
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "give a number with its unit, such as 10s or 1m 30s".into())
}

/// A network, or a single address that stands for itself.
fn network(text: &str) -> Result<IpNet, String> {
    let network = text.trim().parse().or_else(|_| {
        text.trim()
            .parse()
            .map(|address: std::net::IpAddr| IpNet::from(address))
    });
    network.map_err(|_: std::net::AddrParseError| {
        "give networks such as 10.0.0.0/8, or addresses".into()
    })
}

fn domain(text: &str) -> Result<Arc<str>, String> {
    let name = text.trim_matches('.').to_ascii_lowercase();
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && label
                .bytes()
                .all(|it| it.is_ascii_alphanumeric() || it == b'-')
    };
    if name.len() <= 190 && name.split('.').all(label) {
        Ok(name.into())
    } else {
        Err("give a domain name such as apps.example.com".into())
    }
}
