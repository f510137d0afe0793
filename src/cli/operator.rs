//! The commands by which an operator asks a running instance, and those that print what shells and `man` read.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, CommandFactory, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::value::{duration, endpoint};
use crate::core::event::Severity;
use crate::core::routing::explain::Asked;
use crate::tools::operator::{Events, Explain, Format, Question, Status, Write};

/// In a container the binary itself is how an operator gets at an admin listener on loopback.
const INSIDE: &str =
    "An instance in a container answers on its own loopback: ask inside of it, on its node:

  docker exec $(docker ps -lq -f name=hiveway_hiveway -f status=running) hiveway ";

#[derive(Debug, Subcommand)]
pub(super) enum OperatorArgs {
    /// Show how a running instance stands: conditions, services with their endpoints and requests, nodes
    ///
    /// Requests are those through this instance's own gateway: each counts for itself. What other nodes steer by is known
    /// to the controller that they follow. A terminal is given what fits its width: long names are shortened, and routes left out
    /// where there is no room; with `| cat` every name is whole. With --watch, an instance that goes away is asked again.
    #[command(after_help = format!("{INSIDE}status"))]
    Status {
        /// Only these services: by name, by their stack, or by the host of a route
        #[arg(value_name = "NAME")]
        names: Vec<String>,
        /// Show each container of the services as well, the slowest first
        #[arg(long)]
        endpoints: bool,
        /// Show it again and again
        #[arg(long)]
        watch: bool,
        /// Between two looks, from which requests a second are reckoned
        #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = duration)]
        interval: Duration,
        /// How it is shown
        #[arg(long, value_name = "FORMAT", default_value = "table")]
        format: TableFormat,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Explain where a request would go, step by step, and why
    #[command(after_help = format!("{INSIDE}explain http://shop.example.com/api"))]
    Explain {
        /// The request's URL, such as shop.example.com/api; tcp://HOST for a connection that is passed on undecrypted
        #[arg(value_parser = Asked::check_url)]
        url: String,
        /// Its method
        #[arg(long, value_name = "METHOD", default_value = "GET", value_parser = Asked::check_method)]
        method: String,
        /// The address that the client connects from
        #[arg(long, value_name = "ADDRESS")]
        client: Option<IpAddr>,
        /// How it is shown
        #[arg(long, value_name = "FORMAT", default_value = "human")]
        format: HumanFormat,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Show what happened lately
    ///
    /// With --follow, an instance that goes away is asked again, and what was not seen of it yet is shown then.
    #[command(after_help = format!("{INSIDE}events --follow"))]
    Events {
        /// Show what happens from now on as well
        #[arg(long)]
        follow: bool,
        /// Only what happened in this time up to now (10m, 1h)
        #[arg(long, value_name = "DURATION", value_parser = duration)]
        since: Option<Duration>,
        /// Only what matters at least so much
        #[arg(long, value_name = "SEVERITY")]
        severity: Option<SeverityArg>,
        /// Only what is about this service
        #[arg(long, value_name = "NAME")]
        service: Option<String>,
        /// How they are shown; json is one object a line
        #[arg(long, value_name = "FORMAT", default_value = "human")]
        format: HumanFormat,
        #[command(flatten)]
        admin: AdminArgs,
    },
    /// Take an endpoint out of rotation by hand: it gets no new requests until undrain, or until its task ends
    ///
    /// Any instance can be asked: every controller is told, also one that starts later. It is forgotten only where all instances
    /// that know of it end at once and none has a --state-dir.
    Drain(WriteArgs),
    /// End what drain did
    Undrain(WriteArgs),
    /// Print a script that completes commands and flags
    Completions {
        /// For which shell
        shell: CompletedShell,
    },
    /// Print the manual page: hiveway man | man -l -
    Man,
}

#[derive(Args, Debug)]
pub(super) struct AdminArgs {
    /// Where the instance's admin listens
    #[arg(
        long,
        env = "HIVEWAY_ADMIN_URL",
        value_name = "URL",
        default_value = "http://127.0.0.1:9900"
    )]
    admin_url: String,
}

#[derive(Args, Debug)]
pub(super) struct WriteArgs {
    /// The endpoint's task or container: its id, or the beginning of it
    #[arg(value_parser = endpoint)]
    endpoint: String,
    /// The file with the token that the instance was started with; deploy/stack.yml shows how it is given one
    #[arg(long, env = "HIVEWAY_ADMIN_TOKEN_FILE", value_name = "FILE")]
    admin_token_file: PathBuf,
    #[command(flatten)]
    admin: AdminArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum TableFormat {
    /// For people
    Table,
    /// For programs
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum HumanFormat {
    /// For people
    Human,
    /// For programs
    Json,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum SeverityArg {
    Debug,
    Info,
    Warn,
    Error,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
pub(super) enum CompletedShell {
    Bash,
    Zsh,
    Fish,
}

impl OperatorArgs {
    /// What is asked; or, as the error, what is to be printed at once.
    pub(super) fn configure<C: CommandFactory>(self) -> Result<Question, String> {
        Ok(match self {
            Self::Status {
                names,
                endpoints,
                watch,
                interval,
                format,
                admin,
            } => Question::Status(Status {
                admin_url: admin.admin_url,
                names,
                endpoints,
                watch,
                interval,
                format: match format {
                    TableFormat::Table => Format::Human,
                    TableFormat::Json => Format::Json,
                },
            }),
            Self::Explain {
                url,
                method,
                client,
                format,
                admin,
            } => Question::Explain(Explain {
                admin_url: admin.admin_url,
                url,
                method,
                client,
                format: format.into(),
            }),
            Self::Events {
                follow,
                since,
                severity,
                service,
                format,
                admin,
            } => Question::Events(Events {
                admin_url: admin.admin_url,
                follow,
                since,
                severity: severity.map(Into::into),
                service,
                format: format.into(),
            }),
            Self::Drain(write) => Question::Write(write.configure(true)),
            Self::Undrain(write) => Question::Write(write.configure(false)),
            Self::Completions { shell } => return Err(completions::<C>(shell)),
            Self::Man => return Err(manual::<C>()),
        })
    }
}

impl WriteArgs {
    fn configure(self, drain: bool) -> Write {
        let Self {
            endpoint,
            admin_token_file,
            admin,
        } = self;
        Write {
            admin_url: admin.admin_url,
            endpoint,
            token_file: admin_token_file,
            drain,
        }
    }
}

impl From<HumanFormat> for Format {
    fn from(format: HumanFormat) -> Self {
        match format {
            HumanFormat::Human => Self::Human,
            HumanFormat::Json => Self::Json,
        }
    }
}

impl From<SeverityArg> for Severity {
    fn from(severity: SeverityArg) -> Self {
        match severity {
            SeverityArg::Debug => Self::Debug,
            SeverityArg::Info => Self::Info,
            SeverityArg::Warn => Self::Warning,
            SeverityArg::Error => Self::Error,
        }
    }
}

fn completions<C: CommandFactory>(shell: CompletedShell) -> String {
    let shell = match shell {
        CompletedShell::Bash => Shell::Bash,
        CompletedShell::Zsh => Shell::Zsh,
        CompletedShell::Fish => Shell::Fish,
    };
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut C::command(), "hiveway", &mut text);
    String::from_utf8_lossy(&text).into_owned()
}

/// One page for all commands: that of the program, then those of its commands with their flags.
fn manual<C: CommandFactory>() -> String {
    let mut command = C::command();
    command.build();
    let mut text = Vec::new();
    let page = |command: clap::Command, text: &mut Vec<u8>| {
        let has_more = command.get_after_help().is_some();
        let page = clap_mangen::Man::new(command);
        let written = page
            .render_name_section(text)
            .and_then(|()| page.render_synopsis_section(text))
            .and_then(|()| page.render_description_section(text))
            .and_then(|()| page.render_options_section(text))
            .and_then(|()| match has_more {
                true => page.render_extra_section(text),
                false => Ok(()),
            });
        written.expect("memory takes what is written to it");
    };
    let title = clap_mangen::Man::new(command.clone()).render_title(&mut text);
    title.expect("memory takes what is written to it");
    let commands: Vec<clap::Command> = command.get_subcommands().cloned().collect();
    page(command, &mut text);
    for command in commands {
        page(command, &mut text);
    }
    String::from_utf8_lossy(&text).into_owned()
}
