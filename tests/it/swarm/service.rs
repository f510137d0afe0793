//! A service under test: the demo server in some containers, with labels.

use std::time::Duration;

use hiveway::core::model::snapshot::EndpointState;

use super::stage::Stage;
use crate::docker::{ask, docker, remove};

/// How long the swarm may take for a change of a few tasks; each takes it a few seconds.
pub(super) const SETTLE_BOUND: Duration = Duration::from_secs(90);

/// A service; removed when dropped.
pub(super) struct Service<'a> {
    pub(super) name: String,
    stage: &'a Stage,
}

impl<'a> Service<'a> {
    /// Creates it on Hiveway's network, without waiting for anything.
    pub(super) async fn create(
        stage: &'a Stage,
        of: &str,
        replicas: u32,
        labels: &[(&str, &str)],
        flags: &[&str],
    ) -> Self {
        let service = Self {
            name: stage.name(of),
            stage,
        };
        let replicas = replicas.to_string();
        let labels: Vec<_> = labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect();
        let mut create = vec![
            "service",
            "create",
            "--detach",
            "--no-resolve-image",
            "--quiet",
        ];
        create.extend(["--name", &service.name, "--network", &stage.hiveway.network]);
        create.extend(["--replicas", &replicas]);
        create.extend(labels.iter().flat_map(|label| ["--label", label]));
        create.extend(flags);
        create.extend([&*stage.images.demo, "server", "--outage", "6"]);
        docker(create).await;
        service
    }

    /// One that is there already.
    pub(super) fn adopt(stage: &'a Stage, name: String) -> Self {
        Self { name, stage }
    }

    /// Changes it by `docker service update`, without waiting.
    pub(super) async fn update(&self, flags: &[&str]) {
        let update = [
            "service",
            "update",
            "--detach",
            "--no-resolve-image",
            "--quiet",
        ];
        docker(update.iter().chain(flags).copied().chain([&*self.name])).await;
    }

    /// Changes its replicas by `docker service scale`, without waiting.
    pub(super) async fn scale(&self, replicas: u32) {
        let wish = format!("{}={replicas}", self.name);
        docker(["service", "scale", "--detach", &wish]).await;
    }

    /// How many replicas it is specified to have.
    pub(super) async fn replicas(&self) -> Result<u32, String> {
        let format = "{{.Spec.Mode.Replicated.Replicas}}";
        let answer = ask(["service", "inspect", "--format", format, &self.name]).await?;
        answer.parse().map_err(|_| answer)
    }

    /// Waits until so many containers are in rotation and nothing else of it is known; gives their full ids, sorted.
    pub(super) async fn settled(&self, replicas: usize) -> Vec<String> {
        let what = format!("{} has {replicas} containers, all in rotation", self.name);
        let look = async || {
            let endpoints = self.stage.hiveway.endpoints(&self.name).await?;
            let ready = |(_, state): &(String, EndpointState)| *state == EndpointState::Ready;
            if endpoints.len() == replicas && endpoints.iter().all(ready) {
                Ok(endpoints
                    .into_iter()
                    .map(|(container, _)| container)
                    .collect())
            } else {
                Err(format!("{endpoints:?}"))
            }
        };
        self.stage.eventually(&what, SETTLE_BOUND, look).await
    }

    /// Waits until one of its containers is in that state.
    pub(super) async fn becomes(&self, container: &str, state: EndpointState, bound: Duration) {
        let what = format!("container {} is {}", &container[..12], state.as_str());
        let look = async || {
            let endpoints = self.stage.hiveway.endpoints(&self.name).await?;
            match endpoints.iter().find(|(id, _)| id == container) {
                Some((_, found)) if *found == state => Ok(()),
                found => Err(format!("{found:?}")),
            }
        };
        self.stage.eventually(&what, bound, look).await;
    }

    /// Waits until Swarm says that the latest update is complete.
    pub(super) async fn updated(&self) {
        updated(self.stage, &self.name).await;
    }
}

/// Waits until Swarm says that the latest update of a service is complete.
pub(super) async fn updated(stage: &Stage, service: &str) {
    let format = "{{with .UpdateStatus}}{{.State}}: {{.Message}}{{end}}";
    let look = async || {
        let state = ask(["service", "inspect", "--format", format, service]).await?;
        match state.starts_with("completed") {
            true => Ok(()),
            false => Err(state),
        }
    };
    let what = format!("the update of {service} is complete");
    stage.eventually(&what, SETTLE_BOUND, look).await;
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        remove(&["service", "rm", &self.name]);
    }
}
