//! Reads the secrets that labels name, in the folder where Docker mounts those of Hiveway's own service.
//!
//! # Design notes
//!
//! No API of Docker's gives out what a secret holds, so that whoever runs Hiveway gives it the secret as to any service. The
//! controllers read it and send what follows from it with the snapshot, on the encrypted channel: gateways need no mount of
//! their own, and one that lacks it cannot come to another judgement than the others.
//!
//! Only what a label names is read. A mounted secret never changes, but a folder of files may.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crate::core::labels::Secrets;

/// How often they are read again.
pub(super) const LOOK_EVERY: Duration = Duration::from_secs(5);

/// The largest secret that is read. Docker's are no larger.
const LARGEST: u64 = 500 * 1024;

/// Reads these secrets in this folder. What cannot be read is told instead.
pub(super) async fn read(folder: &Path, names: BTreeSet<Arc<str>>) -> Secrets {
    if names.is_empty() {
        return Secrets::default();
    }
    let folder = folder.to_owned();
    let reading = tokio::task::spawn_blocking(move || {
        let one = |name: Arc<str>| {
            let path = folder.join(&*name);
            let read = text(&path).map_err(|error| complaint(&path, &error));
            (name, read)
        };
        names.into_iter().map(one).collect()
    });
    reading.await.expect("reading files does not panic")
}

fn text(path: &Path) -> io::Result<Arc<str>> {
    let mut text = String::new();
    let mut file = File::open(path)?.take(LARGEST + 1);
    file.read_to_string(&mut text)?;
    match text.len() as u64 > LARGEST {
        true => Err(io::Error::other("it is larger than 500 KiB")),
        false => Ok(text.into()),
    }
}

fn complaint(path: &Path, error: &io::Error) -> Arc<str> {
    format!("{}: {error}", path.display()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_is_named_is_read_and_the_rest_is_told() {
        // The sources are a folder that is always there.
        let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
        let names = ["LICENSE", "src", "missing"].map(Arc::from);
        let read = read(folder, names.into()).await;
        let whole = std::fs::read_to_string(folder.join("LICENSE")).expect("a file");
        let told = |name: &str, error: &str| {
            let text = format!("{}: {error}", folder.join(name).display());
            (Arc::from(name), Err(Arc::from(text)))
        };
        let expected = Secrets::from_iter([
            (Arc::from("LICENSE"), Ok(Arc::from(whole))),
            told("src", "Is a directory (os error 21)"),
            told("missing", "No such file or directory (os error 2)"),
        ]);
        assert!(read == expected, "{read:?}");
    }
}
