//! The token that lets an operator write.

use std::fmt;
use std::path::{Path, PathBuf};

use ring::hmac;

/// A token must be this long, at least: one that can be guessed is worse than none, which switches writes off.
const SHORTEST: usize = 16;

/// What proves that a write is an operator's.
#[derive(Clone)]
pub struct Token(hmac::Key, Vec<u8>);

/// Why there is no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The file cannot be read.
    #[error(
        "cannot read the admin token in {path}: {source}; give a file that can be read with --admin-token-file"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It would be guessed.
    #[error(
        "the admin token in {path} is shorter than {SHORTEST} characters, or has blanks in it; make one with: openssl rand -hex 32"
    )]
    Accept {
        /// The file.
        path: PathBuf,
    },
}

impl Token {
    /// Reads one from a file; white space around it is none of it.
    ///
    /// # Errors
    ///
    /// The file cannot be read, or what it holds is no good token.
    pub async fn read(path: &Path) -> Result<Self, TokenError> {
        let text = tokio::fs::read_to_string(path).await;
        let text = text.map_err(|source| TokenError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::new(text.trim()).ok_or_else(|| TokenError::Accept {
            path: path.to_owned(),
        })
    }

    /// One of this text; none where it is too short, or cannot stand in a header.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let good = text.len() >= SHORTEST && text.bytes().all(|it| it.is_ascii_graphic());
        let key = || hmac::Key::new(hmac::HMAC_SHA256, text.as_bytes());
        good.then(|| Self(key(), text.as_bytes().to_vec()))
    }

    /// Whether this is it. Takes as long for one that differs late as for one that differs at once.
    pub(super) fn is(&self, presented: &str) -> bool {
        let Self(key, text) = self;
        let tag = hmac::sign(key, presented.as_bytes());
        hmac::verify(key, text, tag.as_ref()).is_ok()
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_token_is_the_token_and_it_is_not_shown() {
        let token = Token::new("0123456789abcdef").expect("long enough");
        assert!(token.is("0123456789abcdef"));
        for other in [
            "",
            "0123456789abcde",
            "0123456789abcdef0",
            "0123456789abcdeF",
        ] {
            assert!(!token.is(other), "{other}");
        }
        assert_eq!(format!("{token:?}"), "Token(…)");
        for bad in [
            "",
            "0123456789abcde",
            "0123456789 abcdef",
            "0123456789äbcdef",
        ] {
            assert!(Token::new(bad).is_none(), "{bad}");
        }
    }
}
