//! Labels, as a map or as a list.

use super::{Labels, Reader};
use crate::core::labels::{knows, shown};
use crate::tools::check::finding::Finding;
use crate::tools::check::source::Span;
use crate::tools::check::stack::{Label, Written};
use crate::tools::check::yaml::{Entry, Kind, Node, Value};

/// Reads `labels`.
pub(super) fn read_labels(entry: &Entry, reader: &mut Reader<'_>) -> Labels {
    match &entry.node.value {
        Value::Map(entries) => {
            let labels = entries.iter().map(|entry| from_entry(entry, reader));
            labels.flatten().collect()
        }
        Value::List(items) => {
            let labels = items.iter().map(|item| from_item(item, reader));
            labels.flatten().collect()
        }
        Value::Scalar(_) => Labels::new(),
    }
}

/// `key: value`; variables are replaced in the value only.
fn from_entry(entry: &Entry, reader: &mut Reader<'_>) -> Option<(String, Label)> {
    let (key, key_span) = (entry.key.to_string(), entry.key_span);
    let Value::Scalar(scalar) = &entry.node.value else {
        return None;
    };
    let span = entry.node.span;
    let Written { value, span } = match &scalar.kind {
        Kind::Null => Written {
            value: String::new(),
            // Where nothing is written, the key is the place.
            span: if reader.source.slice(span).is_empty() {
                key_span
            } else {
                span
            },
        },
        Kind::Boolean => return None,
        Kind::Number(number) => {
            if *number != scalar.text && knows(&key) {
                let message = format!(
                    "label {}: without quotes {} is a number, of which Docker makes {number:?}",
                    shown(&key),
                    shown(&scalar.text)
                );
                reader.add(Finding::warning(span, message, "write it in quotes"));
            }
            Written {
                value: number.clone(),
                span,
            }
        }
        Kind::Text => reader.replaced(scalar, span)?,
    };
    let label = Label {
        key_span,
        value,
        value_span: span,
    };
    Some((key, label))
}

/// `- key=value`; without an equals sign the value is empty.
fn from_item(item: &Node, reader: &Reader<'_>) -> Option<(String, Label)> {
    let span = item.span;
    let text = reader.text(item)?.value;
    let (key, value) = text.split_once('=').unwrap_or((&text, ""));
    let (key_span, value_span) = sides(reader.source.slice(span), span, key);
    let label = Label {
        key_span,
        value: value.to_owned(),
        value_span,
    };
    Some((key.to_owned(), label))
}

/// The places of key and value in an item, where they are written as they are read; else that of the item, twice.
fn sides(written: &str, span: Span, key: &str) -> (Span, Span) {
    let inner = written.trim_start_matches(['"', '\'']);
    let quote = written.len() - inner.len();
    let Some(rest) = inner.strip_prefix(key) else {
        return (span, span);
    };
    let after = quote + key.len();
    let key_span = span.part(quote..after);
    match rest.strip_prefix('=') {
        Some(value) if !value.trim_end_matches(['"', '\'']).is_empty() => {
            let end = after + 1 + value.trim_end_matches(['"', '\'']).len();
            (key_span, span.part(after + 1..end))
        }
        _ => (key_span, key_span),
    }
}
