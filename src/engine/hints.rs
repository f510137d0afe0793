//! The engine's event stream, taken for what it is: hints that something may have changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;

use super::transport::Transport;
use super::{Error, filters};

/// A label that Swarm puts on the containers of tasks, and on those only.
const TASK_LABEL: &str = "com.docker.swarm.task.id";
/// The longest line that is read. An event is about a kilobyte.
const LONGEST_LINE: usize = 1 << 20;

/// An open subscription. It ends when the engine does.
pub struct Hints {
    body: Incoming,
    unread: BytesMut,
    /// The connection lives as long as the transport.
    _transport: Arc<Transport>,
}

/// Something happened in the swarm; what exactly, only a look tells.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Hint {
    /// What kind of object: `service`, `node` or `container`.
    pub r#type: String,
    /// What happened to it.
    pub action: String,
    actor: Actor,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Actor {
    attributes: BTreeMap<String, String>,
}

/// The path of the subscription. Only what can change an inventory is asked for: health checks alone would otherwise make
/// three events a container every few seconds.
pub(super) fn path() -> String {
    let filters = filters(&[
        ("type", &["service", "node", "container"]),
        (
            "event",
            &[
                "create",
                "update",
                "remove",
                "start",
                "kill",
                "die",
                "health_status",
            ],
        ),
    ]);
    format!("/events?{filters}")
}

impl Hints {
    pub(super) async fn open(transport: Arc<Transport>, path: &str) -> Result<Self, Error> {
        Ok(Self {
            body: transport.stream(path).await?,
            unread: BytesMut::new(),
            _transport: transport,
        })
    }

    /// The next hint; none when the stream has ended, for whatever reason. May be cancelled without loss.
    pub async fn next(&mut self) -> Option<Hint> {
        loop {
            while let Some(end) = self.unread.iter().position(|&byte| byte == b'\n') {
                if let Some(hint) = parse(&self.unread.split_to(end + 1)) {
                    return Some(hint);
                }
            }
            if self.unread.len() > LONGEST_LINE {
                return None;
            }
            if let Ok(data) = self.body.frame().await?.ok()?.into_data() {
                self.unread.extend_from_slice(&data);
            }
        }
    }
}

/// A line that is not understood is a hint too; one about a container that is no task's is none.
fn parse(line: &[u8]) -> Option<Hint> {
    if line.trim_ascii().is_empty() {
        return None;
    }
    let hint: Hint = serde_json::from_slice(line).unwrap_or_default();
    (hint.r#type != "container" || hint.actor.attributes.contains_key(TASK_LABEL)).then_some(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn containers_of_tasks_are_hints_and_others_are_not() {
        for (line, expected) in [
            (
                r#"{"Type":"service","Action":"update"}"#,
                Some("service update"),
            ),
            (
                r#"{"Type":"container","Action":"die","Actor":{"Attributes":{}}}"#,
                None,
            ),
            (
                r#"{"Type":"container","Action":"die","Actor":{"Attributes":{"com.docker.swarm.task.id":"t"}}}"#,
                Some("container die"),
            ),
            ("", None),
            ("{\"Type\":", Some(" ")),
        ] {
            let hint =
                parse(line.as_bytes()).map(|hint| format!("{} {}", hint.r#type, hint.action));
            assert_eq!(hint.as_deref(), expected, "{line}");
        }
    }
}
