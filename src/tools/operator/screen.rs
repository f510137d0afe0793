//! What standard output can show: colours, and how much of a table.
//!
//! # Design notes
//!
//! * A terminal is given what fits its width, because a table whose lines are broken is none. Whatever else reads, such as a
//!   file or `grep`, is given whole names.
//! * What is shown again and again neither hides the cursor nor switches to another screen: there is nothing to put back, so
//!   that it may be ended in any way.

use std::io::{self, IsTerminal as _};

use rustix::termios::tcgetwinsize;

use super::line::{width, wrapped};
use super::paint::{Colour, Style, dumb};

/// Where answers are shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Screen {
    pub(super) paint: Style,
    size: Option<Size>,
}

/// Both are at least one.
#[derive(Clone, Copy, Debug)]
struct Size {
    columns: usize,
    rows: usize,
}

impl Screen {
    /// What standard output is at the moment. A terminal that does not tell its size, or cannot move its cursor, has none.
    pub(super) fn of_stdout() -> Self {
        let out = io::stdout();
        let told = (out.is_terminal() && !dumb()).then(|| tcgetwinsize(&out));
        let size = told.and_then(Result::ok).map(|size| Size {
            columns: size.ws_col.into(),
            rows: size.ws_row.into(),
        });
        Self {
            paint: Style::for_stdout(),
            size: size.filter(|it| it.columns > 0 && it.rows > 0),
        }
    }

    #[cfg(test)]
    pub(super) fn endless(paint: Style) -> Self {
        Self { paint, size: None }
    }

    #[cfg(test)]
    pub(super) fn sized(columns: usize, rows: usize) -> Self {
        Self {
            paint: Style::none(),
            size: Some(Size { columns, rows }),
        }
    }

    /// Whether text can be written over other text.
    pub(super) fn moves(self) -> bool {
        self.size.is_some()
    }

    /// How many columns a line may take; none: any number.
    pub(super) fn room(self) -> Option<usize> {
        self.size.map(|size| size.columns)
    }

    /// Text that is no table, with a line's end: broken at blanks where there is too little room.
    pub(super) fn prose(self, colour: Option<Colour>, text: &str) -> String {
        let lines = match self.room() {
            Some(room) => wrapped(text, room),
            None => vec![text.to_owned()],
        };
        let painted = lines.iter().map(|line| match colour {
            Some(colour) => self.paint.colour(colour, line) + "\n",
            None => format!("{line}\n"),
        });
        painted.collect()
    }

    /// What is written so that nothing but this text is seen, or none where that cannot be done. Each line erases what is
    /// left of the one before it, so that nothing flickers; lines for which there is no room are counted, so that nothing
    /// moves.
    pub(super) fn instead(self, text: &str) -> Option<String> {
        let Size { columns, rows } = self.size?;
        let height = |line: &str| width(line).div_ceil(columns).max(1);
        let lines: Vec<&str> = text.lines().collect();
        // The cursor stands on one row below.
        let all: usize = lines.iter().map(|line| height(line)).sum();
        let room = match all < rows {
            true => rows,
            false => rows.saturating_sub(2),
        };
        let mut written = "\u{1b}[H".to_owned();
        let mut taken = 0;
        let mut put = |line: &str| {
            written.push_str(line);
            // Behind the last column, erasing would take the last character.
            if line.is_empty() || !width(line).is_multiple_of(columns) {
                written.push_str("\u{1b}[K");
            }
            written.push('\n');
        };
        for (index, line) in lines.iter().enumerate() {
            taken += height(line);
            if taken > room {
                let more = format!("… {} more lines", lines.len() - index);
                put(&self.paint.colour(Colour::Quiet, &more));
                break;
            }
            put(line);
        }
        Some(written + "\u{1b}[J")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_takes_the_place_of_the_one_before_it() {
        assert_eq!(Screen::endless(Style::all()).instead("a\n"), None);
        assert_eq!(
            Screen::sized(4, 9).instead("a\n\nfour\nfive5\n").as_deref(),
            Some("\u{1b}[Ha\u{1b}[K\n\u{1b}[K\nfour\nfive5\u{1b}[K\n\u{1b}[J")
        );
    }

    #[test]
    fn lines_for_which_there_is_no_room_are_counted() {
        let five = "1\n2\n3\n4\n5\n";
        let shown = |rows| Screen::sized(20, rows).instead(five).expect("a screen");
        assert!(shown(6).contains('5') && !shown(6).contains('…'));
        assert_eq!(
            shown(5),
            "\u{1b}[H1\u{1b}[K\n2\u{1b}[K\n3\u{1b}[K\n… 2 more lines\u{1b}[K\n\u{1b}[J"
        );
        assert_eq!(
            Screen::sized(4, 5).instead("long line\n2\n3\n").as_deref(),
            Some("\u{1b}[Hlong line\u{1b}[K\n… 2 more lines\u{1b}[K\n\u{1b}[J")
        );
    }

    #[test]
    fn prose_is_broken_only_where_there_is_a_width() {
        let text = "no route has it";
        let whole = Screen::endless(Style::none()).prose(None, text);
        assert_eq!(whole, "no route has it\n");
        let narrow = Screen::sized(9, 9).prose(Some(Colour::Bad), text);
        assert_eq!(narrow, "no route\nhas it\n");
    }
}
