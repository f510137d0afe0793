//! Docker's objects as the engine writes them, and what is left of them in an inventory.
//!
//! # Design notes
//!
//! Unknown fields and enum values are tolerated, so that tomorrow's engine can be read; an unknown value becomes the one
//! that keeps traffic where it is. An object without an id, or with a field of another type, is no object of Docker's: then the
//! whole answer is refused and the last inventory stands, since half a list would look like services that went away.

mod node;
mod service;
mod task;

use serde::{Deserialize, Deserializer};

pub(super) use self::node::NodeObject;
pub(super) use self::service::ServiceObject;
pub(super) use self::task::{OwnTask, TaskObject};

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct StateObject {
    #[serde(deserialize_with = "nullable")]
    state: String,
}

/// A network that a spec names, of a service or of a task.
#[derive(Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct NetworkTarget {
    #[serde(deserialize_with = "nullable")]
    target: String,
    #[serde(deserialize_with = "nullable")]
    aliases: Vec<String>,
}

/// Docker writes `null` for an empty map or list.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
