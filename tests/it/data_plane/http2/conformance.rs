//! What RFC 9113, the priorities of RFC 7540, and RFC 7541 ask of a server, case by case: what is sent, and which outcomes
//! stand. Every case has a connection of its own.
//!
//! An error of a connection is told by a farewell with one of the expected codes, or by the connection's end; one of a stream by
//! a reset as well. The library (h2) says `PROTOCOL_ERROR` in many farewells where the RFC has a code of its own, and ends the
//! connection, which stands here as it does with h2spec. A case is named by the section that asks for it.

mod connection;
mod framing;
mod headers;
mod messages;
mod sound;
mod streams;
mod windows;

use std::time::Duration;

use super::super::edge::Edge;
use super::super::origin::{Behaviour, Origin, origins};
use super::super::service::Service;
use super::frames::{
    ACK, DATA, END_HEADERS, END_STREAM, Frame, GO_AWAY, HEADERS, PING, PLAIN, RST_STREAM,
    RawClient, SETTINGS, frame, list,
};

const PROTOCOL_ERROR: u32 = 1;
const FLOW_CONTROL_ERROR: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE_ERROR: u32 = 6;
const REFUSED_STREAM: u32 = 7;
const COMPRESSION_ERROR: u32 = 9;

/// One case.
pub(in super::super) struct Case {
    /// The section, and what is done.
    name: &'static str,
    steps: Vec<Step>,
    outcome: Outcome,
}

/// What the client does.
enum Step {
    Send(Vec<u8>),
    /// Waits for a part of the answer on the first stream, of so many bytes.
    Data(usize),
    /// Waits until the first stream is answered whole.
    Answered,
}

/// What has to come of it.
enum Outcome {
    /// The connection ends, for one of these reasons where it is told.
    Connection(&'static [u32]),
    /// The stream or the connection ends, for one of these reasons where it is told.
    Stream(&'static [u32]),
    /// The task's answer on this stream.
    Answer(u32),
    /// The connection goes on as if nothing had been.
    Goes,
    /// The connection goes on, or ends in peace.
    Leaves,
    /// A frame of this kind, with these flags.
    Frame(u8, u8),
    /// A part of the answer on the first stream, of so many bytes.
    Data(usize),
}

impl Case {
    fn new(name: &'static str, sent: impl IntoIterator<Item = Vec<u8>>, outcome: Outcome) -> Self {
        let sent: Vec<Vec<u8>> = sent.into_iter().collect();
        Self {
            name,
            steps: vec![Step::Send(sent.concat())],
            outcome,
        }
    }

    /// The same after other steps.
    fn after(mut self, steps: impl IntoIterator<Item = Step>) -> Self {
        self.steps.splice(0..0, steps);
        self
    }

    /// Does it, and says what came of it instead of what had to.
    async fn fails(&self, mut client: RawClient) -> Option<String> {
        let done = tokio::time::timeout(Duration::from_secs(10), async {
            for step in &self.steps {
                match step {
                    // Who has been refused already may not get to the end of it.
                    Step::Send(bytes) => drop(client.try_send(bytes).await),
                    Step::Data(length) => {
                        let part = client.next_of(&[DATA, GO_AWAY, RST_STREAM]).await;
                        if part.as_ref().is_none_or(|it| !is_part(it, *length)) {
                            return Some(format!("{part:?} instead of a part"));
                        }
                    }
                    Step::Answered => loop {
                        match client.next_of(&[HEADERS, DATA, GO_AWAY, RST_STREAM]).await {
                            Some(frame) if frame.kind == HEADERS || frame.kind == DATA => {
                                if frame.flags & END_STREAM != 0 {
                                    break;
                                }
                            }
                            other => return Some(format!("{other:?} instead of an answer")),
                        }
                    },
                }
            }
            self.outcome.is_missing(&mut client).await
        });
        match done.await {
            Ok(failure) => failure,
            Err(_) => Some("nothing came".to_owned()),
        }
    }
}

impl Outcome {
    async fn is_missing(&self, client: &mut RawClient) -> Option<String> {
        const PROBE: [u8; 8] = *b"a probe!";
        let kinds: &[u8] = match self {
            Self::Connection(_) => &[GO_AWAY],
            Self::Stream(_) => &[GO_AWAY, RST_STREAM],
            Self::Answer(_) => &[GO_AWAY, RST_STREAM, HEADERS],
            Self::Goes | Self::Leaves => &[GO_AWAY, RST_STREAM, PING],
            Self::Frame(kind, _) => &[GO_AWAY, RST_STREAM, *kind],
            Self::Data(_) => &[GO_AWAY, RST_STREAM, DATA],
        };
        if let Self::Goes | Self::Leaves = self {
            client.try_send(frame(PING, 0, 0, &PROBE)).await;
        }
        loop {
            let told = client.next_of(kinds).await;
            let right = match (self, &told) {
                (Self::Connection(_) | Self::Stream(_) | Self::Leaves, None) => true,
                (Self::Leaves, Some(told)) if told.kind == GO_AWAY => told.reason() == 0,
                (Self::Connection(codes) | Self::Stream(codes), Some(told)) => {
                    let right = codes.contains(&told.reason());
                    if !right && told.kind == GO_AWAY && told.reason() == PROTOCOL_ERROR {
                        // The library's word for most errors. The end has to follow.
                        continue;
                    }
                    right
                }
                (Self::Answer(stream), Some(told)) => {
                    told.stream == *stream && told.status() == Some(200)
                }
                (Self::Goes | Self::Leaves, Some(told)) => {
                    told.kind == PING && told.flags & ACK != 0 && told.payload == PROBE
                }
                // The server's own settings come before it acknowledges ours.
                (Self::Frame(kind, flags), Some(told)) if told.kind == *kind => {
                    if told.flags != *flags {
                        continue;
                    }
                    true
                }
                (Self::Data(length), Some(told)) => is_part(told, *length),
                _ => false,
            };
            return (!right).then(|| format!("{told:?}"));
        }
    }
}

fn is_part(frame: &Frame, length: usize) -> bool {
    frame.kind == DATA && frame.stream == 1 && frame.payload.len() == length
}

/// A whole request.
fn get(stream: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &list(&PLAIN))
}

/// A whole request that is not answered.
fn unanswered(stream: u32) -> Vec<u8> {
    let mut headers = PLAIN;
    headers[2].1 = "hangs.test";
    frame(HEADERS, END_HEADERS | END_STREAM, stream, &list(&headers))
}

/// The head of a request whose body is still to come, with further headers.
fn post(stream: u32, further: &[(&str, &str)]) -> Vec<u8> {
    let mut headers = PLAIN.to_vec();
    headers[0].1 = "POST";
    headers.extend(further);
    frame(HEADERS, END_HEADERS, stream, &list(&headers))
}

/// Settings with one value.
fn setting(identifier: u16, value: u32) -> Vec<u8> {
    let payload = [&identifier.to_be_bytes()[..], &value.to_be_bytes()].concat();
    frame(SETTINGS, 0, 0, &payload)
}

/// The services that the cases ask.
pub(in super::super) async fn services() -> ([Origin; 2], [Service; 2]) {
    let tasks = origins([Behaviour::Answer, Behaviour::Hang]).await;
    let services = [
        Service::new("web", "web.test").endpoints([&tasks[0]]),
        Service::new("hangs", "hangs.test").endpoints([&tasks[1]]),
    ];
    (tasks, services)
}

/// Every case.
fn all() -> Vec<Case> {
    let parts = [
        sound::cases(),
        connection::cases(),
        framing::cases(),
        streams::cases(),
        windows::cases(),
        messages::cases(),
        headers::cases(),
    ];
    parts.into_iter().flatten().collect()
}

/// Does every case on a connection of its own, that was opened as HTTP/2, and asserts that none fails.
pub(in super::super) async fn hold(open: impl AsyncFn() -> RawClient) {
    let mut failures = Vec::new();
    let cases = all();
    for case in &cases {
        if let Some(failure) = case.fails(open().await).await {
            failures.push(format!("{}: {failure}", case.name));
        }
    }
    let (failed, all) = (failures.len(), cases.len());
    assert_eq!(failed, 0, "of {all} cases:\n{}", failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_that_is_asked_of_a_server_holds_in_clear() {
    let (_tasks, services) = services().await;
    let edge = Edge::start(&services).await;
    hold(async || RawClient::connect(edge.internal).await).await;
}
