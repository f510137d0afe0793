//! Splits the text of a JSON list into its elements while it arrives, so that a list of tens of megabytes is never held.
//!
//! # Design notes
//!
//! Only strings and brackets are looked at, which is enough to find where an element ends; whether it is JSON is for whoever
//! reads it. An element that arrived in one piece is handed over where it lies, without a copy.

/// The bytes that mean something outside of strings.
const DECIDES: [bool; 256] = {
    let mut decides = [false; 256];
    let mut marks: &[u8] = b"\"{}[],";
    while let [mark, rest @ ..] = marks {
        decides[*mark as usize] = true;
        marks = rest;
    }
    decides
};

/// A list that is being read.
#[derive(Debug, Default)]
pub(super) struct Elements {
    place: Cursor,
    /// Brackets that are open inside the element.
    depth: usize,
    /// What came of an element that has not ended yet.
    begun: Vec<u8>,
    /// Elements that were handed over.
    count: usize,
}

/// Where in a list the text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Cursor {
    #[default]
    Before,
    /// In an element, outside of strings.
    Element,
    /// In a string of an element.
    Text,
    /// In such a string, behind a backslash.
    Escape,
    After,
}

/// Why the text is no list that can be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Broken {
    #[error("it is no list")]
    NoList,
    #[error("the list does not end")]
    Unfinished,
    /// Whoever reads the elements refused one; they are counted from 1.
    #[error("in element {0}: {1}")]
    Element(usize, serde_json::Error),
}

impl Elements {
    /// Takes in the next piece, and gives the text of each element that ends in it to `read`.
    pub(super) fn push(
        &mut self,
        piece: &[u8],
        read: &mut impl FnMut(&[u8]) -> serde_json::Result<()>,
    ) -> Result<(), Broken> {
        let mut rest = piece;
        while let Some((&first, behind)) = rest.split_first() {
            match self.place {
                Cursor::Before | Cursor::After if first.is_ascii_whitespace() => rest = behind,
                Cursor::Before if first == b'[' => {
                    self.place = Cursor::Element;
                    rest = behind;
                }
                Cursor::Before | Cursor::After => return Err(Broken::NoList),
                Cursor::Element | Cursor::Text | Cursor::Escape => {
                    let Some(end) = self.end_of_element(rest) else {
                        self.begun.extend_from_slice(rest);
                        return Ok(());
                    };
                    let (element, behind) = (&rest[..end], &rest[end + 1..]);
                    self.hand_over(element, rest[end] == b']', read)?;
                    rest = behind;
                }
            }
        }
        Ok(())
    }

    /// Makes sure that the list has ended.
    pub(super) fn finish(self) -> Result<(), Broken> {
        match self.place {
            Cursor::After => Ok(()),
            Cursor::Before => Err(Broken::NoList),
            Cursor::Element | Cursor::Text | Cursor::Escape => Err(Broken::Unfinished),
        }
    }

    /// Looks for the comma or the bracket behind the element.
    fn end_of_element(&mut self, text: &[u8]) -> Option<usize> {
        let mut index = 0;
        loop {
            let rest = text.get(index..)?;
            // Each kind of place has a loop of its own, with as little to ask of a byte as there is.
            let found = match self.place {
                Cursor::Text => rest.iter().position(|it| matches!(it, b'"' | b'\\')),
                Cursor::Escape => (!rest.is_empty()).then_some(0),
                _ => rest.iter().position(|&it| DECIDES[usize::from(it)]),
            };
            index += found?;
            let byte = text[index];
            match (self.place, byte) {
                (Cursor::Text, b'"') => self.place = Cursor::Element,
                (Cursor::Text, _) => self.place = Cursor::Escape,
                (Cursor::Escape, _) => self.place = Cursor::Text,
                (_, b'"') => self.place = Cursor::Text,
                (_, b'{' | b'[') => self.depth += 1,
                (_, b',' | b']') if self.depth == 0 => return Some(index),
                // One too many is for the reader of the element to refuse.
                (_, b'}' | b']') => self.depth = self.depth.saturating_sub(1),
                _ => {}
            }
            index += 1;
        }
    }

    fn hand_over(
        &mut self,
        end: &[u8],
        last: bool,
        read: &mut impl FnMut(&[u8]) -> serde_json::Result<()>,
    ) -> Result<(), Broken> {
        let element = match self.begun.is_empty() {
            true => end,
            false => {
                self.begun.extend_from_slice(end);
                &self.begun
            }
        };
        if last {
            self.place = Cursor::After;
        }
        let no_element = last && self.count == 0 && element.trim_ascii().is_empty();
        if !no_element {
            self.count += 1;
            read(element).map_err(|error| Broken::Element(self.count, error))?;
        }
        self.begun.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    /// What becomes of a text that arrives in pieces of this length.
    fn read(text: &str, length: usize) -> Result<Vec<Value>, String> {
        let mut values = Vec::new();
        let mut elements = Elements::default();
        let mut take = |element: &[u8]| {
            values.push(serde_json::from_slice(element)?);
            Ok(())
        };
        let mut pieces = text.as_bytes().chunks(length);
        pieces
            .try_for_each(|piece| elements.push(piece, &mut take))
            .and_then(|()| elements.finish())
            .map_err(|error| error.to_string())?;
        Ok(values)
    }

    #[test]
    fn what_is_no_list_is_refused_and_says_where() {
        for (text, expected) in [
            ("", "it is no list"),
            ("null", "it is no list"),
            (r#"{"message":"no"}"#, "it is no list"),
            ("[] x", "it is no list"),
            ("[", "the list does not end"),
            (r#"[{"a":"]"#, "the list does not end"),
            (r#"[{"a":"\"]"#, "the list does not end"),
            (
                "[1,]",
                "in element 2: EOF while parsing a value at line 1 column 0",
            ),
            (
                "[,1]",
                "in element 1: EOF while parsing a value at line 1 column 0",
            ),
            (
                "[7, oops]",
                "in element 2: expected value at line 1 column 2",
            ),
            (
                "[{}}]",
                "in element 1: trailing characters at line 1 column 3",
            ),
        ] {
            for length in [1, 2, 100] {
                assert_eq!(read(text, length), Err(expected.to_owned()), "{text}");
            }
        }
    }

    #[test]
    fn the_empty_list_has_no_elements() {
        for text in ["[]", " [ ] ", "[\n]\n"] {
            assert_eq!(read(text, 1), Ok(Vec::new()), "{text:?}");
        }
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            "[\\[\\]{},:\"\\\\ a]{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 24, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                proptest::collection::btree_map("[\\]},\"\\\\a]{0,3}", inner, 0..4)
                    .prop_map(|map| map.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn a_list_is_read_as_a_whole_would_be_however_it_is_cut(
            list in proptest::collection::vec(values(), 0..6),
            length in 1..40_usize,
            pretty: bool,
        ) {
            let text = match pretty {
                true => serde_json::to_string_pretty(&list),
                false => serde_json::to_string(&list),
            };
            prop_assert_eq!(read(&text.expect("JSON"), length), Ok(list));
        }
    }
}
