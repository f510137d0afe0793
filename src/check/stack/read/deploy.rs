//! The `deploy` section of a service.

use super::labels::read_labels;
use super::{Reader, StackService};
use crate::check::interpolation;
use crate::check::stack::Written;
use crate::check::yaml::{Entry, Kind, Value};
use crate::core::model::Mode;

/// All keys that Docker knows here.
const KEYS: [&str; 9] = [
    "endpoint_mode",
    "labels",
    "mode",
    "placement",
    "replicas",
    "resources",
    "restart_policy",
    "rollback_config",
    "update_config",
];

/// Reads `deploy`.
pub(super) fn read_deploy(entry: &Entry, service: &mut StackService, reader: &mut Reader<'_>) {
    let entries = reader.map(entry);
    for entry in entries {
        match &*entry.key {
            "labels" => service.labels = read_labels(entry, reader),
            "mode" => service.mode = mode(entry, reader),
            "replicas" => service.replicas = replicas(entry, reader),
            "update_config" => {
                let config = reader.map(entry);
                let order = config.iter().find(|entry| &*entry.key == "order");
                service.start_first = order.and_then(|order| start_first(order, reader));
            }
            _ => {}
        }
    }
    reader.misspelt(entries, &KEYS, &[]);
}

fn mode(entry: &Entry, reader: &mut Reader<'_>) -> Option<Written<Mode>> {
    let Written { value, span } = reader.text(entry)?;
    let value = match &*value {
        "replicated" => Mode::Replicated { replicas: 1 },
        "global" => Mode::Global,
        "replicated-job" | "global-job" => Mode::Job,
        _ => {
            let message = format!("{value:?} is no mode");
            let remedy = "write replicated, global, replicated-job or global-job";
            reader.error(span, message, remedy);
            return None;
        }
    };
    Some(Written { value, span })
}

/// A whole number; text becomes one only where a variable was replaced in it.
fn replicas(entry: &Entry, reader: &mut Reader<'_>) -> Option<Written<u64>> {
    let span = entry.node.span;
    let text = match &entry.node.value {
        Value::Scalar(scalar) => match &scalar.kind {
            Kind::Number(number) => Some(number.clone()),
            Kind::Text => match interpolation::replace(&scalar.text, reader.variables) {
                Ok(replaced) if replaced.text != scalar.text => Some(replaced.text),
                Ok(_) => None,
                // That is told of already.
                Err(_) => return None,
            },
            Kind::Null => return None,
            Kind::Boolean => None,
        },
        Value::List(_) | Value::Map(_) => None,
    };
    match text.and_then(|text| text.parse().ok()) {
        Some(value) => Some(Written { value, span }),
        None => {
            let message = "`replicas` is a whole number, without quotes";
            reader.error(span, message, "write it as in `replicas: 2`");
            None
        }
    }
}

fn start_first(entry: &Entry, reader: &mut Reader<'_>) -> Option<Written<bool>> {
    let Written { value, span } = reader.text(entry)?;
    let value = match &*value {
        "start-first" => true,
        "stop-first" => false,
        _ => {
            let message = format!("{value:?} is no order of updates");
            reader.error(span, message, "write start-first or stop-first");
            return None;
        }
    };
    Some(Written { value, span })
}
