//! How events name a certificate.

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::core::certificates::Certificate;
use crate::core::model::Timestamp;

/// Names a certificate to people and programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateRef {
    /// The file that it came from.
    pub file: Arc<str>,
    /// The names that it is for.
    pub names: Vec<Arc<str>>,
    /// Until when it is valid.
    pub not_after: Timestamp,
}

impl CertificateRef {
    /// The way to name this one.
    #[must_use]
    pub fn to(certificate: &Certificate) -> Self {
        let names = certificate.names.iter();
        Self {
            file: certificate.file.clone(),
            names: names.map(|name| name.to_string().into()).collect(),
            not_after: certificate.not_after,
        }
    }
}

impl fmt::Display for CertificateRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        match &*self.names {
            [] => Ok(()),
            names => write!(f, " for {}", names.join(", ")),
        }
    }
}
