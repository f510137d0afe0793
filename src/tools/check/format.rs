//! How findings are written: for people, for programs, and for GitHub's pages.

mod github;
mod human;
mod json;

use super::source::Source;
use super::{Checked, MOST_FINDINGS};

/// For whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// As a compiler writes, with the lines of the file; in colours or not.
    Human {
        /// Whether the reader understands colours.
        colours: bool,
    },
    /// One JSON document.
    Json,
    /// Workflow commands of GitHub Actions, which shows them beside the lines.
    Github,
}

/// Writes all that was found, ending in a line's end if there is any.
#[must_use]
pub fn write(format: Format, checked: &Checked, sources: &[Source]) -> String {
    match format {
        Format::Human { colours } => human::write(checked, sources, colours),
        Format::Json => json::write(checked, sources),
        Format::Github => github::write(checked, sources),
    }
}

/// What to say where there were too many.
fn more(checked: &Checked) -> Option<String> {
    let more = checked.more;
    (more > 0)
        .then(|| format!("{more} more findings beyond the worst {MOST_FINDINGS} are not shown"))
}
