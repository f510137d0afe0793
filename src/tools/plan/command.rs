//! `hiveway plan`: reads files and swarm, and writes what would change.

use std::path::PathBuf;
use std::sync::Arc;

use super::{plan, text};
use crate::controller::swarm;
use crate::core::model::route::Level;
use crate::core::reconcile::desired;
use crate::docker::{self, Engine, EngineConfig};
use crate::tools::check::command::{Unreadable, passes, read_all};
use crate::tools::check::{self, Format};
use crate::tools::stdout;

/// What `hiveway plan` needs.
#[derive(Debug)]
pub struct Config {
    /// The files; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// What they are read with.
    pub options: check::Options,
    /// The stack's name.
    pub stack: Arc<str>,
    /// Where the engine of a manager is.
    pub engine: EngineConfig,
    /// Whether services of the stack that are not in the files would go.
    pub prune: bool,
    /// For people, or as JSON.
    pub format: Format,
}

/// How a plan came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing would change.
    Same,
    /// Something would.
    Differs,
    /// The files have errors, which alone are told of; no engine was asked.
    Refused,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("{0}")]
    Read(#[from] Unreadable),
    /// The engine cannot be asked.
    #[error(transparent)]
    Ask(#[from] docker::Error),
    /// The plan cannot be written.
    #[error(transparent)]
    Write(#[from] stdout::Error),
}

/// Writes the plan to standard output. Files with errors are not planned with: these are written instead.
///
/// # Errors
///
/// A file or the engine cannot be read.
pub async fn run(config: &Config) -> Result<Outcome, Error> {
    let sources = read_all(&config.files)?;
    let mut checked = check::check(&sources, &config.options);
    if !passes(&checked, false) {
        // What is no error is not why, and `hiveway check` tells it.
        checked.findings.retain(|it| it.level == Level::Error);
        stdout::write(&check::write(config.format, &checked, &sources))?;
        return Ok(Outcome::Refused);
    }
    let engine = Engine::connect(&config.engine).await?;
    engine.require_manager()?;
    let now = swarm::look_once(&engine).await?;
    let options = desired::Options {
        labels: config.options.labels.clone(),
        networks: config.options.networks.clone(),
        manage_aliases: false,
        secrets: None,
    };
    let plan = plan(
        &now,
        &config.stack,
        &checked.services,
        config.prune,
        &options,
    );
    stdout::write(&match config.format {
        Format::Human { colours } => text::write(&plan, &config.stack, colours),
        Format::Json | Format::Github => {
            let text = serde_json::to_string_pretty(&plan);
            text.expect("it has no keys but text") + "\n"
        }
    })?;
    Ok(match plan.is_empty() {
        true => Outcome::Same,
        false => Outcome::Differs,
    })
}
