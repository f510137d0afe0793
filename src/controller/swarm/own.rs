//! Which container this process runs in, and which service that container belongs to.
//!
//! # Design notes
//!
//! A task's status carries the id of its container, so the service is found in what a look sees anyway: no further
//! request, and it works through a socket proxy and through another node's engine as well.

use std::fs;

use crate::core::model::{ServiceId, Task};

/// The beginning of a container's id that a host name has to be, at least, to be taken for one.
const SHORT_ID: usize = 12;
const FULL_ID: usize = 64;

/// The container that this process runs in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnContainer {
    /// Its id, or the first twelve digits of it.
    id: String,
}

impl OwnContainer {
    /// Looks where this process runs; none where it is no container of Docker's.
    #[must_use]
    pub fn look() -> Option<Self> {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let host_name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Self::read(&mounts, host_name.trim())
    }

    /// By the files that the engine mounts into each of its containers; or else by the host name, which is the beginning
    /// of the id unless a user chose another. A host name that could be a word is not taken for one.
    #[must_use]
    pub fn read(mounts: &str, host_name: &str) -> Option<Self> {
        let mounted = mounts.lines().find_map(mounted_by);
        let named = || is_id(host_name, SHORT_ID).then_some(host_name);
        let id = mounted.or_else(named)?.to_owned();
        Some(Self { id })
    }

    /// The service that the container is a task of.
    pub(super) fn service<'a>(&self, tasks: &'a [Task]) -> Option<&'a ServiceId> {
        let is_own = |task: &&Task| {
            let container = task.container.as_ref();
            container.is_some_and(|id| id.as_str().starts_with(&self.id))
        };
        tasks.iter().find(is_own).map(|task| &task.service)
    }
}

/// The container whose engine mounts one of the three files that every container gets.
///
/// A line is `ID PARENT DEVICE ROOT MOUNT_POINT …`, where ROOT is `/var/lib/docker/containers/ID/hostname` or its end.
fn mounted_by(line: &str) -> Option<&str> {
    let mut fields = line.split(' ').skip(3);
    let (root, mount_point) = (fields.next()?, fields.next()?);
    if !["/etc/hostname", "/etc/resolv.conf", "/etc/hosts"].contains(&mount_point) {
        return None;
    }
    let (_, rest) = root.rsplit_once("/containers/")?;
    let (id, _) = rest.split_once('/')?;
    is_id(id, FULL_ID).then_some(id)
}

fn is_id(text: &str, length: usize) -> bool {
    let digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    text.len() == length && text.bytes().all(digit)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "862bdbd1b42d4569386eff7b71aeadc6e146089aeb73dcc288bc1fad71fc2d46";

    #[test]
    fn container_is_found_by_mounted_files_or_by_host_name() {
        let mounts = |root: &str| {
            format!(
                "612 590 0:55 / / ro,relatime - overlay overlay ro\n\
                 613 612 0:58 / /proc rw,nosuid - proc proc rw\n\
                 631 612 254:0 {root} /etc/hostname rw,relatime - ext4 /dev/vda rw\n"
            )
        };
        let whole = mounts(&format!("/var/lib/docker/containers/{ID}/hostname"));
        let data_root = mounts(&format!("/containers/{ID}/hostname"));
        let nested = mounts(&format!(
            "/containers/{}/docker/containers/{ID}/hostname",
            "0".repeat(64)
        ));
        let by_hand = mounts(&format!("/srv/containers/{}/hostname", &ID[..20]));
        let elsewhere = whole.replace("/etc/hostname", "/etc/motd");
        let short = &ID[..12];
        for (mounts, host_name, expected) in [
            (&*whole, "web", Some(ID)),
            (&data_root, short, Some(ID)),
            (&nested, "web", Some(ID)),
            (&by_hand, "web", None),
            (&elsewhere, "web", None),
            (&elsewhere, short, Some(short)),
            ("", short, Some(short)),
            ("", "decade", None),
            ("", &ID[..13], None),
            ("", "862BDBD1B42D", None),
            ("", "", None),
        ] {
            let found = OwnContainer::read(mounts, host_name);
            assert_eq!(
                found.as_ref().map(|own| own.id.as_str()),
                expected,
                "{mounts:?} {host_name:?}"
            );
        }
    }
}
