//! Who tells spans.

use std::hash::{BuildHasher as _, RandomState};

use crate::core::model::NodeId;

/// What all spans of this process have in common.
pub(super) struct Resource {
    pub(super) attributes: Vec<(&'static str, String)>,
}

impl Resource {
    /// This process, which is known to collectors as `service`.
    pub(super) fn here(service: &str, node: Option<&NodeId>) -> Self {
        let host = rustix::system::uname();
        let host = host.nodename().to_string_lossy().into_owned();
        let mut attributes = vec![
            ("service.name", service.to_owned()),
            ("service.version", env!("CARGO_PKG_VERSION").to_owned()),
            ("service.instance.id", instance()),
            ("host.name", host),
        ];
        attributes.extend(node.map(|node| ("hiveway.node", node.as_str().to_owned())));
        Self { attributes }
    }
}

/// A random UUID, as the conventions want it: unlike that of any other process.
fn instance() -> String {
    let [high, low] = [0, 1].map(|part: u8| RandomState::new().hash_one(part));
    let high = high & !0xf000 | 0x4000;
    let low = low & !(0b11 << 62) | 0b10 << 62;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_process_has_an_id_of_its_own() {
        let id = instance();
        let parts: Vec<usize> = id.split('-').map(str::len).collect();
        assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
        assert_eq!(&id[14..15], "4", "{id}");
        assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
        assert_ne!(id, instance());
    }
}
