//! The two images, built by `deploy/Dockerfile` from the programs under test.

use std::fs;
use std::path::{Path, PathBuf};

use crate::docker::{docker, remove};
use crate::own_engine::OwnEngine;

/// The images in the machine's engine; removed when dropped. They are named by their ids, which no registry is asked for.
pub(crate) struct Images {
    pub(crate) hiveway: String,
    pub(crate) demo: String,
}

impl Images {
    pub(crate) async fn build(name: &str) -> Self {
        let context = Context::fill(std::env::temp_dir().join(name));
        // From here on a failed build leaves nothing that was built before it.
        let mut images = Self {
            hiveway: String::new(),
            demo: String::new(),
        };
        images.demo = build(None, "hiveway-demo", &[], &context.0).await;
        images.hiveway = build(None, "hiveway", &[], &context.0).await;
        images
    }
}

impl Drop for Images {
    fn drop(&mut self) {
        for id in [&self.hiveway, &self.demo] {
            if !id.is_empty() {
                remove(&["image", "rm", "--force", id]);
            }
        }
    }
}

/// The names of the images in engines of our own: those of the stack files.
pub(crate) const NAMES: [&str; 2] = ["hiveway:dev", "hiveway-demo:dev"];

/// Puts the images into an engine of our own.
pub(crate) async fn put_into(engine: &OwnEngine) {
    let context = Context::fill(engine.directory.join("images"));
    for name in NAMES {
        let target = name.trim_end_matches(":dev");
        let flags = ["--tag", name];
        build(Some(&engine.host), target, &flags, &context.0).await;
    }
}

/// Builds one, and gives its id.
async fn build(engine: Option<&str>, target: &str, flags: &[&str], context: &Path) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/Dockerfile");
    let engine = engine.into_iter().flat_map(|host| ["--host", host]);
    let what = ["build", "--quiet", "--force-rm", "--target", target];
    let arguments = engine.chain(what).chain(flags.iter().copied());
    let arguments = arguments.chain(["--file"]).map(Path::new);
    docker(arguments.chain([&*file, context])).await
}

/// The directory that images are built from; removed when dropped.
struct Context(PathBuf);

impl Context {
    fn fill(directory: PathBuf) -> Self {
        let context = Self(directory);
        fs::create_dir(&context.0).expect("a directory of our own");
        for (program, from) in [
            ("hiveway", env!("CARGO_BIN_EXE_hiveway")),
            ("hiveway-demo", env!("CARGO_BIN_EXE_hiveway-demo")),
        ] {
            fs::copy(from, context.0.join(program)).expect("the program copied");
        }
        // Nothing here speaks TLS; the Dockerfile wants the file.
        fs::write(context.0.join("ca-certificates.crt"), "").expect("a file written");
        context
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
