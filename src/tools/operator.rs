//! The other end of the admin listener: what an operator asks a running instance, and how the answers are shown.

mod client;
mod events;
mod explain;
mod line;
mod paint;
mod screen;
mod status;
mod table;
mod write;

use std::io::{self, Write as _};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::core::event::Severity;

pub use self::client::Error;

/// What an operator wants.
#[derive(Debug)]
pub enum Question {
    /// How the instance stands.
    Status(Status),
    /// Where a request would go.
    Explain(Explain),
    /// What happened.
    Events(Events),
    /// To drain an endpoint, or to end that.
    Write(Write),
}

/// How answers are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Human,
    /// For programs.
    Json,
}

/// Asks how an instance stands.
#[derive(Debug)]
pub struct Status {
    /// Where its admin listens, as a URL.
    pub admin_url: String,
    /// Only the services of these names, stacks or hosts; all if there are none.
    pub names: Vec<String>,
    /// With each endpoint of the services.
    pub endpoints: bool,
    /// Again and again.
    pub watch: bool,
    /// Between two looks.
    pub interval: Duration,
    /// How it is shown.
    pub format: Format,
}

/// Asks where a request would go.
#[derive(Debug)]
pub struct Explain {
    /// Where its admin listens, as a URL.
    pub admin_url: String,
    /// The request's URL.
    pub url: String,
    /// Its method.
    pub method: String,
    /// The address that the client connects from.
    pub client: Option<IpAddr>,
    /// How it is shown.
    pub format: Format,
}

/// Asks what happened.
#[derive(Debug)]
pub struct Events {
    /// Where its admin listens, as a URL.
    pub admin_url: String,
    /// And what happens from now on.
    pub follow: bool,
    /// Only in this time up to now.
    pub since: Option<Duration>,
    /// Only what matters at least so much.
    pub severity: Option<Severity>,
    /// Only what is about this service.
    pub service: Option<String>,
    /// How they are shown.
    pub format: Format,
}

/// Drains an endpoint, or ends that.
#[derive(Debug)]
pub struct Write {
    /// Where its admin listens, as a URL.
    pub admin_url: String,
    /// The task or container.
    pub endpoint: String,
    /// The file with the token.
    pub token_file: PathBuf,
    /// Whether it is drained.
    pub drain: bool,
}

/// Asks, and writes the answer to standard output.
///
/// # Errors
///
/// The instance cannot be reached, or refuses.
pub async fn run(question: Question) -> Result<(), Error> {
    match question {
        Question::Status(status) => status::run(status).await,
        Question::Explain(explain) => explain::run(explain).await,
        Question::Events(events) => events::run(events).await,
        Question::Write(write) => write::run(write).await,
    }
}

/// Tells what stands in the way, beside the answer.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "hiveway: {text}");
}

/// A value as JSON on several lines.
fn json(value: &impl serde::Serialize) -> String {
    let text = serde_json::to_string_pretty(value);
    let mut text = text.expect("answers have no map with a key that is no string");
    text.push('\n');
    text
}
