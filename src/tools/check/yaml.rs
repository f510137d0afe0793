//! A YAML document as a tree in which every node knows its place.
//!
//! # Design notes
//!
//! * What Docker refuses is refused: keys that are there twice, merges (`<<`) of what is no map, aliases that expand
//!   without end. It reads the first document of a file only.
//! * An alias is the node that it names, shared and not copied, so that a small file cannot become a large tree. How much it
//!   would be when written out is counted, and bounded, all the same: a map with `<<` does copy the entries.

mod builder;
mod scalar;

use std::sync::Arc;

use granit_parser::{Event, Parser, Span as Place};

use self::builder::Builder;
pub(super) use self::scalar::{Kind, Scalar};
use super::finding::{Finding, Findings};
use super::source::{Source, Span};

/// How deep collections may be nested, aliases written out. Stack files have a dozen levels at most.
const DEEPEST: usize = 100;
/// How many nodes all aliases together may stand for.
const MOST_ALIASED: usize = 400_000;

/// A value and where it is written; for an alias that is where its anchor stands.
#[derive(Debug)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) value: Value,
    /// How many nodes it is, aliases written out.
    weight: usize,
    /// How many levels it is, aliases written out.
    depth: usize,
}

#[derive(Debug)]
pub(super) enum Value {
    Scalar(Scalar),
    List(Vec<Arc<Node>>),
    /// In the order of the file; those that `<<` brings are last.
    Map(Vec<Entry>),
}

/// An entry of a map.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) key: Arc<str>,
    pub(super) key_span: Span,
    pub(super) node: Arc<Node>,
}

impl Node {
    /// The entries of a map; none for anything else.
    pub(super) fn entries(&self) -> Option<&[Entry]> {
        match &self.value {
            Value::Map(entries) => Some(entries),
            Value::Scalar(_) | Value::List(_) => None,
        }
    }

    /// Whether nothing is written here, or `null`.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar(scalar) if scalar.kind == Kind::Null)
    }

    /// What it is, for people.
    pub(super) fn what(&self) -> &'static str {
        match &self.value {
            Value::Map(_) => "a map",
            Value::List(_) => "a list",
            Value::Scalar(scalar) => match scalar.kind {
                Kind::Null => "empty",
                Kind::Boolean => "a boolean",
                Kind::Number(_) => "a number",
                Kind::Text => "text",
            },
        }
    }
}

/// Reads the first document of a file; none where there is none, or where it is refused.
pub(super) fn read(file: usize, source: &Source, findings: &mut Findings) -> Option<Arc<Node>> {
    let options = granit_parser::options! {
        emit_comments: false,
        flow_nesting_limit: DEEPEST,
        block_nesting_limit: DEEPEST,
    };
    let mut builder = Builder::default();
    let mut root = None;
    for next in Parser::new_from_str_with_options(&source.text, options) {
        let (event, place) = match next {
            Ok(next) => next,
            // Docker does not look at what follows the first document.
            Err(_) if root.is_some() => break,
            Err(error) => {
                let offset = error.marker().byte_offset().unwrap_or(source.text.len());
                let span = one_character(file, source, offset);
                let reason = error.info().replace('\n', " ");
                findings.push(Finding::error(
                    span,
                    format!("this is no YAML: {reason}"),
                    "mend the syntax here, or just before",
                ));
                return None;
            }
        };
        let span = span(file, source, &place);
        match event {
            Event::DocumentStart(..) if root.is_some() => {
                findings.push(Finding::warning(
                    span,
                    "a second document begins here, and Docker reads only the first",
                    "write it to a file of its own, and give both by -c",
                ));
                break;
            }
            event => match builder.take(event, span) {
                Ok(Some(node)) => root = Some(node),
                Ok(None) => {}
                Err(finding) => {
                    findings.push(*finding);
                    return None;
                }
            },
        }
    }
    findings.append(builder.findings);
    root
}

/// The place of an event, inside the file whatever the parser says.
fn span(file: usize, source: &Source, place: &Place) -> Span {
    let range = place.byte_range().unwrap_or_default();
    let start = floor(&source.text, range.start);
    Span {
        file,
        start,
        end: floor(&source.text, range.end).max(start),
    }
}

fn one_character(file: usize, source: &Source, offset: usize) -> Span {
    let start = floor(&source.text, offset);
    let length = source.text[start..].chars().next();
    let length = length.filter(|it| !matches!(it, '\n' | '\r'));
    Span {
        file,
        start,
        end: start + length.map_or(0, char::len_utf8),
    }
}

/// The nearest border of characters that is not behind.
fn floor(text: &str, offset: usize) -> usize {
    let offset = offset.min(text.len());
    (0..=offset)
        .rev()
        .find(|it| text.is_char_boundary(*it))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests;
