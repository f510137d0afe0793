//! The files of a folder that hold certificates and keys, those of one name together.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::core::certificates::PrivatePem;

/// The largest file that is read. A chain of certificates is some kilobytes.
const LARGEST: u64 = 256 * 1024;

/// Files by their paths without extension; each group has at least one file.
pub(super) type Groups = BTreeMap<PathBuf, Vec<Found>>;

/// A file that was found.
#[derive(Debug)]
pub(super) struct Found {
    /// Its path, for people.
    pub(super) name: Arc<str>,
    /// What its extension says.
    pub(super) kind: Kind,
    /// What it holds, or why it cannot be read.
    pub(super) content: Result<Vec<u8>, String>,
}

impl Found {
    /// A certificate with its key that is in no file.
    pub(super) fn in_memory(name: &str, pem: &PrivatePem) -> Self {
        Self {
            name: name.into(),
            kind: Kind::Certificate,
            content: Ok(pem.expose().as_bytes().to_vec()),
        }
    }
}

/// What a file's extension says. The order is the one in which the files of a group are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// A certificate, and perhaps the key.
    Certificate,
    /// A key.
    Key,
}

impl Kind {
    fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "crt" | "pem" | "cert" => Some(Self::Certificate),
            "key" => Some(Self::Key),
            _ => None,
        }
    }
}

/// Reads a folder.
///
/// # Errors
///
/// It cannot be listed. A file that cannot be read is found with its error.
pub(super) fn read(folder: &Path) -> io::Result<Groups> {
    let mut groups = Groups::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        let Some(kind) = Kind::of(&path).filter(|_| !hidden) else {
            continue;
        };
        // What a link points to counts. One that points nowhere is a file that cannot be read.
        if fs::metadata(&path).is_ok_and(|it| !it.is_file()) {
            continue;
        }
        let found = Found {
            name: path.display().to_string().into(),
            kind,
            content: content(&path).map_err(|error| error.to_string()),
        };
        groups
            .entry(path.with_extension(""))
            .or_default()
            .push(found);
    }
    for group in groups.values_mut() {
        group.sort_by(|a, b| (a.kind, &a.name).cmp(&(b.kind, &b.name)));
    }
    Ok(groups)
}

fn content(path: &Path) -> io::Result<Vec<u8>> {
    let mut content = Vec::new();
    let mut file = File::open(path)?.take(LARGEST + 1);
    file.read_to_end(&mut content)?;
    match content.len() as u64 > LARGEST {
        true => Err(io::Error::other("it is larger than 256 KiB")),
        false => Ok(content),
    }
}
