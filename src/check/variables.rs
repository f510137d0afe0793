//! What is wrong with variables in the values of a file.

use std::collections::HashSet;
use std::ops::Range;

use super::MOST_FINDINGS;
use super::finding::{Finding, Findings};
use super::interpolation::{self, Oddity, Variables};
use super::source::{Source, Span};
use super::yaml::{Kind, Node, Value};
use crate::core::labels::shown;

/// Looks at every value once, also where aliases repeat it. Docker replaces variables everywhere but in keys and in `version`.
pub(super) fn check(root: &Node, source: &Source, variables: &Variables, findings: &mut Findings) {
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
    findings: &'a mut Findings,
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
        let written = self.source.slice(span);
        let whole = written.find(text);
        // The place of some bytes of the text, or that of all of it where it is written with escapes.
        let place = |range: &Range<usize>| match whole {
            Some(at) => span.part(at + range.start..at + range.end),
            None => {
                let part = &text[range.clone()];
                let at = written.find(part);
                at.map_or(span, |at| span.part(at..at + part.len()))
            }
        };
        match interpolation::replace(text, self.variables) {
            Ok(replaced) => {
                let told = replaced.oddities.iter().take(MOST_FINDINGS);
                let told = told.map(|(range, oddity)| tell(place(range), oddity));
                self.findings.extend(told);
            }
            Err(refusal) => {
                let message = format!(
                    "\"{}\" {}",
                    shown(&text[refusal.range.clone()]),
                    refusal.reason
                );
                let span = place(&refusal.range);
                self.findings
                    .push(Finding::error(span, message, refusal.remedy));
            }
        }
    }
}

fn tell(span: Span, oddity: &Oddity) -> Finding {
    let (Oddity::Unset(name) | Oddity::Swallowed { name, .. }) = oddity;
    let name = shown(name);
    match oddity {
        Oddity::Unset(_) => Finding::warning(
            span,
            format!("the variable {name} is not set, so that nothing stands here"),
            format!("set {name}, or write a default: ${{{name}:-default}}"),
        ),
        Oddity::Swallowed { rest, .. } => Finding::warning(
            span,
            format!(
                "without braces all of \"{}\" belongs to the variable {name}, as its default",
                shown(rest)
            ),
            format!("write ${{{name}}} for the variable alone"),
        ),
    }
}
