//! Finds the place of what the label parser says.

use std::sync::Arc;

use super::finding::Finding;
use super::source::{Source, Span};
use super::stack::{Label, StackService};
use crate::core::labels::{knows, shown};
use crate::core::model::route::Diagnostic;

/// Makes a finding of a diagnostic: at the key, if that is what is wrong, or at the value or the item of it.
pub(super) fn locate(
    diagnostic: &Diagnostic,
    name: &Arc<str>,
    service: &StackService,
    sources: &[Source],
) -> Finding {
    let Diagnostic {
        level,
        service: _,
        key,
        value,
        reason,
        remedy,
        suggestion,
    } = diagnostic;
    let (span, known) = match find(diagnostic, service) {
        None => (service.span, true),
        Some((key, label)) if !knows(key) => (label.key_span, false),
        Some((_, label)) => (item(label, value, sources), true),
    };
    let message = match known {
        true => format!("label {key}: {value:?} {reason}"),
        false => format!("label {key}: {reason}"),
    };
    Finding {
        level: *level,
        ..Finding::error(span, message, remedy)
    }
    .suggesting(suggestion.clone())
    .of(name)
}

/// The label that a diagnostic is about. The same key may stand on the service and on its containers.
fn find<'a>(diagnostic: &Diagnostic, service: &'a StackService) -> Option<(&'a String, &'a Label)> {
    let of_container = ["is read from the container's", "stands on the container"];
    let of_container = of_container
        .iter()
        .any(|it| diagnostic.reason.starts_with(it));
    let places = match of_container {
        true => [&service.container_labels, &service.labels],
        false => [&service.labels, &service.container_labels],
    };
    let same = places.into_iter().flatten();
    let mut same: Vec<_> = same
        .filter(|(key, _)| is_shown_as(key, &diagnostic.key))
        .collect();
    // The first whose value has it, else the first at all.
    same.sort_by_key(|(_, label)| !has(&label.value, &diagnostic.value));
    same.first().copied()
}

fn has(whole: &str, value: &str) -> bool {
    is_shown_as(whole, value) || whole.split(';').any(|item| is_shown_as(item.trim(), value))
}

/// Whether a diagnostic shows this text so: as it is, or cut and escaped.
fn is_shown_as(text: &str, seen: &str) -> bool {
    text == seen || (seen.contains(['\\', '…']) && shown(text) == seen)
}

/// The longest value in which an item is looked for, in bytes.
pub(super) const LONGEST: usize = 65_536;

/// The place of an item of a label's value, or that of all of it.
pub(super) fn item(label: &Label, value: &str, sources: &[Source]) -> Span {
    let span = label.value_span;
    let Some(source) = sources.get(span.file) else {
        return span;
    };
    if label.value.len() > LONGEST {
        return label.key_span;
    }
    let written = source.slice(span);
    let quoted = |it: &char| matches!(it, '"' | '\'');
    let mut start = written.chars().take_while(quoted).count();
    let end = written.len() - written.chars().rev().take_while(quoted).count();
    let Some(inner) = written.get(start..end).filter(|it| it.contains(';')) else {
        return span;
    };
    for part in inner.split(';') {
        let item = part.trim();
        if !item.is_empty() && is_shown_as(item, value) {
            let blank = part.len() - part.trim_start().len();
            return span.part(start + blank..start + blank + item.len());
        }
        start += part.len() + 1;
    }
    span
}
