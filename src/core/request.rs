//! How a request is read: the client behind trusted proxies, the path in its normal form, and entity tags.

pub mod entity_tag;
pub mod forwarded;
pub mod origin;
pub mod path;
