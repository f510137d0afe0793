//! Refuses names that an inventory file gives twice. JSON allows them, and a parser that keeps the last loses the others.

use std::collections::{BTreeMap, HashSet};
use std::fmt;
use std::sync::Arc;

use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use super::FileService;

/// Reads the services; the parser adds line and column to an error.
pub(super) fn services<'de, D>(deserializer: D) -> Result<Vec<FileService>, D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_seq(Services)
}

struct Services;

impl<'de> Visitor<'de> for Services {
    type Value = Vec<FileService>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list of services")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Self::Value, A::Error> {
        let mut services = Vec::new();
        let mut names: HashSet<Arc<str>> = HashSet::new();
        let mut tasks = HashSet::new();

        while let Some(service) = sequence.next_element::<FileService>()? {
            let name = &service.name;
            if !names.insert(Arc::clone(name)) {
                return Err(A::Error::custom(format_args!(
                    "the service {name:?} is there already: merge the two, or rename one"
                )));
            }

            let mut containers = HashSet::new();
            for task in &service.tasks {
                let container = &task.container;
                if !containers.insert(container) {
                    return Err(A::Error::custom(format_args!(
                        "the container {container:?} of service {name:?} is there already: remove one of the two"
                    )));
                }
                let id = service.task_id(task);
                if tasks.contains(&id) {
                    return Err(A::Error::custom(format_args!(
                        "the task {id:?} is there already, by service {name:?} and container {container:?}: rename one"
                    )));
                }
                tasks.insert(id);
            }
            services.push(service);
        }
        Ok(services)
    }
}

/// Reads the labels of a service.
pub(super) fn labels<'de, D>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error>
where
    D: Deserializer<'de>,
{
    deserializer.deserialize_map(Labels)
}

struct Labels;

impl<'de> Visitor<'de> for Labels {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a map of labels")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut labels = BTreeMap::new();
        while let Some((key, value)) = map.next_entry::<String, String>()? {
            if labels.contains_key(&key) {
                return Err(A::Error::custom(format_args!(
                    "the label {key:?} is there already: remove one of the two"
                )));
            }
            labels.insert(key, value);
        }
        Ok(labels)
    }
}
