//! Compresses one body, piece by piece, in one of the ways that there are.
//!
//! # Design notes
//!
//! What is kept of a body is bounded by the windows below, so that a compressed answer under way takes about 300 KB by gzip
//! and at most 2 MB by the others, however long it is. Larger windows gain a little on megabytes of text, which are rare.
//! The levels are those from which on each of them takes much more time for little less to send.

use std::io::{self, Write as _};

use brotli::CompressorWriter;
use brotli::enc::BrotliEncoderParams;
use bytes::Bytes;
use flate2::Compression as Level;
use flate2::write::GzEncoder;
use zstd::stream::write::Encoder as ZstdEncoder;

use crate::core::model::middleware::Encoding;

/// Of gzip, from 1 to 9.
const GZIP_LEVEL: u32 = 5;
/// Of Brotli, from 0 to 11.
const BROTLI_QUALITY: i32 = 4;
/// Of Zstandard, from 1 to 22.
const ZSTD_LEVEL: i32 = 3;
/// What Brotli and Zstandard look back over, as a power of 2: 512 KiB.
const WINDOW: u8 = 19;
/// The buffer between Brotli and what it writes to, in bytes.
const BUFFER: usize = 4_096;

/// A body on its way.
pub(super) enum Encoder {
    Gzip(GzEncoder<Vec<u8>>),
    Brotli(Box<CompressorWriter<Vec<u8>>>),
    Zstd(ZstdEncoder<'static, Vec<u8>>),
}

impl Encoder {
    /// For a body of this length; none where that is not known.
    ///
    /// # Errors
    ///
    /// Zstandard finds no memory.
    pub(super) fn new(encoding: Encoding, length: Option<u64>) -> io::Result<Self> {
        let into = Vec::new();
        Ok(match encoding {
            Encoding::Gzip => Self::Gzip(GzEncoder::new(into, Level::new(GZIP_LEVEL))),
            Encoding::Brotli => {
                let params = BrotliEncoderParams {
                    quality: BROTLI_QUALITY,
                    lgwin: WINDOW.into(),
                    size_hint: length.and_then(|it| it.try_into().ok()).unwrap_or(0),
                    ..BrotliEncoderParams::default()
                };
                Self::Brotli(Box::new(CompressorWriter::with_params(
                    into, BUFFER, &params,
                )))
            }
            Encoding::Zstd => {
                let mut encoder = ZstdEncoder::new(into, ZSTD_LEVEL)?;
                encoder.window_log(WINDOW.into())?;
                // Short answers get short tables.
                encoder.set_pledged_src_size(length)?;
                Self::Zstd(encoder)
            }
        })
    }

    /// What can be sent on once this piece has come; with `flush` all of it.
    ///
    /// # Errors
    ///
    /// The body is longer than its length.
    pub(super) fn add(&mut self, piece: &[u8], flush: bool) -> io::Result<Bytes> {
        let encoded = match self {
            Self::Gzip(encoder) => {
                encoder.write_all(piece)?;
                if flush {
                    encoder.flush()?;
                }
                std::mem::take(encoder.get_mut())
            }
            Self::Brotli(encoder) => {
                encoder.write_all(piece)?;
                if flush {
                    encoder.flush()?;
                }
                std::mem::take(encoder.get_mut())
            }
            Self::Zstd(encoder) => {
                encoder.write_all(piece)?;
                if flush {
                    encoder.flush()?;
                }
                std::mem::take(encoder.get_mut())
            }
        };
        Ok(encoded.into())
    }

    /// The last that is to be sent.
    ///
    /// # Errors
    ///
    /// The body is not as long as it said.
    pub(super) fn finish(self) -> io::Result<Bytes> {
        let rest = match self {
            Self::Gzip(encoder) => encoder.finish()?,
            Self::Brotli(encoder) => encoder.into_inner(),
            Self::Zstd(encoder) => encoder.finish()?,
        };
        Ok(rest.into())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use super::*;

    fn decoded(encoding: Encoding, body: &[u8]) -> io::Result<Vec<u8>> {
        let mut whole = Vec::new();
        match encoding {
            Encoding::Gzip => flate2::read::GzDecoder::new(body).read_to_end(&mut whole)?,
            Encoding::Brotli => brotli::Decompressor::new(body, 0).read_to_end(&mut whole)?,
            Encoding::Zstd => zstd::Decoder::new(body)?.read_to_end(&mut whole)?,
        };
        Ok(whole)
    }

    /// Text that repeats itself now and then, the same every time.
    fn text(length: usize) -> Vec<u8> {
        let words = ["hive", "way ", "steers", " by ", "labels", "\n"];
        let mut seed = 7_u32;
        let letters = std::iter::repeat_with(|| {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            words[(seed >> 16) as usize % words.len()].bytes()
        });
        letters.flatten().take(length).collect()
    }

    #[test]
    fn what_is_compressed_in_pieces_is_whole_at_its_end() {
        for encoding in Encoding::ALL {
            for (length, piece) in [(0, 1), (1, 1), (5_000, 7), (3_000_000, 65_536)] {
                for (known, flush) in [(None, true), (None, false), (Some(length as u64), false)] {
                    let text = text(length);
                    let mut encoder = Encoder::new(encoding, known).expect("memory");
                    let mut sent: Vec<u8> = Vec::new();
                    for piece in text.chunks(piece) {
                        sent.extend(encoder.add(piece, flush).expect("it is no longer"));
                    }
                    let held = sent.len();
                    sent.extend(encoder.finish().expect("it is as long"));
                    let case = format!("{encoding:?} {length} {piece} {known:?} {flush}");
                    let back = decoded(encoding, &sent).expect(&case);
                    assert!(back == text, "{case}");
                    assert!(length < 9_000 || held * 2 < length, "{case}: {held}");
                }
            }
        }
    }

    #[test]
    fn a_body_that_was_cut_short_is_seen_to_be() {
        for encoding in Encoding::ALL {
            let mut encoder = Encoder::new(encoding, None).expect("memory");
            let sent = encoder.add(&text(5_000), true).expect("it is compressed");
            let read = decoded(encoding, &sent);
            assert!(read.is_err(), "{encoding:?}");
        }
    }
}
