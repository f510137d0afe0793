//! The demonstration: the server and the client of the example stack, and the same story told without a Docker engine.
//!
//! [`server`], [`client`] and [`load`] are what the image `hiveway-demo` holds. [`story`] is `hiveway demo`: it runs a real
//! `hiveway run` over two embedded servers on loopback, takes one of them away and gives it back.

use std::fmt;
use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};

pub mod client;
pub mod command;
mod instance;
pub mod load;
pub mod request;
pub mod server;
mod stage;
pub mod story;

pub use story::run;

/// What can go wrong in the demonstration.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A server could not take its address.
    #[error(
        "cannot listen on {address}: {source}; choose another address, or end what listens there"
    )]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// No port was free on all addresses of the embedded servers.
    #[error(
        "no port is free on both 127.0.0.2 and 127.0.0.3 ({source}); the demonstration needs these loopback addresses \
         (where only 127.0.0.1 exists, as on macOS, add them: ifconfig lo0 alias 127.0.0.2)"
    )]
    FindPort {
        /// What the kernel said of the last port tried.
        source: io::Error,
    },
    /// The process could not ask for its signals.
    #[error("cannot listen for signals: {0}")]
    ListenForSignals(#[source] io::Error),
    /// Standard output is closed.
    #[error("cannot write to standard output: {0}")]
    Say(#[source] io::Error),
    /// The inventory file could not be written.
    #[error("cannot write {}: {source}; set TMPDIR to a directory that can be written", path.display())]
    WriteInventory {
        /// The file, or its directory.
        path: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// `hiveway run` could not be started.
    #[error("cannot start {} run: {source}", program.display())]
    StartInstance {
        /// The program.
        program: PathBuf,
        /// What the kernel said.
        source: io::Error,
    },
    /// `hiveway run` ended in the middle of the story.
    #[error("hiveway run ended too early ({0}); the lines that begin with \"hiveway |\" say why")]
    InstanceEnded(ExitStatus),
    /// `hiveway run` did not end as it should when told to.
    #[error("hiveway run did not stop well after SIGTERM: {0}")]
    StopInstance(String),
    /// A step of the story did not happen.
    #[error("{step}: it did not happen within {} s; last seen: {seen}; the lines that begin with \"hiveway |\" tell more", bound.as_secs())]
    Step {
        /// What was waited for.
        step: &'static str,
        /// How long.
        bound: Duration,
        /// What was seen last.
        seen: String,
    },
    /// A request failed, and none should.
    #[error(
        "{step}: not yet, and a request failed: {seen}; the lines that begin with \"hiveway |\" tell more"
    )]
    Request {
        /// What was waited for.
        step: &'static str,
        /// The request's line.
        seen: String,
    },
    /// The user ended the story.
    #[error("interrupted; what was started has been ended and removed")]
    Interrupted,
}

/// Writes one line to standard output, at once.
fn say(line: impl fmt::Display) -> Result<(), Error> {
    let mut out = io::stdout().lock();
    writeln!(out, "{line}")
        .and_then(|()| out.flush())
        .map_err(Error::Say)
}

/// Returns at the first signal that asks the process to end. The first process of a container gets no default action
/// for signals, so both programs ask for them.
async fn asked_to_end() -> Result<(), Error> {
    let listen = |kind| signal(kind).map_err(Error::ListenForSignals);
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    let mut hang_up = listen(SignalKind::hangup())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
        _ = hang_up.recv() => {}
    }
    Ok(())
}
