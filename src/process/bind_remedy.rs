//! The remedy that errors of listening name.

use std::io::{Error, ErrorKind};

/// What to do about an address that cannot be listened on.
pub(crate) fn of(error: &Error) -> &'static str {
    match error.kind() {
        ErrorKind::AddrInUse => "stop what listens there, or choose another address",
        ErrorKind::PermissionDenied => "ports below 1024 need root or CAP_NET_BIND_SERVICE",
        ErrorKind::AddrNotAvailable => "choose an address of this machine, or 0.0.0.0",
        _ => "choose another address",
    }
}
