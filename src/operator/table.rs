//! Text in columns.

use super::paint::{Colour, Paint};

/// Rows of cells, each column as wide as its widest cell.
pub(super) struct Table {
    pub(super) rows: Vec<Vec<Cell>>,
}

/// A cell, perhaps in a colour.
pub(super) struct Cell {
    text: String,
    colour: Option<Colour>,
}

impl Cell {
    pub(super) fn new(text: impl Into<String>) -> Self {
        Self {
            text: printable(&text.into()),
            colour: None,
        }
    }

    pub(super) fn coloured(text: impl Into<String>, colour: Colour) -> Self {
        Self {
            colour: Some(colour),
            ..Self::new(text)
        }
    }
}

impl Table {
    pub(super) fn new(heads: &[&str]) -> Self {
        let heads = heads
            .iter()
            .map(|head| Cell::coloured(*head, Colour::Strong));
        Self {
            rows: vec![heads.collect()],
        }
    }

    pub(super) fn add(&mut self, row: impl IntoIterator<Item = Cell>) {
        self.rows.push(row.into_iter().collect());
    }

    /// The lines, each behind so many blanks.
    pub(super) fn show(&self, indent: usize, paint: Paint) -> String {
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells
                .map(|cell| cell.text.chars().count())
                .max()
                .unwrap_or(0)
        };
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        let widths: Vec<usize> = (0..columns).map(width).collect();
        let mut text = String::new();
        for row in &self.rows {
            let mut line = " ".repeat(indent);
            for (column, cell) in row.iter().enumerate() {
                let blanks = widths[column] - cell.text.chars().count();
                line.push_str(&match cell.colour {
                    Some(colour) => paint.colour(colour, &cell.text),
                    None => cell.text.clone(),
                });
                if column + 1 < row.len() {
                    line.push_str(&" ".repeat(blanks + 2));
                }
            }
            text.push_str(line.trim_end());
            text.push('\n');
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
        let mut table = Table::new(&["A", "LONG HEAD", ""]);
        table.add([
            Cell::coloured("wörter", Colour::Bad),
            Cell::new("x"),
            Cell::new(""),
        ]);
        table.add([Cell::new("a\u{1b}[2J"), Cell::new("y")]);
        assert_eq!(
            table.show(1, Paint::none()),
            " A       LONG HEAD\n wörter  x\n a\u{fffd}[2J   y\n"
        );
        let coloured = table.show(0, Paint::all());
        assert!(
            coloured.contains("\u{1b}[31mwörter\u{1b}[0m  x"),
            "{coloured:?}"
        );
    }
}
