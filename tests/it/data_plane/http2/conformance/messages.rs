//! Requests that are malformed: each ends alone.

use super::super::frames::{DATA, END_HEADERS, END_STREAM, HEADERS, PLAIN, frame, list};
use super::{Case, Outcome, PROTOCOL_ERROR, post};

/// A request with these headers alone.
fn of(name: &'static str, headers: &[(&str, &str)]) -> Case {
    let sent = frame(HEADERS, END_HEADERS | END_STREAM, 1, &list(headers));
    Case::new(name, [sent], Outcome::Stream(&[PROTOCOL_ERROR]))
}

/// A sound request with one header more.
fn with(name: &'static str, header: (&'static str, &'static str)) -> Case {
    let headers: Vec<_> = PLAIN.into_iter().chain([header]).collect();
    of(name, &headers)
}

/// A sound request without one of its headers.
fn without(name: &'static str, header: &str) -> Case {
    let headers: Vec<_> = PLAIN.into_iter().filter(|it| it.0 != header).collect();
    of(name, &headers)
}

pub(super) fn cases() -> Vec<Case> {
    let broken = || Outcome::Stream(&[PROTOCOL_ERROR]);
    let trailers = frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        1,
        &list(&[(":method", "POST")]),
    );
    let [method, scheme, authority, path] = PLAIN;
    vec![
        with("8.2.1: a name with a capital", ("X-TEST", "ok")),
        with("8.3: a pseudo-header that nobody knows", (":test", "ok")),
        with("8.3: an answer's pseudo-header", (":status", "200")),
        // The library leaves it out, where the RFC wants the request refused.
        Case::new(
            "8.3: a pseudo-header in trailers",
            [post(1, &[]), frame(DATA, 0, 1, b"test"), trailers],
            Outcome::Answer(1),
        ),
        of(
            "8.3: a pseudo-header behind another",
            &[method, scheme, authority, ("x-test", "ok"), path],
        ),
        with(
            "8.2.2: what concerns one connection",
            ("connection", "keep-alive"),
        ),
        with(
            "8.2.2: the connection of a proxy",
            ("proxy-connection", "keep-alive"),
        ),
        with(
            "8.2.2: a coding for the way",
            ("transfer-encoding", "chunked"),
        ),
        with(
            "8.2.2: TE of anything but trailers",
            ("te", "trailers, deflate;q=0.5"),
        ),
        of(
            "8.3.1: a path of nothing",
            &[method, scheme, authority, (":path", "")],
        ),
        without("8.3.1: no method", ":method"),
        without("8.3.1: no scheme", ":scheme"),
        without("8.3.1: no path", ":path"),
        with("8.3.1: two methods", (":method", "GET")),
        with("8.3.1: two schemes", (":scheme", "http")),
        with("8.3.1: two paths", (":path", "/")),
        Case::new(
            "8.1.1: a body that is longer than it says",
            [
                post(1, &[("content-length", "1")]),
                frame(DATA, END_STREAM, 1, b"test"),
            ],
            broken(),
        ),
        Case::new(
            "8.1.1: a body whose parts are longer than it says",
            [
                post(1, &[("content-length", "3")]),
                frame(DATA, 0, 1, b"te"),
                frame(DATA, END_STREAM, 1, b"st"),
            ],
            broken(),
        ),
        Case::new(
            "8.1.1: a body that is shorter than it says",
            [
                post(1, &[("content-length", "5")]),
                frame(DATA, END_STREAM, 1, b"test"),
            ],
            broken(),
        ),
    ]
}
