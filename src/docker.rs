//! The engine's client: every request to a Docker engine passes here, and no other file names bollard.
//!
//! # Design notes
//!
//! * bollard 0.21 never sends the API version, its task model lacks the addresses, and one unknown enum value fails a
//!   whole list. So requests are JSON in and out with the caller's own types ([`Engine::get_json`]), and bollard
//!   ([`Engine::docker`]) runs over the same transport for what it does well: the output of commands, networks.
//! * `/vX.Y` is put in front of every path in one place, `Engine::versioned`. The version is the lower of ours and the
//!   engine's, agreed on anew whenever the engine was away: it may have been upgraded meanwhile.

mod elements;
mod error;
mod exec;
mod hints;
mod subscription;
mod tls;
mod transport;
mod version;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use bollard::{API_DEFAULT_VERSION, BollardRequest, Docker};
use http::uri::{PathAndQuery, Uri};
use http::{Method, Response};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use self::error::Error;
pub use self::exec::{Container, ExecId, ExecOutcome};
pub use self::hints::{Hint, Hints, Scope};
pub use self::subscription::Subscription;
use self::transport::Transport;
pub use self::version::ApiVersion;
use crate::core::model::NodeId;

/// How long an answer may take, header and body together. A list of ten thousand tasks takes about a second.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the engine is and how it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineConfig {
    /// `unix:///path/to/docker.sock` or `tcp://HOST[:PORT]`.
    pub host: String,
    /// The folder with `ca.pem`, `cert.pem` and `key.pem` (DOCKER_CERT_PATH), when the engine is to be spoken to by
    /// TLS (DOCKER_TLS_VERIFY); only with `tcp://`.
    pub cert_path: Option<PathBuf>,
    /// How long an answer may take; [`ANSWER_TIMEOUT`] unless there is a reason.
    pub answer_timeout: Duration,
}

/// The engine of a node of a swarm. Cheap to clone; all clones share what was agreed on.
#[derive(Clone)]
pub struct Engine {
    transport: Arc<Transport>,
    session: Arc<ArcSwap<Session>>,
}

/// What was agreed on with the engine. Written by [`Engine::negotiate`], read by every request.
struct Session {
    api: ApiVersion,
    engine: String,
    node: NodeId,
    manages: bool,
}

impl Engine {
    /// Reaches the engine, agrees on an API version with it and makes sure that it is part of a swarm.
    ///
    /// # Errors
    ///
    /// Each says in one line what failed, where and what to do about it.
    pub async fn connect(config: &EngineConfig) -> Result<Self, Error> {
        let transport = Transport::open(config)?;
        let session = Session::negotiate(&transport).await?;
        Ok(Self {
            transport: Arc::new(transport),
            session: Arc::new(ArcSwap::from_pointee(session)),
        })
    }

    /// Does again what [`Engine::connect`] did, for all clones: the engine may have been upgraded, or moved to another
    /// swarm, while it was away.
    ///
    /// # Errors
    ///
    /// Those of [`Engine::connect`]; what was agreed on before then stands.
    pub async fn negotiate(&self) -> Result<(), Error> {
        let session = Session::negotiate(&self.transport).await?;
        self.session.store(Arc::new(session));
        Ok(())
    }

    /// The engine's address, as configured.
    #[must_use]
    pub fn host(&self) -> &Arc<str> {
        self.transport.host()
    }

    /// The engine's version and the API version spoken, for people.
    #[must_use]
    pub fn version(&self) -> String {
        let session = self.session.load();
        format!("Docker {}, API {}", session.engine, session.api)
    }

    /// The Swarm id of the engine's node.
    #[must_use]
    pub fn node(&self) -> NodeId {
        self.session.load().node.clone()
    }

    /// Whether the engine's node was a Swarm manager when the engine was last asked: only managers can list the swarm.
    #[must_use]
    pub fn manages(&self) -> bool {
        self.session.load().manages
    }

    /// Fails on a worker, whose engine knows its own containers only.
    ///
    /// # Errors
    ///
    /// [`Error::FindManager`].
    pub fn require_manager(&self) -> Result<(), Error> {
        match self.manages() {
            true => Ok(()),
            false => Err(Error::FindManager {
                host: Arc::clone(self.host()),
            }),
        }
    }

    /// Asks for `path`, which starts with a slash and carries no API version.
    ///
    /// # Errors
    ///
    /// When the engine cannot be reached, refuses, takes too long, answers too much or something else than a `T`.
    pub async fn get_json<T: DeserializeOwned>(&self, path: &str) -> Result<T, Error> {
        self.exchange(Method::GET, path, Vec::new()).await
    }

    /// Asks `path` for a list, and gives the text of one element after the other to `read` as they arrive: a list of ten
    /// thousand tasks has thirty megabytes, of which next to nothing is of use. What was given before an error is of a list
    /// that is not whole.
    ///
    /// # Errors
    ///
    /// As for [`Engine::get_json`], and when `read` refuses an element.
    pub async fn read_list(
        &self,
        path: &str,
        mut read: impl FnMut(&[u8]) -> serde_json::Result<()> + Send,
    ) -> Result<(), Error> {
        let path = self.versioned(path);
        Box::pin(self.transport.list(&path, &mut read)).await
    }

    /// Sends `body` to `path`, which starts with a slash and carries no API version.
    ///
    /// # Errors
    ///
    /// As for [`Engine::get_json`]. After a time-out the engine may have done what was asked all the same.
    pub async fn post_json<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, Error> {
        let body = serde_json::to_vec(body).map_err(|error| Error::Encode {
            request: format!("POST {path}"),
            reason: error.to_string(),
        })?;
        self.exchange(Method::POST, path, body).await
    }

    /// Subscribes to what may mean that something changed; returns once the engine has accepted.
    ///
    /// # Errors
    ///
    /// When the engine cannot be reached, refuses or takes too long to accept.
    pub async fn hints(&self, scope: Scope) -> Result<Hints, Error> {
        let path = self.versioned(&hints::path(scope));
        Hints::open(Arc::clone(&self.transport), &path).await
    }

    /// bollard over the same transport and API version, for typed calls other than lists.
    #[must_use]
    pub fn docker(&self) -> Docker {
        let engine = self.clone();
        let transport = move |request| {
            let engine = engine.clone();
            async move { engine.send(request).await }
        };
        let timeout = self.transport.answer_timeout().as_secs().max(1);
        Docker::connect_with_custom_transport(
            transport,
            Some("http://engine"),
            timeout,
            API_DEFAULT_VERSION,
        )
        .expect("a custom transport is taken as it is")
    }

    async fn exchange<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
    ) -> Result<T, Error> {
        let path = self.versioned(path);
        // Boxed: the state of a connection is large, and futures that look several times at once hold several.
        Box::pin(self.transport.exchange(method, &path, body)).await
    }

    /// One request of bollard's, whose paths lack the version.
    async fn send(
        &self,
        mut request: BollardRequest,
    ) -> Result<Response<Incoming>, bollard::errors::Error> {
        let path = request
            .uri()
            .path_and_query()
            .map_or("/", PathAndQuery::as_str);
        *request.uri_mut() = Uri::try_from(self.versioned(path)).map_err(http::Error::from)?;
        let answer = self.transport.send(request).await;
        answer.map_err(|error| std::io::Error::other(error).into())
    }

    fn versioned(&self, path: &str) -> String {
        format!("/v{}{path}", self.session.load().api)
    }
}

impl Session {
    async fn negotiate(transport: &Transport) -> Result<Self, Error> {
        let version: VersionAnswer = transport.get("/version").await?;
        let api = version::agree(transport.host(), &version.api, version.minimum.as_deref())?;
        let info: InfoAnswer = transport.get(&format!("/v{api}/info")).await?;
        let swarm = info.swarm;
        if swarm.local_node_state != "active" {
            return Err(Error::swarm_needed(
                transport.host(),
                &swarm.local_node_state,
                &swarm.error,
            ));
        }
        Ok(Self {
            api,
            engine: version.engine,
            node: swarm.node.as_str().into(),
            manages: swarm.control_available,
        })
    }
}

/// The parts of `GET /version` that are read.
#[derive(Deserialize)]
struct VersionAnswer {
    #[serde(rename = "Version", default)]
    engine: String,
    #[serde(rename = "ApiVersion")]
    api: String,
    #[serde(rename = "MinAPIVersion")]
    minimum: Option<String>,
}

/// The parts of `GET /info` that are read.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct InfoAnswer {
    swarm: SwarmAnswer,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SwarmAnswer {
    #[serde(rename = "NodeID")]
    node: String,
    local_node_state: String,
    control_available: bool,
    #[serde(default)]
    error: String,
}

/// A `filters=` query: for each name, the values of which one must fit.
#[must_use]
pub fn filters(filters: &[(&str, &[&str])]) -> String {
    let object: BTreeMap<_, _> = filters.iter().copied().collect();
    let json = serde_json::to_string(&object).expect("strings always serialise");
    json.bytes().fold("filters=".to_owned(), |mut query, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            query.push(char::from(byte));
        } else {
            query.push_str(&format!("%{byte:02X}"));
        }
        query
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_json_in_a_query() {
        assert_eq!(
            filters(&[("desired-state", &["running", "ready"])]),
            "filters=%7B%22desired-state%22%3A%5B%22running%22%2C%22ready%22%5D%7D"
        );
    }
}
