//! Finds what belongs to a name: an exact name wins over a wildcard, and the fallback answers where neither does.

use std::collections::HashMap;

use super::name::parent;
use super::{Certificate, CertificateName};

/// Values by the names of their certificates.
#[derive(Debug)]
pub struct CertificateIndex<T> {
    exact: HashMap<Box<str>, T>,
    wildcard: HashMap<Box<str>, T>,
    fallback: Option<T>,
}

impl<T> Default for CertificateIndex<T> {
    fn default() -> Self {
        Self {
            exact: HashMap::new(),
            wildcard: HashMap::new(),
            fallback: None,
        }
    }
}

impl<T: Clone> CertificateIndex<T> {
    /// An index of certificates; where several are for one name, the first answers for it.
    pub fn of<'a>(certificates: impl IntoIterator<Item = (&'a Certificate, T)>) -> Self {
        let mut index = Self::default();
        for (certificate, value) in certificates {
            for name in &*certificate.names {
                let (names, name) = match name {
                    CertificateName::Exact(name) => (&mut index.exact, name),
                    CertificateName::Wildcard(name) => (&mut index.wildcard, name),
                };
                let entry = names.entry((**name).into());
                entry.or_insert_with(|| value.clone());
            }
            if certificate.fallback {
                index.fallback.get_or_insert(value);
            }
        }
        index
    }

    /// What answers a client that asks for a normalised name, or for none.
    #[must_use]
    pub fn find(&self, asked: Option<&str>) -> Option<&T> {
        let named = asked.and_then(|name| {
            let wildcard = || self.wildcard.get(parent(name)?);
            self.exact.get(name).or_else(wildcard)
        });
        named.or(self.fallback.as_ref())
    }
}
