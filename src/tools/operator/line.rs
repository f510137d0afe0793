//! A line of text, and what is left of it where there is little room.

/// How many columns it takes. Colours take none.
pub(super) fn width(line: &str) -> usize {
    let mut columns = 0;
    let mut escaped = false;
    for character in line.chars() {
        match (escaped, character) {
            (false, '\u{1b}') => escaped = true,
            (false, _) => columns += 1,
            (true, end) => escaped = end != 'm',
        }
    }
    columns
}

/// No more than so many columns of it: its beginning and its end, by which names differ, and one `…` for what lies between.
pub(super) fn shortened(text: &str, room: usize) -> String {
    let characters: Vec<char> = text.chars().collect();
    if characters.len() <= room {
        return text.to_owned();
    }
    let kept = room.saturating_sub(1);
    let (begins, ends) = (kept.div_ceil(2), kept / 2);
    let begins = characters[..begins].iter();
    let ends = characters[characters.len() - ends..].iter();
    begins.chain(&['…']).chain(ends).collect()
}

/// Lines of no more than so many columns, broken at blanks. A longer word stands whole: it may be wanted elsewhere.
pub(super) fn wrapped(text: &str, room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        match lines.last_mut() {
            Some(line) if width(line) + 1 + width(word) <= room => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_take_no_room() {
        assert_eq!(width("\u{1b}[31mwörter\u{1b}[0m  x"), 9);
        assert_eq!(width(""), 0);
    }

    #[test]
    fn a_name_keeps_its_beginning_and_its_end() {
        for (room, expected) in [
            (8, "shop_wëb"),
            (7, "sho…wëb"),
            (6, "sho…ëb"),
            (2, "s…"),
            (1, "…"),
            (0, "…"),
        ] {
            assert_eq!(shortened("shop_wëb", room), expected);
        }
    }

    #[test]
    fn text_is_broken_at_blanks_and_a_long_word_stands_whole() {
        let text = "no endpoint in rotation: monitoring_prometheus, a b";
        for (room, expected) in [
            (80, &[text][..]),
            (
                12,
                &[
                    "no endpoint",
                    "in rotation:",
                    "monitoring_prometheus,",
                    "a b",
                ],
            ),
        ] {
            assert_eq!(wrapped(text, room), expected);
        }
        assert_eq!(wrapped("", 10), <[String; 0]>::default());
    }
}
