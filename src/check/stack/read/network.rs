//! Networks: the top-level ones, and those that a service names.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Reader, beginning};
use crate::check::source::Span;
use crate::check::stack::StackNetwork;
use crate::check::yaml::{Entry, Kind, Value};

/// Reads an entry of the top-level `networks`.
pub(super) fn read_network(entry: &Entry, reader: &mut Reader<'_>) -> StackNetwork {
    let mut network = StackNetwork {
        span: entry.key_span,
        external: false,
        name: None,
    };
    for entry in reader.map(entry) {
        match &*entry.key {
            "name" => network.name = reader.text(entry).map(|name| name.value),
            "external" => external(entry, &mut network, reader),
            _ => {}
        }
    }
    network
}

/// `true`, or in the old form a map with the name.
fn external(entry: &Entry, network: &mut StackNetwork, reader: &mut Reader<'_>) {
    match &entry.node.value {
        Value::Map(entries) => {
            network.external = true;
            if let Some(name) = entries.iter().find(|entry| &*entry.key == "name") {
                network.name = reader.text(name).map(|name| name.value);
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
        Value::Scalar(_) | Value::List(_) => {
            let message = "`external` is true or false, without quotes";
            reader.error(
                beginning(entry.node.span),
                message,
                "write `external: true`",
            );
        }
    }
}

/// Reads the `networks` of a service, a list of names or a map with them as its keys.
pub(super) fn read_names(entry: &Entry, reader: &mut Reader<'_>) -> BTreeMap<Arc<str>, Span> {
    match &entry.node.value {
        Value::Map(entries) => {
            let names = entries.iter();
            names
                .map(|entry| (Arc::clone(&entry.key), entry.key_span))
                .collect()
        }
        Value::List(items) => {
            let names = items.iter().filter_map(|item| match &item.value {
                Value::Scalar(scalar) if scalar.kind == Kind::Text => {
                    let name = reader.replaced(scalar, item.span)?;
                    Some((name.value.into(), name.span))
                }
                _ => None,
            });
            names.collect()
        }
        Value::Scalar(_) => {
            if !entry.node.is_null() {
                let message = "`networks` is a list of names, or a map";
                reader.error(
                    entry.node.span,
                    message,
                    "write it as in `networks: [mesh]`",
                );
            }
            BTreeMap::new()
        }
    }
}
