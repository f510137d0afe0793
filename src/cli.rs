//! The command line: what users type, turned into each component's own configuration. Only this file and those below it know
//! clap.

mod access_log;
mod acme;
mod check;
mod control;
mod dns;
mod ejection;
mod limits;
mod names;
mod operator;
mod plan;
pub mod reference;
mod run;
mod spans;
mod tls;
mod value;
pub(crate) mod variables;

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{CommandFactory as _, Parser, Subcommand};

use self::check::CheckArgs;
use self::operator::OperatorArgs;
use self::plan::PlanArgs;
use self::run::RunArgs;
use crate::core::labels;
use crate::core::model::NodeId;
use crate::core::reconcile::desired;
use crate::docker::EngineConfig;
use crate::gateway;
use crate::observe::logging::LogFormat;
use crate::sync::client::PeerAddress;
use crate::tls::certificates;
use crate::tools::check::command::Config as CheckConfig;
use crate::tools::operator::Question;
use crate::tools::plan::command::Config as PlanConfig;

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
    /// Check stack files before they are deployed.
    Check(Box<CheckConfig>),
    /// Tell what stack files would change in the swarm.
    Plan {
        /// Which files, and where the swarm is.
        config: Box<PlanConfig>,
        /// Whether changes show in the exit status.
        detailed: bool,
    },
    /// Ask a running instance something, or have it do something.
    Ask(Question),
    /// Print what people, a shell or `man` read.
    Print(String),
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
    /// Who is followed, and who may follow.
    pub control: ControlConfig,
    /// The data plane.
    pub gateway: gateway::Config,
    /// Where certificates are.
    pub certificates: certificates::Config,
    /// What is ordered from an ACME server; none: nothing.
    pub acme: Option<crate::controller::acme::Config>,
    /// The name server; none: there is none.
    pub dns: Option<crate::dns::Config>,
    /// Where admin listens.
    pub admin: SocketAddr,
    /// The file with the token that lets operators write.
    pub admin_token_file: Option<PathBuf>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// The number of services with series of their own.
    pub metrics_services: NonZeroUsize,
    /// Which requests are written down; none: none.
    pub access_log: Option<crate::observe::access_log::Config>,
    /// Where spans are sent; none: nowhere.
    pub spans: Option<crate::observe::otlp::Config>,
}

/// Who is followed, and who may follow.
#[derive(Debug)]
pub struct ControlConfig {
    /// Where controllers are; none where nobody is followed.
    pub places: Vec<PeerAddress>,
    /// The file with the secret that all instances share.
    pub secret_file: Option<PathBuf>,
    /// Where a controller listens for those who follow it.
    pub listen: Option<SocketAddr>,
    /// The folder in which the last good snapshot is kept.
    pub state_dir: Option<PathBuf>,
    /// The node that this instance runs on, where it was given.
    pub node: Option<NodeId>,
}

/// Where services and tasks are read from.
#[derive(Debug, PartialEq, Eq)]
pub enum Source {
    /// A Docker engine; that of a Swarm manager knows services and tasks, and a worker's leaves them to controllers.
    Docker(EngineConfig),
    /// A static file.
    File(PathBuf),
    /// Nothing: controllers know them.
    Controllers,
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
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let command = arguments
        .get(1)
        .and_then(|it| it.to_str())
        .unwrap_or_default();
    let typed = Typed::try_parse_from(&arguments).map_err(|error| refuse(&error, command))?;
    Ok(match typed.command {
        CommandArgs::Run(run) => Command::Run(Box::new(
            run.configure().map_err(|text| contradict(&text, "run"))?,
        )),
        CommandArgs::Healthcheck { admin_url } => Command::Healthcheck { admin_url },
        CommandArgs::Check(check) => Command::Check(Box::new(check.configure())),
        CommandArgs::Plan(plan) => {
            let (config, detailed) = plan.configure().map_err(|text| contradict(&text, "plan"))?;
            Command::Plan {
                config: Box::new(config),
                detailed,
            }
        }
        CommandArgs::Operator(asked) => match asked.configure::<Typed>() {
            Ok(question) => Command::Ask(question),
            Err(text) => Command::Print(text),
        },
        CommandArgs::Labels { key: None } => Command::Print(labels::reference::page()),
        CommandArgs::Labels { key: Some(key) } => {
            let told = labels::reference::tell(&key);
            Command::Print(told.map_err(|text| contradict(&text, "labels"))?)
        }
        CommandArgs::Help { command } => {
            let program = arguments.first().cloned();
            let words = [command.map(Into::into), Some("--help".into())];
            let words = program.into_iter().chain(words.into_iter().flatten());
            return parse(words.collect::<Vec<OsString>>());
        }
        CommandArgs::Demo => Command::Demo,
        CommandArgs::Version => Command::Version,
    })
}

/// Flags of a command that are right each for itself, and not together.
fn contradict(text: &str, command: &str) -> Refused {
    Refused {
        text: format!("hiveway: {text}; see hiveway {command} --help"),
        code: 64,
    }
}

/// What clap complains of, in a line; `command` is the word that was written where a command stands.
fn refuse(error: &clap::Error, command: &str) -> Refused {
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
    let typed = Typed::command();
    let mut commands = typed.get_subcommands().map(clap::Command::get_name);
    let command = commands
        .find(|known| *known == command)
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
    command: CommandArgs,
}

#[derive(Debug, Subcommand)]
enum CommandArgs {
    /// Watch the swarm, probe its tasks, and balance requests over those that pass
    ///
    /// Every flag can be given in the environment as well, which is how a stack file does it best. Labels steer everything
    /// else: `hiveway labels` tells them.
    Run(Box<RunArgs>),
    /// Ask a running instance whether it is ready: exit status 0 when it is, 1 and a reason when not
    Healthcheck {
        /// Where the instance's admin listens
        #[arg(
            long,
            env = "HIVEWAY_ADMIN_URL",
            value_name = "URL",
            default_value = "http://127.0.0.1:9900"
        )]
        admin_url: String,
    },
    /// Check stack files before you deploy them: every label, variable and network that would not do what it says
    ///
    /// Checked is what `docker stack deploy` of Docker 28 would refuse before it asks the swarm: the version of the format, the
    /// keys, kinds and forms of all values, items that are in a list twice, names that are not declared, and files that are not
    /// there. Checked are the labels, and what they need: networks, hosts that others claim, how tasks begin and end. What Docker
    /// takes and does not use is a notice. Not checked is what only a swarm can know: whether images, nodes, external networks,
    /// volumes and secrets exist, and whether ports are free. Before Docker 23 a file has to have a `version` as well.
    ///
    /// No engine is needed. Exit status: 0 when there is nothing worse than notices and warnings, 1 when there are errors (or
    /// warnings, with --strict), 64 for a mistake on the command line, such as a file that cannot be read.
    Check(Box<CheckArgs>),
    /// Tell what stack files would change in the swarm if they were deployed: services, routes, names and settings
    ///
    /// Nothing is changed, and no running Hiveway is needed. Files with errors are refused with what `hiveway check` says of
    /// them. Exit status: 0, or with --detailed-exitcode 2 when something would change; 1 when the files have errors or the
    /// engine cannot be asked, 64 for a mistake on the command line, such as a file that cannot be read.
    Plan(Box<PlanArgs>),
    /// Tell what a label means: its values, default and an example; without a key, the reference of all, as Markdown
    Labels {
        /// The label's key, such as routing.weight; with a prefix or without
        key: Option<String>,
    },
    #[command(flatten)]
    Operator(OperatorArgs),
    /// Tell the story of a failing container on loopback, with embedded servers and without an engine
    Demo,
    /// Print this help, or that of a command
    Help {
        /// The command
        command: Option<String>,
    },
    /// Print the version
    Version,
}
