//! Of which version of the format a file is.

use crate::core::labels::shown;
use crate::tools::check::finding::{Finding, Findings};
use crate::tools::check::source::{Source, Span};
use crate::tools::check::yaml::{Entry, Kind, Value};

/// The newest that the table knows: 3.13, which is that of a file without a `version` as well.
const NEWEST: u8 = 13;

/// The version of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::tools::check) struct Version {
    /// What stands behind `3.`.
    pub(in crate::tools::check) minor: u8,
    /// Where it is written, or where it would be.
    pub(in crate::tools::check) span: Span,
}

/// Reads it. Where it is another than Docker reads in a stack, the rest is checked by the newest, so that everything that is
/// to be changed is known at once.
pub(super) fn read(entries: &[Entry], source: &Source, findings: &mut Findings) -> Version {
    let newest = |span| Version {
        minor: NEWEST,
        span,
    };
    let Some(entry) = entries.iter().find(|entry| &*entry.key == "version") else {
        let first = entries.first().map(|entry| entry.key_span);
        return newest(first.unwrap_or_default());
    };
    let span = entry.node.span;
    let remedy = format!("write `version: \"3.{NEWEST}\"`, or leave it out");
    let Value::Scalar(scalar) = &entry.node.value else {
        let message = format!("`version` must be text, and this is {}", entry.node.what());
        findings.push(Finding::error(entry.key_span, message, remedy));
        return newest(entry.key_span);
    };
    match &scalar.kind {
        Kind::Text => {}
        Kind::Number(number) => {
            let written = source.slice(span);
            let message = match *number == written {
                true => format!("`version` must be text, and {number} is a number without quotes"),
                false => format!(
                    "`version` must be text: without quotes {} is the number {number}",
                    shown(written)
                ),
            };
            let remedy = format!("write `version: \"{}\"`", shown(written));
            findings.push(Finding::error(span, message, remedy));
            let minor = minor(written).unwrap_or(NEWEST);
            return Version { minor, span };
        }
        Kind::Null | Kind::Boolean => {
            let message = format!("`version` must be text, and this is {}", entry.node.what());
            findings.push(Finding::error(entry.key_span, message, remedy));
            return newest(entry.key_span);
        }
    }
    if let Some(minor) = minor(&scalar.text) {
        return Version { minor, span };
    }
    let older = ["1", "2"].iter().any(|major| {
        let rest = scalar.text.strip_prefix(major);
        rest.is_some_and(|it| it.is_empty() || it.starts_with('.'))
    });
    let message = match older {
        true => format!(
            "the file is of version {} of the Compose format, and Docker deploys stacks of version 3 only",
            shown(&scalar.text)
        ),
        false => format!(
            "Docker knows no version \"{}\" of the format",
            shown(&scalar.text)
        ),
    };
    findings.push(Finding::error(span, message, remedy));
    newest(span)
}

fn minor(text: &str) -> Option<u8> {
    if matches!(text, "" | "3") {
        return Some(NEWEST);
    }
    let minor = text.strip_prefix("3.")?;
    let known = (0..=NEWEST).find(|it| it.to_string() == minor)?;
    Some(known)
}

/// What is wrong with a file whose services stand at the top level, as they did before there were versions.
pub(super) fn of_first_format(entries: &[Entry]) -> Option<Finding> {
    let known = ["services", "version"];
    if entries.iter().any(|entry| known.contains(&&*entry.key)) {
        return None;
    }
    let is_service = |entry: &&Entry| {
        let keys = entry.node.entries().unwrap_or_default();
        let mut keys = keys.iter().map(|entry| &*entry.key);
        keys.any(|key| matches!(key, "image" | "build"))
    };
    let first = entries.iter().find(is_service)?;
    let message = format!(
        "the service {} stands at the top level, as in version 1 of the Compose format, and Docker deploys stacks of \
         version 3 only",
        shown(&first.key)
    );
    let remedy = "write `services:` above the services and indent them; then check again, since version 3 has other keys for \
                  much of it (`deploy`, `networks`)";
    Some(Finding::error(first.key_span, message, remedy))
}

/// What is wrong where files are of different versions.
pub(in crate::tools::check) fn mismatch(first: Version, other: Version) -> Option<Finding> {
    if first.minor == other.minor {
        return None;
    }
    let message = format!(
        "this file is of version 3.{} of the format, and the first of version 3.{}: Docker refuses to merge them",
        other.minor, first.minor
    );
    let remedy = format!(
        "write the same `version` in all of them; a file without one is of version 3.{NEWEST}"
    );
    Some(Finding::error(other.span, message, remedy).beside(first.span, "the first file"))
}
