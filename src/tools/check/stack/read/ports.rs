//! The `ports` of a service: in the short form, which is text, or in the long one, which is a map.

use super::Reader;
use crate::tools::check::stack::Port;
use crate::tools::check::yaml::{Entry, Kind, Value};

/// Reads `ports`. What cannot be read is left out: Docker complains of it.
pub(super) fn read_ports(entry: &Entry, reader: &Reader<'_>) -> Vec<Port> {
    let Value::List(items) = &entry.node.value else {
        return Vec::new();
    };
    let ports = items.iter().filter_map(|item| match &item.value {
        Value::Scalar(scalar) => {
            let text = match scalar.kind {
                Kind::Text => reader.replaced(scalar, item.span)?.value,
                _ => scalar.text.to_string(),
            };
            // `[[IP:]PUBLISHED:]TARGET[/PROTOCOL]`
            let (ports, _) = text.split_once('/').unwrap_or((&text, ""));
            let target = ports.rsplit(':').next().unwrap_or_default();
            Some(Port {
                span: item.span,
                target: target.parse().ok(),
                ingress: true,
            })
        }
        Value::Map(entries) => {
            let text = |name: &str| {
                let entry = entries.iter().find(|entry| &*entry.key == name)?;
                match &entry.node.value {
                    Value::Scalar(scalar) if scalar.kind == Kind::Text => {
                        Some(reader.replaced(scalar, item.span)?.value)
                    }
                    Value::Scalar(scalar) => Some(scalar.text.to_string()),
                    Value::Map(_) | Value::List(_) => None,
                }
            };
            Some(Port {
                span: item.span,
                target: text("target").and_then(|it| it.parse().ok()),
                ingress: text("mode").is_none_or(|mode| mode != "host"),
            })
        }
        Value::List(_) => None,
    });
    ports.collect()
}
