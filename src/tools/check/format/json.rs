//! Findings for programs.

use std::sync::Arc;

use serde::Serialize;

use crate::core::model::route::Level;
use crate::tools::check::Checked;
use crate::tools::check::finding::Finding;
use crate::tools::check::source::{Source, Span};

/// The whole document.
#[derive(Serialize)]
struct Document<'a> {
    findings: Vec<Item<'a>>,
    /// How many further findings are left out.
    more: usize,
    errors: usize,
    warnings: usize,
    notices: usize,
    /// How many services the files have, and how many of them have routes.
    services: usize,
    routed: usize,
}

#[derive(Serialize)]
struct Item<'a> {
    level: Level,
    #[serde(flatten)]
    place: SourcePosition<'a>,
    service: Option<&'a Arc<str>>,
    message: &'a str,
    remedy: &'a str,
    suggestion: Option<&'a str>,
    related: Vec<Related<'a>>,
}

#[derive(Serialize)]
struct Related<'a> {
    #[serde(flatten)]
    place: SourcePosition<'a>,
    message: &'a str,
}

/// Lines and columns begin at 1; columns count characters, and the end is the one after the last.
#[derive(Serialize)]
struct SourcePosition<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

pub(super) fn write(checked: &Checked, sources: &[Source]) -> String {
    let document = Document {
        findings: checked
            .findings
            .iter()
            .map(|it| item(it, sources))
            .collect(),
        more: checked.more,
        errors: checked.count(Level::Error),
        warnings: checked.count(Level::Warning),
        notices: checked.count(Level::Notice),
        services: checked.services.len(),
        routed: checked.routed,
    };
    let text = serde_json::to_string_pretty(&document);
    text.expect("it has no keys but text") + "\n"
}

fn item<'a>(finding: &'a Finding, sources: &'a [Source]) -> Item<'a> {
    let related = finding.related.iter().map(|(span, message)| Related {
        place: place(*span, sources),
        message,
    });
    Item {
        level: finding.level,
        place: place(finding.span, sources),
        service: finding.service.as_ref(),
        message: &finding.message,
        remedy: &finding.remedy,
        suggestion: finding.suggestion.as_deref(),
        related: related.collect(),
    }
}

fn place(span: Span, sources: &[Source]) -> SourcePosition<'_> {
    let source = &sources[span.file];
    let (start, end) = (source.position(span.start), source.position(span.end));
    SourcePosition {
        file: &source.name,
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
    }
}
