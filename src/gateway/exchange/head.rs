//! The head of a request as it comes in: read whole within its time and size, or refused; and HTTP/2 told from HTTP/1 by the
//! first bytes of a connection.
//!
//! # Design notes
//!
//! A buffer is held only while there is something in it: while nothing comes, the stack lends one for each attempt.

use std::future::poll_fn;
use std::io;
use std::mem::MaybeUninit;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::{Buf as _, BytesMut};
use pingora::protocols::Stream;
use tokio::io::{AsyncRead as _, AsyncReadExt as _, AsyncWriteExt as _, ReadBuf};
use tokio::time::timeout;

use super::framing::{HEAD_LIMIT, TARGET_LIMIT, has_too_many_lines, head_is_complete};
use crate::gateway::Limits;

/// What a client of HTTP/2 sends first (RFC 9113, section 3.4). To a server that does not know it, it is a whole request
/// with a method that does not exist.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// What a client has said.
pub(crate) enum Opening {
    /// A whole head of HTTP/1, and perhaps what comes behind it.
    Head(BytesMut),
    /// The preface of HTTP/2, and perhaps what comes behind it.
    Http2(BytesMut),
}

/// Why there is no head.
pub(crate) enum Unread {
    /// The client is gone, or said nothing for long enough.
    Gone,
    /// What it said is not read to its end.
    Refused(&'static Refusal),
}

/// An answer to what is no request that Pingora could answer.
pub(crate) struct Refusal {
    /// Counted as the gateway's other answers are.
    pub(crate) reason: &'static str,
    pub(crate) answer: &'static str,
}

const TOO_SLOW: Refusal = Refusal {
    reason: "client-timeout",
    answer: "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nX-Hiveway-Reason: client-timeout\r\n\
        Content-Type: text/plain\r\nContent-Length: 35\r\n\r\nthe request's header took too long\n",
};

const TOO_LARGE: Refusal = Refusal {
    reason: "bad-request",
    answer: "HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\
        X-Hiveway-Reason: bad-request\r\nContent-Type: text/plain\r\nContent-Length: 43\r\n\r\n\
        the request's header is larger than 64 KiB\n",
};

const TOO_MANY: Refusal = Refusal {
    reason: "bad-request",
    answer: "HTTP/1.1 431 Request Header Fields Too Large\r\nConnection: close\r\n\
        X-Hiveway-Reason: bad-request\r\nContent-Type: text/plain\r\nContent-Length: 43\r\n\r\n\
        the request has more than 256 header lines\n",
};

const TOO_LONG: Refusal = Refusal {
    reason: "bad-request",
    answer: "HTTP/1.1 414 URI Too Long\r\nConnection: close\r\n\
        X-Hiveway-Reason: bad-request\r\nContent-Type: text/plain\r\nContent-Length: 43\r\n\r\n\
        the request's target is longer than 32 KiB\n",
};

/// Answers and closes. What the client is still sending is read for a while and thrown away, because a socket that is
/// closed over unread bytes takes the answer back.
pub(crate) async fn refuse(stream: &mut Stream, answer: &str) -> io::Result<()> {
    stream.write_all(answer.as_bytes()).await?;
    tokio::io::AsyncWriteExt::shutdown(stream).await?;
    tokio::io::copy(stream, &mut tokio::io::sink()).await?;
    Ok(())
}

/// Reads the next head. `opens`: it may be the preface of HTTP/2 instead, as the first bytes of a plain connection may.
pub(crate) async fn read_head(
    stream: &mut Stream,
    limits: Limits,
    opens: bool,
) -> Result<Opening, Unread> {
    let first = timeout(
        limits.keep_alive,
        poll_fn(|context| first_bytes(stream, context)),
    )
    .await;
    let Ok(Ok(mut head)) = first else {
        return Err(Unread::Gone);
    };
    if head.is_empty() {
        return Err(Unread::Gone);
    }
    // A client that has just ended a body with a line break too many is forgiven (RFC 9112, section 2.2).
    while head.starts_with(b"\r\n") {
        head.advance(2);
    }
    let mut progress = Progress::of(&head, 0, opens);
    if progress == Progress::Begun {
        let rest = timeout(limits.head, read_rest(stream, &mut head, opens)).await;
        progress = rest.unwrap_or(Err(Unread::Refused(&TOO_SLOW)))?;
    }
    match progress {
        Progress::Http2 => Ok(Opening::Http2(head)),
        _ if has_too_many_lines(&head) => Err(Unread::Refused(&TOO_MANY)),
        _ => Ok(Opening::Head(head)),
    }
}

/// How far a head has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    /// More has to come.
    Begun,
    /// It is a whole head of HTTP/1.
    Head,
    /// It is the preface of HTTP/2.
    Http2,
}

impl Progress {
    /// Judges what has come, of which the first `seen` bytes are known to hold no end.
    fn of(head: &[u8], seen: usize, opens: bool) -> Self {
        if opens && head.first() == Some(&b'P') {
            if head.starts_with(PREFACE) {
                return Self::Http2;
            }
            // The preface holds what would end a head.
            if PREFACE.starts_with(head) {
                return Self::Begun;
            }
        }
        // What was held up as a preface that never became one was not searched for an end.
        let seen = if seen < PREFACE.len() { 0 } else { seen };
        if head_is_complete(head, seen) {
            Self::Head
        } else {
            Self::Begun
        }
    }
}

async fn read_rest(
    stream: &mut Stream,
    head: &mut BytesMut,
    opens: bool,
) -> Result<Progress, Unread> {
    loop {
        if head.len() > HEAD_LIMIT {
            let line = head.iter().take(TARGET_LIMIT).any(|byte| *byte == b'\n');
            return Err(Unread::Refused(if line { &TOO_LARGE } else { &TOO_LONG }));
        }
        let seen = head.len();
        match stream.read_buf(head).await {
            Ok(0) | Err(_) => return Err(Unread::Gone),
            Ok(_) => match Progress::of(head, seen, opens) {
                Progress::Begun => {}
                ended => return Ok(ended),
            },
        }
    }
}

/// Waits without holding a buffer: the stack lends one for each attempt.
fn first_bytes(stream: &mut Stream, context: &mut Context<'_>) -> Poll<io::Result<BytesMut>> {
    let mut place = [MaybeUninit::<u8>::uninit(); 4096];
    let mut buffer = ReadBuf::uninit(&mut place);
    ready!(Pin::new(stream).poll_read(context, &mut buffer))?;
    Poll::Ready(Ok(BytesMut::from(buffer.filled())))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn refusals_say_how_long_they_are() {
        for refusal in [TOO_SLOW, TOO_LARGE, TOO_MANY, TOO_LONG] {
            let (head, body) = refusal
                .answer
                .split_once("\r\n\r\n")
                .expect("a head and a body");
            assert!(
                head.ends_with(&format!("Content-Length: {}", body.len())),
                "{head}"
            );
            assert!(
                head.contains(&format!("X-Hiveway-Reason: {}\r\n", refusal.reason)),
                "{head}"
            );
        }
    }

    /// What comes of a text that arrives in pieces which end there.
    fn arriving(text: &[u8], ends: impl IntoIterator<Item = usize>, opens: bool) -> Progress {
        let mut seen = 0;
        for end in ends {
            match Progress::of(&text[..end], seen, opens) {
                Progress::Begun => seen = end,
                ended => return ended,
            }
        }
        Progress::Begun
    }

    #[test]
    fn http_2_is_told_by_the_first_bytes_however_they_are_cut() {
        let whole: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0";
        for (text, opens, expected) in [
            (whole, true, Progress::Http2),
            // Behind another request, or in TLS that has agreed on HTTP/1, it is a request with an unknown method.
            (whole, false, Progress::Head),
            (b"PRI * HTTP/2.0\r\n\r\nSM", true, Progress::Begun),
            (b"PRI * HTTP/2.0\r\n\r\nGET", true, Progress::Head),
            (b"PRI / HTTP/1.1\r\n\r\n", true, Progress::Head),
            (b"P / HTTP/1.1\r\n\r\n", true, Progress::Head),
            (b"POST / HTTP/1.1\r\n\r\nPRI", true, Progress::Head),
            (b"P", true, Progress::Begun),
            (b"", true, Progress::Begun),
        ] {
            let length = text.len();
            let at_once = arriving(text, [length], opens);
            let byte_by_byte = arriving(text, 1..=length, opens);
            assert_eq!((at_once, byte_by_byte), (expected, expected), "{text:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn end_of_a_head_does_not_depend_on_how_bytes_arrive(
            pieces in proptest::collection::vec("(PRI \\* HTTP/2.0|\r\n|\n|\r|SM|GET / HTTP/1.1|Host: a|P|\\PC){0,3}", 0..8),
            opens: bool,
        ) {
            let text = pieces.concat().into_bytes();
            let ended = |progress: &Progress| *progress != Progress::Begun;
            let whole = (1..=text.len())
                .map(|end| Progress::of(&text[..end], 0, opens))
                .find(ended);
            let mut ends = Vec::new();
            for piece in &pieces {
                ends.push(ends.last().unwrap_or(&0) + piece.len());
            }
            // In pieces an end may be found later than in single bytes, but it is found, and is the same.
            let in_pieces = arriving(&text, ends, opens);
            let in_bytes = arriving(&text, 1..=text.len(), opens);
            prop_assert_eq!(whole.unwrap_or(Progress::Begun), in_bytes);
            prop_assert_eq!(in_pieces, in_bytes);
        }

        #[test]
        fn no_bytes_are_too_much_for_it(text in proptest::collection::vec(any::<u8>(), 0..200), opens: bool) {
            let _ = arriving(&text, 1..=text.len(), opens);
            let _ = has_too_many_lines(&text);
        }
    }
}
