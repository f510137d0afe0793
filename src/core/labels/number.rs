//! Whole numbers within a range.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use super::report::LabelFault;

/// Digits and nothing else: no sign, no point, no separator.
pub(super) fn parse<T>(value: &str, range: RangeInclusive<T>) -> Result<T, LabelFault>
where
    T: FromStr + PartialOrd + Display,
{
    let (least, most) = (range.start(), range.end());
    let remedy = format!("write a number from {least} to {most}");
    let digits = value.trim();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(LabelFault::error("is not a whole number", remedy));
    }
    // Digits alone fail to parse only when they are too many for the type, and then they are out of range too.
    match digits.parse() {
        Ok(number) if range.contains(&number) => Ok(number),
        _ => Err(LabelFault::error(
            format!("is outside {least} to {most}"),
            remedy,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_digits_within_the_range() {
        let outside = "is outside 1 to 10";
        let not_whole = "is not a whole number";
        for (value, expected) in [
            ("1", Ok(1)),
            (" 10 ", Ok(10)),
            ("007", Ok(7)),
            ("0", Err(outside)),
            ("11", Err(outside)),
            ("256", Err(outside)),
            ("99999999999999999999999999", Err(outside)),
            ("", Err(not_whole)),
            ("-1", Err(not_whole)),
            ("+1", Err(not_whole)),
            ("2.0", Err(not_whole)),
            ("1e1", Err(not_whole)),
            ("two", Err(not_whole)),
            ("٣", Err(not_whole)),
        ] {
            let parsed = parse(value, 1_u8..=10);
            assert_eq!(
                parsed,
                expected.map_err(|reason| LabelFault::error(reason, "write a number from 1 to 10")),
                "{value:?}"
            );
        }
    }
}
