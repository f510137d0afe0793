//! What is set otherwise: everything of a service but its routes, named as its labels are.
//!
//! # Design notes
//!
//! The fields are compared as JSON, so that what is added to a policy or a probe is compared without anybody thinking of it.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::{Line, Sign, line};
use crate::core::model::route::ServiceSpec;

/// The settings that differ.
pub(super) fn changes(old: &ServiceSpec, new: &ServiceSpec) -> Vec<Line> {
    let (old, new) = (settings(old), settings(new));
    let differing = new
        .iter()
        .filter(|(name, value)| old.get(*name) != Some(*value));
    let differing = differing.map(|(name, value)| {
        let before = old.get(name).map_or("none", String::as_str);
        line(Sign::Changes, format!("{name}: {before} -> {value}"))
    });
    differing.collect()
}

fn settings(spec: &ServiceSpec) -> BTreeMap<String, String> {
    let mut settings = BTreeMap::new();
    for (group, value) in [
        ("routing", fields(&spec.policy)),
        ("probe", fields(&spec.probe)),
    ] {
        for (field, value) in value {
            let field = match &*field {
                "sticky" => "session_sticky",
                field => field,
            };
            let (unit, value) = match seconds(&value) {
                Some(seconds) => ("_seconds", seconds.to_string()),
                None => ("", shown(&value)),
            };
            settings.insert(format!("{group}.{field}{unit}"), value);
        }
    }
    let network = spec.network.as_deref().unwrap_or("none");
    settings.insert("routing.network".into(), network.into());
    settings
}

fn fields(value: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(value) {
        Ok(Value::Object(fields)) => fields,
        Ok(_) | Err(_) => Map::new(),
    }
}

/// How serde writes a length of time.
fn seconds(value: &Value) -> Option<f64> {
    let (seconds, nanos) = (value.get("secs")?.as_f64()?, value.get("nanos")?.as_f64()?);
    Some(seconds + nanos / 1e9)
}

fn shown(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
