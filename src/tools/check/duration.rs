//! Lengths of time as Docker writes them: `1m30s`.

use std::time::Duration;

/// The longest that Docker can count, in nanoseconds: 292 years.
const LONGEST: Duration = Duration::from_nanos(i64::MAX.unsigned_abs());

/// Whether Docker takes it for a length of time, which may be negative.
pub(super) fn is_length(text: &str) -> bool {
    let length = parse(text.strip_prefix('-').unwrap_or(text));
    length.is_some_and(|it| it <= LONGEST)
}

/// Numbers with units, one after the other; none for anything else.
pub(super) fn parse(text: &str) -> Option<Duration> {
    if text == "0" {
        return Some(Duration::ZERO);
    }
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    let mut seconds = 0.0;
    while !rest.is_empty() {
        let number = rest.find(|it: char| !it.is_ascii_digit() && it != '.')?;
        let (value, after) = rest.split_at(number);
        let unit = after.find(|it: char| it.is_ascii_digit() || it == '.');
        let (unit, after) = after.split_at(unit.unwrap_or(after.len()));
        let value: f64 = value.parse().ok()?;
        seconds += value
            * match unit {
                "ns" => 1e-9,
                "us" | "µs" | "μs" => 1e-6,
                "ms" => 1e-3,
                "s" => 1.0,
                "m" => 60.0,
                "h" => 3600.0,
                _ => return None,
            };
        rest = after;
    }
    match text.is_empty() {
        true => None,
        false => Duration::try_from_secs_f64(seconds).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_numbers_with_units() {
        let milliseconds = |text| parse(text).map(|it| it.as_millis());
        for (text, expected) in [
            ("20s", Some(20_000)),
            ("1m30s", Some(90_000)),
            ("1.5h", Some(5_400_000)),
            ("250ms", Some(250)),
            ("0", Some(0)),
            ("", None),
            ("10", None),
            ("1d", None),
            ("s", None),
            ("-1s", None),
            ("1 s", None),
            ("1.2.3s", None),
        ] {
            assert_eq!(milliseconds(text), expected, "{text:?}");
        }
        assert_eq!(parse(&format!("{}h", "9".repeat(400))), None);
    }
}
