//! What is wrong with one label or one item of it, and the report that turns such faults into diagnostics.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::secret;
use crate::core::model::route::{Diagnostic, Level};

/// A diagnostic that does not know yet to which label it belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LabelFault {
    pub(super) level: Level,
    /// Continues the sentence that the value begins: `"10.0.0.1": is an IP address`.
    pub(super) reason: String,
    pub(super) remedy: String,
    pub(super) suggestion: Option<String>,
}

impl LabelFault {
    /// The label, or the item, is wrong and is dropped.
    pub(super) fn error(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            level: Level::Error,
            reason: reason.into(),
            remedy: remedy.into(),
            suggestion: None,
        }
    }

    /// The label does less than it says.
    pub(super) fn warning(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            level: Level::Warning,
            ..Self::error(reason, remedy)
        }
    }

    /// Something about the label should be known.
    pub(super) fn notice(reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            level: Level::Notice,
            ..Self::error(reason, remedy)
        }
    }

    /// The label was meant to guard its service, which is shut while it cannot be read.
    pub(super) fn shutting(self) -> Self {
        let reason = self.reason;
        Self {
            reason: format!("{reason}; it seems to be a guard, so the service lets no client in"),
            ..self
        }
    }

    pub(super) fn suggesting(self, suggestion: impl Into<String>) -> Self {
        Self {
            suggestion: Some(suggestion.into()),
            ..self
        }
    }

    /// Rewrites the suggestion for a part into one for the whole.
    pub(super) fn embedding(self, whole: impl FnOnce(String) -> String) -> Self {
        Self {
            suggestion: self.suggestion.map(whole),
            ..self
        }
    }

    /// Keeps the suggestion only where following it would help.
    pub(super) fn suggesting_only(self, accepted: impl FnOnce(&str) -> bool) -> Self {
        Self {
            suggestion: self.suggestion.filter(|suggestion| accepted(suggestion)),
            ..self
        }
    }
}

/// The diagnostics of one service, sorted and without repetitions.
pub(super) struct Report {
    service: Arc<str>,
    diagnostics: BTreeSet<Diagnostic>,
}

impl Report {
    pub(super) fn on(service: &Arc<str>) -> Self {
        Self {
            service: service.clone(),
            diagnostics: BTreeSet::new(),
        }
    }

    pub(super) fn add(&mut self, key: &str, value: &str, fault: LabelFault) {
        let LabelFault {
            level,
            reason,
            remedy,
            suggestion,
        } = fault;
        self.diagnostics.insert(Diagnostic {
            level,
            service: self.service.clone(),
            key: shown(key).into(),
            value: shown(&secret::masked(key, value)).into(),
            reason,
            remedy,
            // A suggestion that had to be cut or escaped would be wrong when followed.
            suggestion: suggestion.filter(|suggestion| shown(suggestion) == *suggestion),
        });
    }

    /// Whether a label was refused that names a port, or was meant to.
    pub(super) fn refuses_a_port(&self) -> bool {
        let port = |text: &str| text.contains("routing.port");
        self.diagnostics.iter().any(|it| {
            it.level == Level::Error
                && (port(&it.key) || it.suggestion.as_deref().is_some_and(port))
        })
    }

    pub(super) fn into_diagnostics(self) -> Vec<Diagnostic> {
        self.diagnostics.into_iter().collect()
    }
}

/// How many characters of a key, a value or an item a diagnostic shows; the rest becomes one ellipsis.
const SHOWN: usize = 80;

/// User text, fit for one line of a log: cut when long, and with everything escaped that does not print as itself.
pub(crate) fn shown(text: &str) -> String {
    let mut line = String::new();
    for (index, character) in text.chars().enumerate() {
        match character {
            _ if index == SHOWN => {
                line.push('…');
                break;
            }
            '"' | '\'' | '\\' => line.push(character),
            _ => line.extend(character.escape_debug()),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shown_text_is_cut_and_cannot_break_a_line() {
        let long = "x".repeat(81);
        let cut = format!("{}…", "x".repeat(80));
        for (text, expected) in [
            ("shop.example.com", "shop.example.com"),
            ("bücher \"a\" \\", "bücher \"a\" \\"),
            ("a\nb\r\u{1b}[31m\u{0}", "a\\nb\\r\\u{1b}[31m\\0"),
            ("\u{202e}\u{2028}", "\\u{202e}\\u{2028}"),
            (&long[..80], &long[..80]),
            (&long, &cut),
        ] {
            assert_eq!(shown(text), expected);
        }
    }

    #[test]
    fn a_report_is_sorted_and_says_nothing_twice() {
        let mut report = Report::on(&"web".into());
        for key in ["b", "a", "b"] {
            report.add(key, "1", LabelFault::error("is wrong", "mend it"));
        }
        report.add("a", "1", LabelFault::notice("is odd", "look"));
        let diagnostic = |level, key: &str, reason: &str, remedy: &str| Diagnostic {
            level,
            service: "web".into(),
            key: key.into(),
            value: "1".into(),
            reason: reason.into(),
            remedy: remedy.into(),
            suggestion: None,
        };
        assert_eq!(
            report.into_diagnostics(),
            [
                diagnostic(Level::Notice, "a", "is odd", "look"),
                diagnostic(Level::Error, "a", "is wrong", "mend it"),
                diagnostic(Level::Error, "b", "is wrong", "mend it"),
            ]
        );
    }
}
