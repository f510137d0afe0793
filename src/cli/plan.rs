//! The flags of `hiveway plan`.

use clap::{Args, ValueEnum};

use super::check::{FileArgs, colours};
use super::run::engine;
use crate::tools::check::Format;
use crate::tools::plan::command::Config;

#[derive(Args, Debug)]
pub(super) struct PlanArgs {
    #[command(flatten)]
    files: FileArgs,

    /// The engine of a manager, which is only read: unix:///PATH, tcp://HOST:PORT; with DOCKER_TLS_VERIFY and
    /// DOCKER_CERT_PATH tcp speaks TLS [default: $DOCKER_HOST, or unix:///var/run/docker.sock]
    #[arg(long, env = "HIVEWAY_DOCKER_HOST", value_name = "URL")]
    docker_host: Option<String>,

    /// Plan for `docker stack deploy --prune`: services of the stack that are not in the files go
    #[arg(long)]
    prune: bool,

    /// How the plan is written
    #[arg(long, value_name = "FORMAT", default_value = "human")]
    format: PlanFormatArg,

    /// End with exit status 2 when something would change
    #[arg(long)]
    detailed_exitcode: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum PlanFormatArg {
    /// For people: a line a change
    Human,
    /// One JSON document
    Json,
}

impl PlanArgs {
    /// What to do, and whether changes show in the exit status.
    pub(super) fn configure(self) -> Result<(Config, bool), String> {
        let Self {
            files,
            docker_host,
            prune,
            format,
            detailed_exitcode,
        } = self;
        let (files, options) = files.configure();
        let stack = options.stack.clone();
        let stack = stack.ok_or("a plan needs the name of the stack, by --stack NAME")?;
        let config = Config {
            files,
            options,
            stack,
            engine: engine(docker_host),
            prune,
            format: match format {
                PlanFormatArg::Human => Format::Human { colours: colours() },
                PlanFormatArg::Json => Format::Json,
            },
        };
        Ok((config, detailed_exitcode))
    }
}
