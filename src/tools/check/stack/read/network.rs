//! Networks: the top-level ones, and those that a service names.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Reader, map};
use crate::tools::check::source::Span;
use crate::tools::check::stack::StackNetwork;
use crate::tools::check::yaml::{Entry, Kind, Value};

/// Reads an entry of the top-level `networks`.
pub(super) fn read_network(entry: &Entry, reader: &Reader<'_>) -> StackNetwork {
    let mut network = StackNetwork {
        span: entry.key_span,
        external: false,
        name: None,
    };
    for entry in map(entry) {
        match &*entry.key {
            "name" => network.name = reader.text(&entry.node).map(|name| name.value),
            "external" => external(entry, &mut network, reader),
            _ => {}
        }
    }
    network
}

/// `true`, or in the old form a map with the name.
fn external(entry: &Entry, network: &mut StackNetwork, reader: &Reader<'_>) {
    match &entry.node.value {
        Value::Map(entries) => {
            network.external = true;
            if let Some(name) = entries.iter().find(|entry| &*entry.key == "name") {
                network.name = reader.text(&name.node).map(|name| name.value);
            }
        }
        Value::Scalar(scalar) if scalar.kind == Kind::Boolean => {
            network.external = scalar.text.eq_ignore_ascii_case("true");
        }
        // A variable that is replaced by true or false is a boolean, too.
        Value::Scalar(scalar) if scalar.kind == Kind::Text && scalar.text.contains('$') => {
            let replaced = reader.replaced(scalar, entry.node.span);
            network.external = replaced.is_some_and(|it| it.value.eq_ignore_ascii_case("true"));
        }
        // Refused already; the wrong network would be a second report of the same mistake.
        Value::Scalar(_) | Value::List(_) => network.external = true,
    }
}

/// Reads the `networks` of a service, a list of names or a map with them as its keys; `None` where they are neither.
pub(super) fn read_names(entry: &Entry, reader: &Reader<'_>) -> Option<BTreeMap<Arc<str>, Span>> {
    match &entry.node.value {
        Value::Map(entries) => {
            let names = entries.iter();
            let names = names.map(|entry| (Arc::clone(&entry.key), entry.key_span));
            Some(names.collect())
        }
        Value::List(items) => {
            let names = items.iter().map(|item| {
                let name = reader.text(item)?;
                Some((name.value.into(), name.span))
            });
            names.collect()
        }
        Value::Scalar(_) => None,
    }
}
