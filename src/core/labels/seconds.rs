//! Lengths of time in decimal seconds.

use std::time::Duration;

use super::report::LabelFault;

/// The least length for keys to which nothing is a length as well.
pub(super) const ANY: Duration = Duration::ZERO;
/// The least length for time-outs, which at zero would fail everything.
pub(super) const POSITIVE: Duration = Duration::from_nanos(1);
/// The least length between probes, so that a slip of the pen is not a flood.
pub(super) const TENTH: Duration = Duration::from_millis(100);

/// The greatest length of all. What is longer is a mistake, such as milliseconds taken for seconds.
const A_DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Digits, with a point and more digits if need be, from `least` to a day.
pub(super) fn parse(value: &str, least: Duration) -> Result<Duration, LabelFault> {
    let text = value.trim();
    if !is_plain(text) {
        return Err(refusal(text));
    }
    // A plain decimal always parses; one with hundreds of digits becomes infinity, which is more than a day.
    let seconds: f64 = text.parse().unwrap_or(f64::INFINITY);
    if seconds > A_DAY.as_secs_f64() {
        return Err(LabelFault::error(
            "is longer than a day",
            "write at most 86400; the unit is the second",
        ));
    }
    let length = Duration::from_secs_f64(seconds);
    if length >= least {
        return Ok(length);
    }
    Err(match least {
        POSITIVE => LabelFault::error(
            "is not more than 0",
            "write a positive number of seconds, such as 2 or 0.5; leave the label out for the default",
        ),
        _ => LabelFault::error(
            format!("is less than {} seconds", least.as_secs_f64()),
            format!("write {} or more", least.as_secs_f64()),
        ),
    })
}

fn is_plain(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match text.split_once('.') {
        Some((whole, fraction)) => digits(whole) && digits(fraction),
        None => digits(text),
    }
}

fn refusal(text: &str) -> LabelFault {
    let fault = |reason: &str| LabelFault::error(reason, "write plain seconds, such as 2 or 0.5");
    if text.is_empty() {
        return fault("is empty");
    }
    if text.starts_with('-') {
        return fault("is negative");
    }
    if let Ok(seconds) = text.parse::<f64>() {
        return match Duration::try_from_secs_f64(seconds) {
            Ok(length) => fault("is not written as a plain decimal").suggesting(plain(length)),
            Err(_) => fault("is not a finite number"),
        };
    }
    if let Ok(length) = humantime::parse_duration(text) {
        return fault("carries a unit").suggesting(plain(length));
    }
    let with_point = text.replace(',', ".");
    if is_plain(&with_point) {
        return fault("has a comma for its point").suggesting(with_point);
    }
    fault("is not a number of seconds")
}

fn plain(length: Duration) -> String {
    length.as_secs_f64().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_decimals_are_lengths_of_time() {
        for (value, milliseconds) in [
            ("2", 2_000),
            ("0", 0),
            ("0.5", 500),
            (" 1.250 ", 1_250),
            ("007", 7_000),
            ("86400", 86_400_000),
            ("86400.0", 86_400_000),
        ] {
            assert_eq!(
                parse(value, ANY),
                Ok(Duration::from_millis(milliseconds)),
                "{value:?}"
            );
        }
    }

    #[test]
    fn anything_else_is_refused_with_its_own_reason() {
        let many = "9".repeat(400);
        for (value, least, reason, suggestion) in [
            ("", ANY, "is empty", None),
            ("-1", ANY, "is negative", None),
            ("-0", ANY, "is negative", None),
            ("nan", ANY, "is not a finite number", None),
            ("inf", ANY, "is not a finite number", None),
            ("1e999", ANY, "is not a finite number", None),
            ("1e1", ANY, "is not written as a plain decimal", Some("10")),
            ("+2", ANY, "is not written as a plain decimal", Some("2")),
            (".5", ANY, "is not written as a plain decimal", Some("0.5")),
            ("2s", ANY, "carries a unit", Some("2")),
            ("500ms", ANY, "carries a unit", Some("0.5")),
            ("1m 30s", ANY, "carries a unit", Some("90")),
            ("0,5", ANY, "has a comma for its point", Some("0.5")),
            ("soon", ANY, "is not a number of seconds", None),
            ("1.2.3", ANY, "is not a number of seconds", None),
            ("86400.1", ANY, "is longer than a day", None),
            (&many, ANY, "is longer than a day", None),
            ("0", POSITIVE, "is not more than 0", None),
            ("0.0000000000001", POSITIVE, "is not more than 0", None),
            ("0.09", TENTH, "is less than 0.1 seconds", None),
        ] {
            let fault = parse(value, least).unwrap_err();
            assert_eq!(
                (fault.reason.as_str(), fault.suggestion.as_deref()),
                (reason, suggestion),
                "{value:?}"
            );
        }
    }
}
