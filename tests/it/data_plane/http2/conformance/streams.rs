//! The states of a stream, and what may come in which.

use super::super::frames::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, HEADERS, PLAIN, RST_STREAM, WINDOW_UPDATE, frame,
    list,
};
use super::{
    Case, Outcome, PROTOCOL_ERROR, REFUSED_STREAM, STREAM_CLOSED, Step, get, post, unanswered,
};

pub(super) fn cases() -> Vec<Case> {
    let block = list(&PLAIN);
    let broken = Outcome::Connection;
    let cancel = |stream| frame(RST_STREAM, 0, stream, &[0, 0, 0, 8]);
    let data = |stream| frame(DATA, END_STREAM, stream, b"test");
    let continuation = || frame(CONTINUATION, END_HEADERS, 1, &block);
    let answered = || [Step::Send(get(1)), Step::Answered];
    vec![
        Case::new(
            "5.1: data of an idle stream",
            [data(1)],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "5.1: a reset of an idle stream",
            [cancel(1)],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "5.1: room for an idle stream",
            [frame(WINDOW_UPDATE, 0, 1, &[0, 0, 0, 100])],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "5.1: continuation of an idle stream",
            [continuation()],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "5.1: data of a half-closed stream",
            [unanswered(1), data(1)],
            Outcome::Stream(&[STREAM_CLOSED]),
        ),
        Case::new(
            "5.1: headers of a half-closed stream",
            [unanswered(1), get(1)],
            Outcome::Stream(&[STREAM_CLOSED]),
        ),
        Case::new(
            "5.1: continuation of a half-closed stream",
            [unanswered(1), continuation()],
            broken(&[PROTOCOL_ERROR, STREAM_CLOSED]),
        ),
        Case::new(
            "5.1: data of a stream that was taken back",
            [unanswered(1), cancel(1), data(1)],
            Outcome::Stream(&[STREAM_CLOSED]),
        ),
        Case::new(
            "5.1: headers of a stream that was taken back",
            [unanswered(1), cancel(1), get(1)],
            Outcome::Stream(&[STREAM_CLOSED]),
        ),
        Case::new(
            "5.1: continuation of a stream that was taken back",
            [unanswered(1), cancel(1), continuation()],
            broken(&[PROTOCOL_ERROR, STREAM_CLOSED]),
        ),
        Case::new(
            "5.1: data of a closed stream",
            [data(1)],
            Outcome::Stream(&[STREAM_CLOSED]),
        )
        .after(answered()),
        Case::new(
            "5.1: headers of a closed stream",
            [get(1)],
            broken(&[STREAM_CLOSED]),
        )
        .after(answered()),
        Case::new(
            "5.1: continuation of a closed stream",
            [continuation()],
            broken(&[PROTOCOL_ERROR, STREAM_CLOSED]),
        )
        .after(answered()),
        Case::new("5.1.1: an even stream", [get(2)], broken(&[PROTOCOL_ERROR])),
        Case::new(
            "5.1.1: a stream below the last",
            [unanswered(5), get(3)],
            broken(&[PROTOCOL_ERROR, STREAM_CLOSED]),
        ),
        Case::new(
            "5.1.2: more streams than are allowed",
            (0..101).map(|number| unanswered(2 * number + 1)),
            Outcome::Stream(&[PROTOCOL_ERROR, REFUSED_STREAM]),
        ),
        Case::new(
            "6.1: data of a stream that is not open",
            [unanswered(1), data(1)],
            Outcome::Stream(&[STREAM_CLOSED]),
        ),
        Case::new(
            "6.10: continuation after data",
            [post(1, &[]), frame(DATA, 0, 1, b"test"), continuation()],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "8.1: second headers that are not the last",
            [
                post(1, &[]),
                frame(HEADERS, END_HEADERS, 1, &list(&[("x-test", "ok")])),
            ],
            Outcome::Stream(&[PROTOCOL_ERROR]),
        ),
    ]
}
