//! Headers that a service's labels set or remove.

use std::collections::BTreeMap;
use std::sync::Arc;

use http::{HeaderName, HeaderValue};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};

/// What is set, and what is removed where there is no value.
#[derive(Debug)]
pub(super) struct Headers(Vec<(HeaderName, Option<HeaderValue>)>);

impl Headers {
    /// Labels were checked when they were read; what cannot be a header comes from a hand-written snapshot and does nothing.
    pub(super) fn new(wanted: &BTreeMap<Arc<str>, Arc<str>>) -> Self {
        let headers = wanted.iter().filter_map(|(name, value)| {
            let name = HeaderName::try_from(&**name).ok()?;
            let value = match &**value {
                "" => None,
                value => Some(HeaderValue::try_from(value).ok()?),
            };
            Some((name, value))
        });
        Self(headers.collect())
    }

    pub(super) fn set_in_request(&self, request: &mut RequestHeader) -> Result<()> {
        self.take_out_disguised(request);
        for (name, value) in &self.0 {
            match value {
                Some(value) => request.insert_header(name, value)?,
                None => drop(request.remove_header(name)),
            }
        }
        Ok(())
    }

    /// Takes out what a task that gets headers as variables would not tell from those of the labels: `X_Tenant` from `X-Tenant`.
    fn take_out_disguised(&self, request: &mut RequestHeader) {
        let is_disguised = |name: &&HeaderName| {
            let name = name.as_str();
            let plain = || name.replace('_', "-");
            name.contains('_') && self.names().any(|own| own.replace('_', "-") == plain())
        };
        let names = request.headers.keys().filter(is_disguised);
        for name in names.cloned().collect::<Vec<_>>() {
            request.remove_header(&name);
        }
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|(name, _)| name.as_str())
    }

    pub(super) fn set_in_response(&self, response: &mut ResponseHeader) -> Result<()> {
        for (name, value) in &self.0 {
            match value {
                Some(value) => response.insert_header(name, value)?,
                None => drop(response.remove_header(name)),
            }
        }
        Ok(())
    }
}
