//! Keys that Docker refuses beside each other.

use super::beginning;
use super::place::Place;
use crate::tools::check::finding::Finding;
use crate::tools::check::yaml::{Entry, Kind, Node, Value};

/// Looks at the entries of one map of the format.
pub(super) fn check(entries: &[Entry], place: Place<'_>) -> Vec<Finding> {
    let entry = |name: &str| entries.iter().find(|entry| &*entry.key == name);
    let mut found = Vec::new();
    let mut both = |one: Option<&Entry>, other: Option<&Entry>, why: &str, remedy: &str| {
        if let (Some(one), Some(other)) = (one, other) {
            let message = format!("Docker refuses `{}` beside `{}`: {why}", one.key, other.key);
            let finding = Finding::error(one.key_span, message, remedy);
            found.push(finding.beside(other.key_span, "here"));
        }
    };
    let external = entry("external").filter(|it| is_external(&it.node));
    let has_old_name = external.filter(|it| it.node.entries().is_some_and(|it| !it.is_empty()));
    if let Place::Entry { of, .. } = place
        && matches!(of, "networks" | "volumes" | "secrets" | "configs")
    {
        let why = "both name what is there already";
        both(
            entry("name"),
            has_old_name,
            why,
            "keep `name`, and write `external: true`",
        );
        if of == "volumes" {
            for key in ["driver", "driver_opts", "labels"] {
                let why = "what is there already has its own";
                both(entry(key), external, why, "keep one of the two");
            }
        }
        if matches!(of, "secrets" | "configs") && external.is_none() {
            let why = "a secret has one source";
            both(entry("file"), entry("driver"), why, "keep one of the two");
        }
    }
    match place.key() {
        "healthcheck" => {
            let disabled = entry("disable").filter(|it| is_true(&it.node));
            let test = entry("test").filter(|it| !is_none(&it.node));
            both(
                test,
                disabled,
                "one names what to run, and the other disables it",
                "keep one of the two",
            );
        }
        "volumes" if matches!(place, Place::Item(_)) => {
            let binds = entry("type").is_some_and(|it| has_text(&it.node, "bind"));
            let source = entry("source").is_some_and(|it| !has_text(&it.node, ""));
            if let (true, false, Some(kind)) = (binds, source, entry("type")) {
                let message = "a mount of type bind has no source";
                let remedy = "write `source`, the path on the node";
                let mut span = kind.node.span;
                if kind.node.entries().is_some() {
                    span = beginning(span);
                }
                found.push(Finding::error(span, message, remedy));
            }
        }
        _ => {}
    }
    found
}

fn is_external(node: &Node) -> bool {
    node.entries().is_some() || is_true(node)
}

fn is_true(node: &Node) -> bool {
    matches!(&node.value, Value::Scalar(scalar)
        if scalar.kind == Kind::Boolean && scalar.text.eq_ignore_ascii_case("true"))
}

fn has_text(node: &Node, text: &str) -> bool {
    matches!(&node.value, Value::Scalar(scalar) if scalar.text == text)
}

fn is_none(node: &Node) -> bool {
    match &node.value {
        Value::List(items) => items.first().is_some_and(|it| has_text(it, "NONE")),
        Value::Scalar(_) | Value::Map(_) => false,
    }
}
