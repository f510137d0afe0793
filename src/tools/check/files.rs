//! The files that a stack file names: those that `docker stack deploy` reads.

use std::io;
use std::path::{Path, PathBuf};

use super::LARGEST;

/// How they are read.
#[derive(Clone, Debug)]
pub struct Files {
    /// Where their paths begin: the folder of the first stack file.
    pub folder: PathBuf,
    /// Reads no more than [`LARGEST`] bytes of one.
    pub read: fn(&Path) -> io::Result<Vec<u8>>,
}

impl Files {
    /// Whether a file can be read, or why not.
    pub(super) fn exists(&self, path: &str) -> Result<Vec<u8>, String> {
        let read = (self.read)(&self.folder.join(path));
        read.map_err(|error| error.to_string())
    }

    /// Whether Docker takes a file of variables, or why not.
    pub(super) fn environment(&self, path: &str) -> Result<(), String> {
        let bytes = self.exists(path)?;
        if bytes.len() > LARGEST {
            return Ok(());
        }
        let text = String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim_start();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let name = line.split_once('=').map_or(line, |(name, _)| name);
            if name.is_empty() {
                return Err(format!("line {number} has no name"));
            }
            if name.contains(char::is_whitespace) {
                return Err(format!("line {number} has a name with a blank in it"));
            }
        }
        Ok(())
    }
}
