//! Refuses request heads that two servers could read in two ways, which is what request smuggling lives on.
//!
//! Pingora's parser refuses much of it already (differing lengths, unknown codings, folded lines, blanks before a colon,
//! two hosts). What it lets pass, and why that is refused here:
//!
//! * `Content-Length` beside `Transfer-Encoding`: it drops the length and goes on; RFC 9112 section 6.1 calls that an
//!   attack and lets a server refuse it.
//! * `Transfer-Encoding` twice: a task that reads only the first, or only the last, sees another body.
//! * A coding beside `chunked`: a task is told of `chunked` alone, and would take the coded body for a plain one.
//! * `Content-Length` twice with one value: it passes both on, and servers differ in what they make of two.
//! * Lines that end in a bare line feed: RFC 9112 section 2.2 allows to accept them, and servers differ.
//! * HTTP/1.1 without `Host`, and a `Host` that cannot be a name, such as `a, b.example.com`, which a wildcard would match:
//!   section 3.2 demands 400.

use bytes::Bytes;
use http::Version;
use http::header::{CONTENT_LENGTH, HOST, TRANSFER_ENCODING};
use pingora::http::RequestHeader;
use pingora::protocols::http::ServerSession;

/// The largest head that is accepted, in bytes. Servers' own limits lie between 8 KiB and 64 KiB.
pub(crate) const HEAD_LIMIT: usize = 64 * 1024;

/// The longest target of a request that is accepted, in bytes. Common tasks refuse one of more than 8 KiB.
pub(crate) const TARGET_LIMIT: usize = 32 * 1024;

/// The most header lines that are accepted; Pingora's parser has no room for more.
pub(crate) const LINE_LIMIT: usize = 256;

/// Whether a whole head, and perhaps what comes behind it, has more header lines than are accepted.
pub(crate) fn has_too_many_lines(head: &[u8]) -> bool {
    // The shortest line has four bytes, so that most heads need no counting.
    head.len() > 4 * LINE_LIMIT
        && head
            .split(|byte| *byte == b'\n')
            .skip(1)
            .take_while(|line| !matches!(*line, b"" | b"\r"))
            .nth(LINE_LIMIT)
            .is_some()
}

/// Whether a head has ended, of which the first `seen` bytes are known to hold no end. Bare line feeds end it too: what
/// has them is refused, but not waited for.
pub(crate) fn head_is_complete(head: &[u8], seen: usize) -> bool {
    // Without a body the end of the head is the end of what came, which is one comparison.
    if head.ends_with(b"\r\n\r\n") {
        return true;
    }
    let fresh = &head[seen.saturating_sub(2)..];
    fresh.iter().enumerate().any(|(at, byte)| {
        *byte == b'\n'
            && (fresh[at + 1..].starts_with(b"\r\n") || fresh[at + 1..].starts_with(b"\n"))
    })
}

/// Why a request's head is refused: the status, and the reason in words.
pub(crate) type FramingError = (u16, &'static str);

/// Judges a head by its parsed form and by the bytes that it came in.
pub(crate) fn check(request: &RequestHeader, raw: &[u8]) -> Result<(), FramingError> {
    if request.raw_path().len() > TARGET_LIMIT {
        return Err((414, "the request's target is longer than 32 KiB"));
    }
    if raw.len() > HEAD_LIMIT {
        return Err((431, "the request's header is larger than 64 KiB"));
    }
    // In HTTP/2 there are no lines to be counted before.
    if request.headers.len() > LINE_LIMIT {
        return Err((431, "the request has more than 256 header lines"));
    }
    if has_bare_line_feed(raw) {
        return Err((
            400,
            "a line of the request's header ends in a bare line feed",
        ));
    }
    // One pass over the few headers that a request has costs less than three look-ups.
    let (mut host, mut length, mut coding) = (None, None, None);
    for (name, value) in &request.headers {
        if *name == HOST {
            // Pingora refuses a request with two.
            host.get_or_insert(value.as_bytes());
        } else if *name == CONTENT_LENGTH {
            if length.replace(value.as_bytes()).is_some() {
                return Err((400, "the request has two Content-Length headers"));
            }
        } else if *name == TRANSFER_ENCODING && coding.replace(value.as_bytes()).is_some() {
            return Err((400, "the request has two Transfer-Encoding headers"));
        }
    }
    match host {
        None | Some(b"") if request.version == Version::HTTP_11 => {
            return Err((400, "the request names no host"));
        }
        Some(host) if !host.iter().all(|byte| stands_in_host(*byte)) => {
            return Err((400, "the request's host is not a name"));
        }
        _ => {}
    }
    if length.is_some_and(|length| !length.iter().all(u8::is_ascii_digit)) {
        return Err((400, "the request's Content-Length is not one number"));
    }
    if let Some(coding) = coding {
        if !coding.eq_ignore_ascii_case(b"chunked") {
            return Err((400, "the request has a transfer coding other than chunked"));
        }
        if names_content_length(raw) {
            return Err((
                400,
                "the request has both Content-Length and Transfer-Encoding",
            ));
        }
    }
    Ok(())
}

/// Whether a byte can stand in a name, an address or a port.
fn stands_in_host(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'A'..=b'Z' | b'_' | b':' | b'[' | b']')
}

fn has_bare_line_feed(raw: &[u8]) -> bool {
    // Nearly no head has one, so all of it is read anyway. Without a stop in between, many bytes are compared at once.
    let pairs = raw.iter().zip(raw.get(1..).unwrap_or_default());
    let bare = |(before, byte): (&u8, &u8)| (*byte == b'\n') & (*before != b'\r');
    raw.starts_with(b"\n") || pairs.fold(false, |found, pair| found | bare(pair))
}

/// Looks at the bytes, because Pingora has removed the header from the parsed form by now.
fn names_content_length(raw: &[u8]) -> bool {
    const NAME: &[u8] = b"content-length";
    raw.split(|byte| *byte == b'\n').skip(1).any(|line| {
        line.get(..NAME.len())
            .is_some_and(|name| name.eq_ignore_ascii_case(NAME))
            && matches!(line.get(NAME.len()), Some(b':' | b' ' | b'\t'))
    })
}

/// The bytes that the request's head came in; empty for HTTP/2, which has no text to be read in two ways.
pub(crate) fn raw_head(session: &ServerSession) -> Bytes {
    session
        .as_http1()
        .map(|session| session.get_headers_raw_bytes())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request(version: Version, headers: &[(&'static str, &'static str)]) -> RequestHeader {
        let mut request = RequestHeader::build("GET", b"/", None).expect("a request");
        request.set_version(version);
        for (name, value) in headers {
            request.append_header(*name, *value).expect("a header");
        }
        request
    }

    #[test]
    fn the_end_of_a_head_is_found_wherever_it_was_cut() {
        for (text, complete) in [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", true),
            ("POST / HTTP/1.1\r\nHost: a\r\n\r\nbody", true),
            ("GET / HTTP/1.1\nHost: a\n\n", true),
            ("GET / HTTP/1.1\nHost: a\n\r\nbody", true),
            ("GET / HTTP/1.1\r\nHost: a\r\n", false),
            ("GET / HTTP/1.1\r\nHost: a\r\n\r", false),
            ("", false),
        ] {
            let text = text.as_bytes();
            assert_eq!(head_is_complete(text, 0), complete, "{text:?}");
            let whole = (1..=text.len()).find(|end| head_is_complete(&text[..*end], 0));
            let pieces = (1..=text.len()).find(|end| head_is_complete(&text[..*end], end - 1));
            assert_eq!(whole, pieces, "{text:?}");
        }
    }

    #[test]
    fn ambiguous_heads_are_refused() {
        let chunked = ("Transfer-Encoding", "chunked");
        let host = ("Host", "a");
        for (headers, raw, expected) in [
            (vec![host], "GET / HTTP/1.1\r\nHost: a\r\n\r\n", None),
            (
                vec![host, chunked],
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
                None,
            ),
            (vec![host], "GET / HTTP/1.1\nHost: a\r\n\r\n", Some(400)),
            (vec![], "GET / HTTP/1.1\r\n\r\n", Some(400)),
            (
                vec![("Host", "")],
                "GET / HTTP/1.1\r\nHost:\r\n\r\n",
                Some(400),
            ),
            (
                vec![("Host", "a, b.example.com")],
                "GET / HTTP/1.1\r\n\r\n",
                Some(400),
            ),
            (vec![("Host", "[::1]:8080")], "GET / HTTP/1.1\r\n\r\n", None),
            (
                vec![host, ("Transfer-Encoding", "gzip, chunked")],
                "POST / HTTP/1.1\r\n\r\n",
                Some(400),
            ),
            (
                vec![host, ("Content-Length", "3"), ("Content-Length", "3")],
                "POST / HTTP/1.1\r\n\r\n",
                Some(400),
            ),
            (
                vec![host, ("Content-Length", "3, 3")],
                "POST / HTTP/1.1\r\n\r\n",
                Some(400),
            ),
            (
                vec![host, chunked, chunked],
                "POST / HTTP/1.1\r\n\r\n",
                Some(400),
            ),
            (
                vec![host, chunked],
                "POST / HTTP/1.1\r\nCONTENT-length: 3\r\n\r\n",
                Some(400),
            ),
            (
                vec![host, chunked],
                "POST / HTTP/1.1\r\nContent-Length-Not: 3\r\n\r\n",
                None,
            ),
        ] {
            let verdict = check(&request(Version::HTTP_11, &headers), raw.as_bytes());
            assert_eq!(verdict.err().map(|(status, _)| status), expected, "{raw:?}");
        }
        assert_eq!(
            check(&request(Version::HTTP_10, &[]), b"GET / HTTP/1.0\r\n\r\n"),
            Ok(())
        );
    }

    /// Header lines of which some frame a body, or nearly do.
    fn lines() -> impl Strategy<Value = Vec<(&'static str, String)>> {
        let line = prop_oneof![
            3 => Just(("Host", "web.test".to_owned())),
            1 => "[a-z.:@, /]{0,8}".prop_map(|value| ("Host", value)),
            3 => "([0-9]{1,3}|[0-9+x_ ,-]{0,4})".prop_map(|value| ("Content-Length", value)),
            3 => "(chunked|CHUNKED|identity|gzip, chunked|chunked,|)".prop_map(|value| ("Transfer-Encoding", value)),
            1 => "[a-z]{0,3}".prop_map(|value| ("Content-Length-Not", value)),
        ];
        proptest::collection::vec(line, 0..5)
    }

    proptest! {
        #[test]
        fn what_is_let_through_has_one_host_and_one_framing(lines in lines(), end in "(\r\n|\n)") {
            let mut request = RequestHeader::build("POST", b"/", None).expect("a request");
            request.set_version(Version::HTTP_11);
            let mut raw = "POST / HTTP/1.1\r\n".to_owned();
            for (name, value) in &lines {
                request.append_header(*name, value).expect("a header");
                raw += &format!("{name}: {value}{end}");
            }
            raw += "\r\n";
            let all = |name: &str| -> Vec<&str> {
                lines.iter().filter(|line| line.0 == name).map(|line| &*line.1).collect()
            };
            let host = all("Host").first().is_some_and(|it| !it.is_empty() && it.bytes().all(stands_in_host));
            let framed = match (&all("Content-Length")[..], &all("Transfer-Encoding")[..]) {
                ([], []) => true,
                ([length], []) => length.bytes().all(|it| it.is_ascii_digit()),
                ([], [coding]) => coding.eq_ignore_ascii_case("chunked"),
                _ => false,
            };
            let whole = end == "\r\n" || lines.is_empty();
            prop_assert_eq!(check(&request, raw.as_bytes()).is_ok(), host && framed && whole);
        }

        #[test]
        fn lines_are_counted_alike_whatever_they_hold(
            lines in proptest::collection::vec("[a-z]{1,2}:[a-z]{0,3}", 250..262),
            end in "(\r\n|\n)",
            body in "(\r\n|a|\n){0,20}",
        ) {
            let head = lines.iter().fold("GET / HTTP/1.1\r\n".to_owned(), |head, line| head + line + &end);
            let head = head + &end + &body;
            prop_assert_eq!(has_too_many_lines(head.as_bytes()), lines.len() > LINE_LIMIT);
        }
    }
}
