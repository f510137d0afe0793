//! Text in columns.

use super::line::{shortened, width, wrapped};
use super::paint::{Colour, Style};
use super::screen::Screen;

/// The least that a column is shortened to.
const SHORTEST: usize = 12;
/// The least of a name that tells it from others.
const TELLING: usize = 24;
/// The least room beside the other columns that text is broken for; with less it stands below them.
const BESIDE: usize = 40;

/// Rows of cells, each column as wide as its widest cell.
pub(super) struct Table {
    rows: Vec<Vec<Cell>>,
    heads: bool,
    yields: Overflow,
}

/// What gives way where a table is wider than the screen.
#[derive(Clone, Copy, Debug)]
enum Overflow {
    /// The names in these columns are shortened. Where that leaves too little of those in the first, a last column goes.
    Names(&'static [usize]),
    /// The last column is text, which is broken into lines.
    Text,
}

/// A cell, perhaps in a colour.
pub(super) struct Cell {
    text: String,
    /// What says the same in less room.
    brief: Option<String>,
    colour: Option<Colour>,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: printable(&text.into()),
            brief: None,
            colour: None,
        }
    }

    pub(super) fn coloured(text: impl Into<String>, colour: Colour) -> Self {
        Self {
            colour: Some(colour),
            ..Self::new(text)
        }
    }

    /// The cell with what says the same in less room.
    pub(super) fn or(self, brief: impl Into<String>) -> Self {
        Self {
            brief: Some(printable(&brief.into())),
            ..self
        }
    }

    fn paint(&self, text: &str, paint: Style) -> String {
        match self.colour {
            Some(colour) => paint.colour(colour, text),
            None => text.to_owned(),
        }
    }

    fn within(&self, room: usize) -> String {
        match &self.brief {
            Some(brief) if width(&self.text) > room => shortened(brief, room),
            _ => shortened(&self.text, room),
        }
    }
}

impl Table {
    /// With heads, and columns whose names may be shortened.
    pub(super) fn of_names(heads: &[&str], yielding: &'static [usize]) -> Self {
        Self::new(heads, Overflow::Names(yielding))
    }

    /// With or without heads, and text in the last column.
    pub(super) fn of_text(heads: &[&str]) -> Self {
        Self::new(heads, Overflow::Text)
    }

    fn new(heads: &[&str], yields: Overflow) -> Self {
        let mut table = Self {
            rows: Vec::new(),
            heads: !heads.is_empty(),
            yields,
        };
        if table.heads {
            table.add(heads.iter().map(|it| Cell::coloured(*it, Colour::Strong)));
        }
        table
    }

    pub(super) fn add(&mut self, row: impl IntoIterator<Item = Cell>) {
        self.rows.push(row.into_iter().collect());
    }

    /// The lines, each behind so many blanks. Where the screen has a width, the table keeps to it as far as it can.
    pub(super) fn show(&self, indent: usize, screen: Screen) -> String {
        let mut widths = self.widths();
        let between = 2 * widths.len().saturating_sub(1);
        let taken = indent + widths.iter().sum::<usize>() + between;
        let surplus = screen.room().map_or(0, |room| taken.saturating_sub(room));
        if surplus == 0 {
            return self.lines(indent, &widths, screen);
        }
        match self.yields {
            Overflow::Names(columns) => {
                let narrowed = self.narrowed(columns, &widths, surplus);
                let name = columns.first().map(|it| (narrowed[*it], widths[*it]));
                let told = name.is_none_or(|(room, whole)| room >= whole.min(TELLING));
                // Half a name is worse than one column less.
                match columns {
                    [rest @ .., last] if !told && !rest.is_empty() && last + 1 == widths.len() => {
                        let left = widths.pop().map_or(0, |it| it + 2);
                        let surplus = surplus.saturating_sub(left);
                        let narrowed = self.narrowed(rest, &widths, surplus);
                        self.lines(indent, &narrowed, screen)
                    }
                    _ => self.lines(indent, &narrowed, screen),
                }
            }
            Overflow::Text => {
                let text = widths.pop().unwrap_or_default();
                match text.saturating_sub(surplus) {
                    room if room >= BESIDE => {
                        widths.push(room);
                        self.lines(indent, &widths, screen)
                    }
                    _ => self.lines_and_text_below(indent, &widths, screen),
                }
            }
        }
    }

    /// The widths without the surplus, which the widest of these columns give up, each as far as it can.
    fn narrowed(&self, columns: &[usize], widths: &[usize], surplus: usize) -> Vec<usize> {
        let least = self.least(widths);
        let mut widths = widths.to_vec();
        for _ in 0..surplus {
            let yielding = columns.iter().filter(|it| widths[**it] > least[**it]);
            let Some(widest) = yielding.max_by_key(|it| widths[**it]) else {
                break;
            };
            widths[*widest] -= 1;
        }
        widths
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| width(&cell.text)).max().unwrap_or(0)
        };
        (0..columns).map(width).collect()
    }

    /// How narrow each column may be: its head stays whole.
    fn least(&self, widths: &[usize]) -> Vec<usize> {
        let heads = self.rows.first().filter(|_| self.heads);
        let head = |column: usize| {
            let cell = heads.and_then(|row| row.get(column));
            cell.map_or(0, |cell| width(&cell.text))
        };
        let columns = 0..widths.len();
        columns.map(|it| head(it).max(SHORTEST)).collect()
    }

    fn lines(&self, indent: usize, widths: &[usize], screen: Screen) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let mut line = " ".repeat(indent);
            for (column, (cell, room)) in row.iter().zip(widths).enumerate() {
                let last = column + 1 == widths.len();
                if let (true, Overflow::Text) = (last, self.yields) {
                    // Further lines stand below the first.
                    let hang = "\n".to_owned() + &" ".repeat(width(&line));
                    let lines = wrapped(&cell.text, *room);
                    let lines = lines.iter().map(|it| cell.paint(it, screen.paint));
                    line.push_str(&lines.collect::<Vec<_>>().join(&hang));
                    continue;
                }
                let shown = cell.within(*room);
                line.push_str(&cell.paint(&shown, screen.paint));
                if !last {
                    line.push_str(&" ".repeat(room - width(&shown) + 2));
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
        }
        text
    }

    fn lines_and_text_below(&self, indent: usize, widths: &[usize], screen: Screen) -> String {
        let mut text = String::new();
        let further = indent + 4;
        let room = screen
            .room()
            .map_or(usize::MAX, |it| it.saturating_sub(further));
        for (number, row) in self.rows.iter().enumerate() {
            let mut line = " ".repeat(indent);
            for (cell, room) in row.iter().zip(widths) {
                line.push_str(&cell.paint(&cell.text, screen.paint));
                line.push_str(&" ".repeat(room - width(&cell.text) + 2));
            }
            if !line.trim_end().is_empty() {
                text.push_str(line.trim_end());
                text.push('\n');
            }
            let below = row.get(widths.len()).filter(|_| number > 0 || !self.heads);
            for line in below.iter().flat_map(|cell| wrapped(&cell.text, room)) {
                let line = below.map(|cell| cell.paint(&line, screen.paint));
                text.push_str(&" ".repeat(further));
                text.push_str(&line.unwrap_or_default());
                text.push('\n');
            }
        }
        text
    }
}

/// Names and reasons come from others: none may move the cursor of a terminal.
pub(super) fn printable(text: &str) -> String {
    let shown = |it: char| if it.is_control() { '\u{fffd}' } else { it };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_whatever_its_colour() {
        let mut table = Table::of_names(&["A", "LONG HEAD", ""], &[0]);
        table.add([
            Cell::coloured("wörter", Colour::Bad),
            Cell::new("x"),
            Cell::new(""),
        ]);
        table.add([Cell::new("a\u{1b}[2J"), Cell::new("y")]);
        assert_eq!(
            table.show(1, Screen::endless(Style::none())),
            " A       LONG HEAD\n wörter  x\n a\u{fffd}[2J   y\n"
        );
        let coloured = table.show(0, Screen::endless(Style::all()));
        assert!(
            coloured.contains("\u{1b}[31mwörter\u{1b}[0m  x"),
            "{coloured:?}"
        );
    }

    #[test]
    fn names_give_way_on_a_narrow_screen_the_longest_first() {
        let mut table = Table::of_names(&["SERVICE", "READY", "ROUTES"], &[0, 2]);
        table.add([
            Cell::new("payments-production_web-frontend"),
            Cell::new("1/2"),
            Cell::new("www.example.com/ example.com/").or("www.example.com/ +1"),
        ]);
        table.add([Cell::new("shop"), Cell::new("2/2"), Cell::new("a.test/")]);
        for (columns, expected) in [
            (
                70,
                "\
SERVICE                           READY  ROUTES
payments-production_web-frontend  1/2    www.example.com/ example.com/
shop                              2/2    a.test/
",
            ),
            (
                60,
                "\
SERVICE                     READY  ROUTES
payments-prod…web-frontend  1/2    www.example.com/ +1
shop                        2/2    a.test/
",
            ),
            (
                50,
                "\
SERVICE                           READY
payments-production_web-frontend  1/2
shop                              2/2
",
            ),
            // Less than that would tell nothing.
            (
                10,
                "\
SERVICE       READY
paymen…ntend  1/2
shop          2/2
",
            ),
        ] {
            assert_eq!(
                table.show(0, Screen::sized(columns, 9)),
                expected,
                "{columns}"
            );
        }
    }

    #[test]
    fn text_is_broken_beside_the_other_columns_or_below_them() {
        let mut table = Table::of_text(&["STATE", "REASON"]);
        let reason = "the latest 7 probes failed: connection refused, and so did all before them";
        table.add([Cell::new("out"), Cell::new(reason)]);
        table.add([Cell::new(""), Cell::new("once more")]);
        table.add([Cell::new("ready"), Cell::new("")]);
        for (columns, expected) in [
            (
                50,
                "  STATE  REASON
  out    the latest 7 probes failed: connection
         refused, and so did all before them
         once more
  ready
",
            ),
            (
                40,
                "  STATE
  out
      the latest 7 probes failed:
      connection refused, and so did all
      before them
      once more
  ready
",
            ),
        ] {
            assert_eq!(
                table.show(2, Screen::sized(columns, 9)),
                expected,
                "{columns}"
            );
        }
        let whole = table.show(0, Screen::endless(Style::none()));
        assert!(whole.contains(reason), "{whole}");
    }
}
