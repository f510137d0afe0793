//! How a place in a file is called.

use std::fmt;

use crate::core::labels::shown;

/// What a value belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place<'a> {
    /// The file.
    Top,
    /// A key of the format.
    Key(&'a str),
    /// An item of the list below a key.
    Item(&'a str),
    /// An entry, of a name that the user chose, in the map below a key.
    Entry { of: &'a str, key: &'a str },
}

impl<'a> Place<'a> {
    /// The key of the format that is nearest above.
    pub(super) fn key(self) -> &'a str {
        match self {
            Self::Top => "",
            Self::Key(key) | Self::Item(key) | Self::Entry { of: key, .. } => key,
        }
    }

    pub(super) fn entry(self, key: &'a str) -> Self {
        Self::Entry {
            of: self.key(),
            key,
        }
    }
}

impl fmt::Display for Place<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Top => formatter.write_str("the file"),
            Self::Key(key) => write!(formatter, "`{key}`"),
            Self::Item(key) => write!(formatter, "an item of `{key}`"),
            Self::Entry { of: "labels", key } => write!(formatter, "label {}", shown(key)),
            // The service is named by the finding.
            Self::Entry { of: "services", .. } => formatter.write_str("a service"),
            Self::Entry { of, key } => write!(formatter, "`{}` of `{of}`", shown(key)),
        }
    }
}
