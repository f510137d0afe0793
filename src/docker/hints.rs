//! The engine's event stream, taken for what it is: hints that something may have changed.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::BytesMut;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;

use super::transport::Transport;
use super::{Error, filters};
use crate::core::protocol::{ContainerAction, ContainerHint};

/// A label that Swarm puts on the containers of tasks, and on those only.
pub(super) const TASK_LABEL: &str = "com.docker.swarm.task.id";
/// The longest line that is read. An event is about a kilobyte.
const LONGEST_LINE: usize = 1 << 20;

/// What hints are wanted about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everything that can change an inventory. Only a manager's engine tells of services and nodes.
    Swarm,
    /// The containers of tasks on the engine's own node; any engine of a swarm tells of those.
    Containers,
}

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
    #[serde(rename = "ID")]
    id: String,
    attributes: BTreeMap<String, String>,
}

impl Hint {
    /// The id of the service that it is about, where there still is one.
    #[must_use]
    pub fn of_service(&self) -> Option<&str> {
        let is_there = self.r#type == "service" && self.action != "remove";
        (is_there && !self.actor.id.is_empty()).then_some(&*self.actor.id)
    }

    /// What happened to which task's container; none when it is about something else, or means nothing.
    #[must_use]
    pub fn of_container(&self) -> Option<ContainerHint> {
        let task = self.actor.attributes.get(TASK_LABEL)?;
        let action = match &*self.action {
            _ if self.r#type != "container" => return None,
            "start" => ContainerAction::Started,
            "die" => ContainerAction::Died,
            "kill" => match self.actor.attributes.get("signal") {
                Some(signal) if ends(signal) => ContainerAction::Signalled,
                _ => ContainerAction::Changed,
            },
            // `health_status: healthy`
            action if action.starts_with("health_status") => ContainerAction::Changed,
            _ => return None,
        };
        Some(ContainerHint {
            task: task.as_str().into(),
            container: self.actor.id.as_str().into(),
            action,
        })
    }
}

/// Whether a signal is meant to end a process: INT, QUIT, KILL and TERM. Engines write its number.
fn ends(signal: &str) -> bool {
    matches!(
        signal.trim_start_matches("SIG"),
        "2" | "3" | "9" | "15" | "INT" | "QUIT" | "KILL" | "TERM"
    )
}

/// The path of the subscription. Only what is of use is asked for: health checks alone would otherwise make three events a
/// container every few seconds.
pub(super) fn path(scope: Scope) -> String {
    const OF_CONTAINERS: [&str; 4] = ["start", "kill", "die", "health_status"];
    let filters = match scope {
        Scope::Swarm => filters(&[
            ("type", &["service", "node", "container"]),
            (
                "event",
                &[&["create", "update", "remove"], &OF_CONTAINERS[..]].concat(),
            ),
        ]),
        Scope::Containers => filters(&[
            ("type", &["container"]),
            ("event", &OF_CONTAINERS),
            ("label", &[TASK_LABEL]),
        ]),
    };
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

    #[test]
    fn only_terminating_signals_announce_the_end() {
        use ContainerAction::{Changed, Died, Signalled, Started};
        for (r#type, action, signal, expected) in [
            ("container", "kill", "15", Some(Signalled)),
            ("container", "kill", "9", Some(Signalled)),
            ("container", "kill", "2", Some(Signalled)),
            ("container", "kill", "3", Some(Signalled)),
            ("container", "kill", "SIGTERM", Some(Signalled)),
            ("container", "kill", "1", Some(Changed)),
            ("container", "kill", "10", Some(Changed)),
            ("container", "kill", "", Some(Changed)),
            ("container", "start", "", Some(Started)),
            ("container", "die", "", Some(Died)),
            ("container", "health_status: unhealthy", "", Some(Changed)),
            ("container", "create", "", None),
            ("service", "die", "", None),
        ] {
            let attributes = [(TASK_LABEL, "t"), ("signal", signal)];
            let attributes = attributes.map(|(key, value)| (key.to_owned(), value.to_owned()));
            let hint = Hint {
                r#type: r#type.into(),
                action: action.into(),
                actor: Actor {
                    id: "c".into(),
                    attributes: attributes.into(),
                },
            };
            let expected = expected.map(|action| ContainerHint {
                task: "t".into(),
                container: "c".into(),
                action,
            });
            assert_eq!(hint.of_container(), expected, "{type} {action} {signal}");
        }
        assert_eq!(Hint::default().of_container(), None);
    }

    #[test]
    fn a_service_that_is_removed_cannot_be_asked_for() {
        for (line, expected) in [
            (
                r#"{"Type":"service","Action":"update","Actor":{"ID":"s"}}"#,
                Some("s"),
            ),
            (
                r#"{"Type":"service","Action":"create","Actor":{"ID":"s"}}"#,
                Some("s"),
            ),
            (
                r#"{"Type":"service","Action":"remove","Actor":{"ID":"s"}}"#,
                None,
            ),
            (r#"{"Type":"service","Action":"update"}"#, None),
            (
                r#"{"Type":"node","Action":"update","Actor":{"ID":"n"}}"#,
                None,
            ),
        ] {
            let hint = parse(line.as_bytes()).expect("a hint");
            assert_eq!(hint.of_service(), expected, "{line}");
        }
    }
}
