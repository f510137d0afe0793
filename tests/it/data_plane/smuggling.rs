//! Request heads that two servers could read in two ways. Each is refused, and no byte of it reaches a task.

use super::edge::Edge;
use super::origin::{Behaviour, Origin, origins};
use super::service::Service;

/// Follows every head: the end of a chunked body, and what an attacker hopes to be taken for a request.
const SMUGGLED: &str = "0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: web.test\r\n\r\n";

async fn edge(task: &Origin) -> Edge {
    let services = [
        Service::new("web", "web.test").endpoints([task]),
        Service::new("other", "other.test").endpoints([task]),
        Service::new("under", "*.under.test").endpoints([task]),
    ];
    Edge::start(&services).await
}

/// Sends the head with what follows it, and checks that it is refused at once and for good.
async fn assert_refused(edge: &Edge, task: &Origin, head: &[u8]) {
    let shown = head.escape_ascii();
    let mut client = edge.client().await;
    client.send([head, SMUGGLED.as_bytes()].concat()).await;
    // A server that closes on bytes which it has not read may reset the connection.
    let _ = client.wire.finish().await;
    let told = client.closed().await;
    let answers = told.matches("HTTP/1.").count();
    assert!(answers <= 1, "{shown}: a second answer in {told}");
    if answers == 1 {
        let status = told.split(' ').nth(1);
        assert!(matches!(status, Some("400" | "405")), "{shown}: {told}");
    }
    assert_eq!(task.bytes(), "", "{shown}: {told}");
}

async fn all_refused(heads: &[&[u8]]) {
    let [task] = origins([Behaviour::Answer]).await;
    let edge = edge(&task).await;
    for head in heads {
        assert_refused(&edge, &task, head).await;
    }
    // The gateway is none the worse for it.
    assert_eq!(edge.get("web.test", "/").await.body, task.container);
}

/// The same for header lines in an otherwise sound POST.
async fn lines_refused(lines: &[&str]) {
    let heads: Vec<_> = lines
        .iter()
        .map(|line| format!("POST / HTTP/1.1\r\nHost: web.test\r\n{line}\r\n\r\n"))
        .collect();
    let heads: Vec<_> = heads.iter().map(String::as_bytes).collect();
    all_refused(&heads).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_beside_a_transfer_coding_is_refused() {
    lines_refused(&[
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "transfer-encoding: chunked\r\nCONTENT-LENGTH: 0",
        "Content-Length: 5\r\nX-Between: 1\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nTransfer-Encoding: identity",
        "Content-Length: 5\r\nTransfer-Encoding: xchunked",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_transfer_coding_that_is_not_just_chunked_is_refused() {
    lines_refused(&[
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nTransfer-encoding: cow",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: chunkedx",
        "Transfer-Encoding: chunk",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: gzip",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: identity, chunked",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: ,chunked",
        "Transfer-Encoding: chunked,",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: chunked;q=1",
        "Transfer-Encoding: chun ked",
        "Transfer-Encoding:",
        "Transfer-Encoding: \u{b}chunked",
        "Transfer-Encoding: chunked\u{b}",
        "Transfer-Encoding: \u{c}chunked",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding\t: chunked",
        "Transfer-Encoding\u{b}: chunked",
        "Transfer-Encoding:\r\n chunked",
        "Transfer-Encoding:\r\n\tchunked",
        "X-Before: 1\r\n Transfer-Encoding: chunked",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_that_is_not_one_number_is_refused() {
    lines_refused(&[
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: \"5\"",
        "Content-Length: 1_0",
        "Content-Length: 5\u{b}",
        "Content-Length: 5\0",
        "Content-Length: \u{a0}5",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5, 6",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length: 5;",
        "Content-Length: 5.0",
        "Content-Length: five",
        "Content-Length:",
        "Content-Length: ,",
        "Content-Length: 18446744073709551621",
        "Content-Length: 99999999999999999999999999999999",
        "Content-Length : 5",
        "Content-Length: \u{b}5",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_line_is_refused() {
    all_refused(&[
        b"GET / HTTP/1.1\nHost: web.test\n\n",
        b"GET / HTTP/1.1\r\nHost: web.test\n\r\n",
        b"GET / HTTP/1.1\nHost: web.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: web.test\r\nX: 1\n\n",
        b"GET / HTTP/1.1\r\nHost: web.test\r\nX: 1\n\r\n",
        b"GET / HTTP/1.1\rHost: web.test\r\r",
        b"GET / HTTP/1.1\r\nHost: web.test\r\nX: a\rb\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: web.test\r\nX: a\rY: b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: web.test\r\nX: a\0b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: web.test\r\nX\0: a\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: web.test\r\nX: a\x01b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: web.test\r\nX: a\x7fb\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: web.test\r\nX: a\r\n b\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: web.test\r\nX: a\r\n\tb\r\n\r\n",
        b"GET / HTTP/1.1\r\n Host: web.test\r\n\r\n",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_header_name_is_refused() {
    lines_refused(&[
        "X Y: 1",
        "X : 1",
        "X\t: 1",
        "X(Y): 1",
        "X@Y: 1",
        "X,Y: 1",
        "X\"Y: 1",
        "X/Y: 1",
        "X=Y: 1",
        ": 1",
        "no colon",
        "X\u{e9}: 1",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_not_exactly_one_is_refused() {
    all_refused(&[
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost:\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: \r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: web.test\r\nHost: web.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: web.test\r\nHost: other.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: web.test, other.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: other.test, a.under.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\xff.under.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: <a>.under.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: web.test other.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: me@web.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: web.test/other\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost : web.test\r\n\r\n",
        b"GET http://other.test/ HTTP/1.1\r\nHost: web.test\r\n\r\n",
        b"GET http://web.test/ HTTP/1.1\r\n\r\n",
        b"GET http://web.test:81/ HTTP/1.1\r\nHost: web.test\r\n\r\n",
        b"GET http://web.test/ HTTP/1.1\r\nHost: other.test\r\n\r\n",
        b"GET http://me@web.test/ HTTP/1.1\r\nHost: web.test\r\n\r\n",
        b"CONNECT web.test:80 HTTP/1.1\r\nHost: web.test:80\r\n\r\n",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bad_request_line_is_refused() {
    all_refused(&[
        b"GET /\r\n\r\n",
        b"GET / HTTP/0.9\r\nHost: web.test\r\n\r\n",
        b"GET / HTTP/2.0\r\nHost: web.test\r\n\r\n",
        b"GET / http/1.1\r\nHost: web.test\r\n\r\n",
        b"GET / HTTP/1.1 HTTP/1.1\r\nHost: web.test\r\n\r\n",
        b"GET\t/\tHTTP/1.1\r\nHost: web.test\r\n\r\n",
        b"G(T / HTTP/1.1\r\nHost: web.test\r\n\r\n",
        b" GET / HTTP/1.1\r\nHost: web.test\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_frames_a_request_cannot_be_named_away() {
    let [task] = origins([Behaviour::Answer]).await;
    let edge = edge(&task).await;
    for lines in [
        "Connection: Content-Length\r\nContent-Length: 5",
        "Connection: close, content-length\r\nContent-Length: 5",
        "Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked",
        "Connection: Host\r\nContent-Length: 5",
    ] {
        let before = task.requests().len();
        let mut client = edge.client().await;
        let head = format!("POST / HTTP/1.1\r\nHost: web.test\r\n{lines}\r\n\r\n");
        client.send(format!("{head}{SMUGGLED}")).await;
        let answer = client.answer("POST").await;
        if answer.status == 400 {
            continue;
        }
        // It is one request, with the body that it says, and with one framing.
        assert_eq!(answer.status, 200, "{lines}: {answer:?}");
        let requests = task.requests().split_off(before);
        assert_eq!(requests.len(), 1, "{lines}: {requests:?}");
        let expected: &[u8] = match lines.contains("chunked") {
            true => b"",
            false => b"0\r\n\r\n",
        };
        assert_eq!(requests[0].body, expected, "{lines}");
        assert_eq!(requests[0].head.one("host"), Some("web.test"), "{lines}");
    }
    assert!(!task.bytes().contains("smuggled"), "{}", task.bytes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_upgrade_to_http_2_is_not_offered_to_the_task() {
    let [task] = origins([Behaviour::Answer]).await;
    let edge = edge(&task).await;
    let lines = "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n";
    let answer = edge.client().await.get_with("web.test", "/", lines).await;
    assert_eq!(answer.status, 200);
    let head = task.requests().pop().expect("it came").head;
    for name in ["upgrade", "http2-settings"] {
        assert_eq!(head.one(name), None, "{head:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_old_request_with_a_transfer_coding_is_refused() {
    all_refused(&[
        b"POST / HTTP/1.0\r\nHost: web.test\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.0\r\nHost: web.test\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n",
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn unusual_valid_requests_are_normalized_for_the_task() {
    let [task] = origins([Behaviour::Answer]).await;
    let edge = edge(&task).await;
    let chunked = "3\r\nabc\r\n0\r\n\r\n";
    for (count, (lines, body)) in [
        ("Transfer-Encoding:\tchunked\t", chunked),
        ("Transfer-Encoding:chunked", chunked),
        ("TRANSFER-ENCODING: Chunked", chunked),
        ("Content-Length:3", "abc"),
        ("Content-Length: 003", "abc"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = edge.client().await;
        let post = format!("POST / HTTP/1.1\r\nHost: web.test\r\n{lines}\r\n\r\n{body}");
        let answer = client.request(&post).await;
        // Refusing it is as good; taking it must be right.
        if answer.status == 400 {
            continue;
        }
        assert_eq!(answer.status, 200, "{lines}");
        let received = task.received(1).await;
        let request = received.last().expect("it came");
        assert_eq!(request.body, b"abc", "{lines}, number {count}");
        let framing = (
            request.head.all("content-length"),
            request.head.all("transfer-encoding"),
        );
        assert!(
            matches!(
                (&framing.0[..], &framing.1[..]),
                (["3" | "003"], []) | ([], ["chunked"])
            ),
            "{lines}: {framing:?}"
        );
    }
    // A request may follow an empty line, and name its host in the absolute form.
    let absolute = "\r\nGET http://web.test/path HTTP/1.1\r\nHost: web.test\r\n\r\n";
    let answer = edge.client().await.request(absolute).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let last = task.requests().pop().expect("it came").head;
    assert_eq!(last.first, "GET /path HTTP/1.1");
    assert_eq!(last.one("host"), Some("web.test"));
    // What cannot stand in a path is encoded, so that the task sees the same line that was routed by.
    for (sent, seen) in [("/a b", "/a%20b"), ("/\u{7f}", "/%7F")] {
        let answer = edge.get("web.test", sent).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let last = task.requests().pop().expect("it came").head;
        assert_eq!(last.first, format!("GET {seen} HTTP/1.1"));
    }
    // But for what ends a path to some tasks.
    let answer = edge.get("web.test", "/a\0").await;
    answer.assert_refused(400, "bad-request");
}
