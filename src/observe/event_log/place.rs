//! How a follower names what it has seen.

use std::fmt;
use std::str::FromStr;

use crate::core::model::Timestamp;

/// Names a place in the journal of one process, as `EPOCH-SEQUENCE`: what a follower has seen. The epoch, the time at
/// which the journal began, tells a follower's place in this journal from one before a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EventCursor {
    pub(super) epoch: Timestamp,
    pub(super) sequence: u64,
}

impl fmt::Display for EventCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.epoch.0, self.sequence)
    }
}

/// The text is no place in any journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a place in the journal is written EPOCH-SEQUENCE, two numbers")]
pub struct ParseCursorError;

impl FromStr for EventCursor {
    type Err = ParseCursorError;

    fn from_str(text: &str) -> Result<Self, ParseCursorError> {
        let (epoch, sequence) = text.split_once('-').ok_or(ParseCursorError)?;
        Ok(Self {
            epoch: Timestamp(epoch.parse().map_err(|_| ParseCursorError)?),
            sequence: sequence.parse().map_err(|_| ParseCursorError)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_survive_text_and_anything_else_is_refused() {
        let place: EventCursor = "1700000000000-42".parse().expect("a place");
        assert_eq!(place.to_string(), "1700000000000-42");
        for text in [
            "",
            "-",
            "1",
            "a-1",
            "1-b",
            "1-2-3",
            "1--2",
            "99999999999999999999-1",
        ] {
            assert_eq!(text.parse::<EventCursor>(), Err(ParseCursorError), "{text}");
        }
    }
}
