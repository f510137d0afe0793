//! What commands answer, on standard output.

use std::io::{self, Write as _};

/// An answer could not be written, though somebody may read it.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output: {0}; see that there is room where it is written to")]
pub struct Error(#[source] io::Error);

/// Writes at once. Returns false once the reader is gone, as with `head`, which is not an error.
///
/// # Errors
///
/// There is no room, or the output cannot be written for another reason.
pub fn write(text: &str) -> Result<bool, Error> {
    let mut output = io::stdout().lock();
    let written = output
        .write_all(text.as_bytes())
        .and_then(|()| output.flush());
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Error(error)),
    }
}
