//! Commands in containers.
//!
//! # Design notes
//!
//! A command that was begun cannot be ended through the API, only left alone. Whether one still runs is read from the
//! engine, which lists those of a container, and not remembered: it is true for those that another process began, too.

use std::collections::BTreeMap;
use std::time::Duration;

use bollard::container::LogOutput;
use bollard::errors::Error as DockerError;
use bollard::exec::{StartExecOptions, StartExecResults};
use futures_util::StreamExt;
use serde::{Deserialize, Serialize};

use super::hints::TASK_LABEL;
use super::{Engine, Error};
use crate::core::model::{ContainerId, TaskId};

/// How much of a command's output is kept, in bytes: its end, where the reason stands.
const OUTPUT_KEPT: usize = 1024;
/// From one look at a command whose output has ended to the next: its status may be known a moment later.
const ENDING: Duration = Duration::from_millis(20);

/// A container of a swarm, as far as commands are concerned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Container {
    /// The task that it belongs to; none for one that Swarm did not make.
    pub task: Option<TaskId>,
    /// The commands that were begun in it and have not ended, and perhaps some more.
    pub commands: Vec<ExecId>,
}

/// The engine's id of a command in a container.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct ExecId(String);

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExecOutcome {
    /// Its exit status.
    pub status: i64,
    /// The end of what it printed, to both outputs, on one line.
    pub output: String,
}

impl Engine {
    /// What is known of a container.
    ///
    /// # Errors
    ///
    /// As for [`Engine::get_json`]; [`Error::is_not_found`] where there is none.
    pub async fn container(&self, id: &ContainerId) -> Result<Container, Error> {
        let answer: ContainerAnswer = self
            .get_json(&format!("/containers/{}/json", plain(id.as_str())?))
            .await?;
        Ok(Container {
            task: answer
                .config
                .labels
                .unwrap_or_default()
                .get(TASK_LABEL)
                .map(|task| task.as_str().into()),
            commands: answer.exec_ids.unwrap_or_default(),
        })
    }

    /// Whether this is a running command of these words. One that the engine has forgotten does not run.
    ///
    /// # Errors
    ///
    /// As for [`Engine::get_json`].
    pub async fn runs(&self, id: &ExecId, command: &[&str]) -> Result<bool, Error> {
        match self.exec(id).await {
            Ok(exec) => Ok(exec.running && exec.process_config.is(command)),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Prepares a command in a container. It does not run before [`Engine::run_exec`].
    ///
    /// # Errors
    ///
    /// As for [`Engine::post_json`]; a container that does not run is a refused request.
    pub async fn create_exec(
        &self,
        container: &ContainerId,
        command: &[&str],
    ) -> Result<ExecId, Error> {
        let path = format!("/containers/{}/exec", plain(container.as_str())?);
        let wish = CreateExec {
            attach_stdout: true,
            attach_stderr: true,
            cmd: command,
        };
        let created: ExecCreated = self.post_json(&path, &wish).await?;
        Ok(created.id)
    }

    /// Runs a prepared command to its end, however long that takes. Where this is cancelled, the command goes on.
    ///
    /// # Errors
    ///
    /// When the engine cannot be reached, refuses, or breaks off.
    pub async fn run_exec(&self, id: &ExecId) -> Result<ExecOutcome, Error> {
        let ExecId(name) = id;
        let request = format!("POST /exec/{}/start", plain(name)?);
        let failed = |error| self.exec_error(&request, error);
        let options = StartExecOptions::default();
        let started = self.docker().start_exec(name, Some(options)).await;
        let mut tail = Vec::new();
        if let StartExecResults::Attached { mut output, .. } = started.map_err(failed)? {
            while let Some(part) = output.next().await {
                keep(&mut tail, &part.map(LogOutput::into_bytes).map_err(failed)?);
            }
        }
        loop {
            let exec = self.exec(id).await?;
            match exec.exit_code {
                Some(status) if !exec.running => {
                    return Ok(ExecOutcome {
                        status,
                        output: line(&tail),
                    });
                }
                _ => tokio::time::sleep(ENDING).await,
            }
        }
    }

    async fn exec(&self, ExecId(id): &ExecId) -> Result<ExecAnswer, Error> {
        self.get_json(&format!("/exec/{}/json", plain(id)?)).await
    }

    fn exec_error(&self, request: &str, error: DockerError) -> Error {
        let (host, request) = (self.host().clone(), request.to_owned());
        match error {
            DockerError::DockerResponseServerError {
                status_code,
                message,
            } => Error::Request {
                host,
                request,
                status: status_code,
                message,
            },
            error => Error::Read {
                host,
                request,
                reason: super::error::one_line(&error.to_string()),
            },
        }
    }
}

/// An id that can stand in a path. Those of containers come from controllers, which may not reach anything else by them.
fn plain(id: &str) -> Result<&str, Error> {
    let fits = !id.is_empty() && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
    fits.then_some(id).ok_or_else(|| Error::Encode {
        request: "a request about a container".to_owned(),
        reason: format!("{id:?} is no id"),
    })
}

fn keep(tail: &mut Vec<u8>, part: &[u8]) {
    tail.extend_from_slice(part);
    tail.drain(..tail.len().saturating_sub(OUTPUT_KEPT));
}

/// Words in one line, without what would move a terminal's cursor.
fn line(output: &[u8]) -> String {
    let text = String::from_utf8_lossy(output).replace(|it: char| it.is_control(), " ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct CreateExec<'a> {
    attach_stdout: bool,
    attach_stderr: bool,
    cmd: &'a [&'a str],
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ExecCreated {
    id: ExecId,
}

/// The parts of `GET /containers/{id}/json` that are read.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerAnswer {
    #[serde(rename = "ExecIDs")]
    exec_ids: Option<Vec<ExecId>>,
    config: ContainerConfig,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ContainerConfig {
    labels: Option<BTreeMap<String, String>>,
}

/// The parts of `GET /exec/{id}/json` that are read.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ExecAnswer {
    running: bool,
    exit_code: Option<i64>,
    process_config: Process,
}

#[derive(Deserialize)]
struct Process {
    entrypoint: String,
    #[serde(default)]
    arguments: Option<Vec<String>>,
}

impl Process {
    fn is(&self, command: &[&str]) -> bool {
        let arguments = self.arguments.as_deref().unwrap_or_default();
        command.split_first().is_some_and(|(program, rest)| {
            self.entrypoint == *program && arguments.iter().eq(rest.iter())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_the_output_is_kept_on_one_line() {
        let mut tail = Vec::new();
        keep(&mut tail, &[b'x'; 3 * OUTPUT_KEPT]);
        keep(&mut tail, b"no such\r\n\x1b[2Jfile \xff\n");
        assert_eq!(tail.len(), OUTPUT_KEPT);
        assert!(line(&tail).ends_with("xno such [2Jfile \u{fffd}"));
        assert_eq!(line(b" \n"), "");
    }

    #[test]
    fn what_is_no_id_stands_in_no_path() {
        for id in ["", "..", "a/../../images", "a?force=1", "a b", "%2e"] {
            assert!(plain(id).is_err(), "{id}");
        }
        assert_eq!(plain("0gi2m1").ok(), Some("0gi2m1"));
    }
}
