//! HPACK (RFC 7541): every form of a header, and those that stand for nothing.

use super::super::frames::{END_HEADERS, END_STREAM, HEADERS, frame};
use super::{COMPRESSION_ERROR, Case, Outcome};

/// GET, http, / and the host, most of them by their numbers.
const INDEXED: &[u8] = b"\x82\x86\x84\x41\x08web.test";

/// `custom-key`, `custom-value` and `no-cache` in Huffman's code, as RFC 7541 writes them in its examples.
const KEY: &[u8] = b"\x88\x25\xa8\x49\xe9\x5b\xa9\x7d\x7f";
const VALUE: &[u8] = b"\x89\x25\xa8\x49\xe9\x5b\xb8\xe8\xb4\xbf";
const NO_CACHE: &[u8] = b"\x86\xa8\xeb\x10\x64\x9c\xbf";

/// A request with one header more, which is taken.
fn taken(name: &'static str, header: &[&[u8]]) -> Case {
    sent(
        name,
        &[INDEXED, &header.concat()].concat(),
        Outcome::Answer(1),
    )
}

/// A request with one header more, which ends the connection.
fn broken(name: &'static str, header: &[&[u8]]) -> Case {
    let block = [INDEXED, &header.concat()].concat();
    sent(name, &block, Outcome::Connection(&[COMPRESSION_ERROR]))
}

fn sent(name: &'static str, block: &[u8], outcome: Outcome) -> Case {
    let request = frame(HEADERS, END_HEADERS | END_STREAM, 1, block);
    Case::new(name, [request], outcome)
}

pub(super) fn cases() -> Vec<Case> {
    // User-Agent has the number 58, which fits into six bits and not into four.
    vec![
        taken("HPACK 6.1: by number", &[]),
        taken(
            "HPACK 6.2.1: remembered, a name by number",
            &[b"\x7a\x04test"],
        ),
        taken(
            "HPACK 6.2.1: the same in Huffman's code",
            &[b"\x7a", NO_CACHE],
        ),
        taken(
            "HPACK 6.2.1: remembered, a new name",
            &[b"\x40\x06x-test\x02ok"],
        ),
        taken(
            "HPACK 6.2.1: the same in Huffman's code",
            &[b"\x40", KEY, VALUE],
        ),
        taken(
            "HPACK 6.2.1: and named by its number again",
            &[b"\x40\x06x-test\x02ok\xbe"],
        ),
        taken(
            "HPACK 6.2.2: not remembered, a name by number",
            &[b"\x0f\x2b\x04test"],
        ),
        taken(
            "HPACK 6.2.2: the same in Huffman's code",
            &[b"\x0f\x2b", NO_CACHE],
        ),
        taken(
            "HPACK 6.2.2: not remembered, a new name",
            &[b"\x00\x06x-test\x02ok"],
        ),
        taken(
            "HPACK 6.2.2: the same in Huffman's code",
            &[b"\x00", KEY, VALUE],
        ),
        taken(
            "HPACK 6.2.3: never remembered, a name by number",
            &[b"\x1f\x2b\x04test"],
        ),
        taken(
            "HPACK 6.2.3: the same in Huffman's code",
            &[b"\x1f\x2b", NO_CACHE],
        ),
        taken(
            "HPACK 6.2.3: never remembered, a new name",
            &[b"\x10\x06x-test\x02ok"],
        ),
        taken(
            "HPACK 6.2.3: the same in Huffman's code",
            &[b"\x10", KEY, VALUE],
        ),
        sent(
            "HPACK 6.3: another size of the table",
            &[b"\x3f\xe1\x1f", INDEXED].concat(),
            Outcome::Answer(1),
        ),
        sent(
            "HPACK 6.3: two sizes one after the other",
            &[b"\x20\x3f\xe1\x1f", INDEXED].concat(),
            Outcome::Answer(1),
        ),
        sent(
            "HPACK 6.3: a larger table than is allowed",
            &[b"\x3f\xe2\x1f", INDEXED].concat(),
            Outcome::Connection(&[COMPRESSION_ERROR]),
        ),
        sent(
            "4.3: what is no header block",
            &[0x01],
            Outcome::Connection(&[COMPRESSION_ERROR]),
        ),
        broken("HPACK 2.3.3: a number that stands for nothing", &[b"\xc6"]),
        broken(
            "HPACK 2.3.3: a name's number that stands for nothing",
            &[b"\x7f\x07\x02ok"],
        ),
        broken("HPACK 4.2: another size behind the headers", &[b"\x20"]),
        broken(
            "HPACK 5.1: a number without end",
            &[b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x0f"],
        ),
        broken(
            "HPACK 5.2: a text that is longer than the block",
            &[b"\x0f\x2b\x7ftest"],
        ),
        broken(
            "HPACK 5.2: more than seven bits of padding",
            &[b"\x0f\x2b\x87\xa8\xeb\x10\x64\x9c\xbf\xff"],
        ),
        broken("HPACK 5.2: padding of zeros", &[b"\x0f\x2b\x81\x18"]),
        broken(
            "HPACK 5.2: the end of a text within it",
            &[b"\x0f\x2b\x84\xff\xff\xff\xff"],
        ),
        broken("HPACK 6.1: the number zero", &[b"\x80"]),
    ]
}
