//! The files that are checked, and places in them.

use std::ops::Range;

/// A file as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// What the user called it.
    pub name: String,
    /// What is in it, if that is text: what is not UTF-8 is shown as U+FFFD, and the file is refused.
    pub text: String,
    /// Where the first byte stands that is not UTF-8; none in text.
    pub broken: Option<usize>,
    /// Whether there is more than [`super::LARGEST`]; what is beyond was not read.
    pub cut: bool,
    /// Where lines begin.
    lines: Vec<usize>,
}

impl Source {
    /// Takes a file's bytes; of one that is too large, some more than [`super::LARGEST`].
    #[must_use]
    pub fn new(name: impl Into<String>, mut bytes: Vec<u8>) -> Self {
        let cut = bytes.len() > super::LARGEST;
        bytes.truncate(super::LARGEST);
        let (text, broken) = match String::from_utf8(bytes) {
            Ok(text) => (text, None),
            Err(error) => {
                let broken = error.utf8_error().valid_up_to();
                (
                    String::from_utf8_lossy(error.as_bytes()).into(),
                    Some(broken),
                )
            }
        };
        let ends = text.match_indices('\n').map(|(end, _)| end + 1);
        Self {
            name: name.into(),
            lines: std::iter::once(0).chain(ends).collect(),
            text,
            broken,
            cut,
        }
    }

    /// The text at a place of this file.
    #[must_use]
    pub fn slice(&self, span: Span) -> &str {
        self.text.get(span.range()).unwrap_or_default()
    }

    /// Line and column of a byte offset; both begin at 1, and columns count characters.
    #[must_use]
    pub fn position(&self, offset: usize) -> Position {
        let offset = offset.min(self.text.len());
        let line = self.lines.partition_point(|start| *start <= offset);
        let start = self.lines[line - 1];
        let before = self.text.get(start..offset).unwrap_or_default();
        Position {
            line,
            column: before.chars().count() + 1,
        }
    }
}

/// A place: bytes of one of the files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Which of the files, in the order in which they were given.
    pub file: usize,
    /// The first byte.
    pub start: usize,
    /// The one after the last; the same for a place without extent.
    pub end: usize,
}

impl Span {
    /// The bytes in the file.
    #[must_use]
    pub fn range(self) -> Range<usize> {
        self.start..self.end
    }

    /// A part of it, by bytes from its beginning.
    #[must_use]
    pub(super) fn part(self, part: Range<usize>) -> Self {
        Self {
            file: self.file,
            start: (self.start + part.start).min(self.end),
            end: (self.start + part.end).min(self.end),
        }
    }
}

/// Where something begins, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_and_columns_begin_at_one_and_count_characters() {
        let source = Source::new("a.yml", "é: 1\r\nbü: 2\n".into());
        for (offset, line, column) in [
            (0, 1, 1),
            (2, 1, 2),
            (7, 2, 1),
            (10, 2, 3),
            (14, 3, 1),
            (99, 3, 1),
        ] {
            let position = Position { line, column };
            assert_eq!(source.position(offset), position, "{offset}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_are_found() {
        let source = Source::new("a.yml", b"a: \xff\xfe b".to_vec());
        assert_eq!(source.broken, Some(3));
        let large = Source::new("a.yml", vec![b'a'; super::super::LARGEST + 1]);
        assert!(large.cut && large.text.len() == super::super::LARGEST);
    }
}
