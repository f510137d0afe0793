//! The flags of `hiveway check`, and what it shares with `hiveway plan`.

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use super::value::{domain, network_name};
use crate::core::labels::LabelOptions;
use crate::core::model::route::Level;
use crate::tools::check::command::Config;
use crate::tools::check::{Format, Options};

#[derive(Args, Debug)]
pub(super) struct CheckArgs {
    #[command(flatten)]
    files: FileArgs,

    /// How findings are written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: CheckFormatArg,

    /// Take warnings for errors
    #[arg(long)]
    strict: bool,

    /// Only what matters at least so much
    #[arg(long, value_name = "SEVERITY", default_value = "notice")]
    severity: LevelArg,
}

/// Which files are read, and with what.
#[derive(Args, Debug)]
pub(super) struct FileArgs {
    /// Stack files, merged in this order as by `docker stack deploy -c FILE -c FILE`; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,

    /// The name that the stack is deployed by, which Docker puts in front of its services and networks
    #[arg(long, value_name = "NAME", value_parser = stack_name)]
    stack: Option<Arc<str>>,

    /// The overlay network that gateways share with the services; several by commas
    #[arg(
        long,
        env = "HIVEWAY_NETWORK",
        value_name = "NAME",
        default_value = "mesh",
        value_delimiter = ',',
        value_parser = network_name
    )]
    network: Vec<Arc<str>>,

    /// What is appended to a one-label host in a route: shop becomes shop.SUFFIX
    #[arg(long, env = "HIVEWAY_DOMAIN_SUFFIX", value_name = "DOMAIN", value_parser = domain)]
    domain_suffix: Option<Arc<str>>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum CheckFormatArg {
    /// For people: each finding with the lines that it is about
    Human,
    /// One JSON document
    Json,
    /// Workflow commands of GitHub Actions
    Github,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum LevelArg {
    /// All
    Notice,
    /// What has no effect, or less than it says, and errors
    Warn,
    /// What is wrong and would be dropped
    Error,
}

impl CheckArgs {
    pub(super) fn configure(self) -> Config {
        let Self {
            files,
            format,
            strict,
            severity,
        } = self;
        let (files, options) = files.configure();
        Config {
            files,
            options,
            format: match format {
                CheckFormatArg::Human => Format::Human { colours: colours() },
                CheckFormatArg::Json => Format::Json,
                CheckFormatArg::Github => Format::Github,
            },
            strict,
            least: match severity {
                LevelArg::Notice => Level::Notice,
                LevelArg::Warn => Level::Warning,
                LevelArg::Error => Level::Error,
            },
        }
    }
}

impl FileArgs {
    /// Variables are those of this process, as they are those of `docker stack deploy`.
    pub(super) fn configure(self) -> (Vec<PathBuf>, Options) {
        let Self {
            files,
            stack,
            network,
            domain_suffix,
        } = self;
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let options = Options {
            labels: LabelOptions {
                domain_suffix,
                secrets: None,
            },
            networks: network,
            stack,
            variables: std::env::vars_os().filter_map(text).collect(),
            files: Some(crate::tools::check::command::files(&files)),
        };
        (files, options)
    }
}

fn stack_name(text: &str) -> Result<Arc<str>, String> {
    match text.is_empty() || text.contains(char::is_whitespace) {
        true => Err("give the name that follows the files in `docker stack deploy`".into()),
        false => Ok(text.into()),
    }
}

/// Whether standard output is a terminal whose user wants colours: <https://no-color.org>.
pub(super) fn colours() -> bool {
    let is_set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|terminal| terminal == "dumb");
    std::io::stdout().is_terminal() && !is_set("NO_COLOR") && !dumb
}
