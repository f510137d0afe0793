//! What is wrong with variables in the values of a file.

use std::collections::HashSet;
use std::ops::Range;

use super::finding::Finding;
use super::interpolation::{self, Oddity, Variables};
use super::source::{Source, Span};
use super::yaml::{Kind, Node, Value};

/// Looks at every value once, also where aliases repeat it. Docker replaces variables everywhere but in keys and in `version`.
pub(super) fn check(
    root: &Node,
    source: &Source,
    variables: &Variables,
    findings: &mut Vec<Finding>,
) {
    let mut walk = Walk {
        source,
        variables,
        findings,
        seen: HashSet::new(),
    };
    for entry in root.entries().unwrap_or_default() {
        if &*entry.key != "version" {
            walk.node(&entry.node);
        }
    }
}

struct Walk<'a> {
    source: &'a Source,
    variables: &'a Variables,
    findings: &'a mut Vec<Finding>,
    seen: HashSet<*const Node>,
}

impl Walk<'_> {
    fn node(&mut self, node: &Node) {
        if !self.seen.insert(std::ptr::from_ref(node)) {
            return;
        }
        match &node.value {
            Value::Scalar(scalar) if scalar.kind == Kind::Text && scalar.text.contains('$') => {
                self.text(&scalar.text, node.span);
            }
            Value::Scalar(_) => {}
            Value::List(items) => items.iter().for_each(|item| self.node(item)),
            Value::Map(entries) => entries.iter().for_each(|entry| self.node(&entry.node)),
        }
    }

    fn text(&mut self, text: &str, span: Span) {
        let place = |range: &Range<usize>| place(self.source, span, text, range);
        match interpolation::replace(text, self.variables) {
            Ok(replaced) => {
                let told = replaced.oddities.iter();
                let told = told.map(|(range, oddity)| tell(place(range), oddity));
                self.findings.extend(told);
            }
            Err(refusal) => {
                let written = &text[refusal.range.clone()];
                let message = format!("{written:?} {}", refusal.reason);
                let span = place(&refusal.range);
                self.findings
                    .push(Finding::error(span, message, refusal.remedy));
            }
        }
    }
}

fn tell(span: Span, oddity: &Oddity) -> Finding {
    match oddity {
        Oddity::Unset(name) => Finding::warning(
            span,
            format!("the variable {name} is not set, so that nothing stands here"),
            format!("set {name}, or write a default: ${{{name}:-default}}"),
        ),
        Oddity::Swallowed { name, rest } => Finding::warning(
            span,
            format!(
                "without braces all of {rest:?} belongs to the variable {name}, as its default"
            ),
            format!("write ${{{name}}} for the variable alone"),
        ),
    }
}

/// The place of some bytes of a value, or that of the whole value where it is written with escapes.
fn place(source: &Source, span: Span, text: &str, range: &Range<usize>) -> Span {
    let written = source.slice(span);
    if let Some(at) = written.find(text) {
        return span.part(at + range.start..at + range.end);
    }
    let part = &text[range.clone()];
    match written.find(part) {
        Some(at) => span.part(at..at + part.len()),
        None => span,
    }
}
