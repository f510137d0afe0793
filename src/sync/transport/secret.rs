//! The secret that all instances of one Hiveway share, as a file.

use std::path::{Path, PathBuf};

use tokio::io::AsyncReadExt as _;

/// The fewest characters. Whoever reaches the port can try guesses against the key that is shown there, so the secret must
/// be beyond guessing: 32 hexadecimal digits are 128 bits.
const SHORTEST: usize = 32;
/// A file that is larger was meant for something else.
const LONGEST: u64 = 4096;

/// A secret, without the white space around it.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

/// Why a secret cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// The file cannot be read.
    #[error(
        "cannot read the control secret {path}: {source}; make one with `openssl rand -hex 32`, as a Docker secret named in \
         the stack file, and give its path with --control-secret-file"
    )]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// It could be guessed, or is no secret at all.
    #[error(
        "the control secret {path} has {length} characters, and {SHORTEST} to {LONGEST} are needed; make one with \
         `openssl rand -hex 32`"
    )]
    Measure {
        /// The file.
        path: PathBuf,
        /// How many there are, white space around them left out.
        length: u64,
    },
}

impl Secret {
    /// Reads the file.
    ///
    /// # Errors
    ///
    /// It cannot be read, or is too short to be safe or too long to be meant.
    pub async fn read(path: &Path) -> Result<Self, SecretError> {
        let fail = |source| SecretError::Read {
            path: path.to_owned(),
            source,
        };
        let file = tokio::fs::File::open(path).await.map_err(fail)?;
        let mut bytes = Vec::new();
        file.take(LONGEST + 1)
            .read_to_end(&mut bytes)
            .await
            .map_err(fail)?;
        let secret = bytes.trim_ascii();
        if secret.len() < SHORTEST || bytes.len() as u64 > LONGEST {
            return Err(SecretError::Measure {
                path: path.to_owned(),
                length: secret.len() as u64,
            });
        }
        Ok(Self(secret.to_vec()))
    }

    /// What everybody knows: for listeners on loopback, where the machine itself says who may connect.
    #[must_use]
    pub fn none() -> Self {
        Self(b"loopback only".to_vec())
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Never shown, in no log line and no panic.
impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}
