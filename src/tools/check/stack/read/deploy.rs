//! The `deploy` section of a service.

use super::labels::read_labels;
use super::{Reader, StackService, map};
use crate::core::model::Mode;
use crate::tools::check::interpolation;
use crate::tools::check::stack::Written;
use crate::tools::check::yaml::{Entry, Kind, Value};

/// Reads `deploy`.
pub(super) fn read_deploy(entry: &Entry, service: &mut StackService, reader: &mut Reader<'_>) {
    for entry in map(entry) {
        match &*entry.key {
            "labels" => service.labels = read_labels(entry, reader),
            "mode" => service.mode = mode(entry, reader),
            "replicas" => service.replicas = replicas(entry, reader),
            "update_config" => {
                let config = map(entry);
                let order = config.iter().find(|entry| &*entry.key == "order");
                service.start_first = order.and_then(|order| start_first(order, reader));
            }
            _ => {}
        }
    }
}

fn mode(entry: &Entry, reader: &Reader<'_>) -> Option<Written<Mode>> {
    let Written { value, span } = reader.text(&entry.node)?;
    let value = match &*value {
        "replicated" => Mode::Replicated { replicas: 1 },
        "global" => Mode::Global,
        "replicated-job" | "global-job" => Mode::Job,
        _ => return None,
    };
    Some(Written { value, span })
}

/// A whole number; text becomes one only where a variable was replaced in it.
fn replicas(entry: &Entry, reader: &Reader<'_>) -> Option<Written<u64>> {
    let span = entry.node.span;
    let Value::Scalar(scalar) = &entry.node.value else {
        return None;
    };
    let text = match &scalar.kind {
        Kind::Number(number) => number.clone(),
        Kind::Text => {
            let replaced = interpolation::replace(&scalar.text, reader.variables).ok()?;
            (replaced.text != scalar.text).then_some(replaced.text)?
        }
        Kind::Null | Kind::Boolean => return None,
    };
    let value = text.parse().ok()?;
    Some(Written { value, span })
}

fn start_first(entry: &Entry, reader: &Reader<'_>) -> Option<Written<bool>> {
    let Written { value, span } = reader.text(&entry.node)?;
    let value = match &*value {
        "start-first" => true,
        "stop-first" => false,
        _ => return None,
    };
    Some(Written { value, span })
}
