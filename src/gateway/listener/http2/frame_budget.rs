//! The number of frames that a client may send without bringing a request forward.
//!
//! # Design notes
//!
//! A PING, SETTINGS, PRIORITY, WINDOW_UPDATE or a frame of an unknown type costs a client some 15
//! bytes and us a pass through the parser, and often an answer; RFC 9113 section 10.5 leaves it to
//! the server to see abuse in it. h2 bounds what it has to remember, and reads the rest for as long
//! as it comes. It has bounds of its own for frames of DATA that are empty or small, for heads in
//! many pieces, and for streams that have to be reset.
//!
//! Sound clients send such frames at the start, now and then to see whether the line lives, and in
//! response to what they are sent: room for each piece of a body, or a PING to measure the line. So
//! there is a budget that time refills slowly, and each frame of an answer at once.
//!
//! Only the nine bytes in front of each frame are looked at. A plain request costs one look at its
//! HEADERS, and one at each frame of its answer.

use std::time::Duration;

use tokio::time::Instant;

/// Frames that may come at once. nghttp2 lets as many acknowledgements wait before it takes a peer
/// for one that misbehaves (`max_outbound_ack`).
const MOST: u32 = 1000;

/// Frames that every second allows in addition. Jetty ends a connection over more of them than this
/// (`rateControl.maxEventsPerSecond`).
const PER_SECOND: u32 = 50;

/// Frames that each frame of an answer allows in addition, as Envoy allows for room that is given
/// (`max_inbound_window_update_frames_per_data_frame_sent`).
const PER_ANSWER: u32 = 10;

/// A frame costs one more for each so many bytes of its payload. A client's SETTINGS has some 40
/// bytes; a long one is work without end in little pieces (CVE-2020-11080).
const BYTES: usize = 256;

/// The bytes in front of the first frame of a client (RFC 9113 section 3.4).
const PREFACE: usize = 24;

/// The bytes in front of each frame's payload (RFC 9113 section 4.1).
const HEADER: usize = 9;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const CONTINUATION: u8 = 9;

/// The flag of the last frame that a client sends on a stream.
const END_STREAM: u8 = 1;

/// What is left to a connection's client.
#[derive(Debug)]
pub(super) struct FrameBudget {
    received: Frames,
    sent: Frames,
    left: u32,
    /// Streams that the gateway has reset since the client's last frame.
    resets: u32,
    refilled: Instant,
}

impl FrameBudget {
    /// The budget of a connection of which nothing was read yet.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            received: Frames::behind(PREFACE),
            sent: Frames::behind(0),
            left: MOST,
            resets: 0,
            refilled: now,
        }
    }

    /// Takes note of what the client has sent; false when that was too much.
    pub(super) fn receives(&mut self, bytes: &[u8]) -> bool {
        let Self {
            received,
            left,
            resets,
            refilled,
            ..
        } = self;
        let mut enough = true;
        received.read(bytes, |frame| {
            let cost = frame.cost().saturating_add(std::mem::take(resets));
            if cost > *left {
                refill(left, refilled);
            }
            enough &= cost <= *left;
            *left = left.saturating_sub(cost);
        });
        enough
    }

    /// Takes note of what the client was sent.
    pub(super) fn sends(&mut self, bytes: &[u8]) {
        let Self { left, resets, .. } = self;
        self.sent.read(bytes, |frame| {
            if frame.is_answer() {
                *left = (*left + PER_ANSWER).min(MOST);
            }
            // A stream beyond the limit is refused by h2 alone, and nothing else counts it.
            *resets += u32::from(frame.kind == RST_STREAM);
        });
    }
}

/// Adds what time has earned. The clock is read only where the budget is used up.
fn refill(left: &mut u32, refilled: &mut Instant) {
    let now = Instant::now();
    let earned = now.duration_since(*refilled) * PER_SECOND;
    let whole = u32::try_from(earned.as_secs()).unwrap_or(MOST);
    *left = left.saturating_add(whole).min(MOST);
    // What is earned of the next frame stays earned.
    *refilled = now - (earned - Duration::from_secs(earned.as_secs())) / PER_SECOND;
}

/// What stands in front of a frame's payload.
struct Frame {
    length: usize,
    kind: u8,
    flags: u8,
}

impl Frame {
    fn parse(header: [u8; HEADER]) -> Self {
        let [high, middle, low, kind, flags, ..] = header;
        let length = u32::from_be_bytes([0, high, middle, low]);
        Self {
            length: length as usize,
            kind,
            flags,
        }
    }

    /// What a client pays for it.
    fn cost(&self) -> u32 {
        match self.kind {
            // Heads and bodies are bounded by what they are: requests, and bytes.
            HEADERS => 0,
            DATA => u32::from(self.length == 0 && self.flags & END_STREAM == 0),
            CONTINUATION => 1,
            _ => 1 + u32::try_from(self.length / BYTES).unwrap_or(MOST),
        }
    }

    /// Whether it is a part of an answer, so that a client may have to say something to it.
    fn is_answer(&self) -> bool {
        self.kind == HEADERS || (self.kind == DATA && self.length > 0)
    }
}

/// Finds the frames in one direction of a connection.
#[derive(Debug)]
struct Frames {
    /// The bytes up to the next frame.
    skip: usize,
    header: [u8; HEADER],
    /// The bytes of the header that are there.
    filled: usize,
}

impl Frames {
    fn behind(preface: usize) -> Self {
        Self {
            skip: preface,
            header: [0; HEADER],
            filled: 0,
        }
    }

    fn read(&mut self, mut bytes: &[u8], mut each: impl FnMut(Frame)) {
        loop {
            let skipped = self.skip.min(bytes.len());
            self.skip -= skipped;
            bytes = &bytes[skipped..];
            if bytes.is_empty() {
                return;
            }

            let more = (HEADER - self.filled).min(bytes.len());
            let (taken, rest) = bytes.split_at(more);
            self.header[self.filled..][..more].copy_from_slice(taken);
            self.filled += more;
            bytes = rest;
            if self.filled < HEADER {
                return;
            }

            let frame = Frame::parse(self.header);
            self.filled = 0;
            self.skip = frame.length;
            each(frame);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PING: u8 = 6;

    fn frame(kind: u8, flags: u8, length: usize) -> Vec<u8> {
        let [.., high, middle, low] = u32::try_from(length).unwrap().to_be_bytes();
        let mut bytes = vec![high, middle, low, kind, flags, 0, 0, 0, 1];
        bytes.resize(HEADER + length, 0xaa);
        bytes
    }

    fn opened() -> FrameBudget {
        let mut budget = FrameBudget::new(Instant::now());
        assert!(budget.receives(&[b'x'; PREFACE]));
        budget
    }

    /// The number of frames that are allowed at once.
    fn allowed(budget: &mut FrameBudget, frame: &[u8]) -> usize {
        let count = (0..5_000).take_while(|_| budget.receives(frame)).count();
        assert!(!budget.receives(frame) || count == 5_000);
        count
    }

    #[tokio::test(start_paused = true)]
    async fn frames_are_paid_for_by_kind_and_size() {
        for (kind, flags, length, expected) in [
            (PING, 0, 8, 1_000),
            (PING, 1, 8, 1_000),
            (4, 0, 0, 1_000),
            (4, 0, 36, 1_000),
            (4, 0, 15_000, 16),
            (8, 0, 4, 1_000),
            (0x42, 0, 0, 1_000),
            (CONTINUATION, 4, 16_000, 1_000),
            (DATA, 0, 0, 1_000),
            // One that ends its stream, one with a body, and a head.
            (DATA, END_STREAM, 0, 5_000),
            (DATA, 0, 1, 5_000),
            (HEADERS, 4, 20, 5_000),
        ] {
            let bytes = frame(kind, flags, length);
            assert_eq!(
                allowed(&mut opened(), &bytes),
                expected,
                "{kind} {flags} {length}"
            );
        }
    }

    #[tokio::test(start_paused = true)]
    async fn time_and_answers_refill_the_budget() {
        let ping = frame(PING, 0, 8);
        let mut budget = opened();
        assert_eq!(allowed(&mut budget, &ping), 1_000);
        tokio::time::advance(Duration::from_millis(500)).await;
        assert_eq!(allowed(&mut budget, &ping), 25);
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!(allowed(&mut budget, &ping), 1_000);
        budget.sends(&frame(HEADERS, 4, 20));
        budget.sends(&frame(DATA, 0, 3));
        // These answer nothing.
        budget.sends(&frame(PING, 1, 8));
        budget.sends(&frame(DATA, 1, 0));
        assert_eq!(allowed(&mut budget, &ping), 20);
        for _ in 0..10_000 {
            budget.sends(&frame(DATA, 0, 3));
        }
        assert_eq!(allowed(&mut budget, &ping), 1_000);
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_that_keeps_to_the_rate_goes_on() {
        let ping = frame(PING, 0, 8);
        let mut budget = opened();
        for _ in 0..10_000 {
            assert!(budget.receives(&ping));
            tokio::time::advance(Duration::from_millis(20)).await;
        }
    }

    #[tokio::test(start_paused = true)]
    async fn frames_are_found_however_they_are_cut() {
        let mut all = vec![b'x'; PREFACE];
        for round in 0..400 {
            all.extend(frame(PING, 0, 8));
            all.extend(frame(DATA, 0, round));
        }
        for size in [1, 2, 7, 9, 10, 4_096, 1_000_000] {
            let mut budget = FrameBudget::new(Instant::now());
            for piece in all.chunks(size) {
                assert!(budget.receives(piece));
            }
            // One frame of DATA is empty.
            assert_eq!(budget.left, MOST - 401, "pieces of {size}");
        }
    }
}
