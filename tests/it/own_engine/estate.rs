//! What engines of our own leave behind, and who removes it: a process that outlives this one if need be.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// Waits until nobody can complain any more, passing on complaints meanwhile; then removes a directory and cgroups.
const UNDERTAKER: &str = r#"
    cat >&2
    rm -rf -- "$1"
    for root in /sys/fs/cgroup /sys/fs/cgroup/*; do
        if [ -d "$root/$2" ]; then find "$root/$2" -depth -type d -exec rmdir {} +; fi
    done
"#;

/// A directory and a cgroup of this process's own. When dropped, and when this process is killed, both are removed as soon
/// as everything has ended that shares in them.
pub(crate) struct Estate {
    /// The name of both.
    pub(crate) name: String,
    /// Where engines keep their state.
    pub(crate) directory: PathBuf,
    undertaker: Child,
    /// The undertaker's standard input. It ends with the last of those who share it.
    complaints: Option<OwnedFd>,
}

impl Estate {
    /// Makes it.
    pub(crate) fn new(of: &str) -> Self {
        let name = format!("hiveway-test-{}-{of}", std::process::id());
        let directory = std::env::temp_dir().join(&name);
        fs::create_dir(&directory).expect("a directory of our own");
        let mut undertaker = Command::new("bash")
            .args(["-c", UNDERTAKER, "bash"])
            .args([directory.as_os_str(), name.as_ref()])
            // A signal to end this process must not end it, too.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("bash");
        let complaints = undertaker.stdin.take().map(OwnedFd::from);
        Self {
            name,
            directory,
            undertaker,
            complaints,
        }
    }

    /// The standard error of a process that everything in the estate ends with.
    pub(crate) fn share(&self) -> Stdio {
        let complaints = self.complaints.as_ref().expect("there until it is dropped");
        complaints.try_clone().expect("a pipe").into()
    }
}

impl Drop for Estate {
    fn drop(&mut self) {
        drop(self.complaints.take());
        if let Err(error) = self.undertaker.wait() {
            eprintln!("{} may be left: {error}", self.directory.display());
        }
    }
}
