//! Compression and conditional requests: whatever a client asks, it is answered as if its variant
//! of a resource were stored somewhere, with a tag of its own.
//!
//! The task knows one representation and its tag. RFC 9110 has the rules: 8.8.3.3 (a tag for each
//! coding), 9.3.2 (HEAD), 12.5.5 (`Vary`), 13 (conditions), 15.3.7 (206) and 15.4.5 (304).

mod stage;

use hiveway::core::model::middleware::Encoding;

use self::stage::{LENGTH, Reader, Shown, Stage, shown};
use super::super::edge::Edge;
use super::super::message::Framing;
use super::super::origin::{Behaviour, origins};
use super::super::service::Service;
use super::compress::decompressed;
use crate::bounded::bounded;

const GZIP: &str = "Accept-Encoding: gzip\r\n";
const OWN: &str = "If-None-Match: W/\"x-hw-gzip\"\r\n";

/// A row of the table: the request, the condition that its task is told, and the answer.
struct Row {
    method: &'static str,
    lines: &'static [&'static str],
    told: Option<&'static str>,
    expected: Shown<'static>,
}

const fn row(
    method: &'static str,
    lines: &'static [&'static str],
    told: Option<&'static str>,
    status: u16,
    tag: Option<&'static str>,
    coding: Option<&'static str>,
    length: Option<&'static str>,
) -> Row {
    let vary = match status {
        // What says nothing of the representation.
        204 | 412 | 416 => None,
        _ => Some("Accept-Encoding"),
    };
    let expected = Shown {
        status,
        tag,
        coding,
        length,
        vary,
    };
    Row {
        method,
        lines,
        told,
        expected,
    }
}

const STRONG: Option<&str> = Some("\"x\"");
const OURS: Option<&str> = Some("W/\"x-hw-gzip\"");
const BROTLI: Option<&str> = Some("W/\"x-hw-br\"");
const WHOLE: Option<&str> = Some("10000");
const PART: Option<&str> = Some("100");
const EMPTY: Option<&str> = Some("0");

const fn gz() -> Option<&'static str> {
    Some("gzip")
}

/// For a task whose tag is `"x"`.
const ROWS: &[Row] = &[
    // The whole representation, in either form.
    row("GET", &[GZIP], None, 200, OURS, gz(), None),
    row("GET", &[], None, 200, STRONG, None, WHOLE),
    // HEAD says what GET would (9.3.2), but for the length, which nobody knows (8.6).
    row("HEAD", &[GZIP], None, 200, OURS, gz(), None),
    row("HEAD", &[], None, 200, STRONG, None, WHOLE),
    // The tag that was given for this form is known again, by its task as well.
    row("GET", &[GZIP, OWN], STRONG, 304, OURS, None, None),
    row("HEAD", &[GZIP, OWN], STRONG, 304, OURS, None, None),
    // A cache that has several forms asks for all. The answer names the one that this client can
    // read (RFC 9111, 4.3.4).
    row(
        "GET",
        &["Accept-Encoding: br\r\n", OWN],
        OURS,
        200,
        BROTLI,
        Some("br"),
        None,
    ),
    row("GET", &[OWN], OURS, 200, STRONG, None, WHOLE),
    row(
        "GET",
        &["If-None-Match: \"x\"\r\n"],
        STRONG,
        304,
        STRONG,
        None,
        WHOLE,
    ),
    row(
        "GET",
        &[GZIP, "If-None-Match: \"x\"\r\n"],
        STRONG,
        304,
        STRONG,
        None,
        WHOLE,
    ),
    row(
        "GET",
        &[GZIP, "If-None-Match: *\r\n"],
        Some("*"),
        304,
        STRONG,
        None,
        WHOLE,
    ),
    // It has changed.
    row(
        "GET",
        &[GZIP, "If-None-Match: W/\"y-hw-gzip\"\r\n"],
        Some("\"y\""),
        200,
        OURS,
        gz(),
        None,
    ),
    // Not one of ours, however alike.
    row(
        "GET",
        &[GZIP, "If-None-Match: \"x-hw-gzip\"\r\n"],
        Some("\"x-hw-gzip\""),
        200,
        OURS,
        gz(),
        None,
    ),
    row(
        "GET",
        &[GZIP, "If-None-Match: W/\"-hw-gzip\"\r\n"],
        Some("\"\""),
        200,
        OURS,
        gz(),
        None,
    ),
    row(
        "GET",
        &[GZIP, "If-None-Match: W/\"hw-gzip\"\r\n"],
        Some("W/\"hw-gzip\""),
        200,
        OURS,
        gz(),
        None,
    ),
    // A date says nothing of the form.
    row(
        "GET",
        &[GZIP, "If-Modified-Since: Tue, 01 Dec 2026 08:00:00 GMT\r\n"],
        None,
        304,
        STRONG,
        None,
        WHOLE,
    ),
    // Lost updates (13.1.1): the state is meant, not its form, so the task compares its own tag.
    row(
        "PUT",
        &[GZIP, "If-Match: W/\"x-hw-gzip\"\r\nContent-Length: 0\r\n"],
        STRONG,
        204,
        STRONG,
        None,
        None,
    ),
    row(
        "PUT",
        &["If-Match: W/\"x-hw-br\"\r\nContent-Length: 0\r\n"],
        STRONG,
        204,
        STRONG,
        None,
        None,
    ),
    row(
        "PUT",
        &[GZIP, "If-Match: W/\"y-hw-gzip\"\r\nContent-Length: 0\r\n"],
        Some("\"y\""),
        412,
        None,
        None,
        EMPTY,
    ),
    row(
        "DELETE",
        &[GZIP, "If-Match: \"x\"\r\n"],
        STRONG,
        204,
        STRONG,
        None,
        None,
    ),
    // Parts are those of the form that the task has, and say so as the whole would (15.3.7).
    row(
        "GET",
        &[GZIP, "Range: bytes=0-99\r\n"],
        None,
        206,
        STRONG,
        None,
        PART,
    ),
    row(
        "GET",
        &[GZIP, "Range: bytes=0-99\r\nIf-Range: \"x\"\r\n"],
        None,
        206,
        STRONG,
        None,
        PART,
    ),
    row(
        "GET",
        &[GZIP, "Range: bytes=20000-\r\n"],
        None,
        416,
        None,
        None,
        EMPTY,
    ),
    // A part of what was compressed cannot be had (14.2, 13.1.5): the whole is sent.
    row(
        "GET",
        &[GZIP, "Range: bytes=0-99\r\nIf-Range: W/\"x-hw-gzip\"\r\n"],
        None,
        200,
        OURS,
        gz(),
        None,
    ),
    // Who asks for what is not transformed gets that (RFC 9111, 5.2.1.6).
    row(
        "GET",
        &[GZIP, "Cache-Control: no-transform\r\n"],
        None,
        200,
        STRONG,
        None,
        WHOLE,
    ),
];

/// Lists, which not all tasks read.
const LISTS: &[Row] = &[
    row(
        "GET",
        &[GZIP, "If-None-Match: \"y\", W/\"x-hw-gzip\" , \"z,\"\r\n"],
        Some("\"y\", \"x\" , \"z,\""),
        304,
        OURS,
        None,
        None,
    ),
    row(
        "GET",
        &[GZIP, "If-None-Match: W/\"x-hw-br\", W/\"x-hw-gzip\"\r\n"],
        Some("W/\"x-hw-br\", \"x\""),
        304,
        OURS,
        None,
        None,
    ),
    row(
        "PUT",
        &[
            GZIP,
            "If-Match: \"y\", W/\"x-hw-br\"\r\nContent-Length: 0\r\n",
        ],
        Some("\"y\", \"x\""),
        204,
        STRONG,
        None,
        None,
    ),
];

async fn check(stage: &Stage, rows: &[Row]) {
    for row in rows {
        let lines = row.lines.concat();
        let case = format!("{} {lines:?}", row.method);
        let (asked, head) = stage.exchange(row.method, "1.1", &lines).await;
        let told = asked.one("if-none-match").or(asked.one("if-match"));
        assert_eq!(told, row.told, "{case}");
        assert_eq!(shown(&head), row.expected, "{case}: {head:?}");
        let ranges = head.one("accept-ranges");
        let plain = row.expected.coding.is_none() && matches!(row.expected.status, 200 | 206);
        assert_eq!(ranges, plain.then_some("bytes"), "{case}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_condition_is_about_the_form_that_the_client_has() {
    let stage = Stage::start("\"x\"", Reader::Rfc).await;
    check(&stage, ROWS).await;
    check(&stage, LISTS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_compares_texts_knows_its_tag_again() {
    let stage = Stage::start("\"x\"", Reader::Text).await;
    check(&stage, ROWS).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_weak_tag_of_a_task_is_told_from_a_strong_one() {
    const WEAK: Option<&str> = Some("W/\"x\"");
    const MADE: Option<&str> = Some("W/\"x-hw-w-gzip\"");
    const BACK: &str = "If-None-Match: W/\"x-hw-w-gzip\"\r\n";
    for reader in [Reader::Rfc, Reader::Text] {
        let stage = Stage::start("W/\"x\"", reader).await;
        let rows = [
            row("GET", &[GZIP], None, 200, MADE, gz(), None),
            row("GET", &[], None, 200, WEAK, None, WHOLE),
            row("GET", &[GZIP, BACK], WEAK, 304, MADE, None, None),
            row("GET", &[BACK], MADE, 200, WEAK, None, WHOLE),
        ];
        check(&stage, &rows).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_of_http_1_0_gets_the_form_that_the_task_has() {
    let stage = Stage::start("\"x\"", Reader::Rfc).await;
    for (method, lines) in [
        ("GET", GZIP),
        ("HEAD", GZIP),
        ("GET", &(GZIP.to_owned() + OWN)),
    ] {
        let (_, head) = stage.exchange(method, "1.0", lines).await;
        let expected = row("", &[], None, 200, STRONG, None, WHOLE).expected;
        assert_eq!(shown(&head), expected, "{method} {lines}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_http_1_0_is_sent_on_in_chunks_of_http_1_1() {
    // RFC 9112, section 6.1: no chunks in HTTP/1.0.
    for length in ["", "Content-Length: 10000\r\n"] {
        let lines = "Content-Type: text/plain\r\nETag: \"x\"\r\n";
        let body = "a".repeat(LENGTH);
        let text = format!("HTTP/1.0 200 OK\r\n{lines}{length}\r\n{body}");
        let [origin] = origins([Behaviour::Begin(text.leak())]).await;
        let service = Service::new("web", "web.test").endpoints([&origin]);
        let service = service.middleware(|it| it.compress = vec![Encoding::Gzip]);
        let edge = Edge::start(&[service]).await;
        let mut client = edge.client().await;
        let request = format!("GET / HTTP/1.1\r\nHost: web.test\r\n{GZIP}\r\n");
        client.send(request).await;
        let head = bounded(client.wire.head()).await.expect("a head");
        assert_eq!(head.first, "HTTP/1.1 200 OK");
        assert_eq!(head.one("content-encoding"), Some("gzip"));
        assert_eq!(head.answer_framing("GET"), Framing::Chunked);
        let body = bounded(client.wire.body(Framing::Chunked)).await;
        let body = decompressed("gzip", &body.expect("a body"));
        assert_eq!(body, vec![b'a'; LENGTH]);
    }
}
