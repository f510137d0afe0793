//! How long a server wants to be left alone: `Retry-After` (RFC 9110, section 10.2.3), in seconds
//! or as a date.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, HeaderName, RETRY_AFTER};

/// The wait that an answer asks for; none where it asks for none, or for what cannot be read. `now`
/// counts where the answer does not say what time it is: the server's own clock is the one that its
/// date was made by.
pub(crate) fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = text(headers, &RETRY_AFTER)?;
    // A number too large for 64 bits is a long time.
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Some(Duration::from_secs(text.parse().unwrap_or(u64::MAX)));
    }

    let until = httpdate::parse_http_date(text).ok()?;
    let there = self::text(headers, &DATE).and_then(|it| httpdate::parse_http_date(it).ok());
    // A date that has passed asks for no wait.
    Some(
        until
            .duration_since(there.unwrap_or(now))
            .unwrap_or_default(),
    )
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    Some(headers.get(name)?.to_str().ok()?.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn seconds_and_dates_of_all_forms_are_read() {
        let now = httpdate::parse_http_date("Fri, 27 Nov 2026 14:00:00 GMT").expect("a date");
        for (value, date, seconds) in [
            ("7", None, Some(7)),
            (" 120 ", None, Some(120)),
            ("0", None, Some(0)),
            ("99999999999999999999", None, Some(u64::MAX)),
            ("Fri, 27 Nov 2026 14:01:30 GMT", None, Some(90)),
            ("Friday, 27-Nov-26 14:01:30 GMT", None, Some(90)),
            ("Fri Nov 27 14:01:30 2026", None, Some(90)),
            ("Fri, 27 Nov 2026 13:00:00 GMT", None, Some(0)),
            // The server's clock is an hour behind.
            (
                "Fri, 27 Nov 2026 13:01:30 GMT",
                Some("Fri, 27 Nov 2026 13:00:00 GMT"),
                Some(90),
            ),
            ("Fri, 27 Nov 2026 14:01:30 GMT", Some("today"), Some(90)),
            ("-1", None, None),
            ("1.5", None, None),
            ("soon", None, None),
            ("", None, None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, value.parse().expect("a value"));
            if let Some(date) = date {
                headers.insert(DATE, date.parse().expect("a value"));
            }
            let read = retry_after(&headers, now);
            assert_eq!(read, seconds.map(Duration::from_secs), "{value}");
        }
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
