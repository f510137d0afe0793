//! What a check finds: one sentence about one place, and what to do.

use std::sync::Arc;

use super::source::Span;
use crate::core::labels::shown;
use crate::core::model::route::Level;

/// Something wrong, or worth knowing, about one place of a file.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The place.
    pub span: Span,
    /// How bad it is.
    pub level: Level,
    /// The service that it is about, as the file calls it; none for what concerns the whole file.
    pub service: Option<Arc<str>>,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub remedy: String,
    /// The nearest thing that would have been right.
    pub suggestion: Option<String>,
    /// Other places that belong to it, each with what is there.
    pub related: Vec<(Span, String)>,
}

impl Finding {
    /// Docker refuses the file, or a label has no effect.
    pub(super) fn error(span: Span, message: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            span,
            level: Level::Error,
            service: None,
            message: message.into(),
            remedy: remedy.into(),
            suggestion: None,
            related: Vec::new(),
        }
    }

    /// Something does less, or other, than it says.
    pub(super) fn warning(
        span: Span,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            level: Level::Warning,
            ..Self::error(span, message, remedy)
        }
    }

    /// Something should be known.
    pub(super) fn notice(
        span: Span,
        message: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self {
            level: Level::Notice,
            ..Self::error(span, message, remedy)
        }
    }

    pub(super) fn of(self, service: &Arc<str>) -> Self {
        Self {
            service: Some(Arc::clone(service)),
            ..self
        }
    }

    pub(super) fn suggesting(self, suggestion: Option<String>) -> Self {
        Self { suggestion, ..self }
    }

    pub(super) fn beside(mut self, span: Span, what: impl Into<String>) -> Self {
        self.related.push((span, what.into()));
        self
    }

    /// The sentence with the service that it is about.
    #[must_use]
    pub fn sentence(&self) -> String {
        match &self.service {
            Some(service) => printable(&format!("service {}: {}", shown(service), self.message)),
            None => printable(&self.message),
        }
    }

    /// What to do, the suggestion first.
    #[must_use]
    pub fn advice(&self) -> String {
        match &self.suggestion {
            Some(suggestion) => printable(&format!("did you mean {suggestion:?}? {}", self.remedy)),
            None => printable(&self.remedy),
        }
    }
}

/// What was found so far. A file that is full of mistakes does not fill the memory.
#[derive(Debug, Default)]
pub(super) struct Findings {
    found: Vec<Finding>,
    /// How many there are that are not kept.
    pub(super) beyond: usize,
}

/// How many are kept.
const MOST: usize = 10_000;

impl Findings {
    pub(super) fn push(&mut self, finding: Finding) {
        match self.found.len() < MOST {
            true => self.found.push(finding),
            false => self.beyond += 1,
        }
    }

    pub(super) fn extend(&mut self, findings: impl IntoIterator<Item = Finding>) {
        findings.into_iter().for_each(|finding| self.push(finding));
    }

    pub(super) fn append(&mut self, other: Self) {
        self.beyond += other.beyond;
        self.extend(other.found);
    }

    pub(super) fn retain(&mut self, keep: impl FnMut(&Finding) -> bool) {
        self.found.retain(keep);
    }

    pub(super) fn has_errors(&self) -> bool {
        self.found.iter().any(|it| it.level == Level::Error)
    }

    pub(super) fn len(&self) -> usize {
        self.found.len()
    }

    /// The worst, in the order of the files, and how many there are besides.
    pub(super) fn worst(mut self, most: usize) -> (Vec<Finding>, usize) {
        self.found.sort();
        self.found.dedup();
        if self.found.len() > most {
            self.beyond += self.found.len() - most;
            self.found
                .sort_by_key(|finding| std::cmp::Reverse(finding.level));
            self.found.truncate(most);
            self.found.sort();
        }
        (self.found, self.beyond)
    }
}

/// Names come from files that anybody may have written: nothing of them may steer a terminal or a log.
fn printable(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '"' | '\'' | '\\' => line.push(character),
            _ => line.extend(character.escape_debug()),
        }
    }
    line
}

/// The name of a level as GitHub Actions and compilers write it; in flags and JSON it is `warn`.
#[must_use]
pub(super) fn word(level: Level) -> &'static str {
    match level {
        Level::Notice => "notice",
        Level::Warning => "warning",
        Level::Error => "error",
    }
}
