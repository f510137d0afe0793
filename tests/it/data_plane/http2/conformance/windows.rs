//! Flow control: how much of an answer may come, and what is said of it.

use super::super::frames::{WINDOW_UPDATE, frame};
use super::{
    Case, FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, Outcome, PROTOCOL_ERROR, Step, get, post, setting,
    unanswered,
};

/// The setting of a stream's window.
fn window(size: u32) -> Vec<u8> {
    setting(4, size)
}

pub(super) fn cases() -> Vec<Case> {
    let broken = Outcome::Connection;
    let room = |stream, size: u32| frame(WINDOW_UPDATE, 0, stream, &size.to_be_bytes());
    let most = 0x7fff_ffff;
    vec![
        Case::new(
            "6.5.3: values take effect in their order",
            [window(100), window(1), get(1)],
            Outcome::Data(1),
        ),
        Case::new(
            "6.9: no room for the connection",
            [room(0, 0)],
            broken(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "6.9: no room for a stream",
            [post(1, &[]), room(1, 0)],
            Outcome::Stream(&[PROTOCOL_ERROR]),
        ),
        Case::new(
            "6.9: room of another length",
            [frame(WINDOW_UPDATE, 0, 0, &[0; 3])],
            broken(&[FRAME_SIZE_ERROR]),
        ),
        Case::new(
            "6.9.1: no more comes than there is room for",
            [window(1), get(1)],
            Outcome::Data(1),
        ),
        Case::new(
            "6.9.1: too much room for the connection",
            [room(0, most), room(0, most)],
            broken(&[FLOW_CONTROL_ERROR]),
        ),
        Case::new(
            "6.9.1: too much room for a stream",
            [unanswered(1), room(1, most), room(1, most)],
            Outcome::Stream(&[FLOW_CONTROL_ERROR]),
        ),
        Case::new(
            "6.9.2: a window that grows after the request",
            [window(1)],
            Outcome::Data(1),
        )
        .after([Step::Send([window(0), get(1)].concat())]),
        Case::new(
            "6.9.2: a window that is below zero",
            [window(2), room(1, 2)],
            Outcome::Data(1),
        )
        .after([Step::Send([window(3), get(1)].concat()), Step::Data(3)]),
        Case::new(
            "6.9.2: a setting that makes a window too large",
            [unanswered(1), room(1, most - 65_535), window(65_536)],
            broken(&[FLOW_CONTROL_ERROR]),
        ),
    ]
}
