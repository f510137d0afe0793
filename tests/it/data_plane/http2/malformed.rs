//! Requests over HTTP/2 that would be two requests, or another one, where they are written as text: each is refused, and
//! no task sees any of it.

use super::super::edge::Edge;
use super::super::origin::{Behaviour, Origin, origins};
use super::super::service::Service;
use super::frames::{
    DATA, END_HEADERS, END_STREAM, GO_AWAY, HEADERS, PLAIN, RST_STREAM, RawClient, frame, list,
};

async fn stage() -> (Edge, Origin) {
    let [task] = origins([Behaviour::Answer]).await;
    let services = [
        Service::new("web", "web.test").endpoints([&task]),
        Service::new("other", "other.test").endpoints([&task]),
    ];
    (Edge::start(&services).await, task)
}

/// Sends the frames of a request on a connection of their own. They are answered by 400, a reset or a farewell.
async fn assert_refused(edge: &Edge, task: &Origin, frames: &[u8], shown: &str) {
    let mut client = RawClient::connect(edge.internal).await;
    client.send(frames).await;
    let told = client.next_of(&[HEADERS, RST_STREAM, GO_AWAY]).await;
    // Where the connection ended without a word, it has ended.
    if let Some(told) = told {
        let refused = told.kind != HEADERS || told.status() == Some(400);
        assert!(refused, "{shown}: {told:?}");
    }
    assert_eq!(task.requests(), [], "{shown}");
    assert!(
        !task.bytes().contains("smuggled"),
        "{shown}: {}",
        task.bytes()
    );
}

/// The same for a list of headers, of which no byte may come to a task.
async fn all_refused(lists: &[&[(&str, &str)]]) {
    let (edge, task) = stage().await;
    for headers in lists {
        let head = frame(HEADERS, END_HEADERS | END_STREAM, 1, &list(headers));
        assert_refused(&edge, &task, &head, &format!("{headers:?}")).await;
        assert_eq!(task.bytes(), "", "{headers:?}");
    }
    assert_eq!(edge.get("web.test", "/").await.body, task.container);
}

/// The same for headers behind sound ones.
async fn lines_refused(lines: &[(&str, &str)]) {
    let lists: Vec<Vec<_>> = lines
        .iter()
        .map(|line| PLAIN.into_iter().chain([*line]).collect())
        .collect();
    let lists: Vec<_> = lists.iter().map(Vec::as_slice).collect();
    all_refused(&lists).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn headers_that_concern_one_hop_are_refused() {
    lines_refused(&[
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("connection", "close"),
        ("connection", "content-length"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("upgrade", "h2c"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("te", "trailers, deflate"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_would_break_out_of_a_line_is_refused() {
    lines_refused(&[
        ("x", "a\r\nGET /smuggled HTTP/1.1"),
        ("x", "a\nTransfer-Encoding: chunked"),
        ("x", "a\rb"),
        ("x", "a\0b"),
        ("x\r\nTransfer-Encoding: chunked\r\ny", "1"),
        ("x: 1\r\ntransfer-encoding", "chunked"),
        ("x:y", "1"),
        ("x y", "1"),
        ("X", "1"),
        ("Transfer-Encoding", "chunked"),
        ("", "1"),
        ("x\0", "1"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pseudo_headers_that_are_broken_are_refused() {
    const METHOD: (&str, &str) = (":method", "GET");
    const SCHEME: (&str, &str) = (":scheme", "http");
    const AUTHORITY: (&str, &str) = (":authority", "web.test");
    const PATH: (&str, &str) = (":path", "/");
    all_refused(&[
        &[SCHEME, AUTHORITY, PATH],
        &[METHOD, AUTHORITY, PATH],
        &[METHOD, SCHEME, AUTHORITY],
        &[METHOD, SCHEME, PATH],
        &[METHOD, SCHEME, AUTHORITY, (":path", "")],
        &[METHOD, METHOD, SCHEME, AUTHORITY, PATH],
        &[METHOD, SCHEME, AUTHORITY, PATH, (":path", "/smuggled")],
        &[
            METHOD,
            SCHEME,
            AUTHORITY,
            PATH,
            (":authority", "other.test"),
        ],
        &[METHOD, SCHEME, AUTHORITY, PATH, (":status", "200")],
        &[METHOD, SCHEME, AUTHORITY, PATH, (":protocol", "websocket")],
        &[METHOD, SCHEME, AUTHORITY, PATH, (":unknown", "1")],
        &[METHOD, SCHEME, AUTHORITY, ("x", "1"), PATH],
        &[
            (":method", "GET /smuggled HTTP/1.1\r\n\r\nGET"),
            SCHEME,
            AUTHORITY,
            PATH,
        ],
        &[(":method", "G T"), SCHEME, AUTHORITY, PATH],
        &[(":method", ""), SCHEME, AUTHORITY, PATH],
        &[METHOD, (":scheme", "http\r\n"), AUTHORITY, PATH],
        &[
            METHOD,
            SCHEME,
            AUTHORITY,
            (":path", "/ HTTP/1.1\r\nX: smuggled\r\n\r\n"),
        ],
        &[METHOD, SCHEME, AUTHORITY, (":path", "/\nsmuggled")],
        &[
            METHOD,
            SCHEME,
            AUTHORITY,
            (":path", "http://other.test/smuggled"),
        ],
        &[METHOD, SCHEME, AUTHORITY, (":path", "smuggled")],
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_that_is_not_exactly_one_is_refused() {
    const METHOD: (&str, &str) = (":method", "GET");
    const SCHEME: (&str, &str) = (":scheme", "http");
    const AUTHORITY: (&str, &str) = (":authority", "web.test");
    const PATH: (&str, &str) = (":path", "/");
    all_refused(&[
        &[METHOD, SCHEME, AUTHORITY, PATH, ("host", "other.test")],
        &[METHOD, SCHEME, AUTHORITY, PATH, ("host", "")],
        &[
            METHOD,
            SCHEME,
            AUTHORITY,
            PATH,
            ("host", "web.test"),
            ("host", "web.test"),
        ],
        &[
            METHOD,
            SCHEME,
            PATH,
            ("host", "web.test"),
            ("host", "other.test"),
        ],
        &[METHOD, SCHEME, PATH, ("host", "web.test, other.test")],
        &[METHOD, SCHEME, PATH, ("host", "me@web.test")],
        &[METHOD, SCHEME, (":authority", "me@web.test"), PATH],
        &[
            METHOD,
            SCHEME,
            (":authority", "web.test\r\nX: smuggled"),
            PATH,
        ],
        &[METHOD, SCHEME, (":authority", "web.test/smuggled"), PATH],
        &[METHOD, SCHEME, (":authority", "web.test other.test"), PATH],
        &[METHOD, SCHEME, (":authority", ""), PATH],
        &[METHOD, SCHEME, (":authority", "<web>.test"), PATH],
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_host_may_stand_in_either_place_or_the_same_in_both() {
    let (edge, task) = stage().await;
    let pseudo = [(":method", "GET"), (":scheme", "http"), (":path", "/")];
    for hosts in [
        &[(":authority", "web.test")][..],
        &[("host", "web.test")],
        &[(":authority", "web.test"), ("host", "web.test")],
    ] {
        let (in_front, behind): (Vec<_>, Vec<_>) =
            hosts.iter().partition(|(name, _)| name.starts_with(':'));
        let headers: Vec<(&str, &str)> = in_front.into_iter().chain(pseudo).chain(behind).collect();
        let mut client = RawClient::connect(edge.internal).await;
        let head = frame(HEADERS, END_HEADERS | END_STREAM, 1, &list(&headers));
        client.send(head).await;
        let told = client
            .next_of(&[HEADERS, RST_STREAM, GO_AWAY])
            .await
            .expect("an answer");
        assert_eq!(told.status(), Some(200), "{headers:?}: {told:?}");
        let received = task.requests().pop().expect("it came").head;
        assert_eq!(received.one("host"), Some("web.test"), "{headers:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_length_that_is_not_that_of_the_body_makes_no_whole_request() {
    let (edge, task) = stage().await;
    let bodies: [(&[&str], Option<&str>); 11] = [
        (&["5"], Some("abc")),
        (
            &["3"],
            Some("abcGET /smuggled HTTP/1.1\r\nHost: web.test\r\n\r\n"),
        ),
        (&["5"], None),
        (&["3", "5"], Some("abc")),
        (&["3, 5"], Some("abc")),
        (&["3,3"], Some("abc")),
        (&["+3"], Some("abc")),
        (&["-3"], Some("abc")),
        (&["0x3"], Some("abc")),
        (&[""], Some("abc")),
        (&["18446744073709551619"], Some("abc")),
    ];
    for (lengths, body) in bodies {
        let mut headers = PLAIN.to_vec();
        headers[0].1 = "POST";
        headers.extend(lengths.iter().map(|length| ("content-length", *length)));
        let frames = match body {
            None => frame(HEADERS, END_HEADERS | END_STREAM, 1, &list(&headers)),
            Some(body) => [
                frame(HEADERS, END_HEADERS, 1, &list(&headers)),
                frame(DATA, END_STREAM, 1, body.as_bytes()),
            ]
            .concat(),
        };
        assert_refused(&edge, &task, &frames, &format!("{lengths:?} {body:?}")).await;
    }
    // A body of no length is whole before any of it has come, and what comes of it nevertheless goes nowhere.
    let mut headers = PLAIN.to_vec();
    headers[0].1 = "POST";
    headers.push(("content-length", "0"));
    let mut client = RawClient::connect(edge.internal).await;
    let head = frame(HEADERS, END_HEADERS, 1, &list(&headers));
    let smuggled = b"GET /smuggled HTTP/1.1\r\nHost: web.test\r\n\r\n";
    client
        .send([head, frame(DATA, END_STREAM, 1, smuggled)].concat())
        .await;
    client
        .next_of(&[RST_STREAM, GO_AWAY])
        .await
        .expect("a reset");
    assert_eq!(edge.get("web.test", "/").await.body, task.container);
    assert!(!task.bytes().contains("smuggled"), "{}", task.bytes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn trailers_cannot_become_headers() {
    let (edge, task) = stage().await;
    let mut headers = PLAIN.to_vec();
    headers[0].1 = "POST";
    let mut client = RawClient::connect(edge.internal).await;
    let trailers = [("transfer-encoding", "chunked"), ("x-smuggled", "1")];
    for (stream, trailers) in [(1, &trailers[1..]), (3, &trailers[..])] {
        client
            .send(frame(HEADERS, END_HEADERS, stream, &list(&headers)))
            .await;
        client.send(frame(DATA, 0, stream, b"abc")).await;
        client
            .send(frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                stream,
                &list(trailers),
            ))
            .await;
        let told = client
            .next_of(&[HEADERS, RST_STREAM, GO_AWAY])
            .await
            .expect("an answer");
        let expected = if stream == 1 { Some(200) } else { None };
        assert_eq!(told.status(), expected, "{told:?}");
    }
    assert_eq!(task.requests().len(), 1);
    assert!(!task.bytes().contains("smuggled"), "{}", task.bytes());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_of_malformed_requests_is_ended() {
    let (edge, task) = stage().await;
    let mut client = RawClient::connect(edge.internal).await;
    let mut headers = PLAIN.to_vec();
    headers.push(("host", "other.test"));
    let mut sent = 0;
    for stream in (1..2_000).step_by(2) {
        sent += 1;
        if !client
            .try_send(frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                stream,
                &list(&headers),
            ))
            .await
        {
            break;
        }
        if client
            .next_of(&[HEADERS, GO_AWAY])
            .await
            .is_none_or(|it| it.kind == GO_AWAY)
        {
            break;
        }
    }
    assert!((20..100).contains(&sent), "{sent}");
    assert_eq!(task.bytes(), "");
    let metrics = edge.metrics.render(None);
    let line = "hiveway_refused_connections_total{reason=\"http2-malformed\"} 1\n";
    assert!(metrics.contains(line), "{metrics}");
    assert_eq!(edge.get("web.test", "/").await.status, 200);
}
