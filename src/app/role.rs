//! What a process is, by where it runs.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::cli::Source;
use crate::controller::inventory_file::InventoryFile;
use crate::core::reconcile::desired;
use crate::docker::Engine;

/// How often the engine is asked whether its node was promoted or demoted.
const LOOK: Duration = Duration::from_secs(5);

/// What this process is besides a gateway.
pub(super) enum Role {
    /// Controller and agent: its engine is a manager's.
    Manager(Engine),
    /// Agent: its engine is a worker's.
    Worker(Engine),
    /// Controller by a file.
    File(InventoryFile),
    /// Nothing else.
    Edge,
}

impl Role {
    /// Reaches the source. `alone` where no other controller could be followed.
    ///
    /// # Errors
    ///
    /// The source cannot be reached, or it is a worker and alone.
    pub(super) async fn find(
        source: Source,
        desired: &desired::Options,
        alone: bool,
    ) -> anyhow::Result<Self> {
        Ok(match source {
            Source::Docker(config) => {
                let engine = Engine::connect(&config).await?;
                match engine.require_manager() {
                    Ok(()) => Self::Manager(engine),
                    Err(error) if alone => return Err(error.into()),
                    Err(_) => Self::Worker(engine),
                }
            }
            Source::File(path) => {
                let network = desired.networks.first().cloned();
                let network = network.unwrap_or_else(|| Arc::from("mesh"));
                Self::File(InventoryFile::open(path, network).await?)
            }
            Source::Controllers => Self::Edge,
        })
    }

    /// Whether it is a controller.
    pub(super) fn controls(&self) -> bool {
        matches!(self, Self::Manager(_) | Self::File(_))
    }

    pub(super) fn engine(&self) -> Option<&Engine> {
        match self {
            Self::Manager(engine) | Self::Worker(engine) => Some(engine),
            Self::File(_) | Self::Edge => None,
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Manager(_) => "controller, agent and gateway",
            Self::Worker(_) => "agent and gateway, by the controllers' word",
            Self::File(_) => "controller by a file, and gateway",
            Self::Edge => "gateway, by the controllers' word",
        })
    }
}

/// Fails when the node is not any more what it was at the start.
pub(super) async fn hold(engine: Engine, stop: CancellationToken) -> anyhow::Result<()> {
    let managed = engine.manages();
    let changed = async {
        loop {
            sleep(LOOK).await;
            // An engine that does not answer says nothing about its role.
            if engine.negotiate().await.is_ok() && engine.manages() != managed {
                return;
            }
        }
    };
    match stop.run_until_cancelled(changed).await {
        None => Ok(()),
        Some(()) if managed => Err(anyhow::anyhow!(
            "the node was demoted and is a worker now; starting again as one"
        )),
        Some(()) => Err(anyhow::anyhow!(
            "the node was promoted and is a manager now; starting again as a controller"
        )),
    }
}
