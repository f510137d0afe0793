//! `hiveway check`: reads the files, and writes what was found.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use super::{Checked, Files, Format, LARGEST, Options, Source, check, format};
use crate::core::model::route::Level;
use crate::tools::stdout;

/// What `hiveway check` needs.
#[derive(Debug)]
pub struct Config {
    /// The files; `-` is standard input.
    pub files: Vec<PathBuf>,
    /// What they are checked with.
    pub options: Options,
    /// How findings are written.
    pub format: Format,
    /// Whether warnings are errors.
    pub strict: bool,
    /// What is not as bad as this is not written.
    pub least: Level,
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {file}: {error}; name a stack file that is there, or - for standard input")]
pub struct Unreadable {
    file: String,
    error: io::Error,
}

/// Why there is no check.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be read.
    #[error("{0}")]
    Read(#[from] Unreadable),
    /// The findings cannot be written.
    #[error(transparent)]
    Write(#[from] stdout::Error),
}

/// Reads and checks the files and writes the findings to standard output; whether there is none that is an error.
///
/// # Errors
///
/// The first file that cannot be read, and then nothing is written; or the findings cannot be written.
pub fn run(config: &Config) -> Result<bool, Error> {
    let sources = read_all(&config.files)?;
    let mut checked = check(&sources, &config.options);
    let passes = passes(&checked, config.strict);
    // What makes the check fail is written, whatever was asked for.
    checked
        .findings
        .retain(|it| it.level >= config.least || fails(it.level, config.strict));
    stdout::write(&format::write(config.format, &checked, &sources))?;
    Ok(passes)
}

/// Whether no finding is an error.
#[must_use]
pub fn passes(checked: &Checked, strict: bool) -> bool {
    let mut levels = checked.findings.iter().map(|finding| finding.level);
    !levels.any(|level| fails(level, strict))
}

fn fails(level: Level, strict: bool) -> bool {
    match level {
        Level::Error => true,
        Level::Warning => strict,
        Level::Notice => false,
    }
}

/// Reads files, of each no more than can be checked.
///
/// # Errors
///
/// [`Unreadable`] for the first that cannot be read.
pub fn read_all(files: &[PathBuf]) -> Result<Vec<Source>, Unreadable> {
    files.iter().map(|file| read(file)).collect()
}

/// How the files that stack files name are read.
#[must_use]
pub fn files(files: &[PathBuf]) -> Files {
    let first = files.first().map(PathBuf::as_path);
    let folder = first.and_then(Path::parent).unwrap_or(Path::new(""));
    Files {
        folder: folder.to_owned(),
        read: |path| {
            let kind = std::fs::metadata(path)?;
            // Reading a pipe or a device may block without end; that it exists is enough.
            match kind.is_file() || kind.is_dir() {
                true => read_bounded(File::open(path)?),
                false => Ok(Vec::new()),
            }
        },
    }
}

/// Reads as much as can be checked, and one byte more, by which a larger file is known.
fn read_bounded(file: impl io::Read) -> io::Result<Vec<u8>> {
    let bound = u64::try_from(LARGEST).unwrap_or(u64::MAX).saturating_add(1);
    let mut bytes = Vec::new();
    file.take(bound).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn read(file: &Path) -> Result<Source, Unreadable> {
    let is_input = file == Path::new("-");
    let name = match is_input {
        true => "<stdin>".into(),
        false => file.display().to_string(),
    };
    let read = match is_input {
        true => read_bounded(io::stdin()),
        false => File::open(file).and_then(read_bounded),
    };
    match read {
        Ok(bytes) => Ok(Source::new(name, bytes)),
        Err(error) => Err(Unreadable { file: name, error }),
    }
}
