//! What a service uses that stands elsewhere: volumes, secrets and configs of the top level, and files.

use super::{Reader, map};
use crate::tools::check::stack::{Section, Use, Written};
use crate::tools::check::yaml::{Entry, Node, Value};

/// Reads a service's `volumes`, `secrets` or `configs`.
pub(super) fn read_names(section: Section, entry: &Entry, reader: &Reader<'_>) -> Vec<Use> {
    let Value::List(items) = &entry.node.value else {
        return Vec::new();
    };
    let used = items.iter().filter_map(|item| {
        let Written { value, span } = match item.entries() {
            Some(entries) => long_form(section, entries, reader)?,
            None => short_form(section, item, reader)?,
        };
        Some(Use {
            section,
            name: value.into(),
            span,
        })
    });
    used.collect()
}

fn short_form(section: Section, item: &Node, reader: &Reader<'_>) -> Option<Written<String>> {
    let Written { value, span } = reader.text(item)?;
    let value = match section {
        Section::Volumes => volume(&value)?.to_owned(),
        Section::Secrets | Section::Configs => value,
    };
    Some(Written { value, span })
}

fn long_form(section: Section, entries: &[Entry], reader: &Reader<'_>) -> Option<Written<String>> {
    let entry = |name: &str| entries.iter().find(|entry| &*entry.key == name);
    if section == Section::Volumes {
        let kind = reader.text(&entry("type")?.node)?;
        if kind.value != "volume" {
            return None;
        }
    }
    let source = reader.text(&entry("source")?.node)?;
    (!source.value.is_empty()).then_some(source)
}

/// The volume that `source:target` names; `None` for a path, and for a volume without a name.
fn volume(text: &str) -> Option<&str> {
    let (source, _) = text.split_once(':')?;
    // One letter is a drive of Windows.
    let is_path = source.starts_with(['.', '/', '~', '\\']) || source.len() < 2;
    (!is_path).then_some(source)
}

/// Reads `env_file`.
pub(super) fn read_env_files(entry: &Entry, reader: &Reader<'_>) -> Vec<Written<String>> {
    match &entry.node.value {
        Value::List(items) => items.iter().filter_map(|item| reader.text(item)).collect(),
        Value::Scalar(_) | Value::Map(_) => reader.text(&entry.node).into_iter().collect(),
    }
}

/// The file of a secret or config that is made of one.
pub(super) fn read_file(declared: &Entry, reader: &Reader<'_>) -> Option<Written<String>> {
    let entry = |name: &str| map(declared).iter().find(|entry| &*entry.key == name);
    match entry("driver") {
        Some(_) => None,
        None => reader.text(&entry("file")?.node),
    }
}
