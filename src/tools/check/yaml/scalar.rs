//! What a scalar means: the rules of the YAML library that Docker reads files with.

use granit_parser::{ScalarStyle, Tag};

/// A single value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tools::check) struct Scalar {
    /// As written, without quotes and escapes.
    pub(in crate::tools::check) text: String,
    pub(in crate::tools::check) kind: Kind,
    /// Whether it is the plain `<<` that merges maps when it is a key.
    pub(super) is_merge: bool,
}

/// What a value is to YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::tools::check) enum Kind {
    Null,
    Boolean,
    /// With the text that Docker makes of it where text is needed.
    Number(String),
    Text,
}

impl Scalar {
    /// Only what stands without quotes can be anything but text.
    pub(super) fn resolve(text: String, style: ScalarStyle, tag: Option<&Tag>) -> Self {
        let kind = match tag.map(|tag| tag.core_suffix()) {
            None if style == ScalarStyle::Plain => plain(&text),
            Some(Some("bool" | "float" | "int" | "null")) => plain(&text),
            None | Some(_) => Kind::Text,
        };
        let is_merge = text == "<<" && style == ScalarStyle::Plain && tag.is_none();
        Self {
            text,
            kind,
            is_merge,
        }
    }
}

fn plain(text: &str) -> Kind {
    match text {
        "" | "~" | "null" | "Null" | "NULL" => Kind::Null,
        "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => Kind::Boolean,
        ".nan" | ".NaN" | ".NAN" => Kind::Number("NaN".into()),
        ".inf" | ".Inf" | ".INF" | "+.inf" | "+.Inf" | "+.INF" => Kind::Number("+Inf".into()),
        "-.inf" | "-.Inf" | "-.INF" => Kind::Number("-Inf".into()),
        _ => number(text).map_or(Kind::Text, Kind::Number),
    }
}

/// A number as Docker writes it; none for what is text.
fn number(text: &str) -> Option<String> {
    if !text.starts_with(|it: char| it.is_ascii_digit() || "+-.".contains(it)) {
        return None;
    }
    let digits = text.replace('_', "");
    if let Some(whole) = integer(&digits) {
        return Some(whole.to_string());
    }
    let value: f64 = digits.parse().ok().filter(|_| is_decimal(&digits))?;
    // What is too large for a number is text.
    value.is_finite().then(|| float(value))
}

/// With the prefixes of the Go language, to which a leading zero means octal.
fn integer(text: &str) -> Option<i128> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = match lower.as_bytes() {
        [b'0', b'x', ..] => (16, &lower[2..]),
        [b'0', b'b', ..] => (2, &lower[2..]),
        [b'0', b'o', ..] => (8, &lower[2..]),
        [b'0', _, ..] => (8, &lower[1..]),
        _ => (10, &*lower),
    };
    if digits.starts_with(['+', '-']) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    let value = if negative { -value } else { value };
    (i128::from(i64::MIN)..=i128::from(u64::MAX))
        .contains(&value)
        .then_some(value)
}

fn is_decimal(text: &str) -> bool {
    let digits = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
    let text = text.strip_prefix(['+', '-']).unwrap_or(text);
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && exponent.is_none_or(|it| {
            let it = it.strip_prefix(['+', '-']).unwrap_or(it);
            !it.is_empty() && digits(it)
        })
}

/// The shortest digits that tell it from all others, with an exponent where it is less than -4 or more than 5.
fn float(value: f64) -> String {
    let written = format!("{value:e}");
    let (mantissa, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    match exponent {
        -4..=5 => value.to_string(),
        _ => {
            let sign = if exponent < 0 { '-' } else { '+' };
            format!("{mantissa}e{sign}{:02}", exponent.abs())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The right-hand sides are what `docker stack config` of Docker 28 prints.
    #[test]
    fn numbers_become_the_text_that_docker_makes_of_them() {
        for (written, text) in [
            ("1", "1"),
            ("1.50", "1.5"),
            ("1e3", "1000"),
            ("0x10", "16"),
            ("010", "8"),
            ("0o10", "8"),
            ("0b11", "3"),
            ("08", "8"),
            ("+5", "5"),
            ("-0", "0"),
            ("1.", "1"),
            (".5", "0.5"),
            ("-1.0", "-1"),
            ("1_000", "1000"),
            ("12345678901234567890", "12345678901234567890"),
            ("12345678901234567890123", "1.2345678901234568e+22"),
            ("1e30", "1e+30"),
            ("1e20", "1e+20"),
            ("100000000.0", "1e+08"),
            ("123456789.125", "1.23456789125e+08"),
            ("0.0001", "0.0001"),
            ("0.00001", "1e-05"),
        ] {
            assert_eq!(plain(written), Kind::Number(text.into()), "{written}");
        }
    }

    #[test]
    fn what_is_no_number_is_text() {
        for written in [
            "1:30",
            "yes",
            "on",
            "a",
            "1.2.3",
            "1e",
            "-",
            "+",
            ".",
            "0x",
            "10s",
            "1 2",
            "--1",
            "0x-1",
            "shop.example.com",
            "e5",
            "- 5",
            "1e999",
        ] {
            assert_eq!(plain(written), Kind::Text, "{written}");
        }
        for (written, kind) in [
            ("True", Kind::Boolean),
            ("false", Kind::Boolean),
            ("NULL", Kind::Null),
            ("", Kind::Null),
            (".inf", Kind::Number("+Inf".into())),
        ] {
            assert_eq!(plain(written), kind, "{written}");
        }
    }
}
