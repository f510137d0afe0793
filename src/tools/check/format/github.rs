//! Findings as workflow commands of GitHub Actions.

use std::fmt::Write as _;

use super::more;
use crate::tools::check::Checked;
use crate::tools::check::finding;
use crate::tools::check::source::Source;

/// One line a finding: `::error file=…,line=…::…`.
pub(super) fn write(checked: &Checked, sources: &[Source]) -> String {
    let mut text = String::new();
    for finding in &checked.findings {
        let source = &sources[finding.span.file];
        let start = source.position(finding.span.start);
        let end = source.position(finding.span.end);
        let message = format!("{} ({})", finding.sentence(), finding.advice());
        let _ = write!(
            text,
            "::{} file={},line={},endLine={},col={}",
            finding::word(finding.level),
            property(&source.name),
            start.line,
            end.line,
            start.column,
        );
        // GitHub takes an end column only within one line.
        if start.line == end.line && end.column > start.column {
            let _ = write!(text, ",endColumn={}", end.column);
        }
        let _ = writeln!(text, ",title=hiveway check::{}", data(&message));
    }
    if let Some(more) = more(checked) {
        let _ = writeln!(text, "::notice title=hiveway check::{}", data(&more));
    }
    text
}

fn data(text: &str) -> String {
    text.replace('%', "%25")
        .replace('\r', "%0D")
        .replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_cannot_end_a_command_or_a_property() {
        assert_eq!(data("50%: a\r\n::b"), "50%25: a%0D%0A::b");
        assert_eq!(property("a,b:c%\n"), "a%2Cb%3Ac%25%0A");
    }
}
