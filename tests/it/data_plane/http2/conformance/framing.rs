//! Frames of streams that are broken in themselves: their length, their padding, their place.

use super::super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PADDED, PLAIN, PRIORITISED, PRIORITY,
    RST_STREAM, frame, list,
};
use super::{Case, FRAME_SIZE_ERROR, Outcome, PROTOCOL_ERROR, get, post};

pub(super) fn cases() -> Vec<Case> {
    let block = list(&PLAIN);
    let broken = Outcome::Connection;
    let weight = |dependency: u32| [&dependency.to_be_bytes()[..], &[15]].concat();
    let whole = END_HEADERS | END_STREAM;
    let long = [&block[..], &[0, 1, b'x', 0].repeat(4_200)].concat();
    vec![
        Case::new(
            "4.2: the largest frame",
            [post(1, &[]), frame(DATA, END_STREAM, 1, &[b'x'; 16_384])],
            Outcome::Answer(1),
        ),
        Case::new(
            "4.2: a larger one",
            [post(1, &[]), frame(DATA, END_STREAM, 1, &[b'x'; 16_385])],
            Outcome::Stream(&[FRAME_SIZE_ERROR]),
        ),
        Case::new(
            "4.2: larger headers",
            [frame(HEADERS, whole, 1, &long)],
            broken(&[FRAME_SIZE_ERROR]),
        ),
        Case::new(
            "4.3: a priority among headers",
            [
                frame(HEADERS, END_STREAM, 1, &block[..9]),
                frame(PRIORITY, 0, 1, &weight(0)),
            ],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "4.3: another stream's headers among headers",
            [
                frame(HEADERS, END_STREAM, 1, &block[..9]),
                frame(HEADERS, whole, 3, &block),
            ],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "4.3: another stream's continuation among headers",
            [
                frame(HEADERS, END_STREAM, 1, &block[..9]),
                frame(CONTINUATION, END_HEADERS, 3, &block[9..]),
            ],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "5.3.1: headers that depend on themselves",
            [frame(
                HEADERS,
                whole | PRIORITISED,
                1,
                &[&weight(1)[..], &block].concat(),
            )],
            Outcome::Stream(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "5.3.1: a stream that depends on itself",
            [frame(PRIORITY, 0, 1, &weight(1))],
            Outcome::Stream(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "6.1: the connection's data",
            [post(1, &[]), frame(DATA, END_STREAM, 0, b"test")],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "6.1: more padding than there is",
            [
                post(1, &[]),
                frame(DATA, END_STREAM | PADDED, 1, b"\x06test"),
            ],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "6.2: the connection's headers",
            [frame(HEADERS, whole, 0, &block)],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "6.2: more padding of headers than there is",
            [frame(
                HEADERS,
                whole | PADDED,
                1,
                &[&[0xff][..], &block].concat(),
            )],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "6.2: padding and no room for it",
            [frame(HEADERS, whole | PADDED, 1, &[])],
            broken(&[PROTOCOL_ERROR, FRAME_SIZE_ERROR]),
        ),
        Case::new(
            "6.3: the connection's priority",
            [frame(PRIORITY, 0, 0, &weight(0))],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "6.3: a priority of another length",
            [get(1), frame(PRIORITY, 0, 1, &[0; 4])],
            Outcome::Stream(&[FRAME_SIZE_ERROR]),
        ),
        Case::new(
            "6.4: the connection's reset",
            [frame(RST_STREAM, 0, 0, &[0, 0, 0, 8])],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "6.4: a reset of another length",
            [post(1, &[]), frame(RST_STREAM, 0, 1, &[0, 0, 8])],
            broken(&[FRAME_SIZE_ERROR]),
        ),
    ]
}
