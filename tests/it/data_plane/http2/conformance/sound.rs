//! What any client may send: it is taken, and answered.

use super::super::frames::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, GO_AWAY, HEADERS, PADDED, PING, PLAIN,
    PRIORITISED, PRIORITY, RST_STREAM, SETTINGS, WINDOW_UPDATE, frame, list,
};
use super::{Case, Outcome, Step, get, post, setting, unanswered};

pub(super) fn cases() -> Vec<Case> {
    let one = 1u32.to_be_bytes();
    let block = list(&PLAIN);
    let weight = |dependency: u32, weight: u8| [&dependency.to_be_bytes()[..], &[weight]].concat();
    let whole = END_HEADERS | END_STREAM;
    let padded = |payload: &[u8]| [&[6][..], payload, &[0; 6]].concat();
    vec![
        Case::new("3.4: an opening", [], Outcome::Frame(SETTINGS, ACK)),
        Case::new(
            "5.1: priority of an idle stream",
            [frame(PRIORITY, 0, 1, &weight(0, 15)), get(3)],
            Outcome::Answer(3),
        ),
        Case::new(
            "5.1: room for a half-closed stream",
            [unanswered(1), frame(WINDOW_UPDATE, 0, 1, &one)],
            Outcome::Goes,
        ),
        Case::new(
            "5.1: priority of a half-closed stream",
            [unanswered(1), frame(PRIORITY, 0, 1, &weight(0, 15))],
            Outcome::Goes,
        ),
        Case::new(
            "5.1: a half-closed stream is taken back",
            [unanswered(1), frame(RST_STREAM, 0, 1, &[0, 0, 0, 8])],
            Outcome::Goes,
        ),
        Case::new(
            "5.1: priority of a closed stream",
            [frame(PRIORITY, 0, 1, &weight(0, 15))],
            Outcome::Goes,
        )
        .after([Step::Send(get(1)), Step::Answered]),
        Case::new(
            "6.1: a body",
            [post(1, &[]), frame(DATA, END_STREAM, 1, b"test")],
            Outcome::Answer(1),
        ),
        Case::new(
            "6.1: a body in parts",
            [
                post(1, &[]),
                frame(DATA, 0, 1, b"te"),
                frame(DATA, END_STREAM, 1, b"st"),
            ],
            Outcome::Answer(1),
        ),
        Case::new(
            "6.1: a padded body",
            [
                post(1, &[]),
                frame(DATA, END_STREAM | PADDED, 1, &padded(b"test")),
            ],
            Outcome::Answer(1),
        ),
        Case::new("6.2: headers", [get(1)], Outcome::Answer(1)),
        Case::new(
            "6.2: padded headers",
            [frame(HEADERS, whole | PADDED, 1, &padded(&block))],
            Outcome::Answer(1),
        ),
        Case::new(
            "6.2: headers with a priority",
            [frame(
                HEADERS,
                whole | PRIORITISED,
                1,
                &[&weight(0, 15)[..], &block].concat(),
            )],
            Outcome::Answer(1),
        ),
        Case::new(
            "6.2: padded headers with a priority",
            [frame(
                HEADERS,
                whole | PADDED | PRIORITISED,
                1,
                &padded(&[&weight(0, 15)[..], &block].concat()),
            )],
            Outcome::Answer(1),
        ),
        Case::new(
            "6.3: the least weight",
            [frame(PRIORITY, 0, 1, &weight(0, 0)), get(1)],
            Outcome::Answer(1),
        ),
        Case::new(
            "6.3: the greatest weight",
            [frame(PRIORITY, 0, 1, &weight(0, 255)), get(1)],
            Outcome::Answer(1),
        ),
        Case::new(
            "6.3: a stream that depends on another",
            [frame(PRIORITY, 0, 5, &weight(1, 15)), get(7)],
            Outcome::Answer(7),
        ),
        Case::new(
            "6.3: and excludes others",
            [frame(PRIORITY, 0, 5, &weight(0x8000_0001, 15)), get(7)],
            Outcome::Answer(7),
        ),
        Case::new(
            "6.3: an idle stream's priority, and a lower stream",
            [frame(PRIORITY, 0, 7, &weight(0, 15)), get(5)],
            Outcome::Answer(5),
        ),
        Case::new(
            "6.4: a request is taken back",
            [
                unanswered(1),
                frame(RST_STREAM, 0, 1, &[0, 0, 0, 8]),
                get(3),
            ],
            Outcome::Answer(3),
        ),
        Case::new(
            "6.5: settings",
            [setting(3, 100)],
            Outcome::Frame(SETTINGS, ACK),
        ),
        Case::new(
            "6.5.2: a setting that nobody knows",
            [setting(0xff, 1)],
            Outcome::Goes,
        ),
        Case::new(
            "6.5.3: settings are acknowledged",
            [frame(SETTINGS, 0, 0, &[])],
            Outcome::Frame(SETTINGS, ACK),
        ),
        Case::new(
            "6.7: a ping",
            [frame(PING, 0, 0, b"12345678")],
            Outcome::Frame(PING, ACK),
        ),
        Case::new(
            "6.7: the answer to a ping that was never sent",
            [frame(PING, ACK, 0, b"12345678")],
            Outcome::Goes,
        ),
        Case::new(
            "6.8: a farewell",
            [frame(GO_AWAY, 0, 0, &[0; 8])],
            Outcome::Leaves,
        ),
        Case::new(
            "6.9: room for the connection",
            [frame(WINDOW_UPDATE, 0, 0, &one), get(1)],
            Outcome::Answer(1),
        ),
        Case::new(
            "6.9: room for a stream",
            [
                post(1, &[]),
                frame(WINDOW_UPDATE, 0, 1, &one),
                frame(DATA, END_STREAM, 1, b""),
            ],
            Outcome::Answer(1),
        ),
        Case::new(
            "6.10: continued headers",
            [
                frame(HEADERS, END_STREAM, 1, &block[..9]),
                frame(CONTINUATION, END_HEADERS, 1, &block[9..]),
            ],
            Outcome::Answer(1),
        ),
        Case::new(
            "6.10: headers that are continued twice",
            [
                frame(HEADERS, END_STREAM, 1, &block[..9]),
                frame(CONTINUATION, 0, 1, &block[9..20]),
                frame(CONTINUATION, END_HEADERS, 1, &block[20..]),
            ],
            Outcome::Answer(1),
        ),
        Case::new(
            "7: a reset for a reason that nobody knows",
            [unanswered(1), frame(RST_STREAM, 0, 1, &[0, 0, 0, 0xff])],
            Outcome::Goes,
        ),
        Case::new(
            "7: a farewell for a reason that nobody knows",
            [frame(GO_AWAY, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 0xff])],
            Outcome::Leaves,
        ),
        Case::new(
            "8.1: a head alone",
            [{
                let mut headers = PLAIN;
                headers[0].1 = "HEAD";
                frame(HEADERS, whole, 1, &list(&headers))
            }],
            Outcome::Answer(1),
        ),
        Case::new(
            "8.1: trailers",
            [
                post(1, &[("trailer", "x-test")]),
                frame(DATA, 0, 1, b"test"),
                frame(HEADERS, whole, 1, &list(&[("x-test", "ok")])),
            ],
            Outcome::Answer(1),
        ),
        Case::new(
            "8.2.2: TE may name trailers",
            [
                post(1, &[("te", "trailers")]),
                frame(DATA, END_STREAM, 1, b"test"),
            ],
            Outcome::Answer(1),
        ),
    ]
}
