//! Entity tags of compressed representations: derived from the task's tag, and mapped back to it.
//!
//! # Design notes
//!
//! A compressed representation needs a tag of its own (RFC 9110, section 8.8.3.3), and the task
//! knows only the tag that it sent. nginx and Envoy weaken `"x"` to `W/"x"`. Then all variants
//! share one tag: a cache that revalidates with it may serve a variant that its client cannot
//! decode, and a task that compares text, or compares strongly for `If-Match`, does not recognise
//! the tag. Apache appends `-gzip`; the task was asked about `"x-gzip"` and never answered 304.
//! Caddy appends a suffix and removes it from `If-None-Match`.
//!
//! Here `"x"` becomes `W/"x-hw-gzip"`, and `W/"x"` becomes `W/"x-hw-w-gzip"`:
//!
//! - It is weak: the next version, or other chunk boundaries, may give other bytes.
//! - It names the coding, so that a client that accepts another coding gets no 304 for it.
//! - It records the task's own tag, so that the task compares what it sent.

use std::ops::Range;

use crate::core::model::middleware::Encoding;

/// Marks a tag that was derived from a strong one.
const STRONG: &[u8] = b"-hw";

/// Marks a tag that was derived from a weak one.
const WEAK: &[u8] = b"-hw-w";

/// Derives the tag of the compressed representation. `None` if `tag` is not a valid entity tag.
#[must_use]
pub fn encoded(tag: &[u8], encoding: Encoding) -> Option<Vec<u8>> {
    let (weak, quoted) = match tag.strip_prefix(b"W/") {
        Some(quoted) => (true, quoted),
        None => (false, tag),
    };
    let opaque = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if opaque.contains(&b'"') {
        return None;
    }

    let mark = if weak { WEAK } else { STRONG };
    let name = encoding.as_str().as_bytes();
    Some([b"W/\"", opaque, mark, b"-", name, b"\""].concat())
}

/// Recovers the task's tag from one derived for one of `codings`. `None` for any other tag.
fn decoded(tag: &[u8], codings: &[Encoding]) -> Option<Vec<u8>> {
    let marked = tag.strip_prefix(b"W/\"")?.strip_suffix(b"\"")?;
    codings.iter().find_map(|coding| {
        let name = coding.as_str().as_bytes();
        let rest = marked.strip_suffix(name)?.strip_suffix(b"-")?;
        if let Some(opaque) = rest.strip_suffix(WEAK) {
            return Some([b"W/\"", opaque, b"\""].concat());
        }
        let opaque = rest.strip_suffix(STRONG)?;
        Some([b"\"", opaque, b"\""].concat())
    })
}

/// Rewrites a condition (`If-Match`, `If-None-Match`): tags derived for one of `codings` become the
/// task's own. `None` if it contains no such tag.
#[must_use]
pub fn restored(condition: &[u8], codings: &[Encoding]) -> Option<Vec<u8>> {
    let mut restored = Vec::new();
    let mut done = 0;
    for place in tags(condition) {
        if let Some(own) = decoded(&condition[place.clone()], codings) {
            restored.extend(&condition[done..place.start]);
            restored.extend(own);
            done = place.end;
        }
    }
    if done == 0 {
        return None;
    }
    restored.extend(&condition[done..]);
    Some(restored)
}

/// Whether a condition contains exactly this tag.
#[must_use]
pub fn names(condition: &[u8], tag: &[u8]) -> bool {
    tags(condition).any(|place| condition[place] == *tag)
}

/// The positions of the tags in a list. A comma inside the quotes belongs to the tag.
fn tags(list: &[u8]) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut from = 0;
    std::iter::from_fn(move || {
        let quote = |from: usize| {
            let place = list[from..].iter().position(|byte| *byte == b'"');
            place.map(|place| from + place)
        };
        let open = quote(from)?;
        let close = quote(open + 1)?;
        let weak = list[from..open].ends_with(b"W/");
        from = close + 1;
        Some(if weak { open - 2 } else { open }..from)
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(bytes: Option<Vec<u8>>) -> Option<String> {
        bytes.map(|it| String::from_utf8(it).expect("text"))
    }

    #[test]
    fn a_tag_names_its_coding_and_what_it_was() {
        for (tag, expected) in [
            ("\"x\"", Some("W/\"x-hw-gzip\"")),
            ("W/\"x\"", Some("W/\"x-hw-w-gzip\"")),
            ("\"\"", Some("W/\"-hw-gzip\"")),
            ("\"a,b\"", Some("W/\"a,b-hw-gzip\"")),
            // Not tags (RFC 9110, section 8.8.3).
            ("x", None),
            ("\"", None),
            ("w/\"x\"", None),
            ("\"x\"y\"", None),
            ("", None),
        ] {
            let made = encoded(tag.as_bytes(), Encoding::Gzip);
            assert_eq!(text(made).as_deref(), expected, "{tag}");
        }
    }

    #[test]
    fn only_tags_of_the_given_codings_are_turned_back() {
        for (condition, codings, expected) in [
            ("W/\"x-hw-gzip\"", &Encoding::ALL[..], Some("\"x\"")),
            ("W/\"x-hw-w-br\"", &Encoding::ALL, Some("W/\"x\"")),
            ("W/\"x-hw-gzip\"", &[Encoding::Brotli], None),
            ("W/\"x-hw-gzip\"", &[], None),
            ("\"x-hw-gzip\"", &Encoding::ALL, None),
            ("W/\"x-gzip\"", &Encoding::ALL, None),
            ("W/\"hw-gzip\"", &Encoding::ALL, None),
            ("W/\"x-hw-deflate\"", &Encoding::ALL, None),
            ("*", &Encoding::ALL, None),
            ("", &Encoding::ALL, None),
            ("W/\"x-hw-gzip", &Encoding::ALL, None),
            (
                "\"a,b\",W/\"x-hw-gzip\" ,\t\"W/\"",
                &Encoding::ALL,
                Some("\"a,b\",\"x\" ,\t\"W/\""),
            ),
            (
                "W/\"x-hw-gzip\", W/\"y-hw-br\"",
                &[Encoding::Brotli],
                Some("W/\"x-hw-gzip\", \"y\""),
            ),
        ] {
            let back = restored(condition.as_bytes(), codings);
            assert_eq!(text(back).as_deref(), expected, "{condition} {codings:?}");
        }
    }

    #[test]
    fn a_condition_names_whole_tags() {
        for (condition, tag, expected) in [
            ("\"a\", W/\"b\"", "W/\"b\"", true),
            ("\"a\", W/\"b\"", "\"b\"", false),
            ("\"a, W/\"", "W/\"", false),
            ("*", "\"a\"", false),
        ] {
            let named = names(condition.as_bytes(), tag.as_bytes());
            assert_eq!(named, expected, "{condition} {tag}");
        }
    }

    proptest! {
        #[test]
        fn every_tag_comes_back_as_it_was(
            opaque in "[!#-~]{0,12}",
            weak: bool,
            which in 0..Encoding::ALL.len(),
        ) {
            let coding = Encoding::ALL[which];
            let tag = format!("{}\"{opaque}\"", if weak { "W/" } else { "" });
            let made = encoded(tag.as_bytes(), coding).expect("a tag");
            prop_assert!(names(&made, &made));
            prop_assert_eq!(restored(&made, &[coding]), Some(tag.into_bytes()));
        }

        #[test]
        fn no_bytes_are_too_odd(condition in proptest::collection::vec(any::<u8>(), 0..40)) {
            let _ = restored(&condition, &Encoding::ALL);
            let _ = encoded(&condition, Encoding::Gzip);
        }
    }
}
