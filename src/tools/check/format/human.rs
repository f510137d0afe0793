//! Findings with the lines that they are about.

use std::ops::Range;

use annotate_snippets::renderer::DEFAULT_TERM_WIDTH;
use annotate_snippets::{
    Annotation, AnnotationKind, Group, Level as Shown, Origin, Renderer, Snippet,
};

use super::more;
use crate::core::model::route::Level;
use crate::tools::check::source::{Source, Span};
use crate::tools::check::{Checked, Finding};

/// The longest line that is shown, in bytes; of a longer one only the place is told.
const LONGEST: usize = 1000;
/// How far apart places may be to be shown in one piece, in bytes.
const FARTHEST: usize = 16_384;

/// Writes the findings and, at last, one line that counts them.
pub(super) fn write(checked: &Checked, sources: &[Source], colours: bool) -> String {
    let renderer = match colours {
        true => Renderer::styled(),
        false => Renderer::plain(),
    };
    let renderer = renderer.term_width(DEFAULT_TERM_WIDTH);
    let mut text = String::new();
    for finding in &checked.findings {
        text.push_str(&renderer.render(&[group(finding, sources)]));
        text.push_str("\n\n");
    }
    if let Some(more) = more(checked) {
        text.push_str(&more);
        text.push('\n');
    }
    text.push_str(&summary(checked, sources));
    text.push('\n');
    text
}

fn group<'a>(finding: &'a Finding, sources: &'a [Source]) -> Group<'a> {
    let level = match finding.level {
        Level::Notice => Shown::NOTE.with_name("notice"),
        Level::Warning => Shown::WARNING,
        Level::Error => Shown::ERROR,
    };
    let mut group = Group::with_title(level.primary_title(finding.sentence()));
    let mut rest: Vec<&(Span, String)> = finding.related.iter().collect();
    match piece(finding.span, sources) {
        Err(origin) => group = group.element(origin),
        Ok(mut lines) => {
            let mut annotations = vec![(finding.span, None)];
            rest.retain(|(span, what)| {
                let together = lines.join(*span, sources);
                if together {
                    annotations.push((*span, Some(&**what)));
                }
                !together
            });
            group = group.element(lines.snippet(&annotations, sources));
        }
    }
    for (span, what) in rest {
        group = match piece(*span, sources) {
            Ok(lines) => group.element(lines.snippet(&[(*span, Some(what))], sources)),
            Err(origin) => group.element(origin),
        };
    }
    group.element(Shown::HELP.message(finding.advice()))
}

/// Some whole lines of a file.
struct Lines {
    file: usize,
    range: Range<usize>,
}

/// The line of a place; or only its name and number, where it is too long to be shown.
fn piece(span: Span, sources: &[Source]) -> Result<Lines, Origin<'_>> {
    let source = &sources[span.file];
    let range = line(source, span.start);
    if range.len() > LONGEST {
        let position = source.position(span.start);
        let origin = Origin::path(&source.name).line(position.line);
        return Err(origin.char_column(position.column));
    }
    Ok(Lines {
        file: span.file,
        range,
    })
}

/// The line of an offset, without its end.
fn line(source: &Source, offset: usize) -> Range<usize> {
    let (before, after) = source.text.split_at(offset);
    let start = before.rfind('\n').map_or(0, |it| it + 1);
    let end = after.find('\n').map_or(source.text.len(), |it| offset + it);
    start..end
}

impl Lines {
    /// Takes in another place, if it is near and all lines up to there can be shown.
    fn join(&mut self, span: Span, sources: &[Source]) -> bool {
        if span.file != self.file {
            return false;
        }
        let source = &sources[span.file];
        let more = line(source, span.start);
        let range = self.range.start.min(more.start)..self.range.end.max(more.end);
        let fits = range.len() <= FARTHEST
            && source.text[range.clone()]
                .lines()
                .all(|it| it.len() <= LONGEST);
        if fits {
            self.range = range;
        }
        fits
    }

    /// Shows the lines with marks at some places, the first of which is the one that matters.
    fn snippet<'a>(
        &self,
        places: &[(Span, Option<&'a str>)],
        sources: &'a [Source],
    ) -> Snippet<'a, Annotation<'a>> {
        let source = &sources[self.file];
        let first = source.position(self.range.start).line;
        let annotations = places.iter().map(|(span, what)| {
            let start = span.start - self.range.start;
            // A value of many lines is shown by its first.
            let end = span.end.min(line(source, span.start).end) - self.range.start;
            let kind = match what {
                None => AnnotationKind::Primary,
                Some(_) => AnnotationKind::Context,
            };
            kind.span(start..end.max(start)).label(*what)
        });
        Snippet::source(&source.text[self.range.clone()])
            .path(&source.name)
            .line_start(first)
            .annotations(annotations)
    }
}

fn summary(checked: &Checked, sources: &[Source]) -> String {
    let names: Vec<&str> = sources.iter().map(|source| &*source.name).collect();
    let names = names.join(", ");
    let counts = [
        (Level::Error, "error"),
        (Level::Warning, "warning"),
        (Level::Notice, "notice"),
    ];
    let counts = counts.map(|(level, word)| (checked.count(level), word));
    let counts = counts.into_iter().filter(|(count, _)| *count > 0);
    let counts: Vec<String> = counts.map(|(count, word)| number(count, word)).collect();
    let services = match checked.services.len() {
        0 => String::new(),
        all => format!(
            " ({}, {} with routes)",
            number(all, "service"),
            checked.routed
        ),
    };
    match &*counts {
        [] => format!("{names}: nothing to complain of{services}"),
        counts => format!("{names}: {}{services}", counts.join(", ")),
    }
}

fn number(count: usize, word: &str) -> String {
    match count {
        1 => format!("1 {word}"),
        _ => format!("{count} {word}s"),
    }
}
