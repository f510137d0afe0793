//! The path of a request in the one spelling by which routes are chosen, and in the one that a task gets.
//!
//! # Design notes
//!
//! A task may read `/%61dmin`, `//admin`, `/./admin` and `/x/../admin` as `/admin`, so a route, its guards and its policy have to
//! be found by what the task reads. The form to match by is that of RFC 3986, section 6.2.2, and a little beyond it:
//!
//! * dot segments are removed (section 5.2.4), also where their dots are encoded, and above the root;
//! * an encoded character that may stand in a path as it is (`pchar`) is decoded, all others are encoded, in capitals;
//! * empty segments are left out, as nginx, Go and most frameworks do;
//! * parameters of segments (`;jsessionid=1`) are left out, as Tomcat, Jetty and Spring do.
//!
//! `%2F`, `%5C`, `%3B` and `%25` stay encoded: most servers do not take them for what they stand for, and those that decode twice
//! would make any rule void. The task gets the bytes as they came without the dot segments, so that the one part of which
//! servers differ most in the order of reading is not left to it.
//!
//! Refused is what servers read in different ways, and what no honest client sends: nginx and Apache refuse most of it, too.
//! Were it let through, a task could see a path that no guard was asked about.

use std::fmt::Write as _;

/// Why a path is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ambiguous {
    /// A `%` without two hexadecimal digits (RFC 3986, section 2.1; IIS reads `%u002e`).
    Escape,
    /// `%00`, at which servers written in C end the path.
    Nul,
    /// A `\`, which is no character of a URI, and a slash to servers on Windows.
    Backslash,
    /// An ASCII character in more bytes than it needs (RFC 3629, section 3), which old decoders take for that character.
    Overlong,
    /// `..;`, `..%2F` and the like: a dot segment to some servers, and an odd name to others.
    HiddenDots,
}

impl Ambiguous {
    /// The reason in words.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Escape => "the request's path has a % without two hexadecimal digits behind it",
            Self::Nul => "the request's path has a NUL in it",
            Self::Backslash => "the request's path has a backslash in it",
            Self::Overlong => "the request's path has an overlong encoding in it",
            Self::HiddenDots => {
                "the request's path has a dot segment beside a parameter or an encoded slash"
            }
        }
    }
}

/// A path that is not plain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestPath {
    /// What routes are matched by: ASCII, and its own normal form.
    pub matched: String,
    /// What a task gets.
    pub sent: Vec<u8>,
}

/// Reads a path without its query. `None` if both forms are the path as it came, which is the case for nearly all.
///
/// # Errors
///
/// [`Ambiguous`] if it could be read in several ways.
pub fn read(path: &[u8]) -> Result<Option<RequestPath>, Ambiguous> {
    let Some(rest) = path.strip_prefix(b"/") else {
        // `*`, and the authority of a CONNECT.
        return Ok(None);
    };
    if is_plain(path) {
        return Ok(None);
    }

    let mut segments: Vec<&[u8]> = Vec::new();
    let mut all = rest.split(|byte| *byte == b'/').peekable();
    while let Some(segment) = all.next() {
        check(segment)?;
        match dots(segment) {
            0 => segments.push(segment),
            up => {
                if up == 2 {
                    segments.pop();
                }
                if all.peek().is_none() {
                    segments.push(b"");
                }
            }
        }
    }

    let mut sent = Vec::with_capacity(path.len());
    for segment in &segments {
        sent.push(b'/');
        sent.extend_from_slice(segment);
    }
    let matched = matched(&segments);
    let same = matched.as_bytes() == path && sent == path;
    Ok((!same).then_some(RequestPath { matched, sent }))
}

/// What is left of a path as it is sent, behind the segments of a prefix that it matches.
#[must_use]
pub fn behind<'a>(sent: &'a [u8], prefix: &str) -> &'a [u8] {
    let plain = sent.strip_prefix(prefix.as_bytes());
    if let Some(rest) = plain.filter(|rest| matches!(rest.first(), None | Some(b'/'))) {
        return rest;
    }

    let mut left = prefix.split('/').filter(|it| !it.is_empty()).count();
    let mut rest = sent;
    while left > 0 {
        let Some(segment) = rest.strip_prefix(b"/") else {
            return b"";
        };
        let end = segment.iter().position(|byte| *byte == b'/');
        let end = end.unwrap_or(segment.len());
        if !matches!(segment[..end].first(), None | Some(b';')) {
            left -= 1;
        }
        rest = &segment[end..];
    }
    rest
}

/// Whether every byte may stand in a path as it is, and no segment is empty or a dot segment: one scan.
fn is_plain(path: &[u8]) -> bool {
    let mut before = 0;
    for (at, byte) in path.iter().enumerate() {
        let odd = match byte {
            b'/' => before == b'/',
            b'.' => before == b'/' && begins_with_dots(&path[at..]),
            byte => !PLAIN[usize::from(*byte)],
        };
        if odd {
            return false;
        }
        before = *byte;
    }
    true
}

/// Whether a segment of dots alone begins here.
fn begins_with_dots(rest: &[u8]) -> bool {
    let end = rest.iter().position(|byte| *byte == b'/');
    matches!(&rest[..end.unwrap_or(rest.len())], b"." | b"..")
}

/// By byte, whether it may stand in a segment and has no meaning of its own there: `pchar` of RFC 3986, section 3.3 without `%`
/// and `;`.
const PLAIN: [bool; 256] = {
    let mut plain = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        plain[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"-._~!$&'()*+,=:@";
    let mut at = 0;
    while at < others.len() {
        plain[others[at] as usize] = true;
        at += 1;
    }
    plain
};

/// The byte that an escape stands for. Escapes were checked before.
fn escaped(escape: &[u8]) -> Option<u8> {
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|it| u8::try_from(it).ok())
    };
    match escape {
        [b'%', high, low, ..] => Some(digit(*high)? << 4 | digit(*low)?),
        _ => None,
    }
}

/// The bytes that a segment stands for, each with whether it was encoded.
fn decoded(segment: &[u8]) -> impl Iterator<Item = (u8, bool)> {
    let mut rest = segment;
    std::iter::from_fn(move || {
        let (first, after) = rest.split_first()?;
        match escaped(rest) {
            Some(byte) => {
                rest = &rest[3..];
                Some((byte, true))
            }
            None => {
                rest = after;
                Some((*first, false))
            }
        }
    })
}

/// How many dots a segment consists of, encoded or not, where these are one or two and nothing else; 0 for others.
fn dots(segment: &[u8]) -> u8 {
    let mut count = 0;
    for (byte, _) in decoded(segment) {
        if byte != b'.' || count == 2 {
            return 0;
        }
        count += 1;
    }
    count
}

/// Refuses a segment that servers read in different ways.
fn check(segment: &[u8]) -> Result<(), Ambiguous> {
    let escapes = segment.iter().filter(|byte| **byte == b'%').count();
    let read = decoded(segment).filter(|(_, encoded)| *encoded).count();
    if escapes != read {
        return Err(Ambiguous::Escape);
    }

    let bytes: Vec<(u8, bool)> = decoded(segment).collect();
    for (at, (byte, encoded)) in bytes.iter().enumerate() {
        let next = bytes.get(at + 1).map_or(0, |(next, _)| *next);
        match (byte, encoded) {
            (0, _) => return Err(Ambiguous::Nul),
            (b'\\', false) => return Err(Ambiguous::Backslash),
            // Two bytes for what fits in 7 bits, three for what fits in 11, four for what fits in 16.
            (0xc0 | 0xc1, _) if matches!(next, 0x80..=0xbf) => return Err(Ambiguous::Overlong),
            (0xe0, _) if matches!(next, 0x80..=0x9f) => return Err(Ambiguous::Overlong),
            (0xf0, _) if matches!(next, 0x80..=0x8f) => return Err(Ambiguous::Overlong),
            _ => {}
        }
    }

    // Where some servers end a segment, and others do not.
    let ends = |(byte, encoded): &(u8, bool)| {
        matches!(byte, b';') || *encoded && matches!(byte, b'/' | b'\\')
    };
    if bytes.iter().any(ends) {
        let hidden = |part: &[(u8, bool)]| {
            (1..=2).contains(&part.len()) && part.iter().all(|(byte, _)| *byte == b'.')
        };
        if bytes.split(ends).any(hidden) {
            return Err(Ambiguous::HiddenDots);
        }
    }
    Ok(())
}

/// The form to match by, of segments without dot segments.
fn matched(segments: &[&[u8]]) -> String {
    let mut matched = String::new();
    let last = segments.len().saturating_sub(1);
    for (at, segment) in segments.iter().enumerate() {
        let name = segment
            .split(|byte| *byte == b';')
            .next()
            .unwrap_or_default();
        if name.is_empty() && at != last {
            continue;
        }
        matched.push('/');
        for (byte, _) in decoded(name) {
            if PLAIN[usize::from(byte)] {
                matched.push(char::from(byte));
            } else {
                write!(matched, "%{byte:02X}").expect("a string takes any length");
            }
        }
    }
    matched
}

#[cfg(test)]
mod tests;
