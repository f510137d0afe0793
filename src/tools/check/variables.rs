//! What is wrong with variables in the values of a file: reported once for each variable, with what follows from it.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::MOST_FINDINGS;
use super::finding::{Finding, Findings};
use super::interpolation::{self, Oddity, Refusal, Variables};
use super::source::{Source, Span};
use super::yaml::{Kind, Node, Value};
use crate::core::labels::shown;
use crate::core::model::route::Level;

/// How many further places of one variable are shown; all are counted.
const SHOWN: usize = 3;
/// How many places are remembered, of all variables together.
const MOST: usize = 10_000;

/// The variables that are not set, and where they are used.
#[derive(Debug, Default)]
pub(super) struct Unset {
    used: BTreeMap<String, Used>,
    count: usize,
}

#[derive(Debug)]
struct Used {
    places: Vec<Span>,
    /// What it does, unless that is nothing worse than to leave a gap.
    refusal: Option<Refusal>,
    /// How bad the worst is that follows from it.
    level: Level,
}

/// Looks at every value once, also where aliases repeat it. Docker replaces variables everywhere but in keys and in `version`.
pub(super) fn check(
    root: &Node,
    source: &Source,
    variables: &Variables,
    unset: &mut Unset,
    findings: &mut Findings,
) {
    let mut walk = Walk {
        source,
        variables,
        unset,
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
    unset: &'a mut Unset,
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
                for (range, oddity) in replaced.oddities.iter().take(MOST_FINDINGS) {
                    let span = place(range);
                    match oddity {
                        Oddity::Unset(name) => self.unset.add(name, span, None),
                        Oddity::Swallowed { name, rest } => {
                            self.findings.push(swallowed(span, name, rest));
                        }
                    }
                }
            }
            Err(refusal) => {
                let span = place(&refusal.range);
                match refusal.variable.clone() {
                    Some(name) => self.unset.add(&name, span, Some(refusal)),
                    None => {
                        let expression = shown(&text[refusal.range.clone()]);
                        let message = format!("\"{expression}\" {}", refusal.reason);
                        let finding = Finding::error(span, message, refusal.remedy);
                        self.findings.push(finding);
                    }
                }
            }
        }
    }
}

impl Unset {
    fn add(&mut self, name: &str, span: Span, refusal: Option<Refusal>) {
        let used = self.used.entry(name.to_owned()).or_insert_with(|| Used {
            places: Vec::new(),
            refusal: None,
            level: Level::Warning,
        });
        if refusal.is_some() && used.refusal.is_none() {
            // What makes Docker refuse the file is shown first.
            used.places.insert(0, span);
            used.refusal = refusal;
            used.level = Level::Error;
        } else if self.count < MOST {
            used.places.push(span);
        }
        self.count += 1;
    }

    /// Reports each variable, and removes the findings at its places that follow from the gap.
    pub(super) fn tell(mut self, sources: &[Source], findings: &mut Findings) {
        let places = self.used.iter().flat_map(|(name, used)| {
            let places = used.places.iter();
            places.map(move |span| (*span, name.clone()))
        });
        let mut places: Vec<(Span, String)> = places.collect();
        places.sort();
        findings.retain(|finding| {
            let at = (finding.span.file, finding.span.end);
            let behind = places.partition_point(|(span, _)| (span.file, span.start) < at);
            let before = behind.checked_sub(1).map(|it| &places[it]);
            let Some((span, name)) = before else {
                return true;
            };
            let overlaps = span.file == finding.span.file && span.end > finding.span.start;
            match self.used.get_mut(name).filter(|_| overlaps) {
                Some(used) => {
                    used.level = used.level.max(finding.level);
                    false
                }
                None => true,
            }
        });
        for (name, used) in &self.used {
            findings.push(used.tell(name, sources));
        }
    }
}

impl Used {
    fn tell(&self, name: &str, sources: &[Source]) -> Finding {
        let first = self.places.first().copied().unwrap_or_default();
        let others = self.places.get(1..).unwrap_or_default();
        let name = shown(name);
        let elsewhere = match others.len() {
            0 => String::new(),
            1 => " and in 1 other place".into(),
            more => format!(" and in {more} other places"),
        };
        let (message, remedy) = match &self.refusal {
            Some(refusal) => {
                let written = sources.get(first.file).map(|it| it.slice(first));
                let expression = shown(written.unwrap_or_default());
                let message = match others.len() {
                    0 => format!("\"{expression}\" {}", refusal.reason),
                    _ => format!(
                        "\"{expression}\" {}; it is used here{elsewhere}",
                        refusal.reason
                    ),
                };
                (message, refusal.remedy.clone())
            }
            None => (
                format!("the variable {name} is not set, so that nothing stands here{elsewhere}"),
                format!("set {name}, or write a default: ${{{name}:-default}}"),
            ),
        };
        let finding = Finding {
            level: self.level,
            ..Finding::error(first, message, remedy)
        };
        let others = others.iter().take(SHOWN);
        others.fold(finding, |finding, span| {
            finding.beside(*span, "used here, too")
        })
    }
}

fn swallowed(span: Span, name: &str, rest: &str) -> Finding {
    let name = shown(name);
    Finding::warning(
        span,
        format!(
            "without braces all of \"{}\" belongs to the variable {name}, as its default",
            shown(rest)
        ),
        format!("write ${{{name}}} for the variable alone"),
    )
}
