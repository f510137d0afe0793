//! Frames that belong to the connection: settings, pings, farewells, and kinds that nobody knows.

use super::super::frames::{
    ACK, CONTINUATION, END_HEADERS, END_STREAM, GO_AWAY, HEADERS, PING, PLAIN, PUSH_PROMISE,
    SETTINGS, frame, list,
};
use super::{
    Case, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, Outcome, PROTOCOL_ERROR, STREAM_CLOSED, get,
    setting,
};

pub(super) fn cases() -> Vec<Case> {
    let block = list(&PLAIN);
    let broken = Outcome::Connection;
    vec![
        Case::new(
            "4.1: a kind that nobody knows",
            [frame(0x16, 0, 0, &[0; 8])],
            Outcome::Goes,
        ),
        Case::new(
            "4.1: flags that nobody knows",
            [frame(PING, 0x16 & !ACK, 0, b"12345678")],
            Outcome::Frame(PING, ACK),
        ),
        Case::new(
            "4.1: the reserved bit",
            [frame(PING, 0, 0x8000_0000, b"12345678")],
            Outcome::Frame(PING, ACK),
        ),
        Case::new(
            "5.4.1: a broken ping is answered by a farewell",
            [frame(PING, 0, 0, &[0; 6])],
            broken(&[FRAME_SIZE_ERROR]),
        ),
        Case::new(
            "5.5: an extension",
            [frame(0xff, 0xff, 1, &[0; 8])],
            Outcome::Goes,
        ),
        Case::new(
            "5.5: an extension among headers",
            [
                frame(HEADERS, END_STREAM, 1, &block),
                frame(0xff, 0, 1, &[0; 8]),
            ],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "6.5: an acknowledgement that says something",
            [frame(SETTINGS, ACK, 0, &[0; 6])],
            broken(&[FRAME_SIZE_ERROR]),
        ),
        Case::new(
            "6.5: settings of a stream",
            [frame(SETTINGS, 0, 1, &[0, 3, 0, 0, 0, 100])],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "6.5: half a setting",
            [frame(SETTINGS, 0, 0, &[0, 3, 0])],
            broken(&[FRAME_SIZE_ERROR]),
        ),
        Case::new(
            "6.5.2: to push or not, or else",
            [setting(2, 2)],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "6.5.2: a window beyond all",
            [setting(4, 0x8000_0000)],
            broken(&[FLOW_CONTROL_ERROR]),
        ),
        Case::new(
            "6.5.2: frames that are too small",
            [setting(5, 16_383)],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "6.5.2: frames that are too large",
            [setting(5, 16_777_216)],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "6.6: a client that pushes",
            [
                get(1),
                frame(
                    PUSH_PROMISE,
                    END_HEADERS,
                    1,
                    &[&[0, 0, 0, 2][..], &block].concat(),
                ),
            ],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "6.7: a stream's ping",
            [frame(PING, 0, 1, &[0; 8])],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "6.7: a ping of another length",
            [frame(PING, 0, 0, &[0; 9])],
            broken(&[FRAME_SIZE_ERROR]),
        ),
        Case::new(
            "6.8: a stream's farewell",
            [frame(GO_AWAY, 0, 1, &[0; 8])],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "6.10: continued after anything else",
            [
                frame(HEADERS, END_STREAM, 1, &block[..9]),
                frame(PING, 0, 0, &[0; 8]),
            ],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "6.10: continuation of the connection",
            [
                frame(HEADERS, END_STREAM, 1, &block[..9]),
                frame(CONTINUATION, END_HEADERS, 0, &block[9..]),
            ],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "6.10: continuation of what was whole",
            [get(1), frame(CONTINUATION, END_HEADERS, 1, &block)],
            broken(&[PROTOCOL_ERROR, STREAM_CLOSED]),
        ),
        Case::new(
            "6.10: continuation of a continuation that was the last",
            [
                frame(HEADERS, END_STREAM, 1, &block[..9]),
                frame(CONTINUATION, END_HEADERS, 1, &block[9..]),
                frame(CONTINUATION, END_HEADERS, 1, &block),
            ],
            broken(&[PROTOCOL_ERROR, STREAM_CLOSED]),
        ),
    ]
}
