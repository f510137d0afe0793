//! Changing one thing in the spec of a service.
//!
//! # Design notes
//!
//! A spec is read as raw JSON, one thing in it is changed, and all of it is written back under the version that was read.
//! So fields that Hiveway does not know survive, and a change by somebody else in between is never undone: the engine
//! refuses the write, and the spec is read again. Because every write begins with a read, acting twice on one wish does
//! nothing the second time, whoever acts: two instances that both believe to lead do no harm.

use serde_json::Value;

use crate::core::model::ServiceId;
use crate::docker::{Engine, Error};

/// How often a write is tried while others change the same service.
const TRIES: usize = 5;

/// Why a service could not be changed.
#[derive(Debug, thiserror::Error)]
pub(super) enum SpecError {
    #[error(transparent)]
    Engine(#[from] Error),
    #[error("the engine's description of it has no version or no spec; is this a Docker engine?")]
    NotAService,
}

impl SpecError {
    /// Whether there is no such service any more, which the next look will show.
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Engine(error) if error.is_not_found())
    }
}

/// Reads a service, has `change` change its `Spec`, and writes that. What `change` returns is what was done; where it is
/// none, nothing is written.
pub(super) async fn update<T, E: From<SpecError>>(
    engine: &Engine,
    id: &ServiceId,
    change: impl Fn(&mut Value) -> Result<Option<T>, E>,
) -> Result<Option<T>, E> {
    let failed = |error: Error| E::from(error.into());
    let mut retries = 1..TRIES;
    loop {
        let path = format!("/services/{id}");
        let mut service: Value = engine.get_json(&path).await.map_err(failed)?;
        let version = service.pointer("/Version/Index").and_then(Value::as_u64);
        let (Some(version), true) = (version, service["Spec"].is_object()) else {
            return Err(SpecError::NotAService.into());
        };
        let Some(done) = change(&mut service)? else {
            return Ok(None);
        };
        let path = format!("{path}/update?version={version}");
        match engine.post_json::<Value>(&path, &service["Spec"]).await {
            Ok(_) => return Ok(Some(done)),
            Err(error) if error.is_conflict() && retries.next().is_some() => {}
            Err(error) => return Err(failed(error)),
        }
    }
}
