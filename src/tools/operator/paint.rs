//! Colours, where a person looks at a terminal and has not asked for none.

use std::io::{self, IsTerminal as _};

/// Colours text, or leaves it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Style {
    on: bool,
}

/// Whether the terminal can do nothing but print.
pub(super) fn dumb() -> bool {
    std::env::var_os("TERM").is_some_and(|term| term == "dumb")
}

/// What a colour says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Colour {
    Good,
    Worse,
    Bad,
    Quiet,
    Strong,
}

impl Style {
    /// By what standard output is, and by `NO_COLOR` (<https://no-color.org>).
    pub(super) fn for_stdout() -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        Self {
            on: io::stdout().is_terminal() && !set("NO_COLOR") && !dumb(),
        }
    }

    #[cfg(test)]
    pub(super) fn none() -> Self {
        Self { on: false }
    }

    #[cfg(test)]
    pub(super) fn all() -> Self {
        Self { on: true }
    }

    /// The text in this colour.
    pub(super) fn colour(self, colour: Colour, text: &str) -> String {
        let code = match colour {
            Colour::Good => "32",
            Colour::Worse => "33",
            Colour::Bad => "31",
            Colour::Quiet => "2",
            Colour::Strong => "1",
        };
        match self.on {
            true => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
            false => text.to_owned(),
        }
    }
}
