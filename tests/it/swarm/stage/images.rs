//! The two images, built by `deploy/Dockerfile` from the programs under test. They are named by their ids, which no
//! registry is asked for.

use std::fs;
use std::path::{Path, PathBuf};

use crate::swarm::docker::{docker, remove};

/// The ids of the images.
pub(in crate::swarm) struct Images {
    pub(in crate::swarm) hiveway: String,
    pub(in crate::swarm) demo: String,
}

impl Images {
    pub(super) async fn build(name: &str) -> Self {
        let context = Context::fill(name);
        // From here on a failed build leaves nothing that was built before it.
        let mut images = Self {
            hiveway: String::new(),
            demo: String::new(),
        };
        images.demo = build("hiveway-demo", &context.0).await;
        images.hiveway = build("hiveway", &context.0).await;
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

async fn build(target: &str, context: &Path) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/Dockerfile");
    let arguments = [
        "build",
        "--quiet",
        "--force-rm",
        "--target",
        target,
        "--file",
    ];
    let arguments = arguments.map(Path::new).into_iter();
    docker(arguments.chain([&*file, context])).await
}

/// The directory that images are built from; removed when dropped.
struct Context(PathBuf);

impl Context {
    fn fill(name: &str) -> Self {
        let context = Self(std::env::temp_dir().join(name));
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
