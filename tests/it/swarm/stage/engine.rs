//! Whether there is an engine to test on, and the swarm that it is in.

use std::time::Duration;

use crate::docker::{ask, docker, remove};
use crate::eventually::eventually;
use crate::needs::needed;

/// How long `docker swarm init` may take.
const MAKING: Duration = Duration::from_secs(60);

/// An engine that the tests can run on.
pub(super) struct Usable {
    in_swarm: bool,
}

/// The engine that the tests run on.
pub(super) async fn usable() -> Usable {
    needed(look()).await
}

async fn look() -> Result<Usable, String> {
    let format =
        "{{.Swarm.LocalNodeState}} {{.Swarm.ControlAvailable}} {{.Swarm.Nodes}} {{.OSType}}";
    // Another test may be making the swarm at this moment.
    let made = eventually("the engine's swarm is made", MAKING, async || {
        match ask(["info", "--format", format]).await {
            Ok(answer) if answer.starts_with("pending") => Err(answer),
            decided => Ok(decided),
        }
    });
    let answer = made
        .await?
        .map_err(|error| format!("no Docker engine can be reached: {error}"))?;
    match answer.split(' ').collect::<Vec<_>>()[..] {
        ["inactive", _, _, "linux"] => Ok(Usable { in_swarm: false }),
        ["active", "true", "1", "linux"] => Ok(Usable { in_swarm: true }),
        ["active", "true", nodes, "linux"] => Err(format!(
            "the engine's swarm has {nodes} nodes, and the images built here are on one of them only"
        )),
        _ => Err(format!(
            "the engine cannot take services: {format} is {answer}"
        )),
    }
}

/// The swarm that the engine is in while the tests run.
pub(super) struct Swarm {
    made: bool,
    made_bridge: bool,
}

impl Swarm {
    pub(super) async fn join_or_make(usable: Usable) -> Self {
        let mut swarm = Self {
            made: false,
            made_bridge: false,
        };
        if !usable.in_swarm {
            swarm.made_bridge = ask(["network", "inspect", "docker_gwbridge"])
                .await
                .is_err();
            let loopback = "--advertise-addr 127.0.0.1 --listen-addr 127.0.0.1:2377 --data-path-addr 127.0.0.1";
            docker(["swarm", "init"].into_iter().chain(loopback.split(' '))).await;
            swarm.made = true;
        }
        swarm
    }
}

impl Drop for Swarm {
    fn drop(&mut self) {
        if self.made {
            remove(&["swarm", "leave", "--force"]);
        }
        if self.made_bridge {
            remove(&["network", "rm", "docker_gwbridge"]);
        }
    }
}
