//! A file that a process keeps for its next start, and that is read whole or not at all.
//!
//! # Design notes
//!
//! The file is one line that says what follows, and the content. The line carries a digest, so that a file that was cut off or
//! changed is told from a good one. It is written beside the old one and moved over it, so there is always a whole one; the
//! name that it is written under is this process's own, because two instances share the folder while one replaces the other.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use ring::digest::{SHA256, digest};
use tokio::io::AsyncWriteExt as _;

/// Why what was kept cannot be used, or nothing can be kept.
#[derive(Debug, thiserror::Error)]
pub enum KeptError {
    /// The folder cannot be used.
    #[error(
        "nothing can be read or kept here: {0}; give a folder that may be written to with --state-dir"
    )]
    Access(std::io::Error),
    /// The file is of another version of Hiveway, or was never ours.
    #[error("what is kept here is not in a form that this version reads, so it is not used")]
    Recognise,
    /// The file was cut off or changed.
    #[error("what is kept here was cut off or changed, so it is not used")]
    Verify,
}

/// The file. Written by one keeper.
#[derive(Clone, Debug)]
pub struct KeptFile {
    file: PathBuf,
    draft: PathBuf,
    format: &'static str,
}

impl KeptFile {
    /// The file of this name in a folder, which is made where it is missing when something is kept. `format` says what it holds,
    /// with a number that counts formats.
    #[must_use]
    pub fn new(folder: &Path, name: &str, format: &'static str) -> Self {
        let own = std::process::id();
        // In a container every process is the first; the host name is the container's.
        let host = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        Self {
            file: folder.join(name),
            draft: folder.join(format!("{name}.{host}.{own}")),
            format,
        }
    }

    /// What was kept; none where nothing was.
    ///
    /// # Errors
    ///
    /// [`KeptError`]: the file cannot be read, or was not written by [`write`](Self::write) as it is.
    pub async fn read(&self) -> Result<Option<Vec<u8>>, KeptError> {
        let text = match tokio::fs::read(&self.file).await {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(KeptError::Access(error)),
        };
        Ok(Some(body(self.format, &text)?.to_vec()))
    }

    /// Keeps this instead of what was kept. Only its owner can read it.
    ///
    /// # Errors
    ///
    /// [`KeptError::Access`]; then what was kept stays.
    pub async fn write(&self, body: &[u8]) -> Result<(), KeptError> {
        let line = line(self.format, body);
        let write = async {
            if let Some(folder) = self.file.parent() {
                tokio::fs::create_dir_all(folder).await?;
            }
            let mut options = tokio::fs::OpenOptions::new();
            let options = options.write(true).create(true).truncate(true).mode(0o600);
            let mut draft = options.open(&self.draft).await?;
            draft.write_all(line.as_bytes()).await?;
            draft.write_all(body).await?;
            draft.sync_all().await?;
            tokio::fs::rename(&self.draft, &self.file).await
        };
        write.await.map_err(KeptError::Access)
    }

    /// Leaves nothing behind of a write that failed.
    pub async fn close(self) {
        let _ = tokio::fs::remove_file(&self.draft).await;
    }

    /// The file's name, for people.
    #[must_use]
    pub fn path(&self) -> Arc<str> {
        self.file.display().to_string().into()
    }
}

/// What stands before a content.
fn line(format: &str, body: &[u8]) -> String {
    let digest = digest(&SHA256, body);
    let hexadecimal = digest.as_ref().iter().map(|byte| format!("{byte:02x}"));
    format!("{format} sha256:{}\n", hexadecimal.collect::<String>())
}

/// The content of a whole file.
fn body<'a>(format: &str, text: &'a [u8]) -> Result<&'a [u8], KeptError> {
    let end = text.iter().position(|&byte| byte == b'\n');
    let (first, body) = text.split_at(end.ok_or(KeptError::Recognise)? + 1);
    let sum = first.strip_prefix(format.as_bytes());
    if !sum.is_some_and(|rest| rest.starts_with(b" sha256:")) {
        return Err(KeptError::Recognise);
    }
    match first == line(format, body).as_bytes() {
        true => Ok(body),
        false => Err(KeptError::Verify),
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;
    use proptest::sample::{Index, select};

    use super::*;

    const FORMAT: &str = "hiveway-test 1";

    fn file(content: &[u8]) -> Vec<u8> {
        [line(FORMAT, content).as_bytes(), content].concat()
    }

    proptest! {
        #[test]
        fn what_is_kept_comes_back_whole_or_not_at_all(
            content in vec(any::<u8>(), 0..200),
            changes in vec((any::<Index>(), any::<u8>()), 0..3),
            (begin, end) in any::<(Index, Index)>(),
            cut in 0..4,
        ) {
            let good = file(&content);
            prop_assert_eq!(body(FORMAT, &good).expect("it was kept here"), content);
            let mut text = good.clone();
            for (place, byte) in changes {
                let place = place.index(text.len());
                text[place] = byte;
            }
            let (begin, end) = (begin.index(text.len()), end.index(text.len()));
            match cut {
                0 => text.truncate(begin),
                1 => drop(text.drain(begin.min(end)..begin.max(end))),
                2 => text.extend_from_within(begin..),
                _ => {}
            }
            prop_assert_eq!(body(FORMAT, &text).is_ok(), text == good);
        }

        #[test]
        fn what_was_never_kept_is_not_used(
            first in select(vec!["", "\n", FORMAT, "hiveway-test 1 sha256:", "hiveway-test 1 sha256:\n"]),
            rest in vec(any::<u8>(), 0..200),
        ) {
            let text = [first.as_bytes(), &rest].concat();
            prop_assert!(body(FORMAT, &text).is_err());
        }

        #[test]
        fn what_another_version_kept_is_not_recognised(content in vec(any::<u8>(), 0..200)) {
            let read = body("hiveway-test 2", &file(&content)).map(<[u8]>::to_vec);
            prop_assert!(matches!(read, Err(KeptError::Recognise)), "{read:?}");
        }
    }
}
